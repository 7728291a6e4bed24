import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { runLauncherSchedules } from "./launcherSchedules.ts";
import { runSchedule } from "./schedules/schedule.ts";

test("1,000 random schedules of faults, deaths and rivals: no twins, no machine without record, none left, the truth told", async () => {
  const seen = { kills: 0, machines: 0, phases: new Set<string>(), faults: new Set<string>() };
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 31 - 1 }), async (seed) => {
      const { violations, kills, machines, phase, faults } = await runSchedule(seed);
      seen.kills += kills;
      seen.machines += machines;
      seen.phases.add(phase);
      for (const name of faults.keys()) seen.faults.add(name);
      assert.deepEqual(violations, [], `runSchedule(${seed})`);
    }),
    { numRuns: 1000, seed: 20261121 },
  );
  // The schedules are worth something only if they hold what they promise.
  assert.ok(seen.kills > 200 && seen.machines > 700, JSON.stringify(seen));
  for (const phase of ["succeeded", "failed", "timedOut", "cancelled", "preempted"]) {
    assert.ok(seen.phases.has(phase), `${phase} never came`);
  }
  assert.equal(seen.faults.size, 18, [...seen.faults].join());
});

test("a seed gives the same schedule again, and counts are added up", async () => {
  const [one, two] = [await runLauncherSchedules(5, 42), await runLauncherSchedules(5, 42)];
  assert.deepEqual(one, two);
  assert.equal(one.schedules, 5);
  assert.equal(
    Object.values(one.phases).reduce((sum, count) => sum + count, 0),
    5,
  );
  assert.deepEqual([one.duplicates, one.leaks, one.violations], [0, 0, []]);
});
