// Machine hours and their cost, from what runs and workstations left behind. Pure; times are milliseconds since 1970.
import { AS_OF, HOURS_PER_MONTH } from "../../catalog/prices.ts";
import type { RunStatus } from "../../training/contract.ts";
import { costSoFar, endOf, estimate } from "../../training/price.ts";

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;
/** 1970-01-05, a Monday. */
const FIRST_MONDAY = 4 * 24 * HOUR_MS;

/** Hours of one machine within a time: all of it, or, of attempts of which only the sum is known, a part. */
export interface Span {
  from: number;
  to: number;
  hours: number;
  /** US dollars; absent: the machine has no price here. */
  cost?: number;
}

export interface WeekUse {
  /** The week's Monday in UTC, `yyyy-mm-dd`. */
  week: string;
  training: number;
  workstation: number;
  /** US dollars, disks included. */
  cost: number;
}

/** Machine hours and estimated cost of one student. */
export interface Usage {
  hours: { training: number; workstation: number; total: number; thisWeek: number };
  /** US dollars, list prices: machines while they run, and the workstation's disks. */
  cost: { training: number; workstation: number; disks: number; total: number };
  /** Date of the prices. */
  asOf: string;
  /** Weeks with machine hours or cost, oldest first. */
  weeks: WeekUse[];
  /** What could not be counted, each in a few words. */
  missing: string[];
}

/** What is known of a student's workstation. */
export interface StationUse {
  /** Hours by week (its Monday, `yyyy-mm-dd`). */
  weeks: Readonly<Record<string, number>>;
  /** US dollars per hour while it runs; absent: it has no price here. */
  perHour?: number;
  /** US dollars per month of its disks. */
  disksPerMonth?: number;
  /** Since when it has disks; absent: not known, and they are not counted. */
  since?: number;
  machineType: string;
}

/** The Monday 00:00 UTC before or at a time. */
export function mondayOf(time: number): number {
  return time - ((((time - FIRST_MONDAY) % WEEK_MS) + WEEK_MS) % WEEK_MS);
}

/** A week's name: its Monday, `yyyy-mm-dd`. */
export function weekOf(time: number): string {
  return new Date(mondayOf(time)).toISOString().slice(0, 10);
}

/** A time's parts by week, each with the week's name. */
export function byWeek(from: number, to: number): { week: string; from: number; to: number }[] {
  const parts: { week: string; from: number; to: number }[] = [];
  for (let at = from; at < to; ) {
    const end = Math.min(to, mondayOf(at) + WEEK_MS);
    parts.push({ week: weekOf(at), from: at, to: end });
    at = end;
  }
  return parts;
}

/** The machine hours of a run, attempt by attempt as far as they are known; none without a machine. */
export function spansOf(status: RunStatus, now: number): Span[] {
  const { times, machine, costBefore } = status;
  const begun = Date.parse(times.provisioned ?? times.booting ?? times.installing ?? times.running ?? "");
  const submitted = Date.parse(times.submitted);
  const spans: Span[] = [];
  if (costBefore && costBefore.amount > 0) {
    // Of attempts that are over only their cost is on record; they lie before this one's machine.
    const to = Number.isNaN(begun) ? endOf(status, now) : begun;
    const perHour = machine && estimate(machine.type, machine.spot, 0).perHour;
    const most = Math.max(0, to - submitted) / HOUR_MS;
    spans.push({
      from: submitted,
      to,
      hours: perHour ? Math.min(most, costBefore.amount / perHour) : most,
      cost: costBefore.amount,
    });
  }
  if (machine && !Number.isNaN(begun)) {
    const to = Math.max(begun, endOf(status, now));
    const whole = costSoFar(status, now)?.amount;
    const cost = whole === undefined ? undefined : Math.max(0, whole - (costBefore?.amount ?? 0));
    spans.push({ from: begun, to, hours: (to - begun) / HOUR_MS, ...(cost === undefined ? {} : { cost }) });
  }
  return spans;
}

/** Machine hours of a run, all attempts together. */
export function hoursOf(status: RunStatus, now: number): number {
  return spansOf(status, now).reduce((sum, { hours }) => sum + hours, 0);
}

/** Sums a student's runs and workstation. */
export function usageOf(runs: readonly RunStatus[], station: StationUse | undefined, now: number): Usage {
  const weeks = new Map<string, WeekUse>();
  const missing: string[] = [];
  const weekly = (week: string): WeekUse => {
    const found = weeks.get(week) ?? { week, training: 0, workstation: 0, cost: 0 };
    weeks.set(week, found);
    return found;
  };
  const cost = { training: 0, workstation: 0, disks: 0, total: 0 };
  for (const run of runs) {
    for (const { from, to, hours, cost: amount } of spansOf(run, now)) {
      if (amount === undefined) missing.push(`${run.id} (${run.machine?.type} has no price here)`);
      else cost.training += amount;
      const parts = byWeek(from, to);
      for (const part of parts) {
        const share = (part.to - part.from) / (to - from);
        const week = weekly(part.week);
        week.training += hours * share;
        week.cost += (amount ?? 0) * share;
      }
    }
  }
  if (station) addStation(station, now, { weekly, cost, missing });
  const sorted = [...weeks.values()]
    .filter((week) => week.training + week.workstation + week.cost > 0)
    .sort((one, other) => (one.week < other.week ? -1 : 1))
    .map(({ week, training, workstation, cost: amount }) => ({
      week,
      training: round(training),
      workstation: round(workstation),
      cost: round(amount),
    }));
  const sum = (part: "training" | "workstation") => [...weeks.values()].reduce((all, week) => all + week[part], 0);
  const [training, workstation] = [sum("training"), sum("workstation")];
  const current = weeks.get(weekOf(now));
  return {
    hours: {
      training: round(training),
      workstation: round(workstation),
      total: round(training + workstation),
      thisWeek: round((current?.training ?? 0) + (current?.workstation ?? 0)),
    },
    cost: {
      training: round(cost.training),
      workstation: round(cost.workstation),
      disks: round(cost.disks),
      total: round(cost.training + cost.workstation + cost.disks),
    },
    asOf: AS_OF,
    weeks: sorted,
    missing,
  };
}

function addStation(
  { weeks, perHour, disksPerMonth, since, machineType }: StationUse,
  now: number,
  sums: { weekly: (week: string) => WeekUse; cost: Usage["cost"]; missing: string[] },
): void {
  let any = false;
  for (const [week, hours] of Object.entries(weeks)) {
    const found = sums.weekly(week);
    found.workstation += hours;
    found.cost += hours * (perHour ?? 0);
    sums.cost.workstation += hours * (perHour ?? 0);
    any ||= hours > 0;
  }
  if (any && perHour === undefined) sums.missing.push(`the workstation (${machineType} has no price here)`);
  if (since === undefined) return;
  if (disksPerMonth === undefined) {
    sums.missing.push(`the workstation's disks (${machineType} has no disk price here)`);
    return;
  }
  for (const { week, from, to } of byWeek(since, now)) {
    const amount = (disksPerMonth / HOURS_PER_MONTH) * ((to - from) / HOUR_MS);
    sums.weekly(week).cost += amount;
    sums.cost.disks += amount;
  }
}

/** To a ten-thousandth: of hours a third of a second, of cost a hundredth of a cent. */
function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
