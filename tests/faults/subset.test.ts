// The part of `npm run faults` that is run every time: one case of each kind, in real guests where this host has them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runRuns } from "../../faults/runs.ts";

test("a case of each kind of fault ends as it is written down, and leaves nothing", { timeout: 300_000 }, async () => {
  const lines: string[] = [];
  const { rows, problems, notRun, clean } = await runRuns({
    jobs: 4,
    subset: true,
    progress: (line) => lines.push(line),
  });
  for (const line of notRun) console.log(line);
  assert.deepEqual(problems, [], clean.join("\n"));
  assert.deepEqual(
    rows.filter(({ wrong }) => wrong > 0),
    [],
    clean.join("\n"),
  );
  assert.ok(rows.length > 4, lines.join("\n"));
});
