import { openCourse } from "../../course/open.ts";
import { putShared } from "../../course/put.ts";
import type { CourseOptions } from "../commands/course.ts";
import { resumable } from "../interrupt.ts";
import { printJson, size } from "../output/print.ts";
import { Ticker } from "../output/ticker.ts";

/** Uploads what every student's machines read, and says what packages call it. */
export async function action(source: string, name: string | undefined, options: CourseOptions): Promise<number> {
  const open = await openCourse(options.course);
  const ticker = new Ticker();
  const progress = (done: number, total: number, file: string) =>
    ticker.show(`${size(done)} of ${size(total)}  ${file}`);
  const report = await resumable(
    () => ticker.clear(),
    () => putShared(open, source, name, { progress }),
  );
  if (options.json) printJson(report);
  else {
    console.log(
      `${report.url}: ${report.transferred} uploaded (${size(report.bytes)}), ${report.skipped} already there\nIn a package's training.yaml: inputs: ["${report.input}"]; the machine finds it in $DATA_DIR/${report.input.slice("course://".length)}`,
    );
  }
  return 0;
}
