import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { RunStatus } from "../../training/contract.ts";
import { openEnvironment } from "../../training/environment.ts";
import { Watcher } from "../../training/watch.ts";
import { CTRL_C, inTerminal, noTerminal } from "./terminal.ts";
import { leaveRun, openWorkbench, type Workbench } from "./workbench.ts";

let bench: Workbench;
const DATA = "mlt-test-data";
const SCRATCH = "mlt-test-scratch";
const RUN = "alpha-20260301000000-0002";
const OLD = "demo-20260101000000-0001";
const MACHINE = {
  name: "mlt-test-run-20260301000000-0002-a01",
  zone: "us-central1-a",
  type: "e2-standard-2",
  spot: true,
};
const ESC = String.fromCharCode(27);
const now = () => new Date().toISOString();
before(async () => {
  bench = await openWorkbench();
  assert.equal((await bench.mlt(["use", `gs://${DATA}`])).code, 0);
});
after(() => bench.close());

/** Each test's own, and so its own log. */
let attempt = 0;
const piece = (number: number) => `runs/${RUN}/attempt-${attempt}/log/00000${number}.txt`;

/** Both runs as they are at the beginning of each test. */
async function begin(): Promise<void> {
  attempt += 1;
  const submitted = new Date(Date.now() - 600_000).toISOString();
  await leaveRun(bench, OLD, {
    phase: "failed",
    exitCode: 3,
    reason: "trainer failed: exit 3",
    times: { submitted, ended: submitted },
  });
  await leaveRun(bench, RUN, {
    machine: MACHINE,
    attempt,
    checkpoint: { n: 4, at: now(), bytes: 10, files: 1 },
    metrics: { step: 1200 },
    times: { submitted, booting: submitted, running: submitted },
  });
  await bench.objects.write(SCRATCH, piece(1), "epoch 1\nepoch 2: loss 0.5\n");
}

test("without a terminal: a line for each run, and then for each change only", async () => {
  await begin();
  const watching = bench.mlt(["watch", "--interval", "1", "--until-ended"]);
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await bench.objects.write(SCRATCH, piece(2), "epoch 3: loss 0.25\n");
  await leaveRun(bench, RUN, { attempt, machine: MACHINE, times: { submitted: now(), running: now() } });
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await leaveRun(bench, RUN, {
    phase: "succeeded",
    exitCode: 0,
    machine: MACHINE,
    times: { submitted: now(), ended: now() },
  });
  const { code, stdout, stderr } = await watching;
  assert.deepEqual([code, stderr], [0, ""]);
  const lines = stdout.trimEnd().split("\n");
  assert.equal(lines.length, 4, stdout);
  assert.match(
    lines[0]!,
    /^\d{4}-\S+Z demo-20260101000000-0001 {2}failed {2}1 {2}- {2}- {2}0 s {2}- {2}- {2}trainer failed: exit 3$/,
  );
  assert.match(
    lines[1]!,
    /^\S+ alpha-20260301000000-0002 {2}running {2}1 {2}1200 {2}e2-standard-2 spot us-central1-a {2}10 min {2}0\.\d{3} {2}4, \d+ s {2}epoch 2: loss 0\.5$/,
  );
  assert.match(lines[2]!, / running .* epoch 3: loss 0\.25$/);
  assert.match(lines[3]!, /alpha-20260301000000-0002 {2}succeeded /);
});

test("--json: one object for each change", async () => {
  await begin();
  const { code, stdout } = await bench.mlt(["watch", "--json", "--interval", "1"], { until: /alpha/ });
  assert.equal(code, 0);
  const changes = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as RunStatus & { at: string; line?: string; cost?: { amount: number } });
  assert.deepEqual(
    changes.map(({ id, phase, line, checkpoint }) => [id, phase, line, checkpoint?.n]),
    [
      [OLD, "failed", undefined, undefined],
      [RUN, "running", "epoch 2: loss 0.5", 4],
    ],
  );
  assert.ok(changes[1]!.cost!.amount > 0);
});

