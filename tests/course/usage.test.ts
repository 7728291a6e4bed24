import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { byWeek, hoursOf, mondayOf, type StationUse, spansOf, usageOf, weekOf } from "../../course/usage/usage.ts";
import { keepUsage, mergeUse } from "../../course/usage/usageStore.ts";
import { hoursByWeek, runningTimes, union } from "../../course/usage/workstationHours.ts";
import type { RunStatus } from "../../training/contract.ts";

const HOUR = 3_600_000;
const MINUTE = 60_000;
/** A Wednesday. */
const NOW = Date.parse("2027-01-20T15:00:00Z");
const at = (hours: number) => new Date(NOW + hours * HOUR).toISOString();

function run(more: Partial<RunStatus>): RunStatus {
  return {
    schema: 1,
    id: "census-20270120000000-0001",
    phase: "succeeded",
    attempt: 1,
    restarts: 0,
    machine: { name: "m", zone: "us-central1-a", type: "e2-standard-4", spot: true },
    times: { submitted: at(-4), provisioned: at(-3), ended: at(-1) },
    deadline: at(10),
    ...more,
  };
}

test("weeks begin on Monday, 00:00 UTC", () => {
  assert.equal(weekOf(NOW), "2027-01-18");
  assert.equal(weekOf(Date.parse("2027-01-18T00:00:00Z")), "2027-01-18");
  assert.equal(weekOf(Date.parse("2027-01-17T23:59:59.999Z")), "2027-01-11");
  assert.equal(mondayOf(Date.parse("1970-01-01T00:00:00Z")), Date.parse("1969-12-29T00:00:00Z"));
  const [from, to] = [Date.parse("2027-01-17T22:00:00Z"), Date.parse("2027-01-18T01:00:00Z")];
  assert.deepEqual(
    byWeek(from, to).map(({ week, from: begun, to: ended }) => [week, (ended - begun) / HOUR]),
    [
      ["2027-01-11", 2],
      ["2027-01-18", 1],
    ],
  );
  assert.deepEqual(byWeek(5, 5), []);
});

test("a run's hours are its machine's: from Google's yes to the end, or to now; none without a machine", () => {
  assert.equal(hoursOf(run({}), NOW), 2);
  assert.equal(hoursOf(run({ phase: "running", times: { submitted: at(-4), provisioned: at(-3) } }), NOW), 3);
  assert.equal(hoursOf(run({ machine: undefined, phase: "queued", times: { submitted: at(-4) } }), NOW), 0);
  // Nobody heard of it any more: it ended a minute after its last word, whenever that was found out.
  assert.equal(hoursOf(run({ phase: "lost", heartbeat: at(-2) }), NOW), 1 + 1 / 60);
  // Still "running" long after its deadline: Google has deleted it.
  const forgotten = run({ phase: "running", times: { submitted: at(-30), provisioned: at(-20) }, deadline: at(-18) });
  assert.equal(hoursOf(forgotten, NOW), 2);
});

test("attempts before the last are counted by what they cost", () => {
  const { perHour } = { perHour: spansOf(run({}), NOW)[0]!.cost! / 2 };
  const restarted = run({
    attempt: 2,
    times: { submitted: at(-9), provisioned: at(-3), ended: at(-1) },
    costBefore: { amount: perHour * 1.5, currency: "USD", asOf: "2026-11-21" },
  });
  const spans = spansOf(restarted, NOW);
  assert.deepEqual(
    spans.map(({ from, to }) => [from, to]),
    [
      [NOW - 9 * HOUR, NOW - 3 * HOUR],
      [NOW - 3 * HOUR, NOW - HOUR],
    ],
  );
  assert.ok(Math.abs(spans[0]!.hours - 1.5) < 1e-9);
  assert.ok(Math.abs(spans[1]!.cost! - 2 * perHour) < 1e-3, "the second attempt costs its own part only");
});

