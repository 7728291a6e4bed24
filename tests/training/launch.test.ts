import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunSpec, RunStatus } from "../../training/contract.ts";
import { LaunchRefused } from "../../training/engines/engine.ts";
import { VmEngine } from "../../training/engines/vm.ts";
import type { OpenEnvironment } from "../../training/environment.ts";
import type { UserError } from "../../training/errors.ts";
import { launchAttempt } from "../../training/launch.ts";
import { resumeRun } from "../../training/resume.ts";
import { readStatus } from "../../training/runs.ts";
import { takeUp } from "../../training/takeUp.ts";
import { ENVIRONMENT } from "../cli/workbench.ts";
import { type Fault, VirtualCloud } from "./schedules/cloud.ts";
import { Store } from "./schedules/store.ts";
import { Actor, World } from "./schedules/world.ts";

const START = Date.parse("2026-11-21T08:00:00Z");
const ID = "demo-20261121080000-0a1b";
const LAUNCHER = "a".repeat(16);
const time = (seconds: number) => new Date(START + seconds * 1000).toISOString();
const SPEC: RunSpec = {
  schema: 1,
  id: ID,
  environment: ENVIRONMENT.environment,
  project: ENVIRONMENT.project,
  package: { name: "demo", object: `code/${"a".repeat(64)}.tar.gz`, sha256: "a".repeat(64) },
  command: ["python", "train.py"],
  arguments: [],
  inputs: [],
  buckets: ENVIRONMENT.buckets,
  deadline: time(3600),
  maxRestarts: 2,
  keepMinutes: 0,
  machineType: "e2-standard-2",
  spot: true,
  createdAt: time(0),
};
const SUBMITTED: RunStatus = {
  schema: 1,
  id: ID,
  phase: "submitted",
  attempt: 1,
  launcher: LAUNCHER,
  restarts: 0,
  times: { submitted: time(0) },
  heartbeat: time(0),
  deadline: SPEC.deadline,
};
const machineIn = (zone: string, attempt = 1) => ({
  name: `mlt-test-run-20261121080000-0a1b-a0${attempt}`,
  zone,
  region: zone.replace(/-[a-z]$/, ""),
  type: "e2-standard-2",
  spot: true,
});
const PREEMPTED: RunStatus = {
  ...SUBMITTED,
  phase: "preempted",
  machine: machineIn("us-central1-a"),
  times: { submitted: time(0), booting: time(-600), ended: time(0) },
};

/** An in-memory Google in which somebody acts; time passes only where everybody waits. */
class Bench {
  readonly world = new World(1, START);
  readonly cloud: VirtualCloud;
  readonly store = new Store(this.world);
  readonly lines: string[] = [];
  readonly stops = new AbortController();

  constructor(status: RunStatus, script: Fault[] = [], spec: Partial<RunSpec> = {}) {
    this.cloud = new VirtualCloud(this.world, [["ok", 1]]);
    this.cloud.flaky = 0;
    this.cloud.script.push(...script);
    this.store.put("environment.json", ENVIRONMENT);
    this.store.put(`runs/${ID}/spec.json`, { ...SPEC, ...spec });
    this.store.put(`runs/${ID}/status.json`, status);
  }

  get spec(): RunSpec {
    return this.store.get<RunSpec>(`runs/${ID}/spec.json`)!;
  }

  get status(): RunStatus {
    return this.store.get<RunStatus>(`runs/${ID}/status.json`)!;
  }

  context(name = "launcher") {
    const actor = new Actor(name);
    const now = () => this.world.now;
    const sleep = (milliseconds: number) => this.world.sleep(actor, milliseconds);
    const engine = new VmEngine({ compute: this.cloud.as(actor), now, sleep });
    const environment: OpenEnvironment = { ...ENVIRONMENT, objects: this.store.as(actor) };
    const progress = (line: string) => void this.lines.push(line);
    return { environment, engine, now, sleep, progress, signal: this.stops.signal };
  }

