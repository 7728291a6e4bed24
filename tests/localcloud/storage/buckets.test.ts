import assert from "node:assert/strict";
import { test } from "node:test";
import { type Json, PROJECT, startStorage } from "./server.ts";

const DAY = 86_400_000;
const UNIFORM = { iamConfiguration: { uniformBucketLevelAccess: { enabled: true } } };

test("a bucket is what Google makes of it when nothing is asked", async (t) => {
  const server = await startStorage(t);
  const made = await server.call("POST", `/storage/v1/b?project=${PROJECT}`, { name: "plain-bucket" });
  assert.equal(made.status, 200, made.text);
  const { timeCreated, updated, generation, etag, projectNumber, softDeletePolicy, ...rest } = made.json;
  assert.match(`${timeCreated} ${updated}`, /^(\S+Z) \1$/);
  assert.match(`${generation} ${projectNumber}`, /^\d{16} \d{12}$/);
  assert.equal(etag, "CAE=");
  assert.equal(softDeletePolicy?.retentionDurationSeconds, "604800");
  assert.deepEqual(rest, {
    kind: "storage#bucket",
    selfLink: "https://www.googleapis.com/storage/v1/b/plain-bucket",
    id: "plain-bucket",
    name: "plain-bucket",
    metageneration: "1",
    location: "US",
    locationType: "multi-region",
    rpo: "DEFAULT",
    storageClass: "STANDARD",
    iamConfiguration: {
      bucketPolicyOnly: { enabled: false },
      uniformBucketLevelAccess: { enabled: false },
      publicAccessPrevention: "inherited",
    },
  });
});

test("what Google refuses of a new bucket is refused", async (t) => {
  const server = await startStorage(t);
  await server.bucket("taken-bucket");
  const name = "good-bucket";
  const lifecycle = (action: object, condition: object) => ({ name, lifecycle: { rule: [{ action, condition }] } });
  const rows: [string, Record<string, unknown>, number, RegExp][] = [
    ["no name", {}, 400, /Required parameter: name/],
    ["two characters", { name: "ab" }, 400, /bucket name/],
    ["64 characters", { name: "a".repeat(64) }, 400, /bucket name/],
    ["a capital", { name: "Good-bucket" }, 400, /bucket name/],
    ["a dash at its end", { name: "good-bucket-" }, 400, /bucket name/],
    ["goog in front", { name: "goog-bucket" }, 400, /bucket name/],
    ["google inside", { name: "my-g00gle-bucket" }, 400, /bucket name/],
    ["an IP address", { name: "192.168.5.4" }, 400, /bucket name/],
    ["a foreign domain", { name: "data.example.com" }, 403, /domain/],
    ["a name taken by us", { name: "taken-bucket" }, 409, /you already own it/],
    ["a location that is none", { name, location: "europe-west99" }, 400, /location constraint/],
    ["a zone", { name, location: "europe-west1-b" }, 400, /location constraint/],
    ["a storage class that is none", { name, storageClass: "HOT" }, 400, /storage class/],
    ["a label with a capital", { name, labels: { Course: "ml" } }, 400, /label key/],
    ["a label's value with a space", { name, labels: { course: "m l" } }, 400, /label value/],
    ["soft delete of a day", { name, softDeletePolicy: { retentionDurationSeconds: "86400" } }, 400, /Soft delete/],
    ["an unknown action", lifecycle({ type: "Shrink" }, { age: 1 }), 400, /action\.type/],
    ["a rule without a condition", lifecycle({ type: "Delete" }, {}), 400, /condition/],
    ["a negative age", lifecycle({ type: "Delete" }, { age: -1 }), 400, /age/],
    ["an unknown condition", lifecycle({ type: "Delete" }, { colour: "red" }), 400, /colour/],
    ["a class that is none", lifecycle({ type: "SetStorageClass", storageClass: "HOT" }, { age: 1 }), 400, /class/],
    ["an abort by class", lifecycle({ type: "AbortIncompleteMultipartUpload" }, { isLive: true }), 400, /isLive/],
    ["turbo replication in a region", { name, location: "us-east1", rpo: "ASYNC_TURBO" }, 400, /rpo/],
    ["an unknown member", { name, colour: "red" }, 400, /colour/],
    ["a website", { name, website: { mainPageSuffix: "index.html" } }, 501, /website/],
    ["a folder tree", { name, hierarchicalNamespace: { enabled: true } }, 501, /hierarchicalNamespace/],
    ["an ACL under uniform access", { name, ...UNIFORM, acl: [{ entity: "allUsers", role: "READER" }] }, 400, /ACL/],
    ["an ACL", { name, acl: [{ entity: "allUsers", role: "READER" }] }, 501, /acl/],
  ];
  for (const [what, body, status, message] of rows) {
    const answer = await server.call("POST", `/storage/v1/b?project=${PROJECT}`, body);
    assert.equal(answer.status, status, `${what}: ${answer.text}`);
    assert.match((answer.json.error as Json).message as string, message, what);
  }
  const foreign = await server.call("POST", "/storage/v1/b?project=other-project", { name: "taken-bucket" });
  assert.match(foreign.text, /not available/);
  assert.equal((await server.call("POST", "/storage/v1/b", { name })).status, 400);
  const listed = await server.call("GET", `/storage/v1/b?project=${PROJECT}`);
  assert.deepEqual(
    listed.json.items?.map((bucket) => bucket.name),
    ["taken-bucket"],
  );
});

