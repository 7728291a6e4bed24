import type { Environment } from "./contract.ts";
import { UserError } from "./errors.ts";
import { nameProblem, quotable } from "./files.ts";

/** A place in one of the environment's buckets. */
export interface BucketPath {
  bucket: string;
  /** Without a slash at the start; may be empty (the whole bucket) or end in one. */
  path: string;
}

/** `input/census`, `gs://BUCKET/input/census`; a path without a bucket is in the data bucket. */
export function bucketPath(text: string, environment: Environment): BucketPath {
  const parts = /^gs:\/\/([^/]+)(?:\/(.*))?$/.exec(text);
  const bucket = parts ? parts[1]! : environment.buckets.data;
  const path = (parts ? (parts[2] ?? "") : text).replace(/^\/+/, "");
  if (text.startsWith("gs://") && !parts)
    throw new UserError(`A bucket path is gs://BUCKET/PATH; got "${quotable(text)}".`);
  const illegal = path.split("/").some((part) => part === "." || part === "..");
  if (illegal || nameProblem(path)) {
    throw new UserError(`A bucket path has no "." or ".." and no control characters in it; got "${quotable(text)}".`);
  }
  const bytes = Buffer.byteLength(path);
  if (bytes > 1024) throw new UserError(`A bucket path has 1024 bytes at most; "${quotable(path, 60)}" has ${bytes}.`);
  return { bucket, path };
}

const RECORDS = ["runs", "code"];

/** Refuses to upload over what the environment itself keeps. */
export function requireWritable({ bucket, path }: BucketPath, environment: Environment): void {
  const top = path.split("/")[0]!;
  const ours =
    bucket === environment.buckets.data && (RECORDS.includes(top) || path === "environment.json" || top === "");
  if (ours) {
    throw new UserError(
      `gs://${bucket}/${path} belongs to the environment's own records; upload below input/ (mlt put DIR input/NAME).`,
    );
  }
}

/** The file below a folder for an object's name, on any system; refuses names that would lead out of the folder. */
export function localParts(name: string): string[] {
  const parts = name.split("/").filter((part) => part !== "");
  const legal = parts.length > 0 && parts.every((part) => part !== "." && part !== ".." && !/[\\:]/.test(part));
  if (!legal || nameProblem(name)) {
    throw new UserError(
      `The object ${JSON.stringify(name)} has a name that cannot be a file here; it was not fetched.`,
    );
  }
  return parts;
}
