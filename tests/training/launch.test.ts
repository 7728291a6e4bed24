import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunStatus } from "../../training/contract.ts";
import { LaunchRefused } from "../../training/engines/engine.ts";
import { resumeRun } from "../../training/resume.ts";
import { takeUp } from "../../training/takeUp.ts";
import { Bench, ID, machineIn, PREEMPTED, refused, SPEC, START, SUBMITTED, time } from "./launchBench.ts";
import type { Fault } from "./schedules/cloud.ts";

test("the record comes first and knows the machine when Google has made it", async () => {
  const bench = new Bench(SUBMITTED, ["stockOut"]);
  const written: string[] = [];
  bench.store.onWrite = (_name, text) => {
    const { phase, machine, times } = JSON.parse(text) as RunStatus;
    written.push(`${phase} ${machine?.zone ?? "-"}${times.provisioned ? " made" : ""}`);
  };
  const status = await bench.act(() => bench.launch());
  assert.deepEqual(
    [...new Set(written)],
    ["provisioning us-central1-a", "provisioning us-central1-b", "provisioning us-central1-b made"],
  );
  assert.deepEqual(Object.keys(status.setbacks ?? {}), ["us-central1-a"]);
  assert.equal(status.reason, undefined);
  assert.deepEqual([...bench.cloud.machines.keys()], ["us-central1-b/mlt-test-run-20261121080000-0a1b-a01"]);
});

test("a shared quota that is used up: the run waits as queued, says for what, and goes on when there is room", async () => {
  const bench = new Bench(SUBMITTED, ["quota", "quotaHttp", "quota", "quota"]);
  bench.store.put("runs/demo-20261121070000-0001/status.json", { ...PREEMPTED, phase: "running" });
  bench.store.put("runs/demo-20261121070000-0002/status.json", {
    ...PREEMPTED,
    phase: "queued",
    times: { submitted: time(-3600) },
  });
  const phases = new Map<string, string | undefined>();
  bench.store.onWrite = (_name, text) => {
    const { phase, reason } = JSON.parse(text) as RunStatus;
    phases.set(phase, reason);
  };
  const status = await bench.act(() => bench.launch());
  assert.equal(status.phase, "provisioning");
  assert.equal(
    phases.get("queued"),
    "waits for quota CPUS in us-central1 (limit 24) or quota CPUS in us-east1 (limit 24); 1 other run of mlt-test has a machine; 1 waited before it",
  );
  assert.deepEqual(bench.zones(), ["us-central1-a", "us-east1-b", "us-central1-a", "us-east1-b", "us-central1-a"]);
  assert.ok(
    bench.lines.some((line) => line.endsWith("; next try in 30 s")),
    bench.lines.join("\n"),
  );
  assert.ok(bench.lines.some((line) => line.endsWith("; next try in 60 s")));
});

test("a run that waits gives signs of life, and ends at its deadline", async () => {
  const bench = new Bench(
    SUBMITTED,
    Array.from({ length: 500 }, () => "quotaHttp" as const),
    { zones: ["us-east1-b"] },
  );
  let longest = 0;
  let last = START;
  bench.store.onWrite = () => {
    longest = Math.max(longest, bench.world.now - last);
    last = bench.world.now;
  };
  const status = await bench.act(() => bench.launch());
  assert.ok(longest <= 20_000, `${longest} ms without a sign`);
  assert.deepEqual(
    [status.phase, status.reason],
    [
      "timedOut",
      `time limit reached (${SPEC.deadline}); waits for quota CPUS in us-east1 (limit 24); no other run of mlt-test has a machine`,
    ],
  );
  assert.ok(Date.parse(status.times.ended!) >= START + 3570_000);
  assert.ok(bench.cloud.log.length < 25, `${bench.cloud.log.length} requests in an hour`);
});

