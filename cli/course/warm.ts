import { openCourse } from "../../course/open.ts";
import { momentOf, warm } from "../../course/power.ts";
import { pausing } from "../../training/errors.ts";
import type { CourseOptions } from "../commands/course.ts";
import { interruptible } from "../interrupt.ts";
import { progressFor, tell } from "./outcomes.ts";

/** `mlt course warm`. Ends with 0, 1 if a workstation does not start, 130 after Ctrl-C. */
export async function action(options: CourseOptions & { at?: string; perMinute: number }): Promise<number> {
  const at = options.at === undefined ? undefined : momentOf(options.at, new Date());
  const opened = await openCourse(options.course);
  return interruptible(async (signal) => {
    if (at) {
      console.error(`Waiting until ${at.toLocaleString()}; this computer must stay awake. Ctrl-C ends it.`);
      await pausing(at.getTime() - Date.now(), signal);
      if (signal.aborted) return 130;
    }
    const progress = await progressFor(options);
    const { only, perMinute } = options;
    const outcomes = await warm(opened, { ...(only ? { only } : {}), perMinute, signal, progress }).finally(() =>
      progress.close(),
    );
    return tell({ outcomes, notes: [] }, { json: options.json ?? false });
  });
}
