import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { KubeflowRelease } from "../catalog/kubeflow.ts";
import { KubeflowError } from "./problem.ts";
import type { Digests } from "./transforms/images.ts";

/** `kubeflow/images.lock.json`: which build each image was, the day that `mlt kubeflow lock` asked. */
export interface ImageLock {
  schema: 1;
  /** Release of Kubeflow Pipelines. */
  version: string;
  /** Day of the question, as 2026-11-21. */
  asked: string;
  /** By full name with tag: `sha256:…` of the manifest, for all architectures. */
  images: Record<string, string>;
}

const schema = z.strictObject({
  schema: z.literal(1),
  version: z.string(),
  asked: z.string().regex(/^\d{4}-\d{2}-\d{2}$/),
  images: z.record(z.string(), z.string().regex(/^sha256:[0-9a-f]{64}$/)),
});

/** Beside this file; it belongs into version control. */
export const LOCK_FILE = fileURLToPath(new URL("images.lock.json", import.meta.url));

/**
 * The lock, or `undefined` without one.
 * @throws {KubeflowError} for a file that is none
 */
export function readLock(file: string = LOCK_FILE): ImageLock | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return schema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    const reason =
      error instanceof z.ZodError ? z.prettifyError(error).split("\n").join("; ") : (error as Error).message;
    throw new KubeflowError(`${file} is no lock file of images: ${reason}; write it anew with: npx mlt kubeflow lock`);
  }
}

export function writeLock(lock: ImageLock, file: string = LOCK_FILE): void {
  const images = Object.fromEntries(Object.entries(lock.images).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(file, `${JSON.stringify({ ...lock, images }, null, 2)}\n`);
}

/**
 * Digests for a release: none without a lock file.
 * @throws {KubeflowError} if the lock is another release's, or lacks one of its images
 */
export function lockedDigests(release: KubeflowRelease, file: string = LOCK_FILE): Digests {
  const lock = readLock(file);
  if (!lock) return {};
  const again = "write it anew with: npx mlt kubeflow lock";
  if (lock.version !== release.version) {
    throw new KubeflowError(`${file} is of Kubeflow Pipelines ${lock.version}, wanted is ${release.version}; ${again}`);
  }
  const missing = release.images.map(({ pinned }) => pinned).filter((image) => !lock.images[image]);
  if (missing.length > 0) throw new KubeflowError(`${file} lacks ${missing.join(", ")}; ${again}`);
  return lock.images;
}
