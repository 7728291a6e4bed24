import { z } from "zod";
import { readStructured } from "./configProblems.ts";

const READERS = 1500; // Google: principals of one policy

const schema = z.strictObject({ readers: z.array(z.string().trim()).max(READERS).optional() });

export interface CourseDataReading {
  /** `foundation`: makes the bucket. */
  made?: { readers: string[] };
  /** `student`: the bucket that its foundation, or another of the course, has made. */
  url?: string;
}

const ACCOUNT = /^[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z][a-z0-9-]{4,28}[a-z0-9]\.iam\.gserviceaccount\.com$/;
const BUCKET = /^gs:\/\/[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/;
const KEY = "mltraining:courseData";

/** `mltraining:courseData`: a foundation's `true` or {readers}, a student's gs://BUCKET; absent or false: none. */
export function readCourseData(raw: string | undefined, scope: string, problems: string[]): CourseDataReading {
  if (raw === undefined || raw === "false") return {};
  if (scope === "solo") {
    problems.push(`${KEY} belongs to a stack with mltraining:scope foundation or student; this one is solo`);
    return {};
  }
  if (scope === "student") {
    if (BUCKET.test(raw)) return { url: raw };
    problems.push(
      `${KEY} of a student's stack must be the course's bucket, gs://BUCKET, as its foundation's output courseDataBucketUrl says; got ${JSON.stringify(raw)}`,
    );
    return {};
  }
  if (raw.startsWith("gs://")) {
    problems.push(
      `${KEY} of a foundation must be true or {readers: [SERVICE ACCOUNT, …]}: a foundation makes the bucket, students name it; got ${JSON.stringify(raw)}`,
    );
    return {};
  }
  const input = readStructured(KEY, raw === "true" ? "{}" : raw, schema, problems);
  if (!input) return {};
  const readers = input.readers ?? [];
  readers.forEach((reader, index) => {
    if (!ACCOUNT.test(reader)) {
      problems.push(
        `${KEY}.readers[${index}] must be a service account's e-mail, NAME@PROJECT.iam.gserviceaccount.com; got ${JSON.stringify(reader)}`,
      );
    } else if (readers.indexOf(reader) !== index) problems.push(`${KEY}.readers[${index}] is there twice: ${reader}`);
  });
  return { made: { readers: [...readers].sort() } };
}
