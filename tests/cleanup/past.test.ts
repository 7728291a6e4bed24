import assert from "node:assert/strict";
import { test } from "node:test";
import {
  environmentExpiry,
  expired,
  isEphemeral,
  judgeMachine,
  type Machine,
  type RunRecord,
} from "../../cleanup/past.ts";
import type { RunSpec, RunStatus } from "../../training/contract.ts";

const NOW = Date.parse("2026-11-21T12:00:00Z");
const at = (minutes: number): string => new Date(NOW + minutes * 60_000).toISOString();

const machine = (more: Partial<Machine> = {}): Machine => ({
  name: "ml-a-run-20261121080000-0001-a01",
  status: "RUNNING",
  creationTimestamp: at(-30),
  labels: { "mlt-run": "demo-20261121080000-0001", "mlt-attempt": "1" },
  scheduling: { instanceTerminationAction: "DELETE", maxRunDuration: { seconds: "3600" } },
  ...more,
});

const record = (status: Partial<RunStatus>, spec: Partial<RunSpec> = {}): RunRecord => ({
  spec: { deadline: at(30), maxRestarts: 2, keepMinutes: 0, ...spec } as RunSpec,
  status: {
    phase: "running",
    attempt: 1,
    restarts: 0,
    times: { submitted: at(-31) },
    heartbeat: at(0),
    ...status,
  } as RunStatus,
});

const past = (one: Machine, of: RunRecord = {}) => judgeMachine(one, of, NOW).past;

test("a machine inside its time is left alone", () => {
  assert.deepEqual(judgeMachine(machine(), {}, NOW), { live: true, deadline: at(30) });
  assert.deepEqual(judgeMachine(machine(), record({}, { deadline: at(5) }), NOW), { live: true, deadline: at(5) });
  for (const status of ["PROVISIONING", "STAGING", "STOPPING", "REPAIRING"]) {
    assert.equal(past(machine({ status })), undefined, status);
  }
});

test("the run's own deadline counts before a build's label, and that before Google's limit", () => {
  assert.equal(past(machine({ creationTimestamp: at(-60) })), "past its deadline (2026-11-21 12:00 UTC)");
  assert.equal(past(machine({ creationTimestamp: at(-60) }), record({})), undefined);
  assert.equal(past(machine(), record({}, { deadline: at(-1) })), "past its deadline (2026-11-21 11:59 UTC)");
  const labels = { "mlt-build": "base-20261121080000-0001", "mlt-expires": String((NOW - 60_000) / 1000) };
  assert.equal(past(machine({ labels })), "past its deadline (2026-11-21 11:59 UTC)");
});

test("without Google's limit, as with its brake off, the run's record is enough", () => {
  const free = machine({ scheduling: {} });
  assert.equal(past(free, record({}, { deadline: at(0) })), "past its deadline (2026-11-21 12:00 UTC)");
  assert.deepEqual(judgeMachine(free, {}, NOW), { live: true });
});

test("a stopped machine may go at once: its limit was cleared", () => {
  for (const status of ["TERMINATED", "STOPPED", "SUSPENDED"]) {
    assert.deepEqual(judgeMachine(machine({ status, lastStopTimestamp: at(-3) }), record({}), NOW), {
      live: false,
      deadline: at(30),
      past: "stopped since 2026-11-21 11:57 UTC: Google's time limit no longer counts",
    });
  }
});

test("a machine whose run has ended gets two minutes to delete itself, a failed one what --keep gave it", () => {
  const ended = (phase: RunStatus["phase"], minutes: number, spec: Partial<RunSpec> = {}) =>
    past(machine(), record({ phase, heartbeat: at(minutes), times: { submitted: at(-31), ended: at(minutes) } }, spec));
  for (const phase of ["succeeded", "failed", "timedOut", "cancelled", "lost"] as const) {
    assert.equal(ended(phase, -1), undefined, phase);
    assert.equal(ended(phase, -3), `its run has ended (${phase})`);
  }
  assert.equal(ended("failed", -3, { keepMinutes: 10 }), undefined);
  assert.equal(ended("failed", -13, { keepMinutes: 10 }), "its run has ended (failed)");
  assert.equal(ended("succeeded", -3, { keepMinutes: 10 }), "its run has ended (succeeded)");
  assert.equal(ended("saving", -3), undefined);
});

test("preempted ends a run only when its restarts are used up", () => {
  const preempted = (restarts: number, spec: Partial<RunSpec> = {}) =>
    past(machine(), record({ phase: "preempted", restarts, heartbeat: at(-9) }, spec));
  assert.equal(preempted(1), undefined);
  assert.equal(preempted(2), "its run has ended (preempted)");
  const { status } = record({ phase: "preempted", restarts: 9, heartbeat: at(-9) });
  assert.equal(past(machine(), status ? { status } : {}), undefined, "without its spec nobody knows how many it has");
});

test("a zombie of an earlier attempt may go once the new one is heard of", () => {
  assert.equal(past(machine(), record({ attempt: 2 })), undefined);
  assert.equal(past(machine(), record({ attempt: 2, heartbeat: at(-3) })), "attempt 1, its run is at 2");
  assert.equal(
    past(machine(), record({ attempt: 2, phase: "succeeded", heartbeat: at(-3) })),
    "attempt 1, its run is at 2",
  );
});

test("a person's own machine is none that runs once", () => {
  const own: Machine = { name: "ml-a-ws", status: "TERMINATED", labels: { "mlt-environment": "ml-a" } };
  assert.equal(isEphemeral(own), false);
  assert.equal(isEphemeral({ ...own, scheduling: { instanceTerminationAction: "STOP" } }), false);
  assert.equal(isEphemeral(machine()), true);
  assert.equal(isEphemeral({ name: "ml-a-img-20261121080000-0001" }), true);
  assert.equal(isEphemeral({ name: "x", scheduling: { maxRunDuration: { seconds: "60" } } }), true);
});

test("an environment is past on the day after its last", () => {
  assert.equal(expired("2026-11-20", NOW), "the environment expired on 2026-11-20");
  for (const day of ["2026-11-21", "2027-01-01", undefined, "", "soon", "20261120"]) {
    assert.equal(expired(day, NOW), undefined, String(day));
  }
});

test("buckets say when an environment ends, then templates; of several days the last, and one without is never", () => {
  const one = (kind: "bucket" | "template" | "disk", expires?: string) => ({ kind, ...(expires ? { expires } : {}) });
  assert.equal(environmentExpiry([]), undefined);
  assert.equal(
    environmentExpiry([one("bucket", "2026-01-01"), one("disk", "2027-01-01"), one("template")]),
    "2026-01-01",
  );
  assert.equal(environmentExpiry([one("bucket", "2026-01-01"), one("bucket", "2026-02-01")]), "2026-02-01");
  assert.equal(environmentExpiry([one("bucket", "2026-01-01"), one("bucket")]), undefined);
  assert.equal(environmentExpiry([one("template", "2026-01-01"), one("disk")]), "2026-01-01");
  assert.equal(environmentExpiry([one("disk", "2026-01-01"), one("disk", "2026-01-02")]), "2026-01-02");
});
