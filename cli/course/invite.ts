import { writeInvitations } from "../../course/invite.ts";
import { openCourse } from "../../course/open.ts";
import { counted } from "../../course/words.ts";
import { EXIT } from "../../training/errors.ts";
import type { CourseOptions } from "../commands/course.ts";
import { printJson } from "../output/print.ts";

/** Writes the students' pages. Ends with 70 if somebody has none. */
export async function action(options: CourseOptions & { to?: string }): Promise<number> {
  const open = await openCourse(options.course);
  const report = await writeInvitations(open, {
    ...(options.to === undefined ? {} : { to: options.to }),
    ...(options.only ? { only: options.only } : {}),
  });
  if (options.json) printJson(report);
  else {
    const { folder, invited, without } = report;
    if (invited.length > 0) {
      console.log(
        `${folder}: ${counted(invited.length, "invitation")}, each as ID.html and ID.txt. Nothing in them is secret.`,
      );
    }
    for (const { id, reason } of without) console.error(`${id}: ${reason}`);
  }
  return report.without.length > 0 ? EXIT.failedBeforeTraining : 0;
}
