import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { billedBytes } from "../../localcloud/services/storage/billing.ts";
import type { Environment, RunStatus } from "../../training/contract.ts";
import { createWorld, type World } from "../engine/world.ts";
import { bench, DATA, RUN } from "../startup-scripts/machine.ts";

// What Google would bill for an hour of training, to the last byte: the buckets are those that the program makes, with
// their versions, soft delete and lifecycle; the writer is the supervisor, whose clock is run faster.

const DAY = 86_400_000;
/** In an hour: a heartbeat every 10 s. */
const HEARTBEATS = 3600 / 10;

let world: World;
let environment: Environment;
let later = 0;

before(async () => {
  world = await createWorld({ now: () => Date.now() + later });
  const stack = await world.open("bill");
  await stack.up();
  const { dataBucketUrl } = (await stack.outputs()) as { dataBucketUrl: string };
  environment = JSON.parse((await read(dataBucketUrl.replace("gs://", ""), "environment.json")).toString());
});
after(() => world?.close());

async function read(bucket: string, name: string): Promise<Buffer> {
  const url = `${world.cloud.operatorUrl}/storage/v1/b/${bucket}/o/${encodeURIComponent(name)}?alt=media`;
  return Buffer.from(await (await fetch(url)).arrayBuffer());
}

/** A token of the environment's machines, which may write what a run leaves and nothing else. */
function machineToken(): string {
  const email = environment.serviceAccount;
  return world.cloud.cloud.tokens.issue({ kind: "serviceAccount", email }, 3600).access_token;
}

async function write(bucket: string, name: string, data: Buffer, token?: string): Promise<void> {
  const url = `${world.cloud.operatorUrl}/upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(name)}`;
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
  const response = await fetch(url, { method: "POST", headers, body: new Uint8Array(data) });
  assert.equal(response.status, 200, await response.text());
}

/** Sizes of all versions of what lies below a prefix. */
async function versions(bucket: string, prefix: string): Promise<number[]> {
  const sizes: number[] = [];
  let token: string | undefined = "";
  while (token !== undefined) {
    const query = new URLSearchParams({ prefix, versions: "true", ...(token ? { pageToken: token } : {}) });
    const answer = await fetch(`${world.cloud.operatorUrl}/storage/v1/b/${bucket}/o?${query}`);
    const page = (await answer.json()) as { items?: { size: string }[]; nextPageToken?: string };
    sizes.push(...(page.items ?? []).map(({ size }) => Number(size)));
    token = page.nextPageToken;
  }
  return sizes;
}

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);
const billed = () => {
  const all = billedBytes(world.cloud.cloud);
  const of = (bucket: string) => all[bucket] ?? { live: 0, noncurrent: 0, softDeleted: 0 };
  return { data: of(environment.buckets.data), scratch: of(environment.buckets.scratch) };
};

