import { DEFAULT_KUBEFLOW } from "../../catalog/kubeflow.ts";
import { LOCK_FILE, readLock, writeLock } from "../../kubeflow/lockFile.ts";
import { releaseOf } from "../../kubeflow/manifests.ts";
import { askDigests, type RegistryOptions } from "../../kubeflow/registry.ts";
import { printJson } from "../output/print.ts";

export interface LockOptions {
  /** Release of Kubeflow Pipelines. */
  version?: string;
  /** Changes nothing: says whether the registries still have what the lock file says. */
  check?: boolean;
  json?: boolean;
}

/** What became of an image since the lock file was written. */
type Verdict = "new" | "same" | "moved";

/**
 * Asks the registries which build each image of a release is now, and writes it down; the next `pulumi up` then runs
 * those builds and no other, whatever becomes of the tags. It needs no account and no environment.
 * @returns 0; with `check` 1 if a tag leads elsewhere by now
 */
export async function lock(
  { version = DEFAULT_KUBEFLOW, check, json }: LockOptions,
  { file = LOCK_FILE, ...registries }: RegistryOptions & { file?: string } = {},
): Promise<number> {
  const release = releaseOf(version);
  const before = readLock(file)?.images ?? {};
  const digests = await askDigests(
    release.images.map(({ pinned }) => pinned),
    registries,
  );
  const verdict = (image: string, digest: string): Verdict =>
    before[image] === undefined ? "new" : before[image] === digest ? "same" : "moved";
  const images = Object.entries(digests)
    .map(([image, digest]) => ({ image, digest, verdict: verdict(image, digest), before: before[image] }))
    .sort((a, b) => (a.image < b.image ? -1 : 1));
  const changed = images.filter((entry) => entry.verdict !== "same");
  const asked = new Date().toISOString().slice(0, 10);
  if (!check) writeLock({ schema: 1, version, asked, images: digests }, file);
  if (json) printJson({ version, file, images });
  else {
    for (const entry of images) console.log(`${entry.verdict.padEnd(5)}  ${entry.image}  ${entry.digest}`);
    for (const moved of images.filter((entry) => entry.verdict === "moved")) {
      console.error(
        `${moved.image} was ${moved.before}: a release's tag should stay where it is; look why before you go on`,
      );
    }
    const sum = `${images.length} images of Kubeflow Pipelines ${version}, ${changed.length} changed`;
    console.log(check ? `${sum}; nothing was written.` : `${sum}; written to ${file}.`);
  }
  return check && changed.length > 0 ? 1 : 0;
}
