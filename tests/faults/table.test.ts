// What the table of `npm run faults` promises, without running it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type FaultCase, judge } from "../../faults/case.ts";
import { CASES } from "../../faults/cells/index.ts";
import { GROUPS } from "../../faults/groups.ts";
import { expectedModel } from "../../faults/package.ts";
import { inParallel } from "../../faults/pool.ts";
import { type RunNames, STEP_NAMES, StepWatch, step } from "../../faults/steps.ts";
import type { RunStatus } from "../../training/contract.ts";
import { REPOSITORY } from "../helpers/shell.ts";

const NAMED = [
  /preemption, 30 s notice/,
  /preemption, no notice/,
  /SIGKILL of the supervisor/,
  /SIGTERM of the supervisor/,
  /SIGKILL of the trainer/,
  /SIGTERM of the trainer/,
  /trainer hangs/,
  /supervisor hangs/,
  /disk full/,
  /metadata down/,
  /metadata slow/,
  /metadata 404/,
  /metadata 500/,
  /bucket 403/,
  /bucket 404/,
  /bucket 412/,
  /bucket 503/,
  /out of memory/,
  /clock jumps/,
  /DNS down/,
  /two machines, one attempt/,
  /startup script run twice/,
  /reset button/,
];

test("every fault that was asked for, at least ten steps, more than 120 cases", () => {
  const faults = [...new Set(CASES.map(({ fault }) => fault))];
  for (const name of NAMED)
    assert.ok(
      faults.some((fault) => name.test(fault)),
      `${name} is missing`,
    );
  assert.ok(new Set(CASES.map(({ step: name }) => name)).size >= 10);
  assert.ok(CASES.length > 120, String(CASES.length));
  const keys = CASES.map(({ fault, step: name, level }) => `${fault}/${name}/${level}`);
  assert.equal(new Set(keys).size, keys.length, "no case twice");
});

test("every case has its ends written down: a final phase, and a reason wherever it is no success", () => {
  for (const { fault, step: name, expected } of CASES) {
    assert.ok(expected.length > 0 && expected.length <= 2, `${fault} at ${name}`);
    for (const { phase, reason } of expected) {
      assert.ok(["succeeded", "failed", "timedOut", "lost"].includes(phase), `${fault} at ${name}: ${phase}`);
      assert.equal(reason === undefined, phase === "succeeded", `${fault} at ${name}: ${phase} ${reason}`);
      if (reason) assert.ok(reason.source.length > 15, `${fault} at ${name}: ${reason} fits too much`);
    }
  }
});

const RUN: RunNames = {
  id: "case-20261121080000-00ff",
  machine: "mlt-faults-run-20261121080000-00ff-a01",
  package: "code/abc.tar.gz",
  input: "f1-1",
};
const machine = { caller: "t@p.iam.gserviceaccount.com" };
const status = (query: string) => ({ service: "storage", method: "POST", path: "/upload/storage/v1/b/d/o", query });

test("a step is reached by its own call, once, and never by a person's", () => {
  const claim = status(`uploadType=media&name=runs/${RUN.id}/status.json&ifGenerationMatch=1`);
  const watch = new StepWatch("claim", RUN);
  assert.equal(watch.call(claim), false, "the launcher writes the same object");
  assert.equal(watch.call({ ...claim, ...machine, query: "name=runs/other/status.json" }), false);
  assert.equal(watch.call({ ...claim, ...machine }), true);
  assert.equal(watch.call({ ...claim, ...machine }), false);

  const final = new StepWatch("final", RUN);
  assert.equal(final.call({ ...claim, ...machine }), false, "not before the log is there");
  final.answered({ ...status(`name=runs/${RUN.id}/log.txt`), ...machine });
  assert.equal(final.call({ ...claim, ...machine }), true);

  const unpack = new StepWatch("unpack", RUN);
  assert.equal(
    unpack.answered({ service: "storage", method: "GET", path: "/b/d/o/code/abc.tar.gz", ...machine }),
    true,
  );

  const pip = new StepWatch("pip", RUN);
  assert.equal(pip.line("another", "installing requirements.txt"), false);
  assert.equal(pip.line(RUN.machine, "[ml-training 08:00:00] installing requirements.txt"), true);
  for (const name of STEP_NAMES) assert.ok(step(name).target || step(name).after || step(name).line, name);
});

