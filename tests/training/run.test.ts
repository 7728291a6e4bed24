import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PHASES, type Phase, type RunSpec, type RunStatus } from "../../training/contract.ts";
import type { Problems } from "../../training/errors.ts";
import { exitCodeOf } from "../../training/follow.ts";
import { isRunId, labelValue, legalName, machineName, requestId, runId } from "../../training/ids.ts";
import type { Manifest } from "../../training/manifest.ts";
import { bucketPath, localParts } from "../../training/paths.ts";
import { costSoFar } from "../../training/price.ts";
import { buildSpec, type RunFlags } from "../../training/spec.ts";
import { ACTIVE, firstStatus, isTerminal, mayWrite, nextAttempt, type Writer } from "../../training/status.ts";
import { ENVIRONMENT } from "../cli/workbench.ts";

const NOW = Date.parse("2026-11-21T08:00:00Z");
const time = (seconds: number) => new Date(NOW + seconds * 1000).toISOString();
const RUNNING: RunStatus = {
  schema: 1,
  id: "demo-20261121080000-0a1b",
  phase: "running",
  attempt: 1,
  restarts: 0,
  times: { submitted: time(-600), booting: time(-500), running: time(-400) },
  heartbeat: time(-61),
  deadline: time(3600),
  machine: { name: "m-a01", zone: "us-central1-a", type: "e2-standard-2", spot: true },
};

test("ids: any package name and moment make a legal id, label and machine name", () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.date({ min: new Date("2000-01-01"), max: new Date("2099-12-31"), noInvalidDate: true }),
      fc.uint8Array({ minLength: 2, maxLength: 2 }),
      (name, now, random) => {
        const id = runId(name, now, Buffer.from(random));
        assert.ok(isRunId(id), id);
        assert.match(id, /^[a-z][a-z0-9-]{0,19}-\d{14}-[0-9a-f]{4}$/);
        assert.equal(labelValue(id), id);
        assert.match(machineName("mlt-abcdefghij-klmno", id, 99), /^[a-z][a-z0-9-]{1,61}[a-z0-9]$/);
        assert.equal(legalName(legalName(name)), legalName(name));
      },
    ),
  );
});

test("request ids are UUIDs, the same for the same parts only", () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(), fc.string(), fc.nat(), (a, b, c, d) => {
      const one = requestId(a, b);
      assert.match(one, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      assert.equal(one === requestId(c, d), `${a}\n${b}` === `${c}\n${d}`);
    }),
  );
});

test("an ended run is changed by nobody, and only the launcher begins an attempt", () => {
  const writers: Writer[] = ["launcher", "guest", "reconciler"];
  for (const writer of writers) {
    for (const ended of ["succeeded", "failed", "timedOut", "cancelled", "lost"] satisfies Phase[]) {
      for (const to of PHASES) {
        // `mlt resume`, under the next attempt's number.
        const resumed = writer === "launcher" && ended === "lost" && to === "provisioning";
        assert.equal(mayWrite(writer, ended, to), resumed, `${writer}: ${ended} → ${to}`);
      }
    }
  }
  assert.equal(mayWrite("launcher", "preempted", "provisioning"), true);
  assert.equal(mayWrite("guest", "preempted", "booting"), false);
  assert.equal(mayWrite("guest", "running", "lost"), false);
  assert.equal(mayWrite("launcher", "running", "succeeded"), false);
  for (const phase of ACTIVE) assert.equal(mayWrite("reconciler", phase, "lost"), true);
  assert.equal(mayWrite("reconciler", "submitted", "lost"), false);
});

test("the way of a good run is allowed, step by step", () => {
  const way: [Writer, Phase][] = [
    ["launcher", "provisioning"],
    ["guest", "booting"],
    ["guest", "installing"],
    ["guest", "running"],
    ["guest", "saving"],
    ["guest", "succeeded"],
  ];
  let from: Phase = "submitted";
  for (const [writer, to] of way) {
    assert.ok(mayWrite(writer, from, to), `${writer}: ${from} → ${to}`);
    from = to;
  }
});

test("preempted ends a run only when its restarts are used up", () => {
  const status: RunStatus = { ...RUNNING, phase: "preempted", restarts: 1 };
  assert.equal(isTerminal(status, 2), false);
  assert.equal(isTerminal(status, 1), true);
  const before = { ...status, exitCode: 1, reason: "x", resumedFrom: 3, image: "projects/p/global/images/i" };
  const checkpoint = { n: 4, at: time(-50), bytes: 1, files: 1 };
  const next = nextAttempt({ ...before, checkpoint }, { now: NOW, launcher: "b".repeat(16), restart: true });
  const { costBefore, ...rest } = next;
  assert.deepEqual(rest, {
    schema: 1,
    id: RUNNING.id,
    phase: "provisioning",
    attempt: 2,
    launcher: "b".repeat(16),
    restarts: 2,
    image: "projects/p/global/images/i",
    checkpoint,
    times: { submitted: time(-600) },
    heartbeat: time(0),
    deadline: RUNNING.deadline,
  });
  assert.deepEqual(costBefore, costSoFar(status, NOW), "what the attempts before cost is not forgotten");
  const gone = nextAttempt(status, { now: NOW, launcher: "c".repeat(16), restart: false });
  assert.equal(gone.restarts, 1, "a launcher that goes on for another is no restart");
});

