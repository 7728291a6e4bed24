import { csvRow } from "../escape.ts";
import type { Report } from "./data.ts";

/** Spreadsheets take a file without it for one in the computer's own old encoding. */
const BYTE_ORDER_MARK = "\ufeff";

/** A line for each student. Text that a spreadsheet would run as a formula is made harmless. */
export function studentsCsv({ students }: Report): string {
  const header = [
    "id",
    "name",
    "project",
    "environment",
    "state",
    "problem",
    "runs",
    "runs_succeeded",
    "runs_failed",
    "runs_active",
    "last_run",
    "last_outcome",
    "last_reason",
    "hours_training",
    "hours_workstation",
    "hours_total",
    "hours_this_week",
    "cost_usd",
    "prices_as_of",
    "last_activity",
  ];
  const rows = students.map(({ id, name, project, environment, state, problem, runs, last, usage, lastActivity }) => [
    id,
    name,
    project,
    environment,
    state,
    problem,
    runs.total,
    runs.succeeded,
    runs.failed,
    runs.active,
    last?.id,
    last?.phase,
    last?.reason,
    usage.hours.training,
    usage.hours.workstation,
    usage.hours.total,
    usage.hours.thisWeek,
    usage.cost.total,
    usage.asOf,
    lastActivity,
  ]);
  return BYTE_ORDER_MARK + [header, ...rows].map(csvRow).join("");
}

/** A line for each run. */
export function runsCsv({ runs }: Report): string {
  const header = ["student", "run", "outcome", "submitted", "ended", "machine_type", "spot", "hours", "cost_usd"];
  const rows = runs.map((run) => [
    run.student,
    run.id,
    run.phase,
    run.submitted,
    run.ended,
    run.machineType,
    run.spot,
    run.hours,
    run.cost,
    run.exitCode,
    run.reason,
  ]);
  return BYTE_ORDER_MARK + [[...header, "exit_code", "reason"], ...rows].map(csvRow).join("");
}
