// What was spent since midnight, as far as machines tell: prices by the hour, times by Compute Engine and the runs.

import { findMachineType } from "../catalog/machineTypes.ts";
import {
  ADDRESS_PRICES,
  AS_OF,
  addressPerMonth,
  diskPerMonth,
  HOURS_PER_MONTH,
  hourlyPrice,
} from "../catalog/prices.ts";
import type { RunStatus } from "../training/contract.ts";
import { costSoFar } from "../training/price.ts";
import type { WorkstationRecord } from "./environment.ts";
import type { Instance } from "./machine.ts";

export interface DayCost {
  /** RFC 3339. */
  since: string;
  amount: number;
  currency: "USD";
  asOf: string;
  parts: { workstation?: number; runs: number };
  /** What could not be counted, each in a few words. */
  missing: string[];
}

export interface Spent {
  workstation?: { record: WorkstationRecord; instance: Instance | undefined };
  runs: readonly RunStatus[];
  /** Whether there are runs that were not looked at. */
  moreRuns: boolean;
}

const HOUR_MS = 3_600_000;
const rounded = (amount: number): number => Math.round(amount * 1e4) / 1e4;

/** The last midnight on this computer's clock. */
export function midnight(now: number): number {
  return new Date(now).setHours(0, 0, 0, 0);
}

export function costSinceMidnight({ workstation, runs, moreRuns }: Spent, now: number): DayCost {
  const since = midnight(now);
  const missing: string[] = [];
  let ofRuns = 0;
  for (const run of runs) {
    const cost = runSince(run, since, now);
    if (cost === undefined) missing.push(`${run.id} (its machine has no price here)`);
    else ofRuns += cost;
  }
  const last = runs.at(-1);
  if (moreRuns && last && Date.parse(last.times.submitted) > since) missing.push("older runs of today");
  const own = workstation ? workstationSince(workstation, since, now, missing) : undefined;
  return {
    since: new Date(since).toISOString(),
    amount: rounded(ofRuns + (own ?? 0)),
    currency: "USD",
    asOf: AS_OF,
    parts: { ...(own === undefined ? {} : { workstation: rounded(own) }), runs: rounded(ofRuns) },
    missing,
  };
}

/** 0 without a machine in that time. */
function runSince(run: RunStatus, since: number, now: number): number | undefined {
  const { machine, times } = run;
  const end = times.ended ? Date.parse(times.ended) : Math.min(now, Date.parse(run.deadline));
  if (!machine || end <= since) return run.costBefore && end > since ? run.costBefore.amount : 0;
  const whole = costSoFar(run, now);
  if (whole === undefined) {
    return times.provisioned || times.booting || times.running ? undefined : 0;
  }
  const begun = Date.parse(times.submitted);
  if (begun >= since) return whole.amount;
  // Begun yesterday: of its attempts only the last one's times are known.
  const last = Date.parse(times.provisioned ?? times.booting ?? times.submitted);
  const mine = whole.amount - (run.costBefore?.amount ?? 0);
  const share = end > last ? (end - Math.max(last, since)) / (end - last) : 0;
  return Math.max(0, mine) * Math.min(1, share);
}

function workstationSince(
  { record, instance }: NonNullable<Spent["workstation"]>,
  since: number,
  now: number,
  missing: string[],
): number {
  if (!instance) return 0;
  const made = instance.creationTimestamp ? Date.parse(instance.creationTimestamp) : since;
  const there = Math.max(0, now - Math.max(since, made)) / HOUR_MS;
  const started = instance.lastStartTimestamp ? Date.parse(instance.lastStartTimestamp) : made;
  const stopped = instance.lastStopTimestamp ? Date.parse(instance.lastStopTimestamp) : 0;
  const isOff = stopped > started;
  const end = isOff ? stopped : instance.status === "TERMINATED" ? started : now;
  const ran = Math.max(0, end - Math.max(since, started)) / HOUR_MS;
  // Google tells the last start and the last stop only.
  if (started > since && !isOff && stopped > since) missing.push("the workstation's hours before its last start");
  else if (started > since && isOff && made < since)
    missing.push("hours of the workstation before its last start, if any");
  const perHour = machinePerHour(record, instance);
  if (perHour === undefined) missing.push(`the workstation (${record.machineType} has no price here)`);
  const address = record.externalIp ? there * (isOff ? ADDRESS_PRICES.unused : ADDRESS_PRICES.inUse) : 0;
  const disks = (disksPerMonth(record) ?? 0) / HOURS_PER_MONTH;
  return ran * (perHour ?? 0) + there * disks + address;
}

/** USD per hour while it runs, without its disks; `undefined` where a part has no price here. */
export function machinePerHour(record: WorkstationRecord, instance?: Instance): number | undefined {
  const [gpu] = instance?.guestAccelerators ?? [];
  const type = gpu?.acceleratorType?.split("/").at(-1);
  // The type of an accelerator-optimised machine carries its GPU.
  const carried = findMachineType(record.machineType)?.gpu;
  const attached = type && !carried ? { gpu: { type, count: gpu?.acceleratorCount ?? 1 } } : {};
  return hourlyPrice(record.machineType, record.spot, attached)?.perHour;
}

/** USD per month of its disks, which cost whether it runs or not. */
export function disksPerMonth({ machineType, bootDiskGb, dataDiskGb = 0 }: WorkstationRecord): number | undefined {
  const type = findMachineType(machineType)?.bootDisk;
  return type === undefined ? undefined : diskPerMonth(type, bootDiskGb + dataDiskGb);
}

/** What a stopped workstation goes on costing, in words. */
export function stoppedCost(record: WorkstationRecord): string {
  const { bootDiskGb, dataDiskGb, externalIp } = record;
  const gb = dataDiskGb === undefined ? `${bootDiskGb} GB` : `${bootDiskGb} + ${dataDiskGb} GB`;
  const disks = disksPerMonth(record);
  const price = disks === undefined ? "at a price that is not known here" : `about ${disks.toFixed(2)} USD per month`;
  const address = externalIp ? `, and its address about ${addressPerMonth("unused").toFixed(2)} USD per month` : "";
  return `its disks (${gb}) go on costing ${price}${address} (list prices of ${AS_OF})`;
}
