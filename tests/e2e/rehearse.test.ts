import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { RehearsalReport } from "../../cli/rehearse/report.ts";
import { chooseDriver } from "../../localcloud/guests/index.ts";
import { REPOSITORY } from "../helpers/shell.ts";
import { type Ended, type Running, start } from "./environment.ts";

// `mlt rehearse` as a user starts it: what it prints, what it ends with, and what it leaves when it is broken off.

let folder: string;
let level: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "mlt-rehearse-"));
  const driver = await chooseDriver(process.env.MLT_TEST_GUEST as "nspawn" | undefined);
  await driver.prepare((line) => console.log(line));
  level = driver.level;
  console.log(`machines: ${level}`);
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** A package whose program is `trainer`. */
function pack(name: string, trainer: string): string {
  const place = join(folder, name);
  mkdirSync(place, { recursive: true });
  writeFileSync(
    join(place, "training.yaml"),
    `name: ${name}\ncommand: [python, train.py]\nmachineType: e2-standard-2\n`,
  );
  writeFileSync(join(place, "requirements.txt"), "");
  writeFileSync(join(place, "train.py"), trainer);
  return place;
}

/** `mlt` with a folder for temporary files of its own: whatever it leaves is seen there. */
function mlt(name: string, ...args: string[]): Running & { temporary: string } {
  const temporary = join(folder, `${name}-tmp`);
  mkdirSync(temporary, { recursive: true });
  const env = { ...process.env, TMPDIR: temporary, NODE_COMPILE_CACHE: join(folder, "compiled") };
  return { ...start(process.execPath, [join(REPOSITORY, "cli", "mlt.js"), ...args], { env, folder }), temporary };
}

function lastLine(ended: Ended): RehearsalReport {
  const line = ended.stdout.trimEnd().split("\n").at(-1) ?? "";
  return JSON.parse(line) as RehearsalReport;
}

const SAVES = `
import json, os
open(os.environ["OUTPUT_DIR"] + "/metrics.json", "w").write(json.dumps({"accuracy": 0.5}))
`;

