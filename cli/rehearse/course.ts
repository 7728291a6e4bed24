import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GuestLevel } from "../../localcloud/guests/guest.ts";
import { EXIT } from "../../training/errors.ts";
import { CourseStage, type Say } from "./courseStage.ts";
import { NOT_SHOWN } from "./stage.ts";

export interface CourseRehearsalOptions {
  guest?: GuestLevel;
  json: boolean;
  /** @default 12 */
  students?: number;
}

interface Step {
  name: string;
  title: string;
  work: (stage: CourseStage, say: Say) => Promise<string>;
  /** Runs even if an earlier step failed: it takes away what is there. */
  always?: boolean;
}

const STEPS: readonly Step[] = [
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

export interface CourseRehearsalReport {
  ok: boolean;
  level: GuestLevel | "none";
  /** What this way of working does not show. */
  notShown: string[];
  students: number;
  phases: { name: string; seconds: number; detail: string }[];
  seconds: number;
  failure?: { phase: string; message: string };
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
  const interrupted = new AbortController();
  const onSignal = () => interrupted.abort(new Error("interrupted"));
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  stage.signal = interrupted.signal;
  const started = performance.now();
  const say: Say = (line) => (json ? console.error : console.log)(line);
  const report: CourseRehearsalReport = { ok: false, level: "none", notShown: [], students, phases: [], seconds: 0 };
  try {
    for (const step of STEPS) {
      if (report.failure && !step.always) continue;
      // What takes away is not broken off by the Ctrl-C that broke off the rest.
      if (step.always && interrupted.signal.aborted) stage.signal = undefined;
      await take(step, stage, report, say);
    }
  } finally {
    await stage.close();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
    rmSync(folder, { recursive: true, force: true });
  }
  report.level = stage.level;
  report.notShown = [...(report.level === "none" ? [] : NOT_SHOWN[report.level]), ...NOT_REHEARSED];
  report.seconds = since(started);
  report.ok = !report.failure;
  if (json) console.log(JSON.stringify(report));
  else console.log(`\n${table(report)}\n`);
  if (report.ok) return 0;
  return interrupted.signal.aborted ? EXIT.interrupted : 1;
}

async function take(step: Step, stage: CourseStage, report: CourseRehearsalReport, say: Say): Promise<void> {
  const started = performance.now();
  say(`… ${step.title}`);
  try {
    const detail = await step.work(stage, (line) => say(`    ${line}`));
    report.phases.push({ name: step.name, seconds: since(started), detail });
    say(`✔ ${step.title}: ${detail} (${since(started)} s)`);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    report.phases.push({ name: step.name, seconds: since(started), detail: "failed" });
    report.failure ??= { phase: step.name, message };
    say(`✖ ${step.title}: ${message}`);
    if (process.env.MLT_DEBUG && error instanceof Error) console.error(error.stack);
  }
}

function since(started: number): number {
  return Math.round((performance.now() - started) / 100) / 10;
}

function table(report: CourseRehearsalReport): string {
  const rows: [string, string][] = report.phases.map(({ name, seconds, detail }) => [
    name,
    `${seconds.toFixed(1).padStart(6)} s  ${detail}`,
  ]);
  rows.push(["total", `${report.seconds.toFixed(1).padStart(6)} s`], ["students", String(report.students)]);
  rows.push(["machine", `${report.level} (not shown: ${report.notShown.join(", ")})`]);
  if (report.failure) rows.push(["failed", `${report.failure.phase}: ${report.failure.message}`]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`).join("\n");
}
