import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { REPOSITORY, run } from "../helpers/shell.ts";

// The whole of it, 1,000 points and k = 1…20, is `npm run faults`'s: here a part that is spread over all of it.
const SCRIPT = join(REPOSITORY, "tests/startup-scripts/killpoints.py");
const obstacle = existsSync("/proc/self/task")
  ? undefined
  : "processes are killed by way of /proc, which this machine lacks";

async function killpoints(...args: string[]): Promise<Record<string, unknown>> {
  const ran = await run("python3", ["-B", SCRIPT, ...args], { timeoutMs: 300_000 });
  assert.equal(ran.stderr, "");
  const counts = JSON.parse(ran.stdout) as Record<string, unknown>;
  assert.deepEqual(counts.problems, []);
  assert.equal(ran.status, 0);
  return counts;
}

test("a machine killed at any point of the protocol: nothing torn is loaded, nothing saved is lost", async (t) => {
  if (obstacle) return t.skip(obstacle);
  const { points, torn, lost, zombiesNotFenced } = await killpoints("points", "--count", "200");
  assert.deepEqual({ points, torn, lost, zombiesNotFenced }, { points: 200, torn: 0, lost: 0, zombiesNotFenced: 0 });
});

test("a seeded training that is killed with its machine ends with the same weights, to the bit", async (t) => {
  if (obstacle) return t.skip(obstacle);
  const { trainings, identical, kills } = await killpoints("trainer", "--kills", "1,3,5");
  assert.deepEqual({ trainings, identical, kills }, { trainings: 3, identical: 3, kills: 9 });
});