test("in a terminal: a table that is drawn over in place; q and Ctrl-C give the terminal back", async (t) => {
  if (noTerminal(t)) return;
  await begin();
  for (const type of ["q", CTRL_C]) {
    const { code, output, left } = await inTerminal(bench, ["watch", "--interval", "1"], {
      steps: [{ wait: "loss 0.5[\\s\\S]*loss 0.5", type }],
      columns: 200,
    });
    assert.deepEqual([code, left], [0, []], output);
    assert.ok(output.startsWith(`${ESC}[?1049h${ESC}[?25l${ESC}[H`), JSON.stringify(output.slice(0, 80)));
    assert.match(output, /mlt-test: 1 of 2 runs go on {3}\(q leaves, the runs stay\)/);
    const [, after] = output.split(`${ESC}[?25h${ESC}[?1049l`);
    assert.match(after!, /^RUN +STATE +TRY +STEP +MACHINE +AGE +COST +CHECKPOINT +LAST LINE\n/);
    assert.match(after!, /^alpha-20260301000000-0002 +running +\d +1200 /m);
  }
});

test("a look costs one listing and what has changed; a silent run's machine is asked after once a minute", async () => {
  await begin();
  const calls: string[] = [];
  const environment = await openEnvironment(DATA);
  const { objects } = environment;
  for (const name of ["list", "read"] as const) {
    const real = objects[name].bind(objects) as (...parts: unknown[]) => Promise<never>;
    Object.assign(objects, {
      [name]: (...parts: unknown[]) => {
        calls.push(`${name} ${name === "list" ? (parts[1] as { prefix: string }).prefix : parts[1]}`);
        return real(...parts);
      },
    });
  }
  let clock = Date.now();
  let asked = 0;
  const engine = {
    state: async () => {
      asked += 1;
      return "running";
    },
  } as never;
  const watcher = new Watcher(environment, { now: () => clock, engine });
  await watcher.look();
  calls.length = 0;
  await watcher.look();
  assert.deepEqual(calls, ["list runs/"]);
  await leaveRun(bench, RUN, { attempt, machine: MACHINE, times: { submitted: now(), running: now() } });
  calls.length = 0;
  await watcher.look();
  assert.deepEqual(calls, ["list runs/", `read runs/${RUN}/status.json`, `read ${piece(2)}`]);
  for (const [later, expected] of [
    [50_000, 0],
    [61_000, 1],
    [100_000, 1],
    [130_000, 2],
  ] as const) {
    clock = Date.now() + later;
    await watcher.look();
    assert.equal(asked, expected, `${later} ms later`);
  }
});

test("a look that is refused tells why, and a pause under a second is none", async () => {
  const refused = await bench.mlt(["watch", "--interval", "0.1"]);
  assert.deepEqual(
    [refused.code, refused.stderr],
    [64, "error: option '--interval <seconds>' argument '0.1' is invalid. Must be 1 second or more.\n"],
  );
});

test("logs: what never came to write shows its machine's console, and says so", async () => {
  const id = "mute-20260303000000-0001";
  const machine = { ...MACHINE, name: "mlt-test-run-20260303000000-0001-a01" };
  await leaveRun(bench, id, { phase: "provisioning", machine });
  bench.compute.consoles.set(
    `us-central1-a/${machine.name}`,
    `${ESC}[0;32mOK${ESC}[0m booted\r\nstartup-script: no route\u0007\r\n`,
  );
  const shown = await bench.mlt(["logs", id]);
  assert.deepEqual(shown, {
    code: 0,
    stdout: "OK booted\nstartup-script: no route\n",
    stderr: `mlt: ${id} has written no log yet; this is the console of ${machine.name}\n`,
  });
  const { log, source } = JSON.parse((await bench.mlt(["logs", id, "--json"])).stdout) as Record<string, unknown>;
  assert.deepEqual([log, source], ["OK booted\nstartup-script: no route\n", "console"]);
  bench.compute.consoles.clear();
  await leaveRun(bench, id, { phase: "lost", machine, times: { submitted: now(), ended: now() } });
  assert.deepEqual(await bench.mlt(["logs", id]), {
    code: 0,
    stdout: "",
    stderr: `${id} has written no log (lost), and ${machine.name} is gone with its console.\n`,
  });
});

test("a status that names somebody else's machine leads nobody to it", async () => {
  const id = "evil-20260303000000-0003";
  const machine = { ...MACHINE, name: "production-database" };
  bench.compute.machines.set("us-central1-a/production-database", { status: "RUNNING", labels: {} });
  await leaveRun(bench, id, { phase: "provisioning", machine });
  const { code, stderr } = await bench.mlt(["cancel", id]);
  assert.equal(code, 64);
  assert.match(
    stderr,
    /\nproduction-database is no training machine of mlt-test \(their names begin with mlt-test-run-\); it is left alone\. Whoever wrote that into the run's status was no launcher\.\n$/,
  );
  assert.ok(bench.compute.machines.has("us-central1-a/production-database"));
});