test("sums by week, with a workstation's hours and its disks, and what has no price", () => {
  const station: StationUse = {
    weeks: { "2027-01-11": 10, "2027-01-18": 4 },
    perHour: 0.1,
    disksPerMonth: 7.3,
    since: Date.parse("2027-01-17T15:00:00Z"),
    machineType: "e2-standard-2",
  };
  const over = run({
    times: { submitted: at(-70), provisioned: "2027-01-17T23:00:00Z", ended: "2027-01-18T01:00:00Z" },
  });
  const usage = usageOf(
    [over, run({ machine: { name: "m", zone: "z", type: "x9-odd-1", spot: false } })],
    station,
    NOW,
  );
  const ofRun = spansOf(over, NOW)[0]!.cost!;
  const round = (value: number) => Math.round(value * 1e4) / 1e4;
  assert.deepEqual(usage.hours, { training: 4, workstation: 14, total: 18, thisWeek: 7 });
  assert.deepEqual(usage.cost, {
    training: round(ofRun),
    workstation: 1.4,
    disks: 0.72,
    total: round(ofRun + 1.4 + 0.72),
  });
  assert.deepEqual(usage.missing, ["census-20270120000000-0001 (x9-odd-1 has no price here)"]);
  assert.equal(usage.asOf, "2026-11-21");
  // Nine hours of disks before midnight on Sunday, 63 after: a cent an hour.
  assert.deepEqual(usage.weeks, [
    { week: "2027-01-11", training: 1, workstation: 10, cost: round(ofRun / 2 + 1 + 0.09) },
    { week: "2027-01-18", training: 3, workstation: 4, cost: round(ofRun / 2 + 0.4 + 0.63) },
  ]);
  assert.deepEqual(usageOf([], undefined, NOW).weeks, []);
});

test("heartbeats become times of running: a minute each, joined over a missed one, apart where the machine was off", () => {
  const beats = [0, 1, 2, 4, 30, 31].map((minutes) => NOW + minutes * MINUTE).reverse();
  const found = runningTimes(beats, NOW + 31.5 * MINUTE).map(({ from, to }) => [
    (from - NOW) / MINUTE,
    (to - NOW) / MINUTE,
  ]);
  assert.deepEqual(found, [
    [0, 5],
    [30, 31.5],
  ]);
  assert.deepEqual(runningTimes([], NOW), []);
  assert.deepEqual(
    union([
      { from: 5, to: 9 },
      { from: 1, to: 3 },
      { from: 2, to: 4 },
      { from: 4, to: 4 },
      { from: 9, to: 10 },
    ]),
    [
      { from: 1, to: 4 },
      { from: 5, to: 10 },
    ],
  );
  const sunday = Date.parse("2027-01-17T23:00:00Z");
  assert.deepEqual(
    hoursByWeek([
      { from: sunday, to: sunday + 3 * HOUR },
      { from: sunday, to: sunday + HOUR },
    ]),
    {
      "2027-01-11": 1,
      "2027-01-18": 2,
    },
  );
});

test("what is known of hours only grows: two who look at the same time, in any order, agree", () => {
  const one = { weeks: { "2027-01-11": 3, "2027-01-18": 1 }, since: "2027-01-12T00:00:00.000Z" };
  const other = { weeks: { "2027-01-18": 2 }, since: "2027-01-11T00:00:00.000Z" };
  const both = { weeks: { "2027-01-11": 3, "2027-01-18": 2 }, since: "2027-01-11T00:00:00.000Z" };
  assert.deepEqual(mergeUse(one, other), both);
  assert.deepEqual(mergeUse(other, one), both);
  assert.deepEqual(mergeUse(both, one), both);
  assert.deepEqual(mergeUse(undefined, { weeks: {} }), { weeks: {} });
});

test("kept beside the states; nothing is written for nothing; a file that is not ours is begun anew", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "mlt-usage-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const state = pathToFileURL(join(folder, "states")).href;
  assert.deepEqual(await keepUsage(state, { s001: { weeks: {} } }), { schema: 1, workstations: {} });
  assert.throws(() => readFileSync(join(folder, "states", "usage.json")), { code: "ENOENT" });
  await keepUsage(state, { s001: { weeks: { "2027-01-18": 2 } } });
  await keepUsage(state, { s001: { weeks: { "2027-01-18": 1 } }, s002: { weeks: { "2027-01-18": 5 } } });
  const text = readFileSync(join(folder, "states", "usage.json"), "utf8");
  assert.deepEqual(JSON.parse(text), {
    schema: 1,
    workstations: { s001: { weeks: { "2027-01-18": 2 } }, s002: { weeks: { "2027-01-18": 5 } } },
  });
  for (const broken of ["{", '"text"', '{"schema":2,"workstations":{"s001":{}}}']) {
    writeFileSync(join(folder, "states", "usage.json"), broken);
    assert.deepEqual(await keepUsage(state, {}), { schema: 1, workstations: {} });
  }
});
