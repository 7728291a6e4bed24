// When a workstation ran: it rewrites its status once a minute, and the data bucket keeps the old versions for some weeks.
import { pages } from "../../cleanup/rest.ts";
import { STATUS_OBJECT } from "../../workstation/status.ts";
import { byWeek } from "./usage.ts";

/** Milliseconds since 1970. */
export interface Interval {
  from: number;
  to: number;
}

const MINUTE_MS = 60_000;
/** Heartbeats that are further apart belong to two times of running; what is silent for longer is held for off. */
const GAP_MS = 3 * MINUTE_MS;

/** The times at which a workstation wrote its status, as far as the bucket still has the versions; unsorted. */
export async function heartbeatsOf(bucket: string): Promise<number[]> {
  const beats: number[] = [];
  const query = {
    prefix: STATUS_OBJECT,
    versions: "true",
    maxResults: "1000",
    fields: "items(name,timeCreated),nextPageToken",
  };
  type Page = { items?: { name?: string; timeCreated?: string }[]; nextPageToken?: string };
  await pages<Page>("storage", `b/${encodeURIComponent(bucket)}/o`, { query }, ({ items = [] }) => {
    for (const { name, timeCreated } of items) {
      if (name === STATUS_OBJECT && timeCreated) beats.push(Date.parse(timeCreated));
    }
  });
  return beats;
}

/** From heartbeats to the times of running: each stands for the minute that follows it. */
export function runningTimes(beats: readonly number[], now: number): Interval[] {
  const found: Interval[] = [];
  for (const beat of [...beats].sort((one, other) => one - other)) {
    const last = found.at(-1);
    const to = Math.min(now, beat + MINUTE_MS);
    if (last && beat - last.to < GAP_MS - MINUTE_MS) last.to = Math.max(last.to, to);
    else found.push({ from: beat, to: Math.max(beat, to) });
  }
  return found;
}

/** What lies in any of them, once. */
export function union(intervals: readonly Interval[]): Interval[] {
  const found: Interval[] = [];
  for (const { from, to } of [...intervals].sort((one, other) => one.from - other.from)) {
    const last = found.at(-1);
    if (last && from <= last.to) last.to = Math.max(last.to, to);
    else if (to > from) found.push({ from, to });
  }
  return found;
}

/** Hours by week (its Monday, `yyyy-mm-dd`). */
export function hoursByWeek(intervals: readonly Interval[]): Record<string, number> {
  const weeks: Record<string, number> = {};
  for (const { from, to } of union(intervals)) {
    for (const part of byWeek(from, to)) weeks[part.week] = (weeks[part.week] ?? 0) + (part.to - part.from) / 3_600_000;
  }
  return weeks;
}