  /** Runs to the end of what somebody does; seconds after which the world stands still. */
  async act<T>(work: () => Promise<T>, seconds = 7200): Promise<T> {
    let outcome: { value: T } | { error: unknown } | undefined;
    void work().then(
      (value) => {
        outcome = { value };
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
    await this.world.run(this.world.now + seconds * 1000, () => outcome !== undefined);
    assert.ok(outcome, "it never ended");
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }

  launch(claim = { attempt: 1, launcher: LAUNCHER }): Promise<RunStatus> {
    const { environment, ...context } = this.context();
    return launchAttempt(environment, this.spec, claim, context);
  }

  at(seconds: number, happen: () => void): void {
    this.world.later(seconds * 1000, happen);
  }

  change(change: Partial<RunStatus>): void {
    this.store.put(`runs/${ID}/status.json`, { ...this.status, ...change });
  }

  zones(): string[] {
    return this.cloud.log.map(({ zone, spot }) => `${zone}${spot ? "" : " standard"}`);
  }
}

async function refused(promise: Promise<unknown>): Promise<UserError> {
  return promise.then(
    () => assert.fail("it was not refused"),
    (error: unknown) => error as UserError,
  );
}

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
  assert.ok(bench.lines.some((line) => line.startsWith("waits for a free e2-standard-2 (Spot); no other run")));
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

test("whoever died before there was a machine is found out by the next reader, and resume goes on", async () => {
  const machine = machineIn("us-central1-a");
  const bench = new Bench({
    ...SUBMITTED,
    phase: "provisioning",
    machine,
    heartbeat: time(-61),
    times: { submitted: time(-90) },
  });
  const { environment, ...context } = bench.context();
  const found = await bench.act(() => readStatus(environment, ID, context));
  assert.deepEqual(
    [found.phase, found.machine, found.reason],
    [
      "queued",
      undefined,
      `the command that asked for its machine ended before there was one; nobody asks for its machine now: mlt resume ${ID}`,
    ],
  );
  const status = await bench.act(() => resumeRun(environment, ID, context));
  assert.deepEqual([status.phase, status.attempt], ["provisioning", 2]);
});

test("a machine that was stopped is taken away by whoever finds it", async () => {
  const bench = new Bench(SUBMITTED);
  await bench.act(() => bench.launch());
  const [machine] = bench.cloud.machines.values();
  machine!.status = "TERMINATED";
  bench.change({ heartbeat: time(-3000), times: { submitted: time(-3600), provisioned: time(-3000) } });
  const { environment, ...context } = bench.context();
  const status = await bench.act(() => readStatus(environment, ID, context));
  assert.equal(status.phase, "lost");
  await bench.world.run(bench.world.now + 30_000);
  assert.equal(bench.cloud.machines.size, 0);
});

const NOT_RESUMED: [Partial<RunStatus>, string, Partial<RunSpec>?][] = [
  [
    { phase: "running", heartbeat: time(-4) },
    `${ID} is running (attempt 1, last sign of life 4 s ago): there is nothing to resume. Follow it: mlt logs ${ID} --follow`,
  ],
  [
    { phase: "succeeded" },
    `${ID} has succeeded: a run trains once. Its results: mlt fetch ${ID}. Start another: mlt train DIR`,
  ],
  [
    { phase: "failed", reason: "trainer failed: exit 3" },
    `${ID} has failed (trainer failed: exit 3): what failed would fail again, so only runs whose machine went are resumed. Put the cause right, then start another: mlt train DIR`,
  ],
  [{ phase: "cancelled" }, `${ID} was cancelled: that is final. Start another: mlt train DIR`],
  [
    { phase: "timedOut" },
    `${ID} is past its time limit (${SPEC.deadline}), which its machines have built in: it cannot be moved. More time is a new run: mlt train DIR --max-hours HOURS`,
  ],
  [
    { phase: "preempted", deadline: time(-30) },
    `${ID} is past its time limit (${time(-30)}), which its machines have built in: it cannot be moved. More time is a new run: mlt train DIR --max-hours HOURS`,
    { deadline: time(-30) },
  ],
  [
    { phase: "queued", heartbeat: time(-10) },
    `${ID} is queued: another mlt asks for its machine (its last sign of life was 10 s ago). See it: mlt status ${ID}; if that mlt is gone, try again in a minute`,
  ],
  [
    { phase: "lost", restarts: 2 },
    `${ID} has used up its restarts (2 of 2). Start another, with more of them: mlt train DIR --max-restarts COUNT`,
  ],
  [
    { phase: "preempted", restarts: 2 },
    `${ID} has used up its restarts (2 of 2). Start another, with more of them: mlt train DIR --max-restarts COUNT`,
  ],
];
for (const [change, message, spec = {}] of NOT_RESUMED) {
  test(`resume refuses a run that is ${change.phase}${change.restarts ? " without restarts left" : ""}`, async () => {
    const bench = new Bench({ ...SUBMITTED, times: { submitted: time(-600) }, ...change }, [], spec);
    const { environment, ...context } = bench.context();
    const error = await refused(bench.act(() => resumeRun(environment, ID, context)));
    assert.deepEqual([error.message, error.exitCode], [message, 64]);
    assert.equal(bench.cloud.log.length, 0);
  });
}

test("resume takes up a lost run, and the old machine is gone before the new one comes", async () => {
  const bench = new Bench({ ...PREEMPTED, phase: "lost" });
  const { environment, ...context } = bench.context();
  const status = await bench.act(() => resumeRun(environment, ID, context));
  assert.deepEqual([status.phase, status.attempt, status.restarts], ["provisioning", 2, 1]);
});
