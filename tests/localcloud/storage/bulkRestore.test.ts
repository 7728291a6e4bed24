import assert from "node:assert/strict";
import { test } from "node:test";
import { startStorage } from "./server.ts";

test("bulkRestore brings the newest version of each object back, and overwrites only where it may", async (t) => {
  const server = await startStorage(t);
  await server.bucket("bulk");
  for (const name of ["a/1", "a/2", "c/3"]) {
    for (const version of ["first", "second"]) await server.put("bulk", name, `${version} ${name}`);
    await server.call("DELETE", `/storage/v1/b/bulk/o/${encodeURIComponent(name)}`);
  }
  await server.put("bulk", "a/2", "newer");
  const start = async (body: unknown) => {
    const begun = await server.call("POST", "/storage/v1/b/bulk/o/bulkRestore", body);
    assert.equal(begun.status, 200, begun.text);
    assert.match(String(begun.json.name), /^projects\/_\/buckets\/bulk\/operations\/\S+$/);
    assert.equal(begun.json.done as unknown, false);
    const id = String(begun.json.name).split("/").at(-1);
    const done = await server.call("GET", `/storage/v1/b/bulk/operations/${id}`);
    assert.equal(done.json.done as unknown, true);
    const { requestedCount, succeededCount, skippedCount } = done.json.metadata as Record<string, unknown>;
    return [requestedCount, succeededCount, skippedCount];
  };
  const read = async (name: string) => {
    const answer = await server.call("GET", `/storage/v1/b/bulk/o/${encodeURIComponent(name)}?alt=media`);
    return answer.status === 200 ? answer.text : answer.status;
  };
  assert.deepEqual(await start({ matchGlobs: ["a/*"] }), ["2", "1", "1"]);
  assert.deepEqual([await read("a/1"), await read("a/2"), await read("c/3")], ["second a/1", "newer", 404]);
  assert.deepEqual(await start({ matchGlobs: ["a/2"], allowOverwrite: true }), ["1", "1", "0"]);
  assert.equal(await read("a/2"), "second a/2");
  const now = new Date().toISOString();
  assert.deepEqual(await start({ softDeletedAfterTime: now, matchGlobs: ["c/**"] }), ["0", "0", "0"]);
  assert.deepEqual(await start({ softDeletedBeforeTime: now, matchGlobs: ["c/**"] }), ["1", "1", "0"]);
  assert.equal(await read("c/3"), "second c/3");
  const list = await server.call("GET", "/storage/v1/b/bulk/operations");
  assert.equal((list.json.operations as unknown as unknown[]).length, 4);
});

test("bulkRestore is refused as Google refuses it", async (t) => {
  const server = await startStorage(t);
  await server.bucket("none", { softDeletePolicy: { retentionDurationSeconds: "0" } });
  await server.bucket("bulk");
  const refused = async (path: string, body: unknown, headers = {}) => {
    const { status, json } = await server.call("POST", `/storage/v1/b/${path}/o/bulkRestore`, body, headers);
    return `${status} ${json.error?.errors?.[0]?.reason}`;
  };
  assert.equal(await refused("none", {}), "400 SoftDeletePolicyRequired");
  assert.equal(await refused("missing", {}), "404 notFound");
  assert.equal(await refused("bulk", { matchGlob: "x" }), "400 invalid");
  assert.equal(await refused("bulk", { softDeletedAfterTime: "soon" }), "400 invalid");
  assert.equal(await refused("bulk", { copySourceAcl: true }), "501 notImplemented");
  const stranger = server.token({ kind: "serviceAccount", email: "stranger@test-project.iam.gserviceaccount.com" });
  assert.equal(await refused("bulk", {}, stranger), "403 forbidden");
  const missing = await server.call("GET", "/storage/v1/b/bulk/operations/x");
  assert.equal(missing.status, 404);
});
