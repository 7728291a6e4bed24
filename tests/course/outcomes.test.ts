import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf } from "../../cli/course/outcomes.ts";
import type { Outcome } from "../../course/contract.ts";
import { outcomeLine } from "../../course/progress.ts";
import { skipped, summary, turn } from "../../course/run.ts";

const of = (result: Outcome["result"], reason?: string): Outcome => ({
  stack: "ml26-s001",
  result,
  seconds: 1.25,
  ...(reason ? { reason } : {}),
});

test("exit codes: everybody well, somebody failed, stopped in the middle or before the beginning", () => {
  assert.equal(codeOf([]), 0);
  assert.equal(codeOf([of("done"), of("unchanged"), of("skipped", "there is no workstation")]), 0);
  assert.equal(codeOf([of("done"), of("failed", "quota")]), 1);
  assert.equal(codeOf([of("failed", "quota"), of("skipped", "stopped")]), 130);
  assert.equal(codeOf([of("failed", "stopped; the same command goes on")]), 130);
});

test("a turn ends with what was changed, with nothing, or with why; after Ctrl-C none begins", async () => {
  const plan = { name: "ml26-s001" };
  const made = await turn(plan, {}, async () => ({ changes: { create: 3, same: 1 }, outputs: {}, mark: "m" }));
  assert.deepEqual({ ...made, seconds: 0 }, { stack: "ml26-s001", result: "done", reason: "3 made", seconds: 0 });
  const same = await turn(plan, {}, async () => ({ changes: { same: 4 }, outputs: {}, mark: "m" }));
  assert.equal(same.result, "unchanged");
  const failed = await turn(plan, {}, async () => {
    throw new Error("refused");
  });
  assert.deepEqual([failed.result, failed.reason], ["failed", "refused"]);
  let begun = false;
  const after = await turn(plan, { signal: AbortSignal.abort() }, async () => {
    begun = true;
    return "unchanged";
  });
  assert.deepEqual([after, begun], [{ stack: "ml26-s001", result: "skipped", reason: "stopped", seconds: 0 }, false]);
});

test("a line for each, and the sum", () => {
  const all = [
    of("done", "3 made"),
    of("unchanged"),
    of("failed", "quota\nof CPUs"),
    skipped("ml26-s002", "s002", "x"),
  ];
  assert.deepEqual(all.map(outcomeLine), [
    "✔ ml26-s001 done: 3 made (1.3 s)",
    "· ml26-s001 unchanged",
    "✖ ml26-s001 failed: quota of CPUs (1.3 s)",
    "- ml26-s002 skipped: x",
  ]);
  assert.equal(summary(all), "1 done, 1 unchanged, 1 failed, 1 skipped");
  assert.equal(summary([]), "0 stacks");
});