const CODES: [Partial<RunStatus>, number][] = [
  [{ phase: "succeeded", exitCode: 0 }, 0],
  [{ phase: "failed", exitCode: 3 }, 3],
  [{ phase: "failed" }, 70],
  [{ phase: "failed", exitCode: 0, reason: "the outputs could not be saved" }, 70],
  [{ phase: "timedOut", exitCode: 143 }, 124],
  [{ phase: "lost" }, 75],
  [{ phase: "preempted" }, 75],
  [{ phase: "cancelled" }, 143],
  [{ phase: "queued" }, 75],
];
test("exit codes tell how a run ended", () => {
  for (const [change, code] of CODES) assert.equal(exitCodeOf({ ...RUNNING, ...change }), code, JSON.stringify(change));
});

const MANIFEST: Manifest = { name: "demo", command: ["python", "t.py"], inputs: ["census"] };
const build = (flags: RunFlags = {}, manifest: Partial<Manifest> = {}): RunSpec =>
  buildSpec({
    environment: ENVIRONMENT,
    manifest: { ...MANIFEST, ...manifest },
    archive: { sha256: "c".repeat(64) },
    arguments: ["--x"],
    flags,
    now: new Date(NOW),
    random: Buffer.from([10, 27]),
  });

test("spec: flag wins over training.yaml, which wins over the environment", () => {
  assert.deepEqual(build(), {
    schema: 1,
    id: RUNNING.id,
    environment: "mlt-test",
    project: "local-project",
    package: { name: "demo", object: `code/${"c".repeat(64)}.tar.gz`, sha256: "c".repeat(64) },
    command: ["python", "t.py"],
    arguments: ["--x"],
    inputs: ["census"],
    buckets: ENVIRONMENT.buckets,
    deadline: time(4 * 3600),
    maxRestarts: 2,
    checkpointSeconds: 30,
    fallbackToStandard: false,
    keepMinutes: 0,
    machineType: "e2-standard-2",
    spot: true,
    createdAt: time(0),
  });
  const yaml = {
    machineType: "n2-standard-4",
    maxHours: 2,
    spot: false,
    maxRestarts: 1,
    keepMinutes: 5,
    checkpointSeconds: 60,
    fallbackToStandard: true,
    python: "3.11",
  };
  const byYaml = build({}, yaml);
  assert.deepEqual(
    [byYaml.machineType, byYaml.deadline, byYaml.spot, byYaml.maxRestarts, byYaml.keepMinutes, byYaml.python],
    ["n2-standard-4", time(2 * 3600), false, 1, 5, "3.11"],
  );
  assert.deepEqual([byYaml.checkpointSeconds, byYaml.fallbackToStandard], [60, true]);
  const zones = ["us-east1-b", "us-central1-a"];
  const flags = { checkpointSeconds: 10, fallbackToStandard: false, zones };
  const byFlags = build(flags, yaml);
  assert.deepEqual([byFlags.checkpointSeconds, byFlags.fallbackToStandard, byFlags.zones], [10, false, zones]);
  const byFlag = build({ machineType: "e2-highmem-2", maxHours: 1, spot: true, maxRestarts: 0, keepMinutes: 7 }, yaml);
  assert.deepEqual(
    [byFlag.machineType, byFlag.deadline, byFlag.spot, byFlag.maxRestarts, byFlag.keepMinutes],
    ["e2-highmem-2", time(3600), true, 0, 7],
  );
});

