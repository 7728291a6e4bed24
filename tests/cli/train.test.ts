import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { RunSpec, RunStatus } from "../../training/contract.ts";
import { Conflict } from "../../training/storage.ts";
import { ENVIRONMENT, openWorkbench, type Workbench } from "./workbench.ts";

let bench: Workbench;
const DATA = "mlt-test-data";
before(async () => {
  bench = await openWorkbench();
  await bench.objects.write(DATA, "input/census/adult.data", "1\n");
  await bench.files("demo", {
    "training.yaml": "command: [python, train.py]\ninputs: [census]\n",
    "train.py": "print(1)\n",
  });
});
after(() => bench.close());

const train = (args: string[], options = {}) =>
  bench.mlt(["train", ...args.slice(0, 1), "--environment", `gs://${DATA}`, ...args.slice(1)], options);
const spec = async (id: string) => (await bench.objects.readJson<RunSpec>(DATA, `runs/${id}/spec.json`))!.value;
const status = async (id: string) => (await bench.objects.readJson<RunStatus>(DATA, `runs/${id}/status.json`))!;

/** What the machine would write, as soon as the launcher has written that it asks for one. */
async function guest(id: string, change: Partial<RunStatus>): Promise<void> {
  for (;;) {
    const { value, generation } = await status(id);
    if (value.phase === "provisioning") {
      try {
        await bench.objects.writeJson(DATA, `runs/${id}/status.json`, { ...value, ...change }, generation);
        return;
      } catch (error) {
        if (!(error instanceof Conflict)) throw error;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test("--detach starts a run: price and limit first, then package, spec, status and machine", async () => {
  const { code, stdout, stderr } = await train([
    "demo",
    "--yes",
    "--detach",
    "--json",
    "--max-hours",
    "2",
    "--",
    "--epochs",
    "3",
  ]);
  assert.equal(code, 0, stderr);
  const started = JSON.parse(stdout) as RunStatus;
  const { id } = started;
  assert.match(id, /^demo-\d{14}-[0-9a-f]{4}$/);
  assert.equal(started.phase, "provisioning");
  assert.match(
    stderr,
    /^demo \(2 files, [\d.]+ KiB\) in mlt-test\n {2}machine {3}e2-standard-2 \(Spot\)\n {2}limit {5}2 h, until \d{4}-.*Z\n {2}price {5}about 0\.\d+ USD\/h, 0\.\d\d USD at most \(list prices of \d{4}-\d\d-\d\d\)\n {2}command {3}python train\.py --epochs 3\n/,
  );
  const made = await spec(id);
  assert.deepEqual(made.command, ["python", "train.py"]);
  assert.deepEqual(made.arguments, ["--epochs", "3"]);
  assert.equal(Date.parse(made.deadline) - Date.parse(made.createdAt), 2 * 3_600_000);
  assert.ok(await bench.objects.info(DATA, made.package.object));
  const insert = bench.compute.inserts.at(-1)!;
  assert.equal(insert.body.name, started.machine?.name);
  assert.deepEqual((insert.body.labels as Record<string, string>)["mlt-run"], id);
});

test("a second run of the same package stores no second archive", async () => {
  const codes = async () =>
    (await bench.objects.list(DATA, { prefix: "code/" })).objects.map(({ generation }) => generation);
  const before = await codes();
  assert.equal(before.length, 1);
  assert.equal((await train(["demo", "--yes", "--detach"])).code, 0);
  assert.deepEqual(await codes(), before);
});

test("without a terminal and without --yes nothing is created", async () => {
  const runs = async () => (await bench.objects.list(DATA, { prefix: "runs/" })).objects.length;
  const before = await runs();
  const { code, stderr } = await train(["demo"]);
  assert.equal(code, 64);
  assert.match(stderr, /\nNobody can be asked here \(no terminal\): start it with --yes\.\n$/);
  assert.equal(await runs(), before);
});

/** Follows a run whose machine writes `change`; ends with mlt's exit code. */
async function followed(change: Partial<RunStatus>): Promise<{ code: number; id: string; stderr: string }> {
  const known = bench.compute.inserts.length;
  const following = train(["demo", "--yes"]);
  while (bench.compute.inserts.length === known) await new Promise((resolve) => setTimeout(resolve, 50));
  const id = (bench.compute.inserts.at(-1)!.body.labels as Record<string, string>)["mlt-run"]!;
  await guest(id, change);
  const { code, stderr } = await following;
  return { code, id, stderr };
}

const NOW = new Date().toISOString();
const times = { submitted: NOW, ended: NOW };
const trained = { ...times, running: NOW };
const ENDS: [string, Partial<RunStatus>, number, RegExp][] = [
  ["success ends with 0", { phase: "succeeded", exitCode: 0, times: trained }, 0, /: succeeded\n/],
  [
    "a trainer's own code comes through",
    { phase: "failed", exitCode: 3, reason: "trainer failed: exit 3", times: trained },
    3,
    /: failed: trainer failed: exit 3\n/,
  ],
  [
    "a failure before the training ends with 70",
    { phase: "failed", reason: "pip install failed: exit 1", times },
    70,
    /: failed: pip install failed: exit 1\n/,
  ],
  ["a time limit ends with 124", { phase: "timedOut", reason: "time limit reached", times }, 124, /: timedOut/],
  ["a preemption without restarts left ends with 75", { phase: "preempted", restarts: 2, times }, 75, /: preempted\n/],
];
for (const [name, change, code, said] of ENDS) {
  test(name, async () => {
    const ended = await followed(change);
    assert.equal(ended.code, code, ended.stderr);
    assert.match(ended.stderr, said);
  });
}

test("a preempted run gets its next machine, with attempt and restarts counted", async () => {
  const known = bench.compute.inserts.length;
  const following = train(["demo", "--yes", "--json"]);
  while (bench.compute.inserts.length === known) await new Promise((resolve) => setTimeout(resolve, 50));
  const first = bench.compute.inserts.at(-1)!;
  const id = (first.body.labels as Record<string, string>)["mlt-run"]!;
  await guest(id, { phase: "preempted", times: { submitted: NOW, ended: NOW } });
  while (bench.compute.inserts.length === known + 1) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.match(String(bench.compute.inserts.at(-1)!.body.name), /-a02$/);
  await guest(id, { phase: "succeeded", exitCode: 0, times: { submitted: NOW, ended: NOW } });
  const { code, stdout } = await following;
  assert.equal(code, 0);
  const last = JSON.parse(stdout) as RunStatus;
  assert.deepEqual([last.attempt, last.restarts, last.phase], [2, 1, "succeeded"]);
  assert.ok(bench.compute.deleted.includes(`us-central1-a/${first.body.name}`), "the first machine was left there");
});

test("Ctrl-C ends the following, not the run, and says so", async (t) => {
  if (process.platform === "win32") return t.skip("Windows has no SIGINT for another process");
  const { code, stderr } = await train(["demo", "--yes"], { until: /boots in us-central1-a\nmlt: provisioning/ });
  assert.equal(code, 130, stderr);
  const id =
    /stopped following; (\S+) goes on \(provisioning\)\. End it: mlt cancel (\S+); follow it: mlt logs (\S+) --follow/.exec(
      stderr,
    )?.[1];
  assert.ok(id, stderr);
  assert.equal((await status(id)).value.phase, "provisioning");
});

test("no machine anywhere ends with 69, and the run is failed with the reason", async () => {
  bench.compute.answers.push(
    ...ENVIRONMENT.zones.map(() => ({ operation: "ZONE_RESOURCE_POOL_EXHAUSTED", message: "none" })),
  );
  const { code, stderr } = await train(["demo", "--yes", "--no-spot"]);
  assert.equal(code, 69);
  assert.match(stderr, /No e2-standard-2 is to be had:\n {2}us-central1-a: none free now \(none\)/);
  const all = JSON.parse((await bench.mlt(["runs", "--json", "--environment", `gs://${DATA}`])).stdout) as RunStatus[];
  const [failed, ...others] = all.filter(({ reason }) => reason?.startsWith("No e2-standard-2 is to be had:"));
  assert.deepEqual([failed?.phase, failed?.heartbeat !== undefined, others], ["failed", true, []]);
});

test("every problem of a package is told at once, and nothing is created", async () => {
  await bench.files("broken", {
    "training.yaml": "comand: python train.py\nmaxHours: -1\n",
    "requirements.txt": "numpy>=1.2\n",
    "key.json": JSON.stringify({ type: "service_account", private_key: "-----BEGIN…" }),
  });
  const { code, stderr } = await train(["broken", "--yes"]);
  assert.equal(code, 64);
  assert.deepEqual(stderr.split("\n"), [
    "The package broken cannot be used (5 problems):",
    "  - training.yaml: `command` is missing: the command that trains, such as [python, train.py]",
    "  - training.yaml line 2: maxHours must be over 0; got -1",
    '  - training.yaml line 1: unknown key "comand"; did you mean command? Keys: name, command, inputs, python, machineType, spot, maxHours, maxRestarts, checkpointSeconds, fallbackToStandard, keep, sample',
    '  - requirements.txt line 1: "numpy>=1.2" is not pinned to one version; lock it: `uv pip compile --generate-hashes requirements.in -o requirements.txt` (or pip-compile --generate-hashes)',
    "  - key.json holds a service account key: a package is stored for good and read by machines. Remove it, or name it in .mltignore",
    "",
  ]);
});

const REFUSED: [string[], RegExp | string][] = [
  [["nowhere"], "A training package is a folder with a training.yaml; there is no nowhere.\n"],
  [
    ["demo", "--machine-type", "e2-standard-3", "--max-hours", "9"],
    /^The run cannot be started \(2 problems\):\n {2}- machine type e2-standard-3 \(--machine-type\): there is no machine type e2-standard-3; the nearest are .*\n {2}- time limit 9 h \(--max-hours\) is over the environment's ceiling of 4 h \(mltraining:training maxHours\)\n$/,
  ],
  [["demo", "--keep", "long"], '--keep takes a time such as 30m or 2h; got "long"\n'],
  [["demo", "extra"], /^error: too many arguments for 'train'/],
  [
    ["demo", "--max-hours", "many"],
    /^error: option '--max-hours <hours>' argument 'many' is invalid\. Must be hours as a number\.\n$/,
  ],
];
for (const [args, said] of REFUSED) {
  test(`train ${args.join(" ")} is refused with 64`, async () => {
    const { code, stderr } = await train([...args, "--yes"]);
    assert.equal(code, 64);
    if (typeof said === "string") assert.equal(stderr, said);
    else assert.match(stderr, said);
  });
}

test("an input that is not in the bucket is told with the command that puts it there", async () => {
  await bench.files("hungry", { "training.yaml": "command: python train.py\ninputs: [cens, census]\n" });
  const { code, stderr } = await train(["hungry", "--yes"]);
  assert.equal(code, 64);
  assert.equal(
    stderr,
    "The run cannot be started (1 problem):\n  - gs://mlt-test-data/input/cens does not exist (inputs in training.yaml); upload it: mlt put DIR input/cens\n",
  );
});

const CPUS = "Quota 'CPUS' exceeded.  Limit: 24.0 in region us-central1.";
const noQuota = () =>
  bench.compute.answers.push(
    { http: 403, reason: "quotaExceeded", message: CPUS },
    { operation: "QUOTA_EXCEEDED", message: CPUS },
  );

test("a quota that others use: --detach leaves the run queued, says so, and resume takes it up", async () => {
  noQuota();
  const { code, stdout, stderr } = await train(["demo", "--yes", "--detach"]);
  assert.deepEqual([code, stdout], [69, ""], stderr);
  const id = /mlt: (demo-\S+) is queued: waits for quota CPUS in us-central1 \(limit 24\)/.exec(stderr)?.[1];
  assert.ok(id, stderr);
  const { value } = await status(id);
  assert.deepEqual([value.phase, value.heartbeat, value.machine], ["queued", undefined, undefined]);
  assert.match(value.reason!, new RegExp(`; nobody asks for its machine now: mlt resume ${id}$`));
  const shown = await bench.mlt(["status", id, "--environment", `gs://${DATA}`]);
  assert.match(shown.stdout, new RegExp(`^go on {6}mlt resume ${id}$`, "m"));

  const resumed = await bench.mlt(["resume", id, "--detach", "--environment", `gs://${DATA}`]);
  assert.deepEqual(
    [resumed.code, resumed.stdout],
    [0, `${id} is on its way. See it: mlt status ${id}, mlt logs ${id} --follow\n`],
  );
  assert.match(
    resumed.stderr,
    /^mlt: demo-\S+ goes on, until \S+Z at most, at about 0\.\d{3} USD\/h\nmlt: going on with attempt 2\n/,
  );
  const after = (await status(id)).value;
  assert.deepEqual([after.phase, after.attempt, after.restarts], ["provisioning", 2, 0]);
  const again = await bench.mlt(["resume", id, "--environment", `gs://${DATA}`]);
  assert.equal(again.code, 64);
  assert.match(again.stderr, new RegExp(`^${id} is provisioning: another mlt asks for its machine`));
});

test("Ctrl-C while a run waits for a quota leaves it queued at once, and says who may go on", async (t) => {
  if (process.platform === "win32") return t.skip("Windows has no SIGINT for another process");
  noQuota();
  const { code, stderr } = await train(["demo", "--yes"], { until: /next try in 30 s/ });
  assert.equal(code, 130, stderr);
  assert.match(
    stderr,
    /\nmlt: stopped following; (\S+) waits \(queued\), and nobody asks for its machine now\. Go on: mlt resume \1; end it: mlt cancel \1\n$/,
  );
});

test("resume follows a preempted run to its end, from its checkpoint, in another zone", async () => {
  const detached = await train(["demo", "--yes", "--detach", "--json"]);
  const { id } = JSON.parse(detached.stdout) as RunStatus;
  const checkpoint = { n: 7, at: NOW, bytes: 10, files: 1 };
  await guest(id, { phase: "preempted", checkpoint, times: { submitted: NOW, ended: NOW } });
  const known = bench.compute.inserts.length;
  const resuming = bench.mlt(["resume", id, "--environment", `gs://${DATA}`]);
  while (bench.compute.inserts.length === known) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(bench.compute.inserts.at(-1)!.zone, "us-central1-b");
  await guest(id, { phase: "succeeded", exitCode: 0, resumedFrom: 7, times: { submitted: NOW, ended: NOW } });
  const { code, stderr } = await resuming;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /\nmlt: restart 1 of 2 from checkpoint 7\n/);
  const over = await bench.mlt(["resume", id, "--environment", `gs://${DATA}`]);
  assert.deepEqual(
    [over.code, over.stderr],
    [64, `${id} has succeeded: a run trains once. Its results: mlt fetch ${id}. Start another: mlt train DIR\n`],
  );
});

test("a fallback is told with its price before it is asked for", async () => {
  const { stderr } = await train(["demo", "--fallback-to-standard", "--zone", "us-east1-b"]);
  assert.match(
    stderr,
    /\n {2}or {8}about 0\.\d{3} USD\/h, 0\.\d\d USD at most \(list prices of \S+\), on a standard machine if no zone has a Spot one\n {2}zones {5}us-east1-b\n/,
  );
});