test("PATCH changes what it names, and null takes away; PUT starts anew", async (t) => {
  const server = await startStorage(t);
  const rule = { action: { type: "Delete" }, condition: { age: 14 } };
  await server.bucket("patch-bucket", {
    ...UNIFORM,
    labels: { a: "1", b: "2" },
    versioning: { enabled: true },
    lifecycle: { rule: [rule] },
  });
  const path = "/storage/v1/b/patch-bucket";
  const one = await server.call("PATCH", path, {
    labels: { a: null, c: "3" },
    softDeletePolicy: { retentionDurationSeconds: 0 },
  });
  assert.deepEqual(one.json.labels, { b: "2", c: "3" });
  assert.deepEqual(one.json.softDeletePolicy, { retentionDurationSeconds: "0" });
  assert.deepEqual(one.json.lifecycle, { rule: [rule] });
  assert.equal(one.json.metageneration, "2");
  const two = await server.call("PATCH", path, { labels: null, lifecycle: null, versioning: { enabled: false } });
  assert.deepEqual(
    [two.json.labels, two.json.lifecycle, two.json.versioning],
    [undefined, undefined, { enabled: false }],
  );
  assert.equal((await server.call("PATCH", `${path}?ifMetagenerationMatch=2`, { labels: {} })).status, 412);
  assert.equal((await server.call("GET", `${path}?ifMetagenerationNotMatch=3`)).status, 304);
  const moved = await server.call("PATCH", path, { location: "EU" });
  assert.equal(moved.status, 400);
  await server.call("PATCH", path, { labels: { a: "1" } });
  const put = await server.call("PUT", path, { ...two.json, storageClass: "NEARLINE" });
  assert.deepEqual([put.json.labels, put.json.storageClass], [undefined, "NEARLINE"]);
  assert.equal((put.json.iamConfiguration as Json).uniformBucketLevelAccess?.enabled, true);
  const part = await server.call("GET", `${path}?fields=name,iamConfiguration/publicAccessPrevention`);
  assert.deepEqual(part.json, { name: "patch-bucket", iamConfiguration: { publicAccessPrevention: "inherited" } });
  assert.equal((await server.call("GET", `${path}?fields=name(`)).status, 400);
});

test("a deleted bucket can be seen and restored until its time is over", async (t) => {
  const server = await startStorage(t);
  await server.bucket("soft-bucket");
  await server.put("soft-bucket", "x", "content");
  const path = "/storage/v1/b/soft-bucket";
  assert.equal((await server.call("DELETE", path)).status, 409);
  await server.call("DELETE", `${path}/o/x`);
  const { generation } = (await server.call("GET", path)).json;
  assert.equal((await server.call("DELETE", path)).status, 204);
  assert.equal((await server.call("GET", path)).status, 404);
  assert.equal((await server.call("GET", `${path}?softDeleted=true`)).status, 400);
  const seen = await server.call("GET", `${path}?softDeleted=true&generation=${generation}`);
  assert.ok(seen.json.softDeleteTime && seen.json.hardDeleteTime);
  const list = await server.call("GET", `/storage/v1/b?project=${PROJECT}&softDeleted=true`);
  assert.deepEqual(
    list.json.items?.map((bucket) => bucket.generation),
    [generation],
  );

  await server.bucket("soft-bucket");
  assert.equal((await server.call("POST", `${path}/restore?generation=${generation}`)).status, 409);
  const second = (await server.call("GET", path)).json.generation;
  await server.call("DELETE", path);
  assert.equal((await server.call("POST", `${path}/restore?generation=${generation}`)).status, 200);
  const objects = await server.call("GET", `${path}/o?softDeleted=true`);
  const [object] = objects.json.items ?? [];
  const restored = await server.call("POST", `${path}/o/x/restore?generation=${object?.generation}`);
  assert.equal(restored.status, 200, restored.text);
  assert.equal((await server.call("GET", `${path}/o/x?alt=media`)).text, "content");

  server.clock.offset = 7 * DAY + 1000;
  assert.equal((await server.call("GET", `${path}?softDeleted=true&generation=${second}`)).status, 404);
  await server.call("PATCH", path, { softDeletePolicy: { retentionDurationSeconds: 0 } });
  await server.call("DELETE", `${path}/o/x`);
  await server.call("DELETE", path);
  assert.deepEqual(
    (await server.call("GET", `/storage/v1/b?project=${PROJECT}&softDeleted=true`)).json.items,
    undefined,
  );
});

test("lists of buckets come in pages", async (t) => {
  const server = await startStorage(t);
  for (const name of ["page-c", "page-a", "other", "page-b"]) await server.bucket(name);
  const names: string[] = [];
  for (let token = ""; ; ) {
    const page = await server.call(
      "GET",
      `/storage/v1/b?project=${PROJECT}&prefix=page-&maxResults=2&pageToken=${token}`,
    );
    names.push(...(page.json.items ?? []).map((bucket) => bucket.name as string));
    token = page.json.nextPageToken ?? "";
    if (!token) break;
  }
  assert.deepEqual(names, ["page-a", "page-b", "page-c"]);
});

test("ACL methods are refused under uniform access, and named where they are not modelled", async (t) => {
  const server = await startStorage(t);
  await server.bucket("uniform-bucket", UNIFORM);
  await server.bucket("old-bucket");
  for (const path of ["acl", "defaultObjectAcl", "o/x/acl"]) {
    assert.equal((await server.call("GET", `/storage/v1/b/uniform-bucket/${path}`)).status, 400);
    assert.equal((await server.call("GET", `/storage/v1/b/old-bucket/${path}`)).status, 501);
  }
  assert.deepEqual((await server.call("GET", "/storage/v1/b/uniform-bucket/anywhereCaches/")).json, {
    kind: "storage#anywhereCaches",
  });
});
