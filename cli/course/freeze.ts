import { freeze } from "../../course/freeze.ts";
import { openCourse } from "../../course/open.ts";
import { counted } from "../../course/words.ts";
import type { CourseOptions } from "../commands/course.ts";
import { interruptible } from "../interrupt.ts";
import { agreed } from "./ask.ts";
import { progressFor, tell } from "./outcomes.ts";

/** `mlt course freeze`. Ends with 0, 1 if somebody can still start machines or one runs on, 130 after Ctrl-C. */
export async function action(options: CourseOptions & { undo?: boolean }): Promise<number> {
  const opened = await openCourse(options.course);
  const { only, undo = false } = options;
  const whom = only ? only.join(", ") : "everybody";
  const question = `Take from ${whom} the right to start machines, delete training machines and stop workstations? Files stay.`;
  if (!undo && !(await agreed(question, { yes: options.yes ?? false }))) {
    console.error("Nothing was changed.");
    return 1;
  }
  return interruptible(async (signal) => {
    const progress = await progressFor(options);
    const run = await freeze(opened, { ...(only ? { only } : {}), undo, signal, progress }).finally(() =>
      progress.close(),
    );
    const { machines } = run;
    if (machines && !options.json) {
      const { deleted, stopped, failed } = machines;
      run.notes.unshift(
        `${counted(deleted.length, "training machine")} deleted, ${counted(stopped.length, "workstation")} stopped.`,
        ...failed.map((line) => `Runs on: ${line}`),
      );
    }
    return tell(run, { json: options.json ?? false }) || ((machines?.failed.length ?? 0) > 0 ? 1 : 0);
  });
}
