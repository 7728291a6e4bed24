import assert from "node:assert/strict";
import { test } from "node:test";
import type { Instance } from "../../workstation/machine.ts";
import { type Condition, conditionOf, type WorkstationStatus, wordsOf } from "../../workstation/status.ts";

const NOW = Date.parse("2026-11-21T12:00:00Z");
const ago = (seconds: number) => new Date(NOW - seconds * 1000).toISOString().replace(".000Z", "Z");

const STATUS: WorkstationStatus = {
  schema: 1,
  phase: "ready",
  machine: "mlt-dev-ws",
  bucket: "data",
  step: 7,
  steps: 7,
  name: "bucket",
  problems: [],
  bootedAt: ago(590),
  readyAt: ago(500),
  bootId: "b1",
  heartbeat: ago(20),
  jupyter: "running",
  tensorboard: "running",
  mount: "mounted",
};
const RUNNING: Instance = { status: "RUNNING", lastStartTimestamp: ago(600) };

const CASES: [name: string, Instance | undefined, Partial<WorkstationStatus> | undefined, string, string][] = [
  ["no machine", undefined, {}, "gone", "gone: no machine of its name is there; `pulumi up --refresh` makes it anew"],
  ["being made", { status: "PROVISIONING" }, undefined, "starting", "starting: it boots"],
  ["booting", { status: "RUNNING", lastStartTimestamp: ago(10) }, undefined, "starting", "starting: it boots"],
  [
    "booting again: the last word is the boot's before",
    { status: "RUNNING", lastStartTimestamp: ago(10) },
    { heartbeat: ago(60) },
    "starting",
    "starting: it boots",
  ],
  [
    "never spoke",
    { status: "RUNNING", lastStartTimestamp: ago(600) },
    undefined,
    "silent",
    "runs, but has said nothing since 2026-11-21T11:50:00Z; see: mlt serial",
  ],
  [
    "installing",
    RUNNING,
    { phase: "installing", step: 3, name: "JupyterLab", reason: "waiting for apt" },
    "starting",
    "starting: step 3 of 7, JupyterLab (waiting for apt)",
  ],
  ["ready", RUNNING, {}, "ready", "ready"],
  [
    "failed",
    RUNNING,
    { phase: "failed", problems: [{ step: "your requirements", reason: "pip install failed: exit 1" }] },
    "failed",
    "failed: your requirements: pip install failed: exit 1",
  ],
  [
    "silent",
    RUNNING,
    { heartbeat: ago(200) },
    "silent",
    "runs, but has said nothing since 2026-11-21T11:56:40Z; see: mlt serial",
  ],
  ["stopping by itself", RUNNING, { phase: "stopping", reason: "idle" }, "stopping", "stopping: idle"],
  ["being stopped", { ...RUNNING, status: "STOPPING" }, {}, "stopping", "stopping"],
  [
    "stopped by itself",
    { status: "TERMINATED", lastStartTimestamp: ago(600), lastStopTimestamp: ago(30) },
    { phase: "stopping", reason: "nobody has worked here for 60 minutes", heartbeat: ago(60) },
    "stopped",
    "stopped since 2026-11-21 11:59 (nobody has worked here for 60 minutes)",
  ],
  [
    "stopped by somebody, after a start that left no word",
    { status: "TERMINATED", lastStartTimestamp: ago(100), lastStopTimestamp: ago(30) },
    { phase: "stopping", reason: "idle", heartbeat: ago(4000) },
    "stopped",
    "stopped since 2026-11-21 11:59",
  ],
];

for (const [name, instance, status, state, words] of CASES) {
  test(`condition: ${name}`, () => {
    const condition: Condition = conditionOf(instance, status && { ...STATUS, ...status }, NOW);
    assert.deepEqual([condition.state, wordsOf(condition)], [state, words]);
  });
}
