import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { type Json, PROJECT, type Provider, provider } from "./provider.ts";

const DATA = {
  iamConfiguration: { publicAccessPrevention: "enforced", uniformBucketLevelAccess: { enabled: true } },
  labels: { app: "ml-training", environment: "mlt-dev", "goog-pulumi-provisioned": "true", owner: "dev" },
  lifecycle: {
    rule: [
      { action: { type: "Delete" }, condition: { daysSinceNoncurrentTime: 30, isLive: false } },
      { action: { type: "AbortIncompleteMultipartUpload" }, condition: { age: 7 } },
    ],
  },
  location: "US-CENTRAL1",
  name: "mlt-dev-data-0123abc",
  softDeletePolicy: { retentionDurationSeconds: "604800" },
  storageClass: "STANDARD",
  versioning: { enabled: true },
};

const SCRATCH = {
  ...DATA,
  lifecycle: {
    rule: [
      { action: { type: "Delete" }, condition: { age: 14 } },
      { action: { type: "AbortIncompleteMultipartUpload" }, condition: { age: 1 } },
    ],
  },
  name: "mlt-dev-scratch-0123abc",
  softDeletePolicy: { retentionDurationSeconds: "0" },
  versioning: { enabled: false },
};

function assertKept(read: Json, sent: typeof DATA): void {
  const { iamConfiguration, softDeletePolicy, ...rest } = sent;
  for (const [name, value] of Object.entries(rest)) assert.deepEqual(read[name], value, name);
  assert.equal((read.softDeletePolicy as Json).retentionDurationSeconds, softDeletePolicy.retentionDurationSeconds);
  const access = read.iamConfiguration as { publicAccessPrevention: string; uniformBucketLevelAccess: Json };
  assert.deepEqual([access.publicAccessPrevention, access.uniformBucketLevelAccess.enabled], ["enforced", true]);
  assert.equal(read.id, sent.name);
  assert.match(String(read.projectNumber), /^\d+$/);
  // What the program does not set must not come back as if it did.
  const unset = ["autoclass", "billing", "cors", "encryption", "hierarchicalNamespace", "ipFilter", "logging"];
  for (const name of [...unset, "objectRetention", "retentionPolicy", "rpo", "website", "customPlacementConfig"]) {
    assert.equal(read[name], undefined, name);
  }
}

test("the provider's calls for buckets and what is in them", async (t) => {
  const gcp = await provider(t, { "X-Goog-User-Project": PROJECT });
  const bucket = `b/${DATA.name}`;

  await t.test("buckets", async () => {
    for (const body of [DATA, SCRATCH]) {
      await gcp.call("STORAGE", "POST", `b?project=${PROJECT}`, body);
      assertKept(await gcp.call("STORAGE", "GET", `b/${body.name}`), body);
    }
    const lifecycle = {
      rule: [
        { action: { type: "Delete" }, condition: { daysSinceNoncurrentTime: 10, isLive: false } },
        { action: { type: "AbortIncompleteMultipartUpload" }, condition: { age: 7 } },
      ],
    };
    const { owner: _, ...labels } = DATA.labels;
    const softDeletePolicy = { retentionDurationSeconds: "0" };
    await gcp.call("STORAGE", "PATCH", bucket, {
      labels: { ...labels, course: "ml", owner: null },
      lifecycle,
      softDeletePolicy,
    });
    assertKept(await gcp.call("STORAGE", "GET", bucket), {
      ...DATA,
      lifecycle,
      softDeletePolicy,
      labels: { ...labels, course: "ml" } as unknown as typeof DATA.labels,
    });
  });

  await t.test("an object: uploaded, read, uploaded anew when it differs", async () => {
    const metadata = { cacheControl: "no-store", contentType: "application/json" };
    for (const content of ['{\n  "schema": 1\n}\n', '{\n  "schema": 1,\n  "größer": true\n}\n']) {
      await gcp.upload(DATA.name, "environment.json", metadata, content);
      const read = await gcp.call("STORAGE", "GET", `${bucket}/o/environment.json`);
      assert.equal(read.md5Hash, createHash("md5").update(content).digest("base64"));
      assert.deepEqual(
        [read.contentType, read.cacheControl, read.storageClass],
        ["application/json", "no-store", "STANDARD"],
      );
      for (const name of ["contentEncoding", "contentDisposition", "contentLanguage", "metadata", "eventBasedHold"]) {
        assert.equal(read[name], undefined, name);
      }
      assert.equal(read.id, `${DATA.name}/environment.json/${read.generation}`);
    }
  });

  await t.test("members of a bucket's policy", () => members(gcp, bucket));

  await t.test("a destroy empties the bucket first", async () => {
    await gcp.call("STORAGE", "DELETE", `${bucket}/o/environment.json`, undefined, 204);
    await gcp.call("STORAGE", "GET", `${bucket}/anywhereCaches/`);
    const { items } = await gcp.call<{ items: Json[] }>("STORAGE", "GET", `${bucket}/o?versions=true`);
    assert.equal(items.length, 2, "both versions of the object");
    for (const { name, generation } of items) {
      await gcp.call("STORAGE", "DELETE", `${bucket}/o/${name}?generation=${generation}`, undefined, 204);
    }
    for (const { name } of [DATA, SCRATCH]) await gcp.call("STORAGE", "DELETE", `b/${name}`, undefined, 204);
    await gcp.call("STORAGE", "GET", bucket, undefined, 404);
  });
});

interface Policy {
  bindings?: { role: string; members: string[]; condition?: Json }[];
  etag: string;
  version?: number;
}

async function members(gcp: Provider, bucket: string): Promise<void> {
  const account = `serviceAccount:${await gcp.cloud.account("mlt-dev-machines")}`;
  const condition = {
    title: "runs and outputs only",
    description: "Objects below runs/ and output/",
    expression: `resource.name.startsWith("projects/_/buckets/${DATA.name}/objects/runs/")`,
  };
  const grants = [
    { role: "roles/storage.objectViewer", members: [account] },
    { role: "roles/storage.objectUser", members: [account], condition },
  ];
  const read = () => gcp.call<Policy>("STORAGE", "GET", `${bucket}/iam?optionsRequestedPolicyVersion=3`);
  const before = await read();
  for (const grant of grants) {
    // The provider keeps of what it reads only what the Resource Manager's policies have.
    const { bindings = [], etag } = await read();
    await gcp.call("STORAGE", "PUT", `${bucket}/iam`, { bindings: [...bindings, grant], etag, version: 3 });
    await gcp.call("STORAGE", "PUT", `${bucket}/iam`, { bindings, etag, version: 3 }, 412);
  }
  const after = await read();
  assert.deepEqual(
    after.bindings?.filter(({ members }) => members.includes(account)),
    grants,
  );
  const left = after.bindings?.filter(({ members }) => !members.includes(account));
  await gcp.call("STORAGE", "PUT", `${bucket}/iam`, { bindings: left, etag: after.etag, version: 3 });
  assert.deepEqual((await read()).bindings, before.bindings);
}
