import { readFile } from "node:fs/promises";
import { unlessGone } from "../client.ts";
import { changedInputs } from "../diff.ts";
import { policyMember } from "../policy.ts";
import type { Context, Found, ResourceType } from "../resource.ts";
import { asset, boolean, fromRest, list, map, number, object, type Shape, string, strings, toRest } from "../schema.ts";
import { getPath, isAsset, isObject, type Props, setPath, text } from "../values.ts";
import { labels } from "./compute-machine.ts";

const upper = { encode: (value: unknown) => String(value).toUpperCase() };

const bucketShape: Shape = {
  name: string({ forceNew: true, computed: true }),
  project: string({ forceNew: true, computed: true, local: true }),
  location: string({ required: true, forceNew: true, ...upper }),
  storageClass: string({ default: "STANDARD" }),
  forceDestroy: boolean({ local: true }),
  labels: labels({ labels: true }),
  uniformBucketLevelAccess: boolean({ rest: "iamConfiguration.uniformBucketLevelAccess.enabled", computed: true }),
  publicAccessPrevention: string({
    rest: "iamConfiguration.publicAccessPrevention",
    computed: true,
    oneOf: ["enforced", "inherited"],
  }),
  versioning: object({ enabled: boolean({ required: true }) }, { computed: true }),
  softDeletePolicy: object({ retentionDurationSeconds: number({ int64: true, default: 604_800 }) }, { computed: true }),
  lifecycleRules: list(
    {
      action: object({ type: string({ required: true }), storageClass: string() }, { required: true }),
      condition: object(
        {
          age: number(),
          createdBefore: string(),
          withState: string({
            rest: "isLive",
            oneOf: ["LIVE", "ARCHIVED", "ANY"],
            encode: (value) => (value === "ANY" ? undefined : value === "LIVE"),
            decode: (value) => (value ? "LIVE" : "ARCHIVED"),
          }),
          matchesPrefixes: strings({ rest: "matchesPrefix" }),
          matchesSuffixes: strings({ rest: "matchesSuffix" }),
          matchesStorageClasses: strings({ rest: "matchesStorageClass" }),
          numNewerVersions: number(),
          daysSinceNoncurrentTime: number(),
          noncurrentTimeBefore: string(),
          daysSinceCustomTime: number(),
          customTimeBefore: string(),
          sendAgeIfZero: boolean({ local: true }),
          sendDaysSinceNoncurrentTimeIfZero: boolean({ local: true }),
          sendDaysSinceCustomTimeIfZero: boolean({ local: true }),
          sendNumNewerVersionsIfZero: boolean({ local: true }),
        },
        { required: true },
      ),
    },
    { rest: "lifecycle.rule" },
  ),
  autoclass: object({ enabled: boolean({ required: true }), terminalStorageClass: string({ computed: true }) }),
  cors: list({
    origins: strings({ rest: "origin" }),
    methods: strings({ rest: "method" }),
    responseHeaders: strings({ rest: "responseHeader" }),
    maxAgeSeconds: number(),
  }),
  defaultEventBasedHold: boolean(),
  encryption: object({ defaultKmsKeyName: string({ required: true }) }),
  hierarchicalNamespace: object({ enabled: boolean({ required: true }) }, { forceNew: true }),
  logging: object({ logBucket: string({ required: true }), logObjectPrefix: string({ computed: true }) }),
  requesterPays: boolean({ rest: "billing.requesterPays" }),
  retentionPolicy: object({ retentionPeriod: number({ int64: true, required: true }), isLocked: boolean() }),
  rpo: string({ computed: true }),
};

function foundBucket(body: Props): Found {
  const name = text(body.name);
  return {
    id: name,
    inputs: fromRest(bucketShape, body),
    outputs: {
      url: `gs://${name}`,
      selfLink: body.selfLink,
      projectNumber: Number(body.projectNumber),
      timeCreated: body.timeCreated,
      updated: body.updated,
    },
  };
}

const bucket: ResourceType = {
  token: "gcp:storage/bucket:Bucket",
  shape: bucketShape,
  autoName: { property: "name", maximum: 222 },
  computed: ["url", "selfLink", "projectNumber", "timeCreated", "updated"],

  async create(context, inputs) {
    await context.client.post("storage", "b", toRest(bucketShape, inputs, context.place), {
      project: context.place.project,
    });
    return foundBucket(await context.client.get("storage", `b/${text(inputs.name)}`));
  },

  async read(context, id) {
    const body = await context.client.find("storage", `b/${id}`);
    return body && foundBucket(body);
  },

  async update(context, id, _olds, news, changes) {
    const changed = changedInputs(changes);
    const whole = toRest(bucketShape, news, context.place);
    const body: Props = {};
    for (const name of changed) {
      const field = bucketShape[name];
      if (!field || field.local) continue;
      const path = field.rest ?? name;
      const member = name === "lifecycleRules" ? "lifecycle" : path;
      setPath(body, member, getPath(whole, member) ?? null);
    }
    if (changed.has("labels")) {
      const before = (await context.client.get("storage", `b/${id}`)).labels;
      const gone = Object.keys(isObject(before) ? before : {}).map((key) => [key, null]);
      body.labels = { ...Object.fromEntries(gone), ...(whole.labels as Props) };
    }
    if (Object.keys(body).length > 0) await context.client.patch("storage", `b/${id}`, body);
    return foundBucket(await context.client.get("storage", `b/${id}`));
  },

  async delete(context, id, state) {
    const objects = await unlessGone(listObjects(context, id));
    if (objects?.length) {
      if (state.forceDestroy !== true) {
        throw new Error(`Error trying to delete bucket ${id} containing objects without \`force_destroy\` set to true`);
      }
      for (let page = objects; page.length > 0; page = await listObjects(context, id)) {
        for (const { name, generation } of page) {
          const path = `b/${id}/o/${encodeURIComponent(text(name))}`;
          await unlessGone(context.client.delete("storage", path, { generation: text(generation) }));
        }
      }
    }
    await unlessGone(context.client.delete("storage", `b/${id}`));
  },
};