test("an hour of training bills package, outputs, the log twice, and less than a megabyte for all else", async (t) => {
  const { data, scratch } = environment.buckets;
  const b = await bench(t);
  const token = JSON.stringify({ access_token: machineToken(), expires_in: 3600, token_type: "Bearer" });
  b.cloud.metadata.set("instance/service-accounts/default/token", token);
  b.cloud.metadata.set("instance/attributes/mlt-bucket", data);
  Object.assign(b.spec, { environment: environment.environment, buckets: environment.buckets });
  b.pack({
    "train.py": `
import os, time
for step in range(100):
    print("step", step, "loss", 0.123456789, flush=True)
    time.sleep(0.06)
open(os.environ["OUTPUT_DIR"] + "/model.bin", "wb").write(bytes(1 << 20))
open(os.environ["OUTPUT_DIR"] + "/metrics.json", "w").write('{"accuracy": 0.87, "loss": 0.123456789}')
`,
  });
  b.submit();
  const before = billed();
  for (const [key, object] of b.cloud.objects) await write(data, key.slice(DATA.length + 1), object.data);
  const { output } = await b.boot({
    CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${world.cloud.url}/storage/v1/`,
    ML_TRAINING_HEARTBEAT_SECONDS: "0.2",
    ML_TRAINING_LOG_SECONDS: "0.2",
  });
  const status = JSON.parse((await read(data, `runs/${RUN}/status.json`)).toString()) as RunStatus;
  assert.equal(status.phase, "succeeded", `${status.reason}\n${output}`);

  const written = await versions(data, `runs/${RUN}/status.json`);
  assert.ok(written.length > 20, `the heartbeat was written again and again: ${written.length} times`);
  const log = await versions(data, `runs/${RUN}/log.txt`);
  assert.equal(log.length, 1, "the whole log is written once");
  const segments = await versions(scratch, `runs/${RUN}/attempt-1/log/`);
  assert.ok(segments.length > 10, `the log came in pieces: ${segments.length}`);
  // Between the last segment and the whole log there are the supervisor's own last lines.
  assert.ok(sum(segments) <= sum(log), "each line is in one segment");
  const outputs = await versions(data, `runs/${RUN}/output/`);
  assert.equal(sum(outputs), (1 << 20) + '{"accuracy": 0.87, "loss": 0.123456789}'.length, "outputs are stored once");
  const archive = await versions(data, "code/");

  const now = billed();
  const stored = (bucket: "data" | "scratch") => sum(Object.values(now[bucket])) - sum(Object.values(before[bucket]));
  const known = sum(outputs) + sum(archive) + sum(log) + sum(segments) + sum(written);
  const rest = stored("data") + stored("scratch") - known;
  assert.ok(rest > 0 && rest < 4096, `besides these there is only spec.json: ${rest} bytes`);
  assert.equal(now.data.noncurrent - before.data.noncurrent, sum(written) - (written[written.length - 1] ?? 0));
  assert.deepEqual([now.scratch.noncurrent, now.scratch.softDeleted], [0, 0]);

  // Every version of status.json stays for 30 days as noncurrent and 7 as soft-deleted: all of them are billed.
  //   360 heartbeats + the 7 writes of launcher and phases (here: all that were written, more than that)
  //   × the largest of them (about 1 KiB; the bound below allows for 2 KiB: 0.75 MiB)
  // + spec.json (under 4 KiB). With the log every 5 s in segments of their own, no byte of it is written again.
  const records = (HEARTBEATS + written.length) * Math.max(...written) + rest;
  t.diagnostic(
    `records of an hour: ${(records / 1024).toFixed(0)} KiB in ${HEARTBEATS + written.length} writes of ${Math.max(...written)} bytes`,
  );
  assert.ok(Math.max(...written) <= 2048, `a status has ${Math.max(...written)} bytes`);
  assert.ok(records < 1024 * 1024, `${records} bytes`);
});

test("a checkpoint that is written again and again bills for one checkpoint", async () => {
  const { scratch } = environment.buckets;
  const before = billed().scratch;
  const checkpoint = Buffer.alloc(1 << 20, 1);
  const name = `runs/${RUN}/checkpoints/last.bin`;
  for (let round = 0; round < 20; round += 1) await write(scratch, name, checkpoint, machineToken());
  const after = billed().scratch;
  // In the data bucket this would be 20 MiB here, and at one write every 30 s 20 GiB a week for each MiB.
  assert.deepEqual(after, { ...before, live: before.live + checkpoint.length });
});

test("after the days that the buckets are set to, only what is current is billed", async () => {
  const { data, scratch } = environment.buckets;
  const look = async (days: number) => {
    later = days * DAY;
    for (const bucket of [data, scratch]) await versions(bucket, ""); // the lifecycle runs when a bucket is asked
    return billed();
  };
  const today = await look(0);
  assert.ok(today.data.noncurrent > 0 && today.scratch.live > 0);
  const fortnight = await look(15);
  assert.deepEqual(fortnight.scratch, { live: 0, noncurrent: 0, softDeleted: 0 }, "scratch empties itself");
  assert.equal(fortnight.data.noncurrent, today.data.noncurrent, "what was overwritten can still be had");
  const month = await look(31);
  assert.deepEqual([month.data.noncurrent, month.data.softDeleted], [0, today.data.noncurrent]);
  const end = await look(39);
  assert.deepEqual(end.data, { live: today.data.live, noncurrent: 0, softDeleted: 0 });
});
