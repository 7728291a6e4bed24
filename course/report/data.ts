import { AS_OF } from "../../catalog/prices.ts";
import type { Phase } from "../../training/contract.ts";
import { costSoFar } from "../../training/price.ts";
import { ENDED } from "../../training/status.ts";
import type { CourseStatus, StackState, StudentStatus } from "../usage/status.ts";
import { hoursOf, type Usage, weekOf } from "../usage/usage.ts";

export interface ReportRun {
  id: string;
  phase: Phase;
  /** ISO time. */
  submitted: string;
  ended?: string;
  machineType?: string;
  spot?: boolean;
  hours: number;
  /** US dollars; absent: no price, or no machine. */
  cost?: number;
  exitCode?: number;
  reason?: string;
}

export interface ReportStudent {
  id: string;
  name?: string;
  project?: string;
  environment?: string;
  state: StackState;
  problem?: string;
  runs: { total: number; succeeded: number; failed: number; active: number };
  last?: { id: string; phase: Phase; at: string; reason?: string };
  usage: Usage;
  lastActivity?: string;
}

/** Runs that were submitted on a day or in a week, by how they ended. */
export interface RunCount {
  /** `yyyy-mm-dd`; of a week its Monday. */
  from: string;
  succeeded: number;
  failed: number;
  /** Cancelled, preempted or lost. */
  other: number;
  active: number;
}

export interface CostWeek {
  /** The week's Monday, `yyyy-mm-dd`. */
  week: string;
  cost: number;
  hours: number;
}

/** `report.json`: what the page and the tables beside it show. */
export interface Report {
  schema: 1;
  course: string;
  title: string;
  expires: string;
  /** ISO time of the look. */
  at: string;
  frozen?: string;
  /** Date of the list prices that costs are estimated with. */
  pricesAsOf: string;
  totals: { students: number; up: number; runs: number; succeeded: number; hours: number; cost: number };
  students: ReportStudent[];
  runs: (ReportRun & { student: string })[];
  /** Whether `runsOverTime` counts days or weeks. */
  per: "day" | "week";
  runsOverTime: RunCount[];
  costOverTime: CostWeek[];
  notes: string[];
}

const FAILED: readonly Phase[] = ["failed", "timedOut"];
/** A chart of more bars than this is one of weeks. */
const MOST_DAYS = 42;
const DAY_MS = 24 * 3_600_000;

/** What the report shows, out of what was read. Pure. */
export function reportOf(status: CourseStatus): Report {
  const now = Date.parse(status.at);
  const runs = status.students.flatMap(({ id, runs: own }) => own.map((run) => ({ student: id, ...runOf(run, now) })));
  const students = status.students.map(studentOf);
  const sum = (of: (student: ReportStudent) => number) => students.reduce((all, student) => all + of(student), 0);
  const missing = sum(({ usage }) => usage.missing.length);
  const { per, counts } = runsOverTime(runs, now);
  return {
    schema: 1,
    course: status.course,
    title: status.title,
    expires: status.expires,
    at: status.at,
    ...(status.frozen ? { frozen: status.frozen } : {}),
    pricesAsOf: AS_OF,
    totals: {
      students: students.length,
      up: students.filter(({ state }) => ["up", "frozen", "leaving"].includes(state)).length,
      runs: runs.length,
      succeeded: sum((student) => student.runs.succeeded),
      hours: round(sum(({ usage }) => usage.hours.total)),
      cost: round(sum(({ usage }) => usage.cost.total)),
    },
    students,
    runs,
    per,
    runsOverTime: counts,
    costOverTime: costOverTime(students, now),
    notes: [
      ...status.notes,
      ...(missing > 0 ? [`${missing} parts of the cost could not be counted: report.json, usage.missing`] : []),
    ],
  };
}

