import { openCourse } from "../../course/open.ts";
import { activeRuns, type CourseStatus, courseStatus, lastRun, type StudentStatus } from "../../course/usage/status.ts";
import { counted, plainLine } from "../../course/words.ts";
import { EXIT } from "../../training/errors.ts";
import type { CourseOptions } from "../commands/course.ts";
import { duration, printJson, table } from "../output/print.ts";
import { Ticker } from "../output/ticker.ts";

/** A line for each student. Ends with 70 if somebody could not be read. */
export async function action(options: CourseOptions): Promise<number> {
  const ticker = new Ticker();
  const progress = (done: number, of: number) => ticker.show(`reading ${done} of ${of} students`);
  const open = await openCourse(options.course);
  const status = await courseStatus(open, { ...(options.only ? { only: options.only } : {}), progress }).finally(() =>
    ticker.clear(),
  );
  if (options.json) printJson(status);
  else console.log(statusText(status));
  return status.students.some(({ problem }) => problem !== undefined) ? EXIT.failedBeforeTraining : 0;
}

/** The table, what holds for all, and the sums. */
export function statusText({ students, notes, at, title, expires, frozen }: CourseStatus): string {
  const now = Date.parse(at);
  const rows = students.map((student) => lineOf(student, now));
  const header = ["ID", "NAME", "STACK", "LAST RUN", "OUTCOME", "HOURS", "WEEK", "COST", "ACTIVE", ""];
  const sum = (of: (student: StudentStatus) => number) => students.reduce((all, student) => all + of(student), 0);
  const running = sum(({ machines }) => machines.filter(({ state }) => state === "running").length);
  const hours = sum(({ usage }) => usage.hours.total);
  const cost = sum(({ usage }) => usage.cost.total);
  const missing = sum(({ usage }) => usage.missing.length);
  const asOf = students[0]?.usage.asOf ?? "";
  return [
    `${plainLine(title)}: ${counted(students.length, "student")}, until ${expires}${frozen ? `, frozen since ${frozen.slice(0, 16).replace("T", " ")}` : ""}`,
    "",
    table(header, rows),
    "",
    `${counted(running, "machine")} running; ${hours.toFixed(1)} machine hours, about ${cost.toFixed(2)} USD in all (list prices of ${asOf}; machines and workstations' disks, not storage or network)`,
    ...(missing > 0 ? [`${counted(missing, "part")} of it could not be counted: see --json, usage.missing`] : []),
    ...notes.map((note) => `note: ${note}`),
  ].join("\n");
}

function lineOf(student: StudentStatus, now: number): string[] {
  const { id, name = "-", stack, problem, usage, lastActivity } = student;
  if (problem !== undefined && stack === "unread") {
    return [id, plainLine(name, 30), stack, "-", "-", "-", "-", "-", "-", plainLine(problem)];
  }
  const run = lastRun(student);
  const active = activeRuns(student);
  const remark = problem ?? (run && run.phase !== "succeeded" ? (run.reason ?? "") : "");
  return [
    id,
    plainLine(name, 30),
    stack,
    run?.id ?? "-",
    run ? `${run.phase}${active > 1 ? ` (+${active - 1})` : ""}` : "-",
    usage.hours.total.toFixed(1),
    usage.hours.thisWeek.toFixed(1),
    usage.cost.total.toFixed(2),
    lastActivity ? `${duration(now - Date.parse(lastActivity))} ago` : "-",
    plainLine(remark, 100),
  ];
}
