import assert from "node:assert/strict";
import { test } from "node:test";
import { type Json, PROJECT, type StorageServer, startStorage } from "./server.ts";

/** What the Google Cloud provider sends for a bucket: also what is not asked for, as empty values. */
const BUCKET = {
  name: "provider-bucket",
  location: "EUROPE-WEST4",
  storageClass: "STANDARD",
  labels: { "goog-pulumi-provisioned": "true" },
  versioning: { enabled: true },
  iamConfiguration: { publicAccessPrevention: "enforced", uniformBucketLevelAccess: { enabled: true } },
  lifecycle: { rule: [{ action: { type: "Delete" }, condition: { age: 14 } }] },
  softDeletePolicy: { retentionDurationSeconds: "604800" },
  billing: { requesterPays: false },
  cors: [],
  website: {},
};

async function expect(server: StorageServer, method: string, path: string, status: number, body?: unknown) {
  const answer = await server.call(method, path, body);
  assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
  return answer.json;
}

test("the provider's calls for a bucket, from create to forced destroy", async (t) => {
  const server = await startStorage(t);
  const path = "/storage/v1/b/provider-bucket";
  const made = await expect(server, "POST", `/storage/v1/b?alt=json&prettyPrint=false&project=${PROJECT}`, 200, BUCKET);
  assert.deepEqual(await expect(server, "GET", `${path}?alt=json&prettyPrint=false`, 200), made);

  await t.test("a change is one PATCH with what changed", async () => {
    const lifecycle = { rule: [{ action: { type: "Delete" }, condition: { age: 7 } }] };
    const labels = { "goog-pulumi-provisioned": "true", course: "ml" };
    const changed = await expect(server, "PATCH", `${path}?alt=json&prettyPrint=false`, 200, { labels, lifecycle });
    assert.deepEqual([changed.labels, changed.lifecycle, changed.generation], [labels, lifecycle, made.generation]);
    const none = await expect(server, "PATCH", path, 200, { lifecycle: { rule: [] }, labels: { course: null } });
    assert.deepEqual([none.lifecycle, none.labels], [undefined, BUCKET.labels]);
  });

  await t.test("a member is added to the policy and taken out again", async () => {
    const iam = `${path}/iam`;
    const read = `${iam}?alt=json&optionsRequestedPolicyVersion=3&prettyPrint=false`;
    const before = await expect(server, "GET", read, 200);
    const grant = { role: "roles/storage.objectUser", members: ["user:a@example.org"] };
    const bindings = [...((before.bindings as Json[] | undefined) ?? []), grant];
    await expect(server, "PUT", iam, 200, { bindings, etag: before.etag, version: 3 });
    const after = await expect(server, "GET", read, 200);
    assert.deepEqual(after.bindings?.at(-1), grant);
    await expect(server, "PUT", iam, 412, { bindings: before.bindings, etag: before.etag });
    await expect(server, "PUT", iam, 200, { bindings: before.bindings, etag: after.etag });
    assert.deepEqual((await expect(server, "GET", read, 200)).bindings, before.bindings);
  });

  await t.test("a forced destroy empties the bucket first", async () => {
    await server.put("provider-bucket", "x", "one");
    await server.put("provider-bucket", "x", "two");
    await expect(server, "GET", `${path}/anywhereCaches/?alt=json`, 200);
    await expect(server, "DELETE", path, 409);
    const list = await expect(server, "GET", `${path}/o?alt=json&prettyPrint=false&versions=true`, 200);
    for (const { name, generation } of list.items ?? []) {
      await expect(server, "DELETE", `${path}/o/${name}?alt=json&generation=${generation}&prettyPrint=false`, 204);
    }
    await expect(server, "DELETE", `${path}?alt=json&prettyPrint=false`, 204);
    await expect(server, "GET", path, 404);
  });

  await t.test("the name can be used again at once", async () => {
    const again = await expect(server, "POST", `/storage/v1/b?project=${PROJECT}`, 200, BUCKET);
    assert.notEqual(again.generation, made.generation);
    assert.equal((await expect(server, "GET", `${path}/o?versions=true`, 200)).items, undefined);
  });
});