describe("mlt rehearse", { concurrency: 3 }, () => {
  test("--json --keep: one object as the last line, and a cloud that goes on until it is stopped", async () => {
    const rehearsal = mlt("kept", "rehearse", "--json", "--keep", "--guest", level, "--package", pack("kept", SAVES));
    const ended = await rehearsal.ended;
    assert.equal(ended.code, 0, ended.stderr);
    const report = lastLine(ended);
    assert.equal(report.ok, true);
    assert.equal(report.level, level);
    assert.equal(report.run?.phase, "succeeded");
    assert.deepEqual(report.metrics, { accuracy: 0.5 });
    assert.deepEqual(
      report.phases.map(({ name }) => name),
      ["prepare", "start", "up", "put", "train", "outcome"],
    );
    assert.ok(report.phases.every(({ seconds }) => seconds >= 0) && report.seconds > 0);
    if (process.platform === "linux") assert.ok((report.peakMemoryMiB ?? 0) > 50);

    // What it says about its cloud is what one can do with it.
    const [, state = ""] = /mlt local env --state (\S+)\)/.exec(ended.stderr) ?? [];
    assert.ok(state.startsWith(rehearsal.temporary), ended.stderr);
    const environment = /mlt status --environment (gs:\/\/\S+)/.exec(ended.stderr)?.[1] ?? "";
    const env = await mlt("env", "local", "env", "--json", "--state", state).ended;
    const { variables } = JSON.parse(env.stdout) as { variables: Record<string, string> };
    const options = { env: { ...process.env, ...variables }, folder };
    const run = report.run?.id ?? "";
    const command = [join(REPOSITORY, "cli", "mlt.js"), "status", run, "--json", "--environment", environment];
    const status = await start(process.execPath, command, options).ended;
    assert.equal(status.code, 0, status.stderr);
    assert.equal((JSON.parse(status.stdout) as { phase: string }).phase, "succeeded");
    const holds = await mlt("status", "local", "status", "--json", "--state", state).ended;
    const { running, holds: held } = JSON.parse(holds.stdout) as {
      running: boolean;
      holds: { resources: Record<string, string[]> };
    };
    assert.equal(running, true);
    assert.equal(held.resources["storage.buckets"]?.length, 2);
    assert.equal(held.resources["compute.instances"], undefined);

    const stop = await mlt("stop", "local", "stop", "--state", state).ended;
    assert.equal(stop.code, 0, stop.stderr);
    rmSync(join(state, ".."), { recursive: true }); // as it says
    nothingLeft(rehearsal.temporary);
  });

  test("a package that fails: 1 and the trainer's own reason, and everything is taken away all the same", async () => {
    const package_ = pack("broken", "raise SystemExit('no such column: age')");
    const rehearsal = mlt("broken", "rehearse", "--json", "--guest", level, "--package", package_);
    const ended = await rehearsal.ended;
    assert.equal(ended.code, 1, ended.stderr);
    const report = lastLine(ended);
    assert.equal(report.ok, false);
    assert.deepEqual([report.run?.phase, report.run?.exitCode], ["failed", 1]);
    assert.match(report.failure?.message ?? "", /trainer failed: exit 1 \(no such column: age\)/);
    assert.deepEqual(report.leftovers, {});
    assert.deepEqual(
      report.phases.slice(-2).map(({ name, detail }) => [name, detail === "failed"]),
      [
        ["destroy", false],
        ["prove", false],
      ],
    );
    nothingLeft(rehearsal.temporary);
  });

  test("Ctrl-C in the middle of the training: what was made is taken away, nothing runs on", async () => {
    const package_ = pack("endless", "import time\nwhile True:\n    print('tick', flush=True)\n    time.sleep(1)\n");
    const rehearsal = mlt("endless", "rehearse", "--guest", level, "--package", package_);
    await rehearsal.said(/tick/);
    const children = descendants(rehearsal.child.pid ?? 0);
    rehearsal.child.kill("SIGINT");
    const ended = await rehearsal.ended;
    if (process.platform === "linux") assert.ok(children.length > 0, "a machine ran");
    assert.equal(ended.code, 130, ended.stderr);
    assert.match(ended.stdout, /failed +train: interrupted/);
    assert.match(ended.stdout, /^ +left +nothing$/m);
    nothingLeft(rehearsal.temporary);
    assert.deepEqual(children.filter(isThere), []);
  });
});

/** No file in its folder, no mount below it, no process that has to do with it. */
function nothingLeft(temporary: string): void {
  assert.deepEqual(readdirSync(temporary), []);
  if (!existsSync("/proc/self/mountinfo")) return;
  assert.ok(!readFileSync("/proc/self/mountinfo", "utf8").includes(temporary), "no mount is left");
  for (const pid of processes()) {
    const line = read(`/proc/${pid}/cmdline`);
    const environment = read(`/proc/${pid}/environ`);
    assert.ok(!`${line}${environment}`.includes(temporary), `process ${pid} is left: ${line.replaceAll("\0", " ")}`);
  }
}

const processes = (): string[] => readdirSync("/proc").filter((name) => /^\d+$/.test(name));

/** The processes below one, machines included: a number alone may be another process's later. */
function descendants(root: number): { pid: string; started: string }[] {
  if (process.platform !== "linux") return [];
  const all = processes().map((pid) => ({ pid, ...stat(pid) }));
  const found: { pid: string; started: string }[] = [];
  const below = (parent: string) => {
    for (const { pid, started, parent: its } of all) {
      if (its !== parent || started === undefined) continue;
      found.push({ pid, started });
      below(pid);
    }
  };
  below(String(root));
  return found;
}

const isThere = ({ pid, started }: { pid: string; started: string }): boolean => stat(pid).started === started;

function stat(pid: string): { parent?: string; started?: string } {
  const text = read(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { parent: fields[1], started: fields[19] };
}

function read(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return ""; // ended while it was looked at
  }
}
