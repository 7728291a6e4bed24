import { change } from "../operations.ts";
import type { Context, ResourceType } from "../resource.ts";
import { lastSegment, link, number, object, string, strings, zonal } from "../schema.ts";
import { isObject, type Props, text } from "../values.ts";
import { computeResource } from "./compute-collection.ts";
import { labels, resolveImage } from "./compute-machine.ts";

async function setLabels(context: Context, id: string, body: Props): Promise<void> {
  const { labelFingerprint } = await context.client.get("compute", id);
  await change(context, "POST", `${id}/setLabels`, { labels: body.labels ?? {}, labelFingerprint }, "labels to be set");
}

/** The real provider takes a disk from its machines before it deletes it. */
async function detach(context: Context, id: string): Promise<void> {
  const disk = await context.client.find("compute", id);
  for (const user of (disk?.users as string[] | undefined) ?? []) {
    const machine = /(projects\/.+)$/.exec(user)?.[1];
    const instance = machine === undefined ? undefined : await context.client.find("compute", machine);
    const disks = (instance?.disks as Props[] | undefined) ?? [];
    const mine = disks.filter(({ source }) => text(source).endsWith(id));
    for (const { deviceName } of mine) {
      const path = `${machine}/detachDisk?deviceName=${encodeURIComponent(text(deviceName))}`;
      await change(context, "POST", path, undefined, "disk to be detached");
    }
  }
}

const diskType = computeResource({
  token: "gcp:compute/disk:Disk",
  collection: "disks",
  scope: "zone",
  shape: {
    description: string({ forceNew: true }),
    labels: labels({ labels: true }),
    image: string({ rest: "sourceImage", forceNew: true, decode: lastSegment }),
    snapshot: string({ rest: "sourceSnapshot", forceNew: true }),
    size: number({ rest: "sizeGb", int64: true, computed: true }),
    type: zonal("diskTypes", { forceNew: true, default: "pd-standard" }),
    physicalBlockSizeBytes: number({ int64: true, forceNew: true, computed: true }),
    provisionedIops: number({ int64: true, computed: true }),
  },
  computed: ["creationTimestamp", "labelFingerprint", "diskId", "users"],
  outputs: (body) => ({
    creationTimestamp: body.creationTimestamp,
    labelFingerprint: body.labelFingerprint,
    diskId: body.id,
    users: body.users ?? [],
  }),
  async prepare(context, body, inputs) {
    if (inputs.image !== undefined) body.sourceImage = await resolveImage(context, text(inputs.image));
    return body;
  },
  async update(context, id, news, changed, body) {
    if (changed.has("labels")) await setLabels(context, id, body);
    if (changed.has("size"))
      await change(context, "POST", `${id}/resize`, { sizeGb: String(news.size) }, "Disk to be updated");
  },
});

const disk: ResourceType = {
  ...diskType,
  // Disks grow in place and never shrink: a smaller one is another.
  async adjust(_context, outputs, news, changes) {
    const shrinks = news.size !== undefined && Number(news.size) < Number(outputs.size ?? 0);
    return changes.map((each) => (each.path === "size" && shrinks ? { ...each, replace: true } : each));
  },
  async delete(context, id, state) {
    await detach(context, id);
    await diskType.delete(context, id, state);
  },
};

const address = computeResource({
  token: "gcp:compute/address:Address",
  collection: "addresses",
  scope: "region",
  shape: {
    description: string({ forceNew: true }),
    address: string({ forceNew: true, computed: true }),
    addressType: string({ forceNew: true, default: "EXTERNAL", oneOf: ["INTERNAL", "EXTERNAL"] }),
    networkTier: string({ forceNew: true, computed: true }),
    purpose: string({ forceNew: true, computed: true }),
    subnetwork: link("regions/{region}/subnetworks", { forceNew: true, computed: true }),
    labels: labels({ labels: true }),
  },
  computed: ["address", "creationTimestamp", "labelFingerprint", "users"],
  outputs: (body) => ({
    creationTimestamp: body.creationTimestamp,
    labelFingerprint: body.labelFingerprint,
    users: body.users ?? [],
  }),
  update: (context, id, _news, _changed, body) => setLabels(context, id, body),
});

const image = computeResource({
  token: "gcp:compute/image:Image",
  collection: "images",
  scope: "global",
  shape: {
    description: string({ forceNew: true }),
    family: string({ forceNew: true }),
    labels: labels({ labels: true }),
    sourceDisk: link("zones/{zone}/disks", { forceNew: true }),
    sourceImage: string({ forceNew: true }),
    sourceSnapshot: string({ forceNew: true }),
    diskSizeGb: number({ int64: true, forceNew: true, computed: true }),
    storageLocations: strings({ forceNew: true, computed: true }),
  },
  computed: ["archiveSizeBytes", "creationTimestamp", "labelFingerprint"],
  outputs: (body) => ({
    archiveSizeBytes: Number(body.archiveSizeBytes ?? 0),
    creationTimestamp: body.creationTimestamp,
    labelFingerprint: body.labelFingerprint,
  }),
  update: (context, id, _news, _changed, body) => setLabels(context, id, body),
});

const schedule = (): ReturnType<typeof object> => object({ schedule: string({ required: true }) });

const resourcePolicy = computeResource({
  token: "gcp:compute/resourcePolicy:ResourcePolicy",
  collection: "resourcePolicies",
  scope: "region",
  shape: {
    description: string(),
    instanceSchedulePolicy: object({
      timeZone: string({ required: true }),
      vmStartSchedule: schedule(),
      vmStopSchedule: schedule(),
      startTime: string(),
      expirationTime: string(),
    }),
  },
  update: "patch",
});

const projectMetadataItem: ResourceType = {
  token: "gcp:compute/projectMetadataItem:ProjectMetadataItem",
  shape: {
    key: string({ required: true, forceNew: true }),
    value: string({ required: true }),
    project: string({ forceNew: true, computed: true, local: true }),
  },
  computed: [],
  async create(context, inputs) {
    await setItem(context, text(inputs.key), text(inputs.value));
    return metadataItem(context, text(inputs.key), text(inputs.value));
  },
  async read(context, id) {
    const value = (await items(context)).list.find((item) => item.key === id)?.value;
    return value === undefined ? undefined : metadataItem(context, id, text(value));
  },
  async update(context, id, _olds, news) {
    await setItem(context, id, text(news.value));
    return metadataItem(context, id, text(news.value));
  },
  async delete(context, id) {
    await setItem(context, id, undefined);
  },
};

function metadataItem(context: Context, key: string, value: string) {
  return { id: key, outputs: { project: context.place.project }, inputs: { key, value } };
}

async function items(context: Context): Promise<{ list: Props[]; fingerprint: unknown }> {
  const project = await context.client.get("compute", `projects/${context.place.project}`);
  const common = isObject(project.commonInstanceMetadata) ? project.commonInstanceMetadata : {};
  return { list: (common.items as Props[] | undefined) ?? [], fingerprint: common.fingerprint };
}

async function setItem(context: Context, key: string, value: string | undefined): Promise<void> {
  const { list, fingerprint } = await items(context);
  const others = list.filter((item) => item.key !== key);
  const body = { fingerprint, items: value === undefined ? others : [...others, { key, value }] };
  const path = `projects/${context.place.project}/setCommonInstanceMetadata`;
  await change(context, "POST", path, body, "project metadata to be updated");
}

export const otherComputeTypes: ResourceType[] = [disk, address, image, resourcePolicy, projectMetadataItem];
