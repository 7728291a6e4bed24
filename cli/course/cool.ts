import { openCourse } from "../../course/open.ts";
import { cool } from "../../course/power.ts";
import type { CourseOptions } from "../commands/course.ts";
import { interruptible } from "../interrupt.ts";
import { progressFor, tell } from "./outcomes.ts";

/** `mlt course cool`. Ends with 0, 1 if a workstation does not stop, 130 after Ctrl-C. */
export async function action(options: CourseOptions): Promise<number> {
  const opened = await openCourse(options.course);
  return interruptible(async (signal) => {
    const progress = await progressFor(options);
    const outcomes = await cool(opened, { ...(options.only ? { only: options.only } : {}), signal, progress }).finally(
      () => progress.close(),
    );
    return tell({ outcomes, notes: [] }, { json: options.json ?? false });
  });
}
