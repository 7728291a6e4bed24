import { join } from "node:path";
import type { OpenCourse } from "../open.ts";
import { writePrivate } from "../privateFolder.ts";
import { courseStatus, type StatusOptions } from "../usage/status.ts";
import { runsCsv, studentsCsv } from "./csv.ts";
import { type Report, reportOf } from "./data.ts";
import { reportPage } from "./page.ts";

/** The default place, in the course's folder. */
export const REPORT_FOLDER = "report";

export interface Written {
  report: Report;
  folder: string;
  /** Names in the folder. */
  files: string[];
}

/** The files by name: the page, the tables beside it, and all of it for programs. Pure. */
export function reportFiles(report: Report): Record<string, string> {
  return {
    "report.html": reportPage(report),
    "students.csv": studentsCsv(report),
    "runs.csv": runsCsv(report),
    "report.json": `${JSON.stringify(report, null, 1)}\n`,
  };
}

/** Reads everybody's buckets and writes the report. @param to a folder; default `report/` in the course's */
export async function writeReport(
  open: OpenCourse,
  options: Omit<StatusOptions, "only"> & { to?: string } = {},
): Promise<Written> {
  const { to, ...rest } = options;
  const report = reportOf(await courseStatus(open, rest));
  const folder = to ?? join(open.course.folder, REPORT_FOLDER);
  const files = reportFiles(report);
  await writePrivate(folder, files);
  return { report, folder, files: Object.keys(files) };
}
