import type { Outcome } from "../../course/contract.ts";
import { liveProgress, type Progress, plainProgress } from "../../course/progress.ts";
import { type CourseRun, summary } from "../../course/run.ts";
import { EXIT } from "../../training/errors.ts";
import { plain, printJson, table } from "../output/print.ts";

/** A live list in a terminal, plain lines elsewhere; on stderr where stdout is for JSON. */
export async function progressFor({ json }: { json?: boolean }): Promise<Progress> {
  if (json) return plainProgress((line) => console.error(line));
  return process.stdout.isTTY && process.env.TERM !== "dumb"
    ? liveProgress()
    : plainProgress((line) => console.log(line));
}

/**
 * Prints how it went: who failed and why first, then the sum and what else is to be known. Returns the exit code: 0, 1 if
 * anybody failed, 130 if it was stopped.
 */
export function tell(run: CourseRun, options: { json?: boolean; more?: Record<string, unknown> }): number {
  const code = codeOf(run.outcomes);
  if (options.json) {
    printJson({ ...run, ...options.more, ok: code === 0 });
    return code;
  }
  const failed = run.outcomes.filter(({ result }) => result === "failed");
  const parts = [
    ...(failed.length > 0 ? [table(["FAILED", "STACK", "WHY"], failed.map(failedRow))] : []),
    summary(run.outcomes),
    ...run.notes.map(plain),
  ];
  console.log(`\n${parts.join("\n")}`);
  return code;
}

function failedRow({ student, stack, reason }: Outcome): string[] {
  return [student ?? "-", stack, plain(reason ?? "no reason was given")];
}

/** 130 after Ctrl-C, whether it met somebody in the middle or before the beginning; 1 if anybody failed. */
export function codeOf(outcomes: readonly Outcome[]): number {
  const stopped = ({ result, reason = "" }: Outcome) =>
    (result === "skipped" || result === "failed") && /^stopped\b/.test(reason);
  if (outcomes.some(stopped)) return EXIT.interrupted;
  return outcomes.some(({ result }) => result === "failed") ? 1 : 0;
}
