import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { billedBytes } from "../../../localcloud/services/storage/index.ts";
import { startStorage } from "./server.ts";

const DAY = 86_400_000;

test("all that is stored is there for the next process", async (t) => {
  const first = await startStorage(t);
  await first.bucket("lasting-bucket", { versioning: { enabled: true }, labels: { a: "1" } });
  await first.put("lasting-bucket", "x", "one");
  const before = (await first.put("lasting-bucket", "x", "two")).json;
  await first.put("lasting-bucket", "y/z", "three");
  const [folder] = readdirSync(join(first.folder, "storage", "payloads")) as [string];
  writeFileSync(join(first.folder, "storage", "payloads", folder, "orphan"), "of a process that died");
  writeFileSync(join(first.folder, "storage", "incoming", "orphan"), "of a process that died");

  const second = await startStorage(t, first.folder);
  assert.equal((await second.call("GET", "/storage/v1/b/lasting-bucket/o/x?alt=media")).text, "two");
  const list = await second.call("GET", "/storage/v1/b/lasting-bucket/o?versions=true");
  assert.deepEqual(
    list.json.items?.map((object) => object.name),
    ["x", "x", "y/z"],
  );
  const after = (await second.put("lasting-bucket", "x", "four")).json;
  assert.ok(Number(after.generation) > Number(before.generation));
  assert.ok(!readdirSync(join(first.folder, "storage", "payloads", folder)).includes("orphan"));
  assert.deepEqual(readdirSync(join(first.folder, "storage", "incoming")), []);
});

test("billed bytes are counted by what they are kept as, to the last", async (t) => {
  const server = await startStorage(t);
  await server.bucket("billed-bucket", { versioning: { enabled: true } });
  await server.bucket("scratch-bucket", { softDeletePolicy: { retentionDurationSeconds: "0" } });
  const path = "/storage/v1/b/billed-bucket/o";
  const one = (await server.put("billed-bucket", "x", "1")).json.generation;
  await server.put("billed-bucket", "x", "22");
  await server.put("billed-bucket", "x", "333");
  await server.call("DELETE", `${path}/x?generation=${one}`);
  for (let round = 0; round < 5; round++) await server.put("scratch-bucket", "x", "55555");
  assert.deepEqual(billedBytes(server.cloud), {
    "billed-bucket": { live: 3, noncurrent: 2, softDeleted: 1 },
    "scratch-bucket": { live: 5, noncurrent: 0, softDeleted: 0 },
  });
  server.clock.offset = 7 * DAY + 1000;
  assert.deepEqual(billedBytes(server.cloud)["billed-bucket"], { live: 3, noncurrent: 2, softDeleted: 0 });
  for (const bucket of ["billed-bucket", "scratch-bucket"]) {
    const { items = [] } = (await server.call("GET", `/storage/v1/b/${bucket}/o?versions=true`)).json;
    for (const { generation } of items) {
      await server.call("DELETE", `/storage/v1/b/${bucket}/o/x?generation=${generation}`);
    }
    assert.equal((await server.call("DELETE", `/storage/v1/b/${bucket}`)).status, 204);
  }
  assert.deepEqual(billedBytes(server.cloud), { "billed-bucket": { live: 0, noncurrent: 0, softDeleted: 5 } });
  server.clock.offset = 15 * DAY;
  assert.deepEqual(billedBytes(server.cloud), {});
  assert.deepEqual(readdirSync(join(server.folder, "storage", "payloads")), []);
});

test("lifecycle rules delete and cool what they match", async (t) => {
  const server = await startStorage(t);
  const rule = [
    { action: { type: "Delete" }, condition: { age: 14, matchesPrefix: ["runs/"] } },
    { action: { type: "Delete" }, condition: { numNewerVersions: 2 } },
    { action: { type: "SetStorageClass", storageClass: "NEARLINE" }, condition: { age: 3, matchesSuffix: [".bin"] } },
    { action: { type: "SetStorageClass", storageClass: "COLDLINE" }, condition: { age: 5, matchesSuffix: [".bin"] } },
  ];
  const softDeletePolicy = { retentionDurationSeconds: "0" };
  await server.bucket("cycle-bucket", { lifecycle: { rule }, softDeletePolicy, versioning: { enabled: true } });
  await server.put("cycle-bucket", "runs/x", "one");
  for (const content of ["1", "2", "3", "4"]) await server.put("cycle-bucket", "kept", content);
  await server.put("cycle-bucket", "cold.bin", "cold");
  const seen = async (days: number) => {
    server.clock.offset = days * DAY;
    const { items = [] } = (await server.call("GET", "/storage/v1/b/cycle-bucket/o?versions=true")).json;
    return items.map((object) => `${object.name} ${object.storageClass} ${object.timeDeleted ? "noncurrent" : "live"}`);
  };
  const kept = ["kept STANDARD noncurrent", "kept STANDARD live"];
  assert.deepEqual(await seen(1), ["cold.bin STANDARD live", ...kept, "runs/x STANDARD live"]);
  assert.deepEqual(await seen(4), ["cold.bin NEARLINE live", ...kept, "runs/x STANDARD live"]);
  assert.deepEqual(await seen(6), ["cold.bin COLDLINE live", ...kept, "runs/x STANDARD live"]);
  assert.deepEqual(await seen(15), ["cold.bin COLDLINE live", ...kept, "runs/x STANDARD noncurrent"]);
});
