import assert from "node:assert/strict";
import { test } from "node:test";
import { hourlyPrice } from "../../catalog/prices.ts";
import type { RunStatus } from "../../training/contract.ts";
import { costSinceMidnight, machinePerHour, midnight, stoppedCost } from "../../workstation/cost.ts";
import type { WorkstationRecord } from "../../workstation/environment.ts";

// Midnight is this computer's.
const NOW = new Date(2026, 10, 21, 12, 0, 0).getTime();
const SINCE = midnight(NOW);
const at = (hours: number) => new Date(SINCE + hours * 3_600_000).toISOString();
const RECORD: WorkstationRecord = {
  name: "mlt-dev-ws",
  zone: "us-central1-a",
  machineType: "e2-standard-4",
  spot: false,
  bootDiskGb: 50,
  idleMinutes: 60,
};
const HOUR = hourlyPrice("e2-standard-4", false)!.perHour;
const DISKS = (50 * 0.1) / 730;
const near = (amount: number | undefined, wanted: number) =>
  assert.ok(Math.abs((amount ?? -1) - wanted) < 2e-4, `${amount} is not ${wanted}`);

const workstation = (instance: object | undefined, record = RECORD) =>
  costSinceMidnight({ workstation: { record, instance: instance as never }, runs: [], moreRuns: false }, NOW);

test("an attached GPU costs, too; one that the machine type carries is not counted twice", () => {
  const n1 = { ...RECORD, machineType: "n1-standard-8" };
  const gpu = { type: "nvidia-tesla-t4", count: 2 };
  const instance = (type: string) =>
    ({
      status: "RUNNING",
      guestAccelerators: [{ acceleratorType: `zones/z/acceleratorTypes/${type}`, acceleratorCount: 2 }],
    }) as never;
  assert.equal(machinePerHour(n1, instance("nvidia-tesla-t4")), hourlyPrice("n1-standard-8", false, { gpu })?.perHour);
  assert.notEqual(machinePerHour(n1, instance("nvidia-tesla-t4")), machinePerHour(n1));
  const g2 = { ...RECORD, machineType: "g2-standard-4" };
  assert.equal(machinePerHour(g2, instance("nvidia-l4")), machinePerHour(g2));
});

test("a workstation costs from midnight or its start until now or its stop, its disks all day", () => {
  const made = new Date(SINCE - 86_400_000).toISOString();
  const running = workstation({ status: "RUNNING", creationTimestamp: made, lastStartTimestamp: at(-5) });
  near(running.parts.workstation, 12 * (HOUR + DISKS));
  assert.deepEqual(running.missing, []);
  near(
    workstation({ status: "RUNNING", creationTimestamp: at(10), lastStartTimestamp: at(10) }).parts.workstation,
    2 * (HOUR + DISKS),
  );
  const stopped = workstation({
    status: "TERMINATED",
    creationTimestamp: made,
    lastStartTimestamp: at(-3),
    lastStopTimestamp: at(4),
  });
  near(stopped.parts.workstation, 4 * HOUR + 12 * DISKS);
  near(workstation(undefined).amount, 0);
});

test("what cannot be known is named", () => {
  const made = new Date(SINCE - 86_400_000).toISOString();
  const again = { creationTimestamp: made, lastStartTimestamp: at(9), lastStopTimestamp: at(5) };
  const twice = workstation({ status: "RUNNING", ...again });
  near(twice.parts.workstation, 3 * HOUR + 12 * DISKS);
  assert.deepEqual(twice.missing, ["the workstation's hours before its last start"]);
  const unknown = workstation(
    { status: "RUNNING", lastStartTimestamp: at(9) },
    { ...RECORD, machineType: "zz9-mega-4" },
  );
  assert.deepEqual(unknown.missing, ["the workstation (zz9-mega-4 has no price here)"]);
});

const run = (times: Partial<RunStatus["times"]>, more: Partial<RunStatus> = {}): RunStatus => ({
  schema: 1,
  id: "digits-20261121000000-0001",
  phase: "running",
  attempt: 1,
  restarts: 0,
  machine: { name: "m", zone: "us-central1-a", type: "e2-standard-4", spot: false },
  deadline: at(20),
  times: { submitted: at(1), ...times },
  ...more,
});
const RUN_HOUR = hourlyPrice("e2-standard-4", false, { bootDiskGb: 50 })!.perHour;
const ofRuns = (...runs: RunStatus[]) => costSinceMidnight({ runs, moreRuns: false }, NOW).parts.runs;

test("runs count as far as they lie in the day", () => {
  near(ofRuns(run({ provisioned: at(2), ended: at(5) })), 3 * RUN_HOUR);
  near(ofRuns(run({ provisioned: at(2) })), 10 * RUN_HOUR);
  near(ofRuns(run({ submitted: at(-4), provisioned: at(-3), ended: at(3) })), 3 * RUN_HOUR);
  near(ofRuns(run({ submitted: at(-4), provisioned: at(-3), ended: at(-1) })), 0);
  near(ofRuns(run({}, { machine: undefined })), 0);
  near(
    ofRuns(run({ provisioned: at(11) }, { costBefore: { amount: 0.5, currency: "USD", asOf: "2026-11-21" } })),
    RUN_HOUR + 0.5,
  );
});

test("a stopped machine's price names disks, data disk and address", () => {
  assert.equal(
    stoppedCost(RECORD),
    "its disks (50 GB) go on costing about 5.00 USD per month (list prices of 2026-11-21)",
  );
  assert.equal(
    stoppedCost({ ...RECORD, dataDiskGb: 200, externalIp: "203.0.113.9" }),
    "its disks (50 + 200 GB) go on costing about 25.00 USD per month, and its address about 7.30 USD per month (list prices of 2026-11-21)",
  );
});