async function listObjects(context: Context, name: string): Promise<Props[]> {
  const page = await context.client.get("storage", `b/${name}/o`, { versions: "true" });
  return (page.items as Props[] | undefined) ?? [];
}

const objectShape: Shape = {
  name: string({ forceNew: true, computed: true }),
  bucket: string({ required: true, forceNew: true, local: true }),
  content: string({ local: true }),
  source: asset({ forceNew: true, local: true }),
  contentType: string({ forceNew: true, computed: true }),
  cacheControl: string({ forceNew: true }),
  contentDisposition: string({ forceNew: true }),
  contentEncoding: string({ forceNew: true }),
  contentLanguage: string({ forceNew: true }),
  storageClass: string({ forceNew: true, computed: true }),
  metadata: map({ forceNew: true }),
  detectMd5hash: string({ local: true }),
};

function foundObject(body: Props): Found {
  const bucketName = text(body.bucket);
  return {
    id: `${bucketName}-${text(body.name)}`,
    inputs: { ...fromRest(objectShape, body), bucket: bucketName },
    outputs: {
      outputName: body.name,
      selfLink: body.selfLink,
      mediaLink: body.mediaLink,
      crc32c: body.crc32c,
      md5hash: body.md5Hash,
      md5hexhash: Buffer.from(text(body.md5Hash), "base64").toString("hex"),
      generation: Number(body.generation),
    },
  };
}

async function upload(context: Context, inputs: Props): Promise<Found> {
  const data = await contentOf(inputs);
  const about = { ...toRest(objectShape, inputs, context.place) };
  const type = text(about.contentType ?? "text/plain; charset=utf-8");
  const boundary = "part-of-object";
  const head =
    `--${boundary}\r\nContent-Type: application/json\r\n\r\n${JSON.stringify({ ...about, contentType: type })}\r\n` +
    `--${boundary}\r\nContent-Type: ${type}\r\n\r\n`;
  const body = Buffer.concat([Buffer.from(head), data, Buffer.from(`\r\n--${boundary}--\r\n`)]);
  const answer = await context.client.request("storage", "POST", `/upload/storage/v1/b/${text(inputs.bucket)}/o`, {
    query: { uploadType: "multipart", name: text(inputs.name) },
    content: { data: body, type: `multipart/related; boundary=${boundary}` },
  });
  return foundObject(answer);
}

async function contentOf(inputs: Props): Promise<Buffer> {
  if (typeof inputs.content === "string") return Buffer.from(inputs.content);
  const { source } = inputs;
  if (isAsset(source)) {
    if (typeof source.text === "string") return Buffer.from(source.text);
    if (typeof source.path === "string") return readFile(source.path);
  }
  throw new Error("Error, either `content` or `source` (a file or string asset) must be specified");
}

const bucketObject: ResourceType = {
  token: "gcp:storage/bucketObject:BucketObject",
  shape: objectShape,
  autoName: { property: "name", maximum: 255 },
  computed: ["outputName", "selfLink", "mediaLink", "crc32c", "md5hash", "md5hexhash", "generation"],
  refuse: ({ content, source }) =>
    (content === undefined) === (source === undefined)
      ? [{ property: "content", reason: "one of `content,source` must be specified, and only one" }]
      : [],
  create: upload,
  async read(context, _id, state) {
    const path = `b/${text(state.bucket)}/o/${encodeURIComponent(text(state.name))}`;
    const body = await context.client.find("storage", path);
    return body && foundObject(body);
  },
  update: (context, _id, _olds, news) => upload(context, news),
  async delete(context, _id, state) {
    await unlessGone(
      context.client.delete("storage", `b/${text(state.bucket)}/o/${encodeURIComponent(text(state.name))}`),
    );
  },
};

const bucketIamMember = policyMember({
  token: "gcp:storage/bucketIAMMember:BucketIAMMember",
  owner: {
    property: "bucket",
    shape: { bucket: string({ required: true, forceNew: true }) },
    prefix: (name) => `b/${name}`,
  },
  get: (context, name) => context.client.get("storage", `b/${name}/iam`, { optionsRequestedPolicyVersion: "3" }),
  set: (context, name, policy) => context.client.request("storage", "PUT", `b/${name}/iam`, { body: policy }),
});

export const storageTypes: ResourceType[] = [bucket, bucketObject, bucketIamMember];