test("a quota that this machine can never fit in is no queue: it stops with name, both figures and the link", async () => {
  const bench = new Bench(SUBMITTED, ["quota", "quotaHttp"], { machineType: "e2-standard-32" });
  const error = await refused(bench.act(() => bench.launch()));
  assert.equal(error.exitCode, 69);
  assert.equal(
    error.message,
    [
      "No e2-standard-32 (Spot) is to be had:",
      "  us-central1: quota CPUS is too small for e2-standard-32 (limit 24, it takes 32)",
      "  us-east1: quota CPUS is too small for e2-standard-32 (limit 24, it takes 32)",
      "More quota: https://console.cloud.google.com/iam-admin/quotas?project=local-project",
    ].join("\n"),
  );
  assert.equal(bench.status.phase, "failed");
});

test("cancelled while it waits: nothing more is asked for", async () => {
  const bench = new Bench(
    SUBMITTED,
    Array.from({ length: 50 }, () => "quotaHttp" as const),
  );
  bench.at(100, () => bench.change({ cancelRequested: true }));
  const status = await bench.act(() => bench.launch());
  assert.deepEqual([status.phase, status.reason], ["cancelled", "cancelled before the machine was made"]);
  assert.ok(bench.world.now >= START + 100_000);
  assert.equal(bench.cloud.machines.size, 0);
});

test("Ctrl-C while it waits: the run stays queued, says who may go on, and somebody else does at once", async () => {
  const bench = new Bench(
    SUBMITTED,
    Array.from({ length: 2 }, () => "quotaHttp" as const),
  );
  bench.at(20, () => bench.stops.abort());
  const left = await bench.act(() => bench.launch());
  assert.deepEqual(
    [left.phase, left.heartbeat, left.reason?.endsWith(`; nobody asks for its machine now: mlt resume ${ID}`)],
    ["queued", undefined, true],
  );
  const { environment, ...context } = bench.context("other");
  const status = await bench.act(() => resumeRun(environment, ID, context));
  assert.deepEqual([status.phase, status.attempt, status.restarts], ["provisioning", 2, 0]);
});

test("cancelled while Google makes the machine: it is taken away again", async () => {
  const bench = new Bench(SUBMITTED, ["slow"]);
  bench.at(16, () => bench.change({ cancelRequested: true }));
  const status = await bench.act(() => bench.launch());
  assert.equal(status.phase, "cancelled");
  assert.equal(bench.cloud.log.length, 1);
  assert.equal(bench.cloud.machines.size, 0);
});

test("a machine that boots faster than its launcher hears of it keeps its own words", async () => {
  const bench = new Bench(SUBMITTED, ["slow"]);
  bench.at(16, () => bench.change({ phase: "booting", heartbeat: time(16) }));
  const status = await bench.act(() => bench.launch());
  assert.equal(status.phase, "booting");
  assert.equal(bench.cloud.machines.size, 1);
});

test("after a preemption another zone comes first, with the attempts' own image, and what failed lately comes last", async () => {
  const image = "projects/ubuntu-os-cloud/global/images/ubuntu-1";
  const bench = new Bench({ ...PREEMPTED, image, setbacks: { "us-central1-b": time(-60) } }, ["stockOut"]);
  const { environment, ...context } = bench.context();
  const status = await bench.act(() => takeUp(environment, SPEC, bench.status, context));
  assert.deepEqual(bench.zones(), ["us-east1-b", "us-central1-b"]);
  assert.deepEqual([status.attempt, status.restarts, status.image], [2, 1, image]);
  assert.deepEqual(Object.keys(status.setbacks!).sort(), ["us-central1-a", "us-central1-b", "us-east1-b"]);
  assert.equal(bench.lines[0], "restart 1 of 2");
});

test("a restarted run waits for any machine, not only for a quota", async () => {
  const bench = new Bench(PREEMPTED, ["stockOut", "stockOut", "stockOut"]);
  const { environment, ...context } = bench.context();
  const status = await bench.act(() => takeUp(environment, SPEC, bench.status, context));
  assert.equal(status.phase, "provisioning");
  assert.equal(bench.cloud.log.length, 4);
  assert.ok(bench.lines.some((line) => line.includes(" waits for a free e2-standard-2 (Spot); no other run")));
});

