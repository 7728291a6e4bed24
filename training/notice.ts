import type { OpenEnvironment } from "./environment.ts";

/** What a course's instructors tell the student; nobody else writes it. The newest line is the first. */
export const NOTICE_OBJECT = "course-notice.txt";

/** Older ones are of no use any more. */
const SHOWN_FOR_MS = 7 * 24 * 3_600_000;
const MOST_SHOWN = 3;

/** The last few lines of this week; none where the environment is no student's. */
export async function notices({ objects, buckets, student }: OpenEnvironment, now: number): Promise<string[]> {
  if (!student) return [];
  const found = await objects.read(buckets.data, NOTICE_OBJECT);
  const lines = found?.data.toString("utf8").split("\n") ?? [];
  return lines.filter((line) => now - Date.parse(line.split(" ")[0] ?? "") < SHOWN_FOR_MS).slice(0, MOST_SHOWN);
}
