import assert from "node:assert/strict";
import { test } from "node:test";
import type { RunStatus } from "../../training/contract.ts";
import { needsLauncher } from "../../training/takeUp.ts";

const START = Date.parse("2026-11-21T08:00:00Z");
const time = (seconds: number) => new Date(START + seconds * 1000).toISOString();
const status = (change: Partial<RunStatus>): RunStatus => ({
  schema: 1,
  id: "demo-20261121080000-0a1b",
  phase: "provisioning",
  attempt: 1,
  restarts: 0,
  times: { submitted: time(0) },
  heartbeat: time(5),
  deadline: time(3600),
  ...change,
});

test("a launcher that is silent for a minute is gone; a machine that boots for minutes is not", () => {
  const later = START + 90_000;
  for (const phase of ["submitted", "queued"] as const) {
    assert.equal(needsLauncher(status({ phase }), 5, START + 30_000), false, "somebody is at it");
    assert.equal(needsLauncher(status({ phase }), 5, later), true, "nobody asks for it any more");
    assert.equal(needsLauncher(status({ phase, cancelRequested: true }), 5, later), false, "nobody wants it");
  }
  assert.equal(needsLauncher(status({}), 5, later), false, "readers look whether the machine is there first");
  const times = { submitted: time(0), provisioned: time(5) };
  assert.equal(needsLauncher(status({ times }), 5, later), false, "the machine is there, and boots");
  assert.equal(needsLauncher(status({ phase: "preempted", times }), 5, later), true);
  assert.equal(needsLauncher(status({ phase: "running", times }), 5, later), false);
});
