import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunSpec, RunStatus } from "../../training/contract.ts";
import { resumeRun } from "../../training/resume.ts";
import { readStatus } from "../../training/runs.ts";
import { Bench, ID, machineIn, PREEMPTED, refused, SPEC, SUBMITTED, time } from "./launchBench.ts";

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
