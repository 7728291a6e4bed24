import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { RunStatus } from "../../training/contract.ts";
import { leaveRun, openWorkbench, type Workbench } from "./workbench.ts";

let bench: Workbench;
const DATA = "mlt-test-data";
const SCRATCH = "mlt-test-scratch";
const OLD = new Date(Date.now() - 600_000).toISOString();
const MACHINE = { name: "mlt-test-run-x-a01", zone: "us-central1-a", type: "e2-standard-2", spot: true };
before(async () => {
  bench = await openWorkbench();
  assert.equal((await bench.mlt(["use", `gs://${DATA}`])).code, 0);
});
after(() => bench.close());

const stored = async (id: string) => (await bench.objects.readJson<RunStatus>(DATA, `runs/${id}/status.json`))?.value;

test("before the first run, status and runs say so", async () => {
  const { code, stdout } = await bench.mlt(["runs"]);
  assert.deepEqual([code, stdout], [0, "mlt-test has had no run. `mlt train DIR` starts one.\n"]);
  assert.deepEqual(JSON.parse((await bench.mlt(["runs", "--json"])).stdout), []);
  const { cost, ...summary } = JSON.parse((await bench.mlt(["status", "--json"])).stdout) as Record<string, unknown>;
  assert.equal((cost as { amount: number }).amount, 0);
  assert.deepEqual(summary, {
    environment: "mlt-test",
    project: "local-project",
    region: "us-central1",
    buckets: { data: DATA, scratch: SCRATCH },
    training: { machineType: "e2-standard-2", spot: true, maxHours: 4 },
    running: [],
  });
  const unknown = await bench.mlt(["status", "demo-20260101000000-0000"]);
  assert.deepEqual(unknown, {
    code: 64,
    stdout: "",
    stderr:
      "There is no run demo-20260101000000-0000: the environment mlt-test has had none. `mlt train DIR` starts one.\n",
  });
});

test("runs lists the newest first; an unknown run is told with the nearest and the latest", async () => {
  await leaveRun(bench, "demo-20260101000000-0001", {
    phase: "succeeded",
    exitCode: 0,
    machine: MACHINE,
    times: { submitted: OLD, ended: OLD },
  });
  await leaveRun(bench, "alpha-20260301000000-0002", { phase: "running", machine: MACHINE, restarts: 1, attempt: 2 });
  const { stdout } = await bench.mlt(["runs"]);
  assert.deepEqual(
    stdout.split("\n"),
    [
      "RUN                        STATE      AGE     MACHINE                           RESTARTS  REASON",
      "alpha-20260301000000-0002  running    0 s     e2-standard-2 spot us-central1-a  1",
      "demo-20260101000000-0001   succeeded  10 min  e2-standard-2 spot us-central1-a  0",
      "",
    ].map((line) =>
      line.replace("0 s     e2", stdout.includes(" 0 s ") ? "0 s     e2" : `${/(\d+) s/.exec(stdout)![1]} s     e2`),
    ),
  );
  const limited = JSON.parse((await bench.mlt(["runs", "--json", "--limit", "1"])).stdout) as RunStatus[];
  assert.deepEqual(
    limited.map(({ id, phase }) => [id, phase]),
    [["alpha-20260301000000-0002", "running"]],
  );
  const unknown = await bench.mlt(["logs", "alpha-20260301000000-0003"]);
  assert.equal(
    unknown.stderr,
    "There is no run alpha-20260301000000-0003 in mlt-test. Did you mean alpha-20260301000000-0002? The latest: alpha-20260301000000-0002, demo-20260101000000-0001\n",
  );
});

test("a silent run whose machine is gone is lost, and everybody reads so afterwards", async () => {
  const id = "gone-20260302000000-0001";
  await leaveRun(bench, id, { machine: MACHINE, heartbeat: OLD, times: { submitted: OLD } });
  const { code, stdout } = await bench.mlt(["status", id, "--json"]);
  assert.equal(code, 0);
  const status = JSON.parse(stdout) as RunStatus;
  assert.equal(status.phase, "lost");
  assert.equal(status.reason, `mlt-test-run-x-a01 is gone, last heard of at ${OLD} in phase running`);
  assert.equal((await stored(id))?.phase, "lost");
});

test("a silent run whose machine runs is left alone", async () => {
  const id = "quiet-20260302000000-0001";
  bench.compute.machines.set("us-central1-a/quiet", { status: "RUNNING", labels: {} });
  await leaveRun(bench, id, { machine: { ...MACHINE, name: "quiet" }, heartbeat: OLD, times: { submitted: OLD } });
  const { stdout } = await bench.mlt(["status", id]);
  assert.match(stdout, /^state {6}running$/m);
  assert.equal((await stored(id))?.phase, "running");
});

test("logs reads segments while the machine lives and the composed log afterwards", async () => {
  const id = "logged-20260303000000-0001";
  await leaveRun(bench, id, { machine: MACHINE, attempt: 2 });
  await bench.objects.write(SCRATCH, `runs/${id}/attempt-1/log/000001.txt`, "one\n");
  await bench.objects.write(SCRATCH, `runs/${id}/attempt-2/log/000001.txt`, "two\n");
  await bench.objects.write(SCRATCH, `runs/${id}/attempt-2/log/000002.txt`, "three\n");
  assert.deepEqual(await bench.mlt(["logs", id]), { code: 0, stdout: "one\ntwo\nthree\n", stderr: "" });
  await bench.objects.write(DATA, `runs/${id}/log.txt`, "one\ntwo\nthree\nfour\n");
  assert.equal((await bench.mlt(["logs", id])).stdout, "one\ntwo\nthree\nfour\n");
  const { log, ended, phase } = JSON.parse((await bench.mlt(["logs", id, "--json"])).stdout) as Record<string, unknown>;
  assert.deepEqual({ log, ended, phase }, { log: "one\ntwo\nthree\nfour\n", ended: false, phase: "running" });
});

