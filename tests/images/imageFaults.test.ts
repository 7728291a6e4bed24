import assert from "node:assert/strict";
import { test } from "node:test";
import { runImages } from "./imageFaults.ts";
import { POINTS } from "./killCases.ts";

// The whole table is `npm run faults -- --only images`; here is a case of each kind.

test("no fault brings a bad image into the family or leaves a machine or a disk", { timeout: 180_000 }, async () => {
  const { rows, problems } = await runImages({ jobs: 3, subset: true, progress: () => undefined });
  assert.deepEqual(problems, []);
  assert.deepEqual(
    rows.map(({ name, wrong, cells }) => [name, wrong, cells]),
    rows.map(({ name }) => [name, 0, { "bad images in the family": "0", "machines and disks left": "0" }]),
  );
  const cases = rows.reduce((sum, row) => sum + row.cases, 0);
  assert.ok(rows.length === 7 && cases >= 12, `${cases} cases in ${rows.length} rows`);
  assert.ok(POINTS.length > 20);
});
