import { basename, resolve } from "node:path";
import { UserError } from "../training/errors.ts";
import { quotable } from "../training/files.ts";
import { COURSE } from "../training/inputs.ts";
import { Objects } from "../training/storage.ts";
import { putFiles, type TransferOptions, type TransferReport } from "../training/transfer.ts";
import type { OpenCourse } from "./open.ts";

export interface PutReport extends TransferReport {
  /** `course://NAME`: what packages name. */
  input: string;
  /** `gs://BUCKET/NAME` */
  url: string;
}

/** What a package's inputs may name. */
const NAME = /^[A-Za-z0-9._=+@ -]+(\/[A-Za-z0-9._=+@ -]+)*$/;

/**
 * Uploads a file or folder to where the machines of all students read it. What is there with the same contents stays.
 * @param name below the shared bucket; default: the file's or folder's own name
 */
export async function putShared(
  { course, record }: OpenCourse,
  source: string,
  name: string | undefined,
  options: TransferOptions & { objects?: Objects } = {},
): Promise<PutReport> {
  const { objects = new Objects(), ...rest } = options;
  const target = nameOf(source, name);
  const bucket = record.dataBucket?.replace(/^gs:\/\//, "").replace(/\/+$/, "");
  if (!bucket) {
    throw new UserError(
      `The course ${course.name} has no shared bucket yet: the first project's foundation makes it. Bring the course up first: mlt course up`,
    );
  }
  // A folder's contents lie below its name; a file is the object of that very name, or lies in a folder that is there.
  const report = await putFiles(objects, source, { bucket, path: target }, rest);
  return { ...report, input: `${COURSE}${target}`, url: `gs://${bucket}/${target}` };
}

function nameOf(source: string, given: string | undefined): string {
  const name = (given ?? basename(resolve(source))).replace(/^course:\/\//, "").replace(/\/+$/, "");
  if (NAME.test(name) && !name.split("/").some((part) => part === "." || part === "..")) return name;
  const how =
    given === undefined
      ? `"${quotable(name)}", the name of ${quotable(source)}, is none: give one, as mlt course put ${quotable(source)} census`
      : `got "${quotable(given)}"`;
  throw new UserError(
    `A name of shared data is letters, digits, "._=+@ -" and slashes, such as census, because packages name it as course://NAME; ${how}`,
  );
}
