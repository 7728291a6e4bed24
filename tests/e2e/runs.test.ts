import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { NOT_SHOWN } from "../../cli/rehearse/stage.ts";
import type { TemplateProperties } from "../../training/compute.ts";
import type { RunStatus } from "../../training/contract.ts";
import { instanceRequest } from "../../training/engines/request.ts";
import { openEnvironment, planRun, readPackage, startRun } from "../../training/index.ts";
import { createEnvironment, type Ended, type LiveEnvironment, waitFor } from "./environment.ts";

// Everything real at once: the environment as Pulumi made it, `mlt` as a process, the supervisor on a machine of the
// best level that this host has, Google's API as the local cloud has it. One environment serves all tests of this file.

const WAITS = `
import os, signal, sys, time
def save(*_):
    open(os.environ["OUTPUT_DIR"] + "/partial.txt", "w").write("saved on SIGTERM")
    sys.exit(1)
signal.signal(signal.SIGTERM, save)
while True:
    print("tick", time.time(), flush=True)
    time.sleep(0.5)
`;

let live: LiveEnvironment;
/** A run whose supervisor is stopped, so that only the cloud's own clock can end it; watched by the last test. */
let overdue: Promise<string>;

before(async () => {
  live = await createEnvironment();
  const missing = NOT_SHOWN[live.level];
  console.log(`machines: ${live.level}${missing.length > 0 ? `; not shown: ${missing.join(", ")}` : ""}`);
  overdue = startOverdue();
  overdue.catch(() => {}); // told by the test that waits for it
});
after(() => live?.close());

const runId = (ended: Ended): string => {
  const [, id] = /^mlt: ([a-z]+-\d{14}-[0-9a-f]{4}): /m.exec(ended.stderr) ?? [];
  assert.ok(id, ended.stderr);
  return id;
};

/** Every object of a run in the data bucket with its generation. */
async function objectsOf(run: string, bucket = live.buckets.data): Promise<Record<string, string>> {
  const items = await listed(bucket, `runs/${run}/`);
  return Object.fromEntries(items.map(({ name, generation }) => [name, generation]));
}

async function listed(
  bucket: string,
  prefix: string,
): Promise<{ name: string; generation: string; timeCreated: string }[]> {
  const address = `${live.cloud.operatorUrl}/storage/v1/b/${bucket}/o?prefix=${encodeURIComponent(prefix)}`;
  const { items = [] } = (await (await fetch(address)).json()) as Awaited<{ items?: never[] }>;
  return items;
}

/** Makes everything that was heard of a run two minutes older: what a reader finds who comes later. */
async function age(run: string): Promise<void> {
  const status = await live.status(run);
  const older = (time: string) => new Date(Date.parse(time) - 120_000).toISOString();
  for (const [name, time] of Object.entries(status.times)) Object.assign(status.times, { [name]: older(time) });
  if (status.heartbeat) status.heartbeat = older(status.heartbeat);
  await live.write(live.buckets.data, `runs/${run}/status.json`, JSON.stringify(status));
}

async function told(run: string): Promise<RunStatus> {
  const { code, stdout, stderr } = await live.mlt("status", run, "--json").ended;
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as RunStatus;
}