function runOf(run: StudentStatus["runs"][number], now: number): ReportRun {
  const cost = costSoFar(run, now)?.amount;
  return {
    id: run.id,
    phase: run.phase,
    submitted: run.times.submitted,
    ...(run.times.ended ? { ended: run.times.ended } : {}),
    ...(run.machine ? { machineType: run.machine.type, spot: run.machine.spot } : {}),
    hours: round(hoursOf(run, now)),
    ...(cost === undefined ? {} : { cost }),
    ...(run.exitCode === undefined ? {} : { exitCode: run.exitCode }),
    ...(run.reason ? { reason: run.reason } : {}),
  };
}

function studentOf({ runs, stack, ...student }: StudentStatus): ReportStudent {
  const [last] = runs;
  const count = (fits: (phase: Phase) => boolean) => runs.filter(({ phase }) => fits(phase)).length;
  const { id, name, project, environment, problem, usage, lastActivity } = student;
  return {
    id,
    ...(name === undefined ? {} : { name }),
    ...(project ? { project, environment } : {}),
    state: stack,
    ...(problem === undefined ? {} : { problem }),
    runs: {
      total: runs.length,
      succeeded: count((phase) => phase === "succeeded"),
      failed: count((phase) => FAILED.includes(phase)),
      active: count((phase) => !ENDED.includes(phase)),
    },
    ...(last
      ? {
          last: {
            id: last.id,
            phase: last.phase,
            at: last.times.ended ?? last.times.submitted,
            ...(last.reason ? { reason: last.reason } : {}),
          },
        }
      : {}),
    usage,
    ...(lastActivity ? { lastActivity } : {}),
  };
}

/** Every day from the first run to now, or every week where those are too many to see; empty without a run. */
function runsOverTime(
  runs: readonly Pick<ReportRun, "submitted" | "phase">[],
  now: number,
): { per: "day" | "week"; counts: RunCount[] } {
  const times = runs.map(({ submitted }) => Date.parse(submitted)).filter((time) => !Number.isNaN(time));
  if (times.length === 0) return { per: "day", counts: [] };
  const first = times.reduce((least, time) => Math.min(least, time));
  const last = times.reduce((most, time) => Math.max(most, time), now);
  const per = (last - first) / DAY_MS > MOST_DAYS ? "week" : "day";
  const nameOf = (time: number) => (per === "week" ? weekOf(time) : new Date(time).toISOString().slice(0, 10));
  const counts = new Map<string, RunCount>();
  const step = per === "week" ? 7 * DAY_MS : DAY_MS;
  for (let at = Date.parse(nameOf(first)); at <= last; at += step) {
    counts.set(nameOf(at), { from: nameOf(at), succeeded: 0, failed: 0, other: 0, active: 0 });
  }
  for (const { submitted, phase } of runs) {
    const count = counts.get(nameOf(Date.parse(submitted)));
    if (count) count[kindOf(phase)] += 1;
  }
  return { per, counts: [...counts.values()] };
}

function kindOf(phase: Phase): "succeeded" | "failed" | "other" | "active" {
  if (phase === "succeeded") return "succeeded";
  if (FAILED.includes(phase)) return "failed";
  return ENDED.includes(phase) || phase === "preempted" ? "other" : "active";
}

function costOverTime(students: readonly ReportStudent[], now: number): CostWeek[] {
  const weeks = new Map<string, CostWeek>();
  for (const { week, cost, training, workstation } of students.flatMap(({ usage }) => usage.weeks)) {
    const sum = weeks.get(week) ?? { week, cost: 0, hours: 0 };
    weeks.set(week, { week, cost: sum.cost + cost, hours: sum.hours + training + workstation });
  }
  const first = [...weeks.keys()].sort()[0];
  if (first === undefined) return [];
  const all: CostWeek[] = [];
  for (let at = Date.parse(first); at <= now; at += 7 * DAY_MS) {
    const { week, cost, hours } = weeks.get(weekOf(at)) ?? { week: weekOf(at), cost: 0, hours: 0 };
    all.push({ week, cost: round(cost), hours: round(hours) });
  }
  return all;
}

function round(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}
