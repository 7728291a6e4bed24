import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import type { RunStatus } from "../../training/contract.ts";
import { openEnvironment } from "../../training/environment.ts";
import { follow } from "../../training/follow.ts";
import { type Forwarder, startForwarder } from "./forwarder.ts";
import { leaveRun, openWorkbench, type Workbench } from "./workbench.ts";

let bench: Workbench;
let network: Forwarder;
const DATA = "mlt-test-data";
const MIB = 1024 * 1024;
const SIZE = 40 * MIB;
const random = Buffer.alloc(SIZE);
for (let at = 0, seed = 1; at < SIZE; at += 4, seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0)
  random.writeUInt32LE(seed, at);

before(async () => {
  bench = await openWorkbench();
  await bench.files("large", { "model.bin": random });
});
after(() => bench.close());
beforeEach(async () => {
  network = await startForwarder(bench.cloud.url);
});
afterEach(() => network.close());

const through = () => ({
  CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${network.url}/storage/v1/`,
  MLT_ENVIRONMENT: `gs://${DATA}`,
});
const arrived = async (name: string) => {
  const found = await bench.objects.read(DATA, name);
  return createHash("sha256").update(found!.data).digest("hex");
};
const WANTED = createHash("sha256").update(random).digest("hex");

test("an upload whose connection is cut goes on where it was", async () => {
  network.trouble = { after: 20 * MIB, kind: "cut" };
  const { code, stdout, stderr } = await bench.mlt(["put", "large", "input/cut"], { env: through() });
  assert.deepEqual([code, stdout, stderr], [0, `gs://${DATA}/input/cut: 1 uploaded (40.0 MiB), 0 already there\n`, ""]);
  assert.equal(await arrived("input/cut/model.bin"), WANTED);
  assert.equal(network.trouble, undefined, "nothing was cut");
  assert.ok(network.sent.get("PUT")! < SIZE + 16 * MIB, `${network.sent.get("PUT")} bytes were sent for ${SIZE}`);
});

test("an upload that was stopped by Ctrl-C goes on with the same command", async (t) => {
  if (process.platform === "win32") return t.skip("Windows has no SIGINT for another process");
  network.trouble = { after: 24 * MIB, kind: "stall" };
  const stalled = new Promise<void>((done) => {
    network.onStall = done;
  });
  const controller = new AbortController();
  const first = bench.mlt(["put", "large/model.bin", "input/stopped.bin"], {
    env: through(),
    interrupt: controller.signal,
  });
  await stalled;
  controller.abort();
  assert.deepEqual(await first, {
    code: 130,
    stdout: "",
    stderr: "mlt: stopped; the same command goes on where it was.\n",
  });

  network.sent.clear();
  const second = await bench.mlt(["put", "large/model.bin", "input/stopped.bin"], { env: through() });
  assert.equal(second.code, 0, second.stderr);
  assert.equal(await arrived("input/stopped.bin"), WANTED);
  const again = network.sent.get("PUT")!;
  assert.ok(again < 20 * MIB, `${again} bytes were sent, 24 MiB of ${SIZE} had been there`);
});

test("a file that changed since is sent anew, whatever was remembered about it", async () => {
  await bench.files("changing", { "a.bin": random.subarray(0, 12 * MIB) });
  network.trouble = { after: 4 * MIB, kind: "cut" };
  assert.equal((await bench.mlt(["put", "changing", "input/changing"], { env: through() })).code, 0);
  await bench.files("changing", { "a.bin": random.subarray(12 * MIB, 24 * MIB) });
  assert.equal((await bench.mlt(["put", "changing", "input/changing"], { env: through() })).code, 0);
  const back = await bench.mlt(["fetch", "input/changing", "changed"], { env: through() });
  assert.equal(back.code, 0, back.stderr);
  assert.ok((await readFile(join(bench.folder, "changed", "a.bin"))).equals(random.subarray(12 * MIB, 24 * MIB)));
});

test("where nobody answers, every command says so at once, and names the variable that leads there", async () => {
  await network.close();
  const host = new URL(network.url).host;
  for (const args of [["ls"], ["runs"], ["status", "latest"], ["put", "large", "input/x"], ["fetch", "input/x"]]) {
    assert.deepEqual(await bench.mlt(args, { env: through() }), {
      code: 64,
      stdout: "",
      stderr: `Reading gs://${DATA}/environment.json is not possible: ${host} cannot be reached (the connection is refused). CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE leads there; start what should answer, or take the variable away: unset CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE\n`,
    });
  }
  // As in a shell that was set up for a local cloud that has ended.
  const all = { ...through(), CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM: `${network.url}/iam/` };
  assert.match(
    (await bench.mlt(["ls"], { env: all })).stderr,
    /\. CLOUDSDK_API_ENDPOINT_OVERRIDES_\w+ and 1 more variables lead there; start what should answer, or open a new shell without them\.\n$/,
  );
  await network.open();
});

test("a name that nobody knows, and an address that is none", async () => {
  const at = (address: string) => ({ ...through(), CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: address });
  const { code, stderr } = await bench.mlt(["ls"], { env: at("http://storage.invalid/") });
  assert.equal(code, 64);
  assert.match(
    stderr,
    /^Reading gs:\/\/mlt-test-data\/environment\.json is not possible: storage\.invalid cannot be reached \((no such host is known|the name cannot be looked up)\)\. CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE leads there; /,
  );
  assert.deepEqual(await bench.mlt(["ls"], { env: at("storage") }), {
    code: 64,
    stdout: "",
    stderr:
      'CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE must be the address of a service, http://… or https://…; got "storage". Set it right, or take it away: unset CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE\n',
  });
});

test("calls go through the proxy that the variables name, but not those to this machine", async () => {
  const proxied = {
    ...through(),
    CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: "http://storage.invalid/",
    HTTP_PROXY: network.url,
  };
  const { code, stdout, stderr } = await bench.mlt(["ls"], { env: proxied });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /environment\.json/);
  assert.ok(network.sent.get("CONNECT")! > 0, "nobody used the proxy");
  const direct = await bench.mlt(["ls"], { env: { ...through(), HTTP_PROXY: "http://127.0.0.1:1", NO_PROXY: "" } });
  assert.equal(direct.code, 0, direct.stderr);
});

test("who follows a run waits while the network is away, and says so once", async () => {
  const id = "away-20260309000000-0001";
  await leaveRun(bench, id);
  const before = process.env.CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE;
  process.env.CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE = `${network.url}/storage/v1/`;
  try {
    const environment = await openEnvironment(`gs://${DATA}`);
    const lines: string[] = [];
    const following = follow(environment, id, (event) => event.type === "progress" && lines.push(event.line), {
      pollMs: 50,
      unreachablePauseMs: 50,
    });
    await new Promise((done) => setTimeout(done, 300));
    await network.close();
    while (lines.length === 0) await new Promise((done) => setTimeout(done, 20));
    await new Promise((done) => setTimeout(done, 300));
    await network.open();
    while (lines.length === 1) await new Promise((done) => setTimeout(done, 20));
    process.env.CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE = before;
    const ended = new Date().toISOString();
    await leaveRun(bench, id, { phase: "succeeded", exitCode: 0, times: { submitted: ended, ended } });
    const last: RunStatus = await following;
    assert.equal(last.phase, "succeeded");
    assert.equal(lines.length, 2, lines.join("\n"));
    assert.match(lines[0]!, /cannot be reached .* The run goes on; waiting for the network\.$/);
    assert.equal(lines[1], "Google answers again");
  } finally {
    process.env.CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE = before;
  }
});
