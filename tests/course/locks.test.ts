import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { DEAD_AFTER_MS, freeLocks, isPulumi, judge } from "../../course/pulumi/locks.ts";
import { openStates, type StackLock, type States } from "../../course/pulumi/states.ts";

const now = Date.parse("2026-11-21T12:00:00Z");
const lock: StackLock = { at: "x", user: "ann", host: "here", pid: 4711, since: "2026-11-21T11:59:00Z" };
const options = { now: () => now, host: "here" };

describe("a lock's owner", () => {
  test("on this computer the process decides, whatever the lock's age", () => {
    const old = { ...lock, since: "2026-11-01T00:00:00Z" };
    assert.deepEqual(judge(lock, { ...options, process: () => false }), {
      alive: false,
      owner: "ann@here (process 4711) since 2026-11-21T11:59:00Z",
      why: "its process is gone",
    });
    assert.deepEqual(judge(old, { ...options, process: () => true }), {
      alive: true,
      owner: "ann@here (process 4711) since 2026-11-01T00:00:00Z",
      why: "its process works on this computer",
    });
    assert.deepEqual(judge(lock, { ...options, process: () => undefined }).alive, true);
  });

  test("on another computer the age decides, and its process is not asked for here", () => {
    const there = { ...lock, host: "elsewhere" };
    const never = () => assert.fail("another computer's process was looked for here");
    assert.deepEqual(judge(there, { ...options, process: never }), {
      alive: true,
      owner: "ann@elsewhere (process 4711) since 2026-11-21T11:59:00Z",
      why: "it may be at work on another computer",
    });
    const old = { ...there, since: new Date(now - DEAD_AFTER_MS - 1).toISOString() };
    assert.deepEqual(judge(old, { ...options, process: never }).why, "it is older than 60 minutes");
    const young = { ...there, since: new Date(now - DEAD_AFTER_MS + 1000).toISOString() };
    assert.equal(judge(young, { ...options, process: never }).alive, true);
  });

  test("a lock that was cut off while it was written belongs to nobody", () => {
    const torn = { ...lock, user: "", host: "", pid: 0, since: "" };
    const verdict = judge(torn, options);
    assert.deepEqual([verdict.alive, verdict.owner], [false, "somebody@an unknown computer (process 0)"]);
  });

  test("a number that another program has got since is no Pulumi; one that nobody has is gone", async () => {
    assert.equal(isPulumi(process.pid), false);
    const child = spawn(process.execPath, ["-e", ""]);
    await new Promise((resolve) => child.once("close", resolve));
    assert.equal(isPulumi(child.pid ?? 0), false);
  });
});

describe("freeing a stack", () => {
  let folder: string;
  let states: States;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "mlt-locks-"));
    states = await openStates(pathToFileURL(folder).href);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const place = (stack: string) => join(folder, ".pulumi", "locks", "organization", "mltraining", stack);
  /** As Pulumi 3.256 writes it. */
  function take(
    stack: string,
    name: string,
    { pid, host = hostname(), since = new Date().toISOString() }: { pid: number; host?: string; since?: string },
  ): void {
    mkdirSync(place(stack), { recursive: true });
    const content = { pid, username: "ann", hostname: host, timestamp: since };
    writeFileSync(join(place(stack), `${name}.json`), JSON.stringify(content));
  }

  test("no lock: nothing to free, nothing is said", async () => {
    const said: string[] = [];
    assert.equal(await freeLocks(states, "none", { say: (line) => said.push(line) }), false);
    assert.deepEqual(said, []);
  });

  test("a dead owner's lock goes; that it went is told", async () => {
    take("dead", "one", { pid: 999_999_999, since: "2026-11-21T11:00:00Z" });
    const said: string[] = [];
    assert.equal(await freeLocks(states, "dead", { say: (line) => said.push(line) }), true);
    assert.deepEqual(readdirSync(place("dead")), []);
    assert.deepEqual(said, [
      `dead: took away the lock of ann@${hostname()} (process 999999999) since 2026-11-21T11:00:00Z: its process is gone`,
    ]);
  });

  test("a living owner's lock stays, and so does a second one beside a dead one's", async () => {
    take("both", "dead", { pid: 999_999_999 });
    take("both", "alive", { pid: 7, host: "elsewhere" });
    await assert.rejects(
      freeLocks(states, "both", { waitMs: 0 }),
      /^UserError: ann@elsewhere \(process 7\) since \S+ works on it \(it may be at work on another computer\); wait for the end and try again\. If nobody does: pulumi cancel --stack both$/,
    );
    assert.deepEqual(readdirSync(place("both")), ["alive.json"]);
  });

  test("a living owner who ends in time is waited for, and no lock of a dead one was there", async () => {
    take("ends", "alive", { pid: 7, host: "elsewhere" });
    setTimeout(() => rmSync(join(place("ends"), "alive.json")), 300);
    const said: string[] = [];
    assert.equal(await freeLocks(states, "ends", { waitMs: 20_000, say: (line) => said.push(line) }), false);
    assert.match(said.join("\n"), /^ends: waiting for ann@elsewhere \(process 7\) since \S+$/);
  });
});
