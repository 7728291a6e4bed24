import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GuestLevel } from "../../localcloud/guests/guest.ts";
import { EXIT } from "../../training/errors.ts";
import { CourseStage } from "./courseStage.ts";
import { NOT_SHOWN } from "./stage.ts";
import { closingTable, type Played, play, type Say, type Step } from "./steps.ts";

export interface CourseRehearsalOptions {
  guest?: GuestLevel;
  json: boolean;
  /** @default 12 */
  students?: number;
}

const STEPS: readonly Step<CourseStage>[] = [
  { name: "prepare", title: "Prepare what is missing", work: (stage, say) => stage.prepare(say) },
  { name: "start", title: "Start the local Google Cloud with two projects", work: (stage) => stage.start() },
  { name: "plan", title: "The arithmetic (mlt course plan)", work: (stage) => stage.plan() },
  { name: "check", title: "A canary's whole way (mlt course check)", work: (stage, say) => stage.check(say) },
  {
    name: "break off",
    title: "Bring the class up, and kill it in the middle",
    work: (stage, say) => stage.broken(say),
  },
  { name: "up", title: "Bring the class up (mlt course up)", work: (stage, say) => stage.up(say) },
  { name: "change", title: "One joins, one leaves, one breaks", work: (stage, say) => stage.change(say) },
  { name: "freeze", title: "Freeze for grading (mlt course freeze)", work: (stage, say) => stage.freeze(say) },
  {
    name: "report",
    title: "See everybody's state (mlt course report, status)",
    work: (stage, say) => stage.report(say),
  },
  { name: "down", title: "Export and close (mlt course down)", work: (stage, say) => stage.down(say), always: true },
  { name: "prove", title: "Prove that nothing is left", work: (stage) => stage.prove(), always: true },
];

export interface CourseRehearsalReport extends Omit<Played, "interrupted"> {
  ok: boolean;
  level: GuestLevel | "none";
  /** What this way of working does not show. */
  notShown: string[];
  students: number;
}

/** Of a rehearsal whose states lie in a folder. */
const NOT_REHEARSED = ["states in gs:// with a key of Cloud KMS", "Google's own time until rights are felt"];

/**
 * Rehearses a course's whole life with the commands that an instructor types. Returns the exit code: 0 if every step
 * ended well and nothing is left, 130 after Ctrl-C, 1 otherwise.
 */
export async function rehearseCourse({ guest, json, students = 12 }: CourseRehearsalOptions): Promise<number> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "mlt-rehearsal-")));
  const stage = new CourseStage({ folder, students, ...(guest ? { guest } : {}) });
  const say: Say = json ? console.error : console.log;
  const { interrupted, ...played } = await play(STEPS, stage, say).finally(() =>
    rmSync(folder, { recursive: true, force: true }),
  );
  const { level } = stage;
  const notShown = [...(level === "none" ? [] : NOT_SHOWN[level]), ...NOT_REHEARSED];
  const report: CourseRehearsalReport = { ok: !played.failure, level, notShown, students, ...played };
  if (json) console.log(JSON.stringify(report));
  else console.log(`\n${table(report)}\n`);
  if (report.ok) return 0;
  return interrupted ? EXIT.interrupted : 1;
}

function table(report: CourseRehearsalReport): string {
  return closingTable(report, [
    ["students", String(report.students)],
    ["machine", `${report.level} (not shown: ${report.notShown.join(", ")})`],
  ]);
}