test("spec: every ceiling that is passed is told at once", () => {
  const environment = {
    ...ENVIRONMENT,
    training: { ...ENVIRONMENT.training!, allowedMachineTypes: ["e2-standard-2", "e2-standard-4"] },
  };
  const flags: RunFlags = {
    machineType: "e2-standard-8",
    maxHours: 5,
    maxRestarts: 3,
    keepMinutes: 400,
    checkpointSeconds: 20_000,
    zones: ["us-central1-d", "us-central1-a", "us-central1-a", "europe-west4-a", "us-esat1-b"],
  };
  const input = { environment, manifest: MANIFEST, archive: { sha256: "" }, arguments: [], flags, now: new Date(NOW) };
  assert.throws(
    () => buildSpec(input),
    (error: Problems) => {
      assert.deepEqual(error.problems, [
        "machine type e2-standard-8 (--machine-type) is not allowed in mlt-test; allowed: e2-standard-2, e2-standard-4; nearest: e2-standard-2",
        "time limit 5 h (--max-hours) is over the environment's ceiling of 4 h (mltraining:training maxHours)",
        "maxRestarts 3 (--max-restarts) is over the environment's ceiling of 2",
        "a checkpoint every 20000 s (--checkpoint-seconds) would never be made within the limit of 5 h (--max-hours)",
        "zone us-central1-d (--zone) is no zone of Google's; did you mean us-central1-a?",
        "zone us-central1-a (--zone) is there twice",
        "zone europe-west4-a (--zone) is none of mlt-test's; those are us-central1-a, us-central1-b, us-east1-b. Another: add its region to mltraining:training and run `pulumi up`",
        "zone us-esat1-b (--zone) is no zone of Google's; did you mean us-east1-b?",
        "keeping a failed machine for 400 min (--keep) does not fit in 5 h",
      ]);
      return true;
    },
  );
});

const BAD_LIMITS: [RunFlags, string][] = [
  [
    { maxHours: 0.008 },
    "time limit 0.008 h (--max-hours) is out of Google's range for a machine: 30 seconds (0.00834 h) to 120 days (2880 h)",
  ],
  [
    { maxHours: 2881 },
    "time limit 2881 h (--max-hours) is out of Google's range for a machine: 30 seconds (0.00834 h) to 120 days (2880 h)",
  ],
  [
    { maxHours: Number.NaN },
    "time limit NaN h (--max-hours) is out of Google's range for a machine: 30 seconds (0.00834 h) to 120 days (2880 h)",
  ],
  [{ maxRestarts: -1 }, "maxRestarts -1 (--max-restarts) is no whole number from 0"],
  [{ maxRestarts: 0.5 }, "maxRestarts 0.5 (--max-restarts) is no whole number from 0"],
  [{ checkpointSeconds: 4 }, "checkpointSeconds 4 (--checkpoint-seconds) is no whole number from 5 to 86400"],
  [{ checkpointSeconds: 5.5 }, "checkpointSeconds 5.5 (--checkpoint-seconds) is no whole number from 5 to 86400"],
];
for (const [flags, problem] of BAD_LIMITS) {
  test(`spec: ${JSON.stringify(flags)} is refused`, () => {
    assert.throws(
      () => build(flags),
      (error: Problems) => {
        assert.deepEqual(error.problems, [problem]);
        return true;
      },
    );
  });
}

test("spec: the shortest limit that Google takes is taken; the environment's checkpoint interval does not stand in its way", () => {
  const spec = build({ maxHours: 0.0084 });
  assert.deepEqual([spec.deadline, spec.checkpointSeconds], [time(30.24), 30]);
});

test("first status: submitted, nothing known of a machine", () => {
  assert.deepEqual(firstStatus(build(), "a".repeat(16), NOW), {
    schema: 1,
    id: RUNNING.id,
    phase: "submitted",
    attempt: 1,
    launcher: "a".repeat(16),
    restarts: 0,
    times: { submitted: time(0) },
    heartbeat: time(0),
    deadline: time(4 * 3600),
  });
});

test("cost: from the machine's first sign to the end, and none without a price", () => {
  const ended = { ...RUNNING, times: { ...RUNNING.times, booting: time(-3600), ended: time(0) } };
  const cost = costSoFar(ended, NOW + 1e9);
  assert.ok(cost && cost.amount > 0.01 && cost.amount < 0.1, JSON.stringify(cost));
  assert.equal(costSoFar({ ...ended, machine: { ...ended.machine!, type: "z9-future-4" } }, NOW), undefined);
  assert.equal(costSoFar({ ...ended, times: { submitted: time(0) } }, NOW), undefined);
});

test("bucket paths and object names stay where they belong", () => {
  assert.deepEqual(bucketPath("input/census/", ENVIRONMENT), { bucket: "mlt-test-data", path: "input/census/" });
  assert.deepEqual(bucketPath("gs://other/x", ENVIRONMENT), { bucket: "other", path: "x" });
  for (const wrong of ["../x", "a/./b", "gs://", "a\u0007"]) assert.throws(() => bucketPath(wrong, ENVIRONMENT), wrong);
  assert.deepEqual(localParts("a//b.txt"), ["a", "b.txt"]);
  for (const wrong of ["..", "a/../../b", "C:\\x", "a\\..\\b", "", "x\u0000"])
    assert.throws(() => localParts(wrong), wrong);
});
