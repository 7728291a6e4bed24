import { EXIT, UserError } from "../../training/errors.ts";
import { type OpenCourse, openCourse } from "../open.ts";
import { counted, plainLine } from "../words.ts";
import { exportCourse } from "./export.ts";

export interface ExportFirstOptions {
  /** `gs://BUCKET[/PREFIX]` or a folder. @default export/ in the course's folder */
  to?: string;
  signal?: AbortSignal;
  say?: (line: string) => void;
}

/**
 * Exports these students' results before their environments go.
 * @throws {UserError} unless every object of each is in the archive and was read back, and none of their runs goes on
 */
export async function exportStudents(
  { course }: Pick<OpenCourse, "course">,
  ids: readonly string[],
  { to, signal, say = () => undefined }: ExportFirstOptions = {},
): Promise<void> {
  // Read anew: places may have been given since the course was opened.
  const opened = await openCourse(course.folder);
  const report = await exportCourse(opened, {
    only: ids,
    ...(to === undefined ? {} : { to }),
    ...(signal ? { signal } : {}),
    progress: ({ id, result, objects, reason }) =>
      say(`exported ${id}: ${result === "done" ? counted(objects, "object") : (reason ?? result)}`),
  });
  const problems = report.students.flatMap(({ id, result, active, reason }) => {
    if (result === "failed") return [`${id}: ${plainLine(reason ?? "not exported")}`];
    if (active.length === 0) return [];
    return [`${id}: ${active.join(", ")} still ${active.length === 1 ? "goes" : "go"} on and would be lost`];
  });
  const seen = new Set(report.students.map(({ id }) => id));
  problems.push(...ids.filter((id) => !seen.has(id)).map((id) => `${id}: not exported`));
  if (signal?.aborted) throw new UserError("Stopped; the same command goes on.", EXIT.interrupted);
  if (problems.length === 0) return;
  throw new UserError(
    `Nothing was destroyed, because not everybody's results are in ${report.to} and verified:\n${problems
      .map((line) => `  - ${line}`)
      .join("\n")}\nThe same command goes on. Runs end by: mlt course freeze`,
    EXIT.failedBeforeTraining,
  );
}
