import { hourlyPrice } from "../catalog/prices.ts";
import type { RunStatus } from "./contract.ts";

export interface Estimate {
  /** USD per hour; absent when the catalog has no price for the machine. */
  perHour?: number;
  /** The most that the run can cost: the price until its deadline. */
  most?: number;
  asOf?: string;
}

/** What a run costs at most, by the catalog's list prices; empty when they do not hold the machine. */
export function estimate(machineType: string, spot: boolean, hours: number): Estimate {
  const price = hourlyPrice(machineType, spot, { bootDiskGb: 50 });
  if (!price) return {};
  return { perHour: price.perHour, most: Math.round(price.perHour * hours * 100) / 100, asOf: price.asOf };
}

/** What a run has cost so far, all its attempts together; `undefined` without price or machine. */
export function costSoFar(status: RunStatus, now: number): RunStatus["cost"] {
  if (status.cost) return status.cost;
  const { costBefore } = status;
  const current = costOfAttempt(status, now);
  if (!costBefore || !current) return current ?? costBefore;
  return { ...current, amount: Math.round((costBefore.amount + current.amount) * 1e4) / 1e4 };
}

/**
 * When the attempt ended, as far as is known (or now): a machine that went without a word did so soon after its last
 * heartbeat, whenever that was found out.
 */
export function endOf(status: RunStatus, now: number): number {
  const { times, heartbeat, deadline } = status;
  if (!times.ended) return Math.min(now, Date.parse(deadline));
  const ended = Date.parse(times.ended);
  return heartbeat ? Math.min(ended, Date.parse(heartbeat) + UNHEARD_MS) : ended;
}

/** Six heartbeats. */
const UNHEARD_MS = 60_000;

/** From the machine's first sign to its end (or now). */
function costOfAttempt(status: RunStatus, now: number): RunStatus["cost"] {
  const { machine, times } = status;
  const begun = times.provisioned ?? times.booting ?? times.installing ?? times.running;
  if (!machine || !begun) return undefined;
  const end = endOf(status, now);
  const price = estimate(machine.type, machine.spot, 0);
  if (price.perHour === undefined || !price.asOf) return undefined;
  const hours = Math.max(0, end - Date.parse(begun)) / 3_600_000;
  return { amount: Math.round(price.perHour * hours * 1e4) / 1e4, currency: "USD", asOf: price.asOf };
}
