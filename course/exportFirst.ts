import type { OpenCourse } from "./open.ts";

export interface ExportFirstOptions {
  /** `gs://BUCKET[/PREFIX]` or a folder. @default export/ in the course's folder */
  to?: string;
  signal?: AbortSignal;
  say?: (line: string) => void;
}

/** @throws {UserError} unless every object of these students is in the archive and verified */
export async function exportStudents(
  _opened: OpenCourse,
  _ids: readonly string[],
  _options: ExportFirstOptions = {},
): Promise<void> {
  throw new Error("not there yet");
}