describe("without faults", { concurrency: 3 }, () => {
  test("train: followed to its end, saved, gone; booted again, it changes nothing and goes", async () => {
    const folder = live.pack(
      "good",
      `
import json, os, sys
print("arguments", sys.argv[1:])
open(os.environ["OUTPUT_DIR"] + "/model.txt", "w").write("a model")
open(os.environ["OUTPUT_DIR"] + "/metrics.json", "w").write(json.dumps({"accuracy": 0.5}))
`,
    );
    const ended = await live.mlt("train", folder, "--yes", "--", "--rounds", "3").ended;
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stdout, /arguments \['--rounds', '3'\]/, "the trainer's log, as it came");
    assert.match(ended.stderr, /price .*\n[\s\S]*asking for e2-standard-2/, "the price comes before the machine");
    const run = runId(ended);

    const status = await told(run);
    assert.equal(status.phase, "succeeded");
    assert.deepEqual([status.attempt, status.restarts, status.exitCode], [1, 0, 0]);
    assert.deepEqual(status.metrics, { accuracy: 0.5 });
    const { booting, installing, running, saving, ended: end } = status.times;
    assert.deepEqual(
      [booting, installing, running, saving, end].sort(),
      [booting, installing, running, saving, end],
      "every phase in its turn",
    );
    assert.equal(await live.object(live.buckets.data, `runs/${run}/output/model.txt`), "a model");
    await live.withoutMachine(run);

    const log = await live.mlt("logs", run).ended;
    assert.equal(log.code, 0, log.stderr);
    assert.match(log.stdout, /arguments \['--rounds', '3'\]/);
    assert.equal(log.stdout, await live.object(live.buckets.data, `runs/${run}/log.txt`));
    assert.equal(log.stdout.match(/arguments/g)?.length, 1);
    const fetched = await live.mlt("fetch", run, "fetched").ended;
    assert.equal(fetched.code, 0, fetched.stderr);
    assert.equal(readFileSync(join(live.folder, "fetched", "output", "model.txt"), "utf8"), "a model");

    const before = { data: await objectsOf(run), scratch: await objectsOf(run, live.buckets.scratch) };
    const { machine } = status;
    assert.ok(machine);
    await bootAgain(run, machine);
    const life = live.log.filter((line) => line.startsWith(`${machine.name}: `)).map((line) => line.split(": ")[1]);
    assert.equal(life.filter((word) => word?.startsWith("RUNNING")).length, 2, "it did boot");
    assert.equal(life.filter((word) => word === "deleted").length, 2, "and deleted itself");
    assert.deepEqual({ data: await objectsOf(run), scratch: await objectsOf(run, live.buckets.scratch) }, before);
  });

  test("a trainer that ends with 3: so does mlt train, and the machine goes", async () => {
    const folder = live.pack("three", "import sys\nprint('no such column: age')\nsys.exit(3)\n");
    const ended = await live.mlt("train", folder, "--yes").ended;
    assert.equal(ended.code, 3, ended.stderr);
    const status = await told(runId(ended));
    assert.deepEqual([status.phase, status.exitCode], ["failed", 3]);
    assert.match(status.reason ?? "", /^trainer failed: exit 3 \(no such column: age\)$/);
    await live.withoutMachine(status.id);
  });

  test("requirements that do not install: 70 and the line that is to blame", async () => {
    const wrong = `# locked\nsix==1.17.0 --hash=sha256:${"0".repeat(64)}\n`;
    const ended = await live.mlt("train", live.pack("unlocked", "print('never')", wrong), "--yes").ended;
    assert.equal(ended.code, 70, ended.stderr);
    assert.match(ended.stderr, /failed: pip install failed: exit 1, requirements\.txt line 2/);
    assert.doesNotMatch(ended.stdout, /never/);
    await live.withoutMachine(runId(ended));
  });

  test("a package that is not what was sent: its checksum is wrong, nothing of it runs", async () => {
    const folder = live.pack("changed", "print('never')");
    const { archive } = await readPackage(folder);
    await live.write(live.buckets.data, `code/${archive.sha256}.tar.gz`, "something else");
    const ended = await live.mlt("train", folder, "--yes").ended;
    assert.equal(ended.code, 70, ended.stderr);
    assert.match(ended.stderr, /failed: .*(checksum|SHA-256)/i);
    assert.doesNotMatch(ended.stdout, /never/);
    await live.withoutMachine(runId(ended));
  });

  test("two runs at once: seen live, one cancelled, the other's machine taken away behind its back", async () => {
    const folder = live.pack("waits", WAITS);
    const [one, two] = await Promise.all([live.detached(folder), live.detached(folder)]);
    assert.notEqual(one, two);
    const follower = live.mlt("logs", one, "--follow");
    await follower.said(/tick/);
    await Promise.all([one, two].map((run) => live.until(run, ({ phase }) => phase === "running")));
    const [first, second] = await Promise.all([one, two].map(told));
    assert.deepEqual([first?.phase, second?.phase], ["running", "running"]);
    assert.notEqual(first?.machine?.name, second?.machine?.name);
    const running = JSON.parse((await live.mlt("status", "--json").ended).stdout) as { running: RunStatus[] };
    assert.ok([one, two].every((run) => running.running.some(({ id }) => id === run)));

    const cancelled = await live.mlt("cancel", one).ended;
    assert.equal(cancelled.code, 0, cancelled.stderr);
    assert.equal((await told(one)).phase, "cancelled");
    assert.equal((await follower.ended).code, 0);
    await live.withoutMachine(one);
    assert.equal(await live.object(live.buckets.data, `runs/${one}/output/partial.txt`), "saved on SIGTERM");
    // What a reader of the log sees is at most ten seconds old.
    for (const { name, timeCreated } of await listed(live.buckets.scratch, `runs/${one}/attempt-1/log/`)) {
      const [, oldest] = /^tick ([\d.]+)/m.exec((await live.object(live.buckets.scratch, name)) ?? "") ?? [];
      if (oldest) assert.ok(Date.parse(timeCreated) - Number(oldest) * 1000 < 10_000, `${name}: ${timeCreated}`);
    }

    const { phase, machine } = await told(two);
    assert.equal(phase, "running", "the other run goes on");
    assert.ok(machine);
    await live.compute(`zones/${machine.zone}/instances/${machine.name}`, { method: "DELETE" });
    await live.withoutMachine(two);
    assert.equal((await told(two)).phase, "running", "a machine may be away for a moment");
    await age(two);
    const lost = await told(two);
    assert.equal(lost.phase, "lost");
    assert.match(lost.reason ?? "", new RegExp(`^${machine.name} is gone, last heard of at .* in phase running$`));
  });
});

