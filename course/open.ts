import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { Problems, UserError } from "../training/errors.ts";
import { quotable } from "../training/files.ts";
import type { Course, CourseRecord, Student } from "./contract.ts";
import { readCourseFile } from "./courseFile.ts";
import { emptyRecord, NoStates, readRecord } from "./record.ts";
import { readRoster } from "./roster.ts";

/** A course that was found and read: what every command works with. */
export interface OpenCourse {
  course: Course;
  /** In the roster's order. */
  students: Student[];
  record: CourseRecord;
}

/** More problems than anybody reads at once. */
const MAX_TOLD = 50;

/** course.yaml and roster.csv of a folder, checked. Throws every problem of both at once. Nothing is asked of Google. */
export async function readCourse(folder: string): Promise<Omit<OpenCourse, "record">> {
  const place = resolve(folder);
  const there = await stat(place).catch(() => undefined);
  if (!there?.isDirectory()) {
    throw new UserError(
      `A course is a folder with a course.yaml and a roster.csv; ${there ? `${quotable(folder)} is a file` : `there is no ${quotable(folder)}`}. Copy the example to begin with: examples/course`,
    );
  }
  const { course, problems: ofCourse } = await readCourseFile(place);
  const { students, problems: ofRoster } = await readRoster(place, course);
  const problems = [...ofCourse, ...ofRoster];
  if (problems.length > 0 || !course) {
    throw new Problems(
      `The course in ${quotable(folder)} cannot be used`,
      problems.length <= MAX_TOLD
        ? problems
        : [...problems.slice(0, MAX_TOLD - 1), `… and ${problems.length - MAX_TOLD + 1} more`],
    );
  }
  return { course, students };
}

/**
 * The same with the course's record, which lies beside the stacks' states. With `early`, a bucket of states that is not
 * there yet is as good as an empty one: for what only looks.
 */
export async function openCourse(folder: string, options: { early?: boolean } = {}): Promise<OpenCourse> {
  const read = await readCourse(folder);
  const record = await readRecord(read.course).catch((error: unknown) => {
    if (options.early && error instanceof NoStates) return emptyRecord(read.course);
    throw error;
  });
  return { ...read, record };
}
