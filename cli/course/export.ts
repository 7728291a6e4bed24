import { exportCourse, type StudentExport } from "../../course/export/export.ts";
import { openCourse } from "../../course/open.ts";
import { counted, plainLine } from "../../course/words.ts";
import { EXIT } from "../../training/errors.ts";
import type { CourseOptions } from "../commands/course.ts";
import { resumable } from "../interrupt.ts";
import { printJson, size } from "../output/print.ts";
import { Ticker } from "../output/ticker.ts";

/** Copies and verifies; ends with 70 if somebody's results could not be had. */
export async function action(options: CourseOptions & { to?: string }): Promise<number> {
  const open = await openCourse(options.course);
  const ticker = new Ticker();
  const progress = (student: StudentExport, done: number, of: number) => {
    ticker.clear();
    if (!options.json) console.log(lineOf(student));
    ticker.show(`${done} of ${of} students`);
  };
  const { to, only } = options;
  const report = await resumable(
    () => ticker.clear(),
    () => exportCourse(open, { ...(to === undefined ? {} : { to }), ...(only ? { only } : {}), progress }),
  );
  ticker.clear();
  const failed = report.students.filter(({ result }) => result === "failed");
  if (options.json) printJson(report);
  else {
    const done = report.students.filter(({ result }) => result === "done");
    const bytes = done.reduce((sum, student) => sum + student.bytes, 0);
    const objects = done.reduce((sum, student) => sum + student.objects, 0);
    console.log(
      `${report.to}: ${counted(done.length, "student")}, ${counted(objects, "object")} (${size(bytes)}), read back and compared`,
    );
    if (failed.length > 0) {
      console.error(`${counted(failed.length, "student")} not exported; run the command again, it goes on.`);
    }
  }
  return failed.length > 0 ? EXIT.failedBeforeTraining : 0;
}

function lineOf({ id, result, objects, bytes, copied, active, reason }: StudentExport): string {
  if (result !== "done") return `${id}: ${result === "failed" ? "FAILED: " : ""}${plainLine(reason ?? "")}`;
  const going = active.length > 0 ? `; ${active.join(", ")} still go on and write more` : "";
  return `${id}: ${counted(objects, "object")} (${size(bytes)}), ${copied} copied now${going}`;
}