describe("with faults of the cloud", () => {
  const insert = { service: "compute", method: "POST" };

  test("a stock-out moves the run to the second zone; preempted there, it goes on in another", async () => {
    const [first = "", second = ""] = live.zones;
    live.cloud.cloud.faults.plan({
      id: "stock-out",
      ...insert,
      path: `/zones/${first}/instances$`,
      times: 1,
      operationError: { code: "ZONE_RESOURCE_POOL_EXHAUSTED", message: `The zone '${first}' has no resources.` },
    });
    const folder = live.pack(
      "spot",
      `import os\nif os.environ["ML_TRAINING_ATTEMPT"] == "2":\n    print("second try")\n    raise SystemExit(0)\n${WAITS}`,
    );
    const train = live.mlt("train", folder, "--yes", "--spot");
    await train.said(/tick/);
    const run = (await train.said(/\bspot-\d{14}-[0-9a-f]{4}\b/)) ?? "";
    const before = await live.status(run);
    assert.equal(before.machine?.zone, second);
    const body = JSON.stringify({ zone: second, instance: before.machine?.name });
    const preempt = await fetch(`${live.cloud.operatorUrl}/local/v1/preempt`, { method: "POST", body });
    assert.equal(preempt.status, 200, await preempt.text());

    const ended = await train.ended;
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stderr, /restart 1 of/);
    const status = await told(run);
    assert.deepEqual([status.phase, status.attempt, status.restarts], ["succeeded", 2, 1]);
    assert.ok(live.zones.includes(status.machine?.zone ?? ""), "another zone first");
    assert.notEqual(status.machine?.zone, second);
    assert.notEqual(status.machine?.name, before.machine?.name);
    const log = (await live.object(live.buckets.data, `runs/${run}/log.txt`)) ?? "";
    assert.match(log, /tick[\s\S]*second try/, "the log of both attempts");
    assert.equal(await live.object(live.buckets.data, `runs/${run}/output/partial.txt`), "saved on SIGTERM");
    await live.withoutMachine(run);
  });

  test("a quota that others use is waited for, and said; cancelled meanwhile, no machine was ever made", async () => {
    const { faults } = live.cloud.cloud;
    faults.plan({
      id: "quota",
      ...insert,
      path: "/instances$",
      operationError: { code: "QUOTA_EXCEEDED", message: "Quota 'CPUS' exceeded.  Limit: 24.0 in region us-central1." },
    });
    const train = live.mlt("train", live.pack("greedy", "print('never')"), "--yes");
    await train.said(/waits for quota CPUS in us-central1 \(limit 24\); .+; next try in 30 s/);
    const run = await train.said(/\bgreedy-\d{14}-[0-9a-f]{4}\b/);
    await live.until(run, ({ phase }) => phase === "queued");
    assert.equal((await live.mlt("cancel", run).ended).code, 0);
    const ended = await train.ended;
    faults.clear();
    assert.equal(ended.code, 143, ended.stderr);
    const { phase, machine } = await live.status(run);
    assert.deepEqual([phase, machine], ["cancelled", undefined]);
    await live.withoutMachine(run);
  });
});