test("a restart that Google refuses for good keeps the run for whoever puts it right", async () => {
  const bench = new Bench(PREEMPTED, ["bad"]);
  const { environment, ...context } = bench.context();
  const error = await refused(bench.act(() => takeUp(environment, SPEC, bench.status, context)));
  assert.ok(error instanceof LaunchRefused);
  assert.equal(error.message, "Google refuses this machine in us-central1-b: Invalid value for field 'x'");
  assert.deepEqual(
    [bench.status.phase, bench.status.reason],
    [
      "queued",
      `it could not be restarted (Google refuses this machine in us-central1-b: Invalid value for field 'x'); nobody asks for its machine now: mlt resume ${ID}`,
    ],
  );
  const again = await bench.act(() => resumeRun(environment, ID, context));
  assert.deepEqual([again.phase, again.attempt, again.restarts], ["provisioning", 3, 1]);
});

test("two who see a preemption at the same moment: one restarts it", async () => {
  const bench = new Bench(PREEMPTED);
  const [one, two] = [bench.context("one"), bench.context("two")];
  await bench.act(() =>
    Promise.all([one, two].map(({ environment, ...context }) => takeUp(environment, SPEC, PREEMPTED, context))),
  );
  assert.equal(bench.cloud.log.length, 1);
  assert.deepEqual([bench.status.attempt, bench.status.restarts], [2, 1]);
});

test("Spot gives way to standard only if the run says so, with both prices told", async () => {
  const none: Fault[] = ["stockOut", "stockOutHttp", "takenBack"];
  const stays = new Bench(SUBMITTED, [...none]);
  const error = await refused(stays.act(() => stays.launch()));
  assert.match(error.message, /^No e2-standard-2 \(Spot\) is to be had:\n/);
  assert.equal(stays.cloud.log.length, 3);

  const bench = new Bench(SUBMITTED, [...none], { fallbackToStandard: true });
  const status = await bench.act(() => bench.launch());
  assert.equal(status.machine?.spot, false);
  assert.deepEqual(bench.zones(), ["us-central1-a", "us-central1-b", "us-east1-b", "us-central1-a standard"]);
  const { scheduling } = bench.cloud.log.at(-1)!.instance;
  assert.deepEqual([scheduling?.provisioningModel, scheduling?.preemptible], ["STANDARD", false]);
  assert.ok(
    bench.lines.some((line) =>
      /^no Spot machine is to be had; asking for a standard one, at about 0\.\d{3} USD\/h instead of 0\.\d{3}$/.test(
        line,
      ),
    ),
    bench.lines.join("\n"),
  );
});

test("a request of which nothing is heard: the run goes on under the next number, in another zone", async () => {
  const bench = new Bench(SUBMITTED, ["hangsNever"]);
  const status = await bench.act(() => bench.launch());
  assert.deepEqual([status.attempt, status.restarts, status.machine?.zone], [2, 0, "us-central1-b"]);
  assert.equal(status.machine?.name, machineIn("", 2).name);
  assert.ok(
    bench.lines.includes("Google has not said what became of the request in us-central1-a; going on as attempt 2"),
    bench.lines.join("\n"),
  );
});

test("Ctrl-C while Google refuses: the run is left as queued, with what was in the way", async () => {
  const bench = new Bench(
    SUBMITTED,
    Array.from({ length: 50 }, () => "forbidden" as const),
  );
  bench.at(5, () => bench.stops.abort());
  const status = await bench.act(() => bench.launch());
  assert.deepEqual(
    [status.phase, status.machine, status.heartbeat, status.reason],
    [
      "queued",
      undefined,
      undefined,
      `us-central1-a: not allowed yet (Required 'compute.instances.create' permission); nobody asks for its machine now: mlt resume ${ID}`,
    ],
  );
  assert.ok(bench.world.now < START + 10_000);
});

test("Ctrl-C while Google makes the machine: it is waited for", async () => {
  const bench = new Bench(SUBMITTED, ["slow"]);
  bench.at(5, () => bench.stops.abort());
  const status = await bench.act(() => bench.launch());
  assert.deepEqual([status.phase, status.machine?.zone], ["provisioning", "us-central1-a"]);
  assert.ok(status.times.provisioned);
});