test("an end is right only if it was written down", () => {
  const one: Pick<FaultCase, "expected"> = {
    expected: [
      { phase: "failed", reason: /^package is missing/ },
      { phase: "succeeded", attempt: 2, resumed: true },
    ],
  };
  const end = (phase: RunStatus["phase"], more: Partial<RunStatus> = {}): RunStatus => ({
    schema: 1,
    id: RUN.id,
    phase,
    attempt: 1,
    restarts: 0,
    times: { submitted: "2026-11-21T08:00:00Z" },
    deadline: "2026-11-21T09:00:00Z",
    ...more,
  });
  const seen = { maxRestarts: 5, beginnings: ["0", "6"] };
  assert.deepEqual(judge(one, end("failed", { reason: "package is missing: gs://d/o" }), seen), []);
  assert.deepEqual(judge(one, end("succeeded", { attempt: 2 }), seen), []);
  const right = "failed in attempt 1 (^package is missing) or succeeded in attempt 2, resumed";
  assert.deepEqual(judge(one, end("succeeded", { attempt: 2 }), { ...seen, beginnings: ["0", "0"] }), [
    `it ended succeeded in attempt 2; right is ${right}`,
  ]);
  assert.deepEqual(judge(one, end("failed", { reason: "HttpError: HTTP 404" }), seen), [
    `it ended failed in attempt 1, resumed (HttpError: HTTP 404); right is ${right}`,
    "the reason is in a program's words: HttpError: HTTP 404",
  ]);
  assert.deepEqual(judge(one, end("running"), seen), [
    "the phase running is not final",
    `it ended running in attempt 1, resumed; right is ${right}`,
  ]);
});

test("the trainer's model is what its arithmetic says, in one go or in two", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "mlt-faults-trainer-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const env = {
    PATH: process.env.PATH,
    CHECKPOINT_DIR: folder,
    OUTPUT_DIR: folder,
    // Nobody listens there: the trainer's signs of life are for the local cloud.
    GCE_METADATA_HOST: "127.0.0.1:9",
  };
  const train = () => spawnSync("python3", [join(REPOSITORY, "faults/package/train.py")], { env, encoding: "utf8" });
  const { stdout, stderr } = train();
  assert.equal(readFileSync(join(folder, "model.txt"), "utf8"), expectedModel(), stderr);
  assert.match(stdout, /^begins at step 0 with weight 1\nstep 1\n/);
  assert.match(train().stdout, new RegExp(`^begins at step 12 with weight ${expectedModel()}\n$`));
});

test("so many at a time, every one once, results in order", async () => {
  let now = 0;
  let most = 0;
  const results = await inParallel([5, 4, 3, 2, 1], 2, async (item) => {
    now += 1;
    most = Math.max(most, now);
    await new Promise((resolve) => setTimeout(resolve, item));
    now -= 1;
    return item * 2;
  });
  assert.deepEqual(results, [10, 8, 6, 4, 2]);
  assert.equal(most, 2);
});

test("the command refuses what it does not know, and says what there is", () => {
  const faults = (...args: string[]) =>
    spawnSync(process.execPath, [join(REPOSITORY, "faults/run.js"), ...args], { encoding: "utf8" });
  const names = GROUPS.map(({ name }) => name);
  assert.deepEqual(names.slice(0, 4), ["runs", "brakes", "launcher", "checkpoints"]);
  const unknown = faults("--only", "run");
  assert.equal(unknown.status, 64);
  assert.match(unknown.stderr, new RegExp(`^There is no group run\\.\n.*\n  GROUP: ${names.join(", ")}\n$`));
  const jobs = faults("--jobs", "0");
  assert.deepEqual([jobs.status, jobs.stderr.split("\n")[0]], [64, '--jobs is a whole number from 1; got "0".']);
  const guest = faults("--guest", "vm");
  assert.deepEqual([guest.status, guest.stderr.split("\n")[0]], [64, '--guest is nspawn or process; got "vm".']);
});
