import assert from "node:assert/strict";
import { test } from "node:test";
import type { Phase, RunStatus } from "../../training/contract.ts";
import { isSilent, reconciled, reconciledWaiting } from "../../training/reconcile.ts";
import { mayWrite } from "../../training/status.ts";

const NOW = Date.parse("2026-11-21T08:00:00Z");
const time = (seconds: number) => new Date(NOW + seconds * 1000).toISOString();
const RUNNING: RunStatus = {
  schema: 1,
  id: "demo-20261121080000-0a1b",
  phase: "running",
  attempt: 1,
  restarts: 0,
  times: { submitted: time(-600), booting: time(-500), running: time(-400) },
  heartbeat: time(-61),
  deadline: time(3600),
  machine: { name: "m-a01", zone: "us-central1-a", type: "e2-standard-2", spot: true },
};

const RECONCILED: [string, Partial<RunStatus>, "running" | "stopped" | "gone", Phase | undefined, string?][] = [
  ["heartbeat 60 s old, machine gone", { heartbeat: time(-60) }, "gone", undefined],
  ["silent, machine runs", {}, "running", undefined],
  ["silent, machine gone", {}, "gone", "lost", `m-a01 is gone, last heard of at ${time(-61)} in phase running`],
  [
    "silent, machine stopped",
    {},
    "stopped",
    "lost",
    `m-a01 is stopped, last heard of at ${time(-61)} in phase running`,
  ],
  [
    "silent, machine gone, past the deadline",
    { deadline: time(0) },
    "gone",
    "timedOut",
    `time limit reached (${time(0)}); m-a01 is gone, last heard of at ${time(-61)}`,
  ],
  ["silent, cancel requested", { cancelRequested: true }, "gone", "cancelled", "cancelled; m-a01 is gone"],
  [
    "never made",
    { phase: "provisioning", heartbeat: undefined, times: { submitted: time(-90) } },
    "gone",
    "queued",
    "the command that asked for its machine ended before there was one; nobody asks for its machine now: mlt resume demo-20261121080000-0a1b",
  ],
  [
    "never booted",
    { phase: "provisioning", heartbeat: undefined, times: { submitted: time(-90), provisioned: time(-80) } },
    "gone",
    "lost",
    `m-a01 is gone, last heard of at ${time(-80)} in phase provisioning`,
  ],
  ["preempted and waiting for its next machine", { phase: "preempted" }, "gone", undefined],
  ["submitted, not yet begun", { phase: "submitted", heartbeat: undefined }, "gone", undefined],
  ["succeeded long ago", { phase: "succeeded" }, "gone", undefined],
];
for (const [name, change, machine, phase, reason] of RECONCILED) {
  test(`reconciler: ${name} → ${phase ?? "as it is"}`, () => {
    const next = reconciled({ ...RUNNING, ...change }, machine, NOW);
    assert.equal(next?.phase, phase);
    if (reason) assert.equal(next?.reason, reason);
    if (next) assert.equal(next.times.ended, phase === "queued" ? undefined : time(0));
  });
}

test("reconciler: a machine that Google took back without notice is a preemption, within the deadline", () => {
  const next = reconciled(RUNNING, "gone", NOW, true);
  assert.deepEqual(
    [next?.phase, next?.reason],
    ["preempted", `Google took m-a01 back without notice, last heard of at ${time(-61)}`],
  );
  assert.equal(reconciled({ ...RUNNING, deadline: time(0) }, "gone", NOW, true)?.phase, "timedOut");
});

const WAITING: [string, Partial<RunStatus>, Phase | undefined, string?][] = [
  ["submitted a moment ago", { phase: "submitted", heartbeat: time(-5) }, undefined],
  [
    "submitted, and nobody goes on",
    { phase: "submitted" },
    "queued",
    "the command that started it ended before its machine; nobody asks for its machine now: mlt resume demo-20261121080000-0a1b",
  ],
  ["queued, and somebody waits", { phase: "queued", heartbeat: time(-20), reason: "waits for quota CPUS" }, undefined],
  [
    "queued, and nobody waits any more",
    { phase: "queued", reason: "waits for quota CPUS" },
    "queued",
    "waits for quota CPUS; nobody asks for its machine now: mlt resume demo-20261121080000-0a1b",
  ],
  ["queued, as said", { phase: "queued", heartbeat: undefined, reason: "waits" }, undefined],
  [
    "queued past the deadline",
    { phase: "queued", heartbeat: undefined, reason: "waits for quota CPUS", deadline: time(-61) },
    "timedOut",
    `time limit reached (${time(-61)}); waits for quota CPUS`,
  ],
  ["queued, the deadline a moment ago", { phase: "queued", heartbeat: undefined, deadline: time(-59) }, undefined],
  ["preempted, not yet restarted", { phase: "preempted" }, undefined],
  [
    "preempted, and the time over",
    { phase: "preempted", deadline: time(-61) },
    "timedOut",
    `time limit reached (${time(-61)}); after a preemption, nobody had restarted it`,
  ],
  [
    "preempted, and to be cancelled",
    { phase: "preempted", cancelRequested: true },
    "cancelled",
    "cancelled on request",
  ],
  [
    "to be cancelled by somebody who is at it",
    { phase: "queued", heartbeat: time(0), cancelRequested: true },
    undefined,
  ],
  ["running", { phase: "running", deadline: time(-3600) }, undefined],
];
for (const [name, change, phase, reason] of WAITING) {
  test(`reconciler: ${name} → ${phase ?? "as it is"}`, () => {
    const next = reconciledWaiting({ ...RUNNING, machine: undefined, ...change } as RunStatus, NOW);
    assert.deepEqual([next?.phase, next?.reason], [phase, phase && reason]);
    if (next) assert.equal(reconciledWaiting(next, NOW), undefined, "said once");
    if (next) assert.equal(mayWrite("reconciler", change.phase!, next.phase), true);
  });
}

test("a reader asks for the machine only of a silent run", () => {
  assert.equal(isSilent(RUNNING, NOW), true);
  assert.equal(isSilent(RUNNING, NOW - 1000), false);
  assert.equal(isSilent({ ...RUNNING, phase: "lost" }, NOW), false);
});
