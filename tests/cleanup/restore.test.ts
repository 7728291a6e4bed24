import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { beforeEach, describe, test } from "node:test";
import { deleteBucket } from "../../cleanup/buckets.ts";
import { inventory } from "../../cleanup/inventory.ts";
import { restore } from "../../cleanup/restore.ts";
import { type Bench, openBench, PROJECT } from "./bench.ts";
import { startStub } from "./stub.ts";

const BUCKET = "ml-a-data-0123abc";

describe("a soft-deleted bucket", () => {
  let bench: Bench;
  beforeEach(async (t) => {
    bench = await openBench(t as never);
    await bench.bucket("ml-a", BUCKET, { versioning: { enabled: true } });
  });

  test("comes back with the live version of each object, byte for byte", async () => {
    const contents = new Map<string, Buffer>();
    for (let index = 0; index < 40; index += 1) {
      const name = `runs/r-${index}/output/modèl #${index}%2F.bin`;
      contents.set(name, randomBytes(1000 + index));
      await bench.put(BUCKET, name, contents.get(name) as Buffer);
    }
    // Rewritten, as a status is: its older versions must not come back over the newest.
    for (let version = 0; version < 3; version += 1)
      await bench.put(BUCKET, "runs/r-0/status.json", `version ${version}`);
    contents.set("runs/r-0/status.json", Buffer.from("version 2"));
    await bench.put(BUCKET, "input/withdrawn", "gone long before");
    await bench.call("DELETE", `storage/v1/b/${BUCKET}/o/input%2Fwithdrawn`);
    bench.clock.offset += 2 * 3_600_000;
    await deleteBucket(BUCKET);
    assert.equal(await bench.read(BUCKET, "runs/r-0/status.json"), undefined);

    const lines: string[] = [];
    const result = await restore(PROJECT, BUCKET, { progress: (line) => lines.push(line) });
    assert.deepEqual(
      { ...result, generation: undefined },
      {
        bucket: BUCKET,
        generation: undefined,
        objects: 41,
        bytes: [...contents.values()].reduce((sum, { length }) => sum + length, 0),
        there: 0,
        deletedBefore: 1,
        failed: [],
      },
    );
    assert.deepEqual(lines, [`gs://${BUCKET} is back; its objects follow`]);
    const hash = (bytes: Buffer | undefined) => bytes && createHash("sha256").update(bytes).digest("hex");
    for (const [name, bytes] of contents) assert.equal(hash(await bench.read(BUCKET, name)), hash(bytes), name);
    assert.equal(await bench.read(BUCKET, "input/withdrawn"), undefined);
    const { items, softDeleted } = await inventory(PROJECT, { environment: "ml-a" });
    assert.deepEqual([items.map(({ name }) => name), softDeleted], [[BUCKET], []]);
  });

  test("an interrupted restoring goes on, and overwrites nothing that is newer", async () => {
    await bench.put(BUCKET, "a", "old a");
    await bench.put(BUCKET, "b", "old b");
    await deleteBucket(BUCKET);
    const { faults } = bench.cloud.cloud;
    const error = { code: 403, reason: "forbidden", message: "no storage.objects.restore" };
    faults.plan({ id: "half", service: "storage", path: "/o/b/restore$", error });
    const half = await restore(PROJECT, BUCKET);
    assert.deepEqual([half.objects, half.failed], [1, [{ object: "b", why: "no storage.objects.restore" }]]);
    faults.clear();
    await bench.put(BUCKET, "a", "new a");
    const lines: string[] = [];
    const whole = await restore(PROJECT, BUCKET, { progress: (line) => lines.push(line) });
    assert.deepEqual([whole.objects, whole.there, whole.failed], [1, 1, []]);
    assert.deepEqual(lines, [`gs://${BUCKET} stands; looking for objects that are missing in it`]);
    assert.equal(String(await bench.read(BUCKET, "a")), "new a");
    assert.equal(String(await bench.read(BUCKET, "b")), "old b");
  });

  test("of several lives of one name the newest comes back, or the one that is named", async () => {
    for (const life of ["first", "second"]) {
      if (life === "second") await bench.bucket("ml-a", BUCKET);
      await bench.put(BUCKET, "life", life);
      await deleteBucket(BUCKET);
    }
    const { softDeleted } = await inventory(PROJECT);
    const [first, second] = softDeleted.map(({ generation }) => generation).sort();
    assert.ok(first && second);
    assert.equal((await restore(PROJECT, BUCKET)).generation, second);
    assert.equal(String(await bench.read(BUCKET, "life")), "second");
    await assert.rejects(restore(PROJECT, BUCKET, { generation: first }), {
      name: "UserError",
      message: `A bucket gs://${BUCKET} stands (generation ${second}); Google restores none under a name that is taken. Rename or delete that one first.`,
    });
    await deleteBucket(BUCKET);
    assert.equal((await restore(PROJECT, BUCKET, { generation: first })).generation, first);
    assert.equal(String(await bench.read(BUCKET, "life")), "first");
    await deleteBucket(BUCKET);
    await assert.rejects(restore(PROJECT, BUCKET, { generation: "7" }), {
      message: new RegExp(`^No deleted gs://${BUCKET} has the generation 7; there is \\d+, \\d+\\.$`),
    });
  });

  test("what never was, and what is gone for good, is told", async () => {
    await deleteBucket(BUCKET);
    bench.clock.offset += 8 * 24 * 3_600_000;
    // The login of eight days ago is over, too.
    process.env.GOOGLE_OAUTH_ACCESS_TOKEN = bench.cloud.cloud.tokens.issue({ kind: "operator" }).access_token;
    const message = (name: string) =>
      `There is no soft-deleted bucket gs://${name} in ${PROJECT}. \`mlt clean --project ${PROJECT}\` lists those that there are; after its day a bucket is gone for good.`;
    for (const name of [BUCKET, "never-was"]) {
      await assert.rejects(restore(PROJECT, name), { name: "UserError", message: message(name) });
    }
  });
});

test("a bucket with hierarchical namespace is refused before anything is asked of Google", async (t) => {
  const { asked } = await startStub(t, (route, query) => {
    if (route === "GET /storage/v1/b" && query.get("softDeleted") === "true") {
      const hierarchicalNamespace = { enabled: true };
      const hardDeleteTime = "2026-12-01T08:00:00Z";
      const labels = { "mlt-environment": "ml-a" };
      const bucket = { name: BUCKET, generation: "5", location: "US", labels, hierarchicalNamespace, hardDeleteTime };
      return { json: { items: [bucket] } };
    }
    if (route === `GET /storage/v1/b/${BUCKET}`) return { status: 404, json: { error: { message: "none" } } };
    return undefined;
  });
  await assert.rejects(restore(PROJECT, BUCKET), {
    name: "UserError",
    message: `gs://${BUCKET} has a hierarchical namespace; Google restores no such bucket. It goes for good on 2026-12-01 08:00 UTC.`,
  });
  assert.ok(asked.every((route) => !route.startsWith("POST")));
  const { softDeleted } = await inventory(PROJECT);
  assert.deepEqual(
    softDeleted.map(({ restorable }) => restorable),
    [false],
  );
});