test("a machine that does not end by itself is deleted by the cloud at its deadline", async (t) => {
  if (process.platform !== "linux") return t.skip("looks for the process to stop in /proc");
  const run = await overdue;
  await live.withoutMachine(run);
  const { machine, deadline } = await live.status(run);
  assert.ok(live.log.includes(`${machine?.name}: its time limit is reached`), live.log.join("\n"));
  assert.ok(Date.now() >= Date.parse(deadline));
  assert.deepEqual(processesOf(run), [], "its program went with the machine");
  // Where systemd ends the supervisor, its last words stand in the status; else a reader finds the machine gone.
  if (!(await live.status(run)).times.ended) await age(run);
  const status = await told(run);
  assert.equal(status.phase, "timedOut", status.reason);
});

test("destroy leaves nothing behind", async () => {
  const left = await live.left();
  assert.equal(left["compute.instances"], undefined);
  assert.equal(left["compute.disks"], undefined);
  await live.destroy();
  assert.deepEqual(await live.left(), {});
});

/** Starts a run that ends so soon that no flag of `mlt` asks for it, and stops its supervisor as soon as it is there. */
async function startOverdue(): Promise<string> {
  if (process.platform !== "linux") return "";
  Object.assign(process.env, live.clients);
  const environment = await openEnvironment(live.buckets.data);
  const plan = await planRun(environment, live.pack("overdue", WAITS), []);
  plan.spec.deadline = new Date(Date.now() + 40_000).toISOString();
  const { id: run } = await startRun(environment, plan);
  await waitFor(`the supervisor of ${run}`, () => supervisorsOf(run).length > 0);
  for (const pid of supervisorsOf(run)) process.kill(pid, "SIGSTOP");
  const { times } = await live.status(run);
  assert.equal(times.ended, undefined, "the supervisor was stopped before it had come to an end");
  return run;
}

/** The processes whose command line holds `text`, machines' included. */
function processesOf(text: string): { pid: number; line: string }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => ({ pid: Number(pid), line: readIfThere(`/proc/${pid}/cmdline`).replaceAll("\0", " ") }))
    .filter(({ line }) => line.includes(text));
}

/** The supervisor's processes for this run, seen from outside the machine. */
function supervisorsOf(run: string): number[] {
  return processesOf(" -m supervisor run ")
    .filter(({ pid }) => {
      const [, root = ""] = /(?:^|\0)ML_TRAINING_ROOT=([^\0]*)/.exec(readIfThere(`/proc/${pid}/environ`)) ?? [];
      return existsSync(`/proc/${pid}/root${root}/var/lib/ml-training/runs/${run}`);
    })
    .map(({ pid }) => pid);
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return ""; // ended while it was looked at
  }
}

/** Makes a machine with the metadata of an ended run, as a launcher's repeated call would, and waits until it is gone. */
async function bootAgain(run: string, machine: NonNullable<RunStatus["machine"]>): Promise<void> {
  const spec = await live.spec(run);
  const { templates } = JSON.parse((await live.object(live.buckets.data, "environment.json")) ?? "").training as {
    templates: Record<string, string>;
  };
  const template = `global/instanceTemplates/${templates[machine.region ?? ""]}`;
  const found = await live.compute<{ properties: TemplateProperties }>(template);
  assert.ok(found);
  const { name, zone } = machine;
  const body = instanceRequest(found.properties, spec, { name, zone, attempt: 1, now: Date.now() });
  const source = `projects/${live.cloud.project}/${template}`;
  await live.compute(`zones/${zone}/instances?sourceInstanceTemplate=${source}`, { method: "POST", body });
  await waitFor("the machine", async () => (await live.machines()).includes(name));
  await live.withoutMachine(run);
}
