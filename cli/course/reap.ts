import { type Reaped, type Round, reap } from "../../course/limits/reaper.ts";
import { openCourse } from "../../course/open.ts";
import { counted, plainLine } from "../../course/words.ts";
import { EXIT, pausing, Unreachable } from "../../training/errors.ts";
import type { CourseOptions } from "../commands/course.ts";
import { interruptible } from "../interrupt.ts";
import { printJson } from "../output/print.ts";

export interface ReapCommandOptions extends CourseOptions {
  watch?: boolean;
  /** Seconds between two rounds. */
  every: number;
  dryRun?: boolean;
}

/**
 * Ends what breaks the course's limits, once or again and again. Ends with 70 if something could not be seen or ended in
 * the last round.
 */
export async function action(options: ReapCommandOptions): Promise<number> {
  if (!options.watch) return outcome(await one(options));
  console.error(`mlt: looking every ${options.every} s; Ctrl-C ends it, and with it the limits' enforcement`);
  return interruptible(async (signal) => {
    let last = 0;
    while (!signal.aborted) {
      try {
        last = outcome(await one(options));
      } catch (error) {
        // A laptop that sleeps, a network that is away: the next round looks again.
        if (!(error instanceof Unreachable)) throw error;
        console.error(`mlt: ${error.message}`);
        last = EXIT.failedBeforeTraining;
      }
      await pausing(options.every * 1000, signal);
    }
    return last;
  });
}

/** The course is read anew each time: roster and limits may have changed. */
async function one(options: ReapCommandOptions): Promise<Round> {
  const round = await reap(await openCourse(options.course), { dryRun: options.dryRun === true });
  if (options.json) printJson(round);
  else {
    for (const line of roundLines(round)) console.log(line);
    if (!options.watch || round.reaped.length + round.gaps.length > 0) console.log(summary(round));
  }
  return round;
}

export function roundLines({ reaped, gaps, at }: Round): string[] {
  const when = at.slice(0, 19).replace("T", " ");
  return [
    ...reaped.map((each) => `${when}  ${reapedLine(each)}`),
    ...gaps.map((gap) => `${when}  not seen: ${plainLine(gap)}`),
  ];
}

function reapedLine({ student, kind, name, zone, project, action, reasons, failure }: Reaped): string {
  const what = `${student}: ${kind} ${name} (${zone}, ${project}) ${action}`;
  return plainLine(`${what}${failure === undefined ? "" : ` (${failure})`}: ${reasons.join("; ")}`);
}

function summary({ looked, reaped }: Round): string {
  return `${counted(looked, "machine")} looked at, ${reaped.length === 0 ? "none" : reaped.length} over the limits`;
}

function outcome({ reaped, gaps }: Round): number {
  const whole = gaps.length === 0 && reaped.every(({ failure }) => failure === undefined);
  return whole ? 0 : EXIT.failedBeforeTraining;
}
