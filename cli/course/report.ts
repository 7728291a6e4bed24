import { join } from "node:path";
import { openCourse } from "../../course/open.ts";
import { writeReport } from "../../course/report/index.ts";
import { counted } from "../../course/words.ts";
import { EXIT } from "../../training/errors.ts";
import type { CourseOptions } from "../commands/course.ts";
import { printJson } from "../output/print.ts";
import { Ticker } from "../output/ticker.ts";

/** Writes the page, the CSV files and the JSON. Ends with 70 if somebody could not be read. */
export async function action(options: CourseOptions & { to?: string }): Promise<number> {
  const open = await openCourse(options.course);
  const ticker = new Ticker();
  const progress = (done: number, of: number) => ticker.show(`reading ${done} of ${of} students`);
  const to = options.to === undefined ? {} : { to: options.to };
  const { report, folder, files } = await writeReport(open, { ...to, progress }).finally(() => ticker.clear());
  const unread = report.students.filter(({ problem }) => problem !== undefined);
  if (options.json) printJson({ folder, files, totals: report.totals, unread: unread.map(({ id }) => id) });
  else {
    const { students, runs, hours, cost } = report.totals;
    console.log(
      `${join(folder, "report.html")}: ${counted(students, "student")}, ${counted(runs, "run")}, ${hours.toFixed(1)} machine hours, about ${cost.toFixed(2)} USD\nBeside it: ${files.slice(1).join(", ")}`,
    );
    for (const { id, problem } of unread) console.error(`${id} could not be read: ${problem}`);
  }
  return unread.length > 0 ? EXIT.failedBeforeTraining : 0;
}