test("a log of tens of megabytes comes whole and without a warning (the official client's stream gives one)", async () => {
  const id = "long-20260303000000-0002";
  await leaveRun(bench, id, { phase: "succeeded", exitCode: 0, times: { submitted: OLD, ended: OLD } });
  const log = "epoch 1: loss 0.123456789, accuracy 0.987654321\n".repeat(700_000);
  await bench.objects.write(DATA, `runs/${id}/log.txt`, log);
  const { code, stdout, stderr } = await bench.mlt(["logs", id]);
  assert.deepEqual([code, stdout.length, stderr], [0, log.length, ""]);
  const fetched = await bench.mlt(["fetch", id]);
  assert.deepEqual([fetched.code, fetched.stderr], [0, ""]);
});

test("logs --follow goes on until the run has ended, across the machine's end, each line once", async () => {
  const id = "followed-20260304000000-0001";
  await leaveRun(bench, id, { machine: MACHINE });
  const log = (segment: number, text: string) =>
    bench.objects.write(SCRATCH, `runs/${id}/attempt-1/log/00000${segment}.txt`, text);
  await log(1, "first\n");
  const following = bench.mlt(["logs", id, "--follow"]);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await log(2, "second\n");
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await bench.objects.write(DATA, `runs/${id}/log.txt`, "first\nsecond\nlast\n");
  const ended = new Date().toISOString();
  await leaveRun(bench, id, { phase: "succeeded", exitCode: 0, times: { submitted: ended, ended } });
  assert.deepEqual(await following, { code: 0, stdout: "first\nsecond\nlast\n", stderr: "" });
});

test("fetch RUN brings all that the run left", async () => {
  const id = "fetched-20260305000000-0001";
  await leaveRun(bench, id, { phase: "succeeded" });
  await bench.objects.write(DATA, `runs/${id}/output/model/weights.bin`, "w");
  await bench.objects.write(DATA, `runs/${id}/log.txt`, "done\n");
  const { stdout } = await bench.mlt(["fetch", id]);
  assert.match(stdout, new RegExp(`^${id}: 4 fetched`));
  assert.equal(await readFile(join(bench.folder, id, "output", "model", "weights.bin"), "utf8"), "w");
  const unknown = await bench.mlt(["fetch", "fetched-20260305000000-0009"]);
  assert.equal(unknown.code, 64);
  assert.match(unknown.stderr, /Did you mean fetched-20260305000000-0001\?/);
});

test("an object whose name would lead out of the folder is not fetched", async () => {
  await bench.objects.write(DATA, "output/evil/../../up.txt", "x");
  const { code, stderr } = await bench.mlt(["fetch", "output/evil", "x"]);
  assert.equal(code, 64);
  assert.equal(stderr, 'The object "../../up.txt" has a name that cannot be a file here; it was not fetched.\n');
});

test("cancel asks first, then deletes the machine and says so", async () => {
  const id = "ended-20260306000000-0001";
  const ended = { submitted: OLD, ended: OLD };
  await leaveRun(bench, id, { phase: "failed", exitCode: 3, reason: "trainer failed: exit 3", times: ended });
  const already = await bench.mlt(["cancel", id]);
  assert.deepEqual([already.code, already.stdout], [0, `${id} had ended already: failed (trainer failed: exit 3)\n`]);

  const waiting = "waiting-20260306000000-0002";
  bench.compute.machines.set(`us-central1-a/${MACHINE.name}`, { status: "RUNNING", labels: {} });
  await leaveRun(bench, waiting, { phase: "provisioning", machine: MACHINE });
  const { code, stdout, stderr } = await bench.mlt(["cancel", waiting]);
  assert.deepEqual([code, stdout, stderr], [0, `${waiting} is cancelled.\n`, `deleting the machine ${MACHINE.name}\n`]);
  const status = await stored(waiting);
  assert.deepEqual(
    [status?.phase, status?.cancelRequested, status?.reason],
    ["cancelled", true, "cancelled on request"],
  );
  assert.equal(bench.compute.machines.has(`us-central1-a/${MACHINE.name}`), false);
});

test("cancel waits for a machine that ends by itself", async () => {
  const id = "polite-20260307000000-0001";
  await leaveRun(bench, id, { phase: "running", machine: MACHINE });
  const cancelling = bench.mlt(["cancel", id, "--json"]);
  for (let seen = await stored(id); !seen?.cancelRequested; seen = await stored(id)) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const ended = new Date().toISOString();
  const before = (await stored(id))!;
  await leaveRun(bench, id, {
    ...before,
    phase: "cancelled",
    reason: "cancelled on request",
    times: { ...before.times, ended },
  });
  const { code, stdout, stderr } = await cancelling;
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal((JSON.parse(stdout) as RunStatus).phase, "cancelled");
});

test("a run whose command died between its spec and its first status is listed, and waits for resume", async () => {
  const id = "half-20260308000000-0001";
  await leaveRun(bench, id, {}, { createdAt: OLD });
  await (await bench.objects.file(DATA, `runs/${id}/status.json`)).delete();
  const { stdout } = await bench.mlt(["runs", "--all", "--json"]);
  const [run] = (JSON.parse(stdout) as RunStatus[]).filter((one) => one.id === id);
  assert.deepEqual(
    [run?.phase, run?.attempt, run?.reason],
    [
      "queued",
      1,
      `the command that started it ended before its machine; nobody asks for its machine now: mlt resume ${id}`,
    ],
  );
  assert.deepEqual(await stored(id), run);
});
