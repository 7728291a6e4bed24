import type { Environment } from "../training/contract.ts";
import type { Image } from "./cloud.ts";
import { ownImages, resolveImage } from "./family.ts";
import { isBuildId } from "./ids.ts";
import { type Promotion, previousOf, promote, rollback } from "./promote.ts";
import type { Removed } from "./remove.ts";
import { readState } from "./state.ts";
import { endLost, type OpenBuildEnvironment, type WorkOptions, withFamily } from "./work.ts";

export interface PruneResult {
  removed: string[];
  kept: { name: string; why: string }[];
}

/**
 * Removes all but the newest `keep` images of the family. Never the current one, the one before it, to which a rollback
 * would lead, nor one that the environment's training templates name.
 */
export async function prune(
  environment: OpenBuildEnvironment & Pick<Environment, "training">,
  keep: number,
  options: WorkOptions & { dryRun?: boolean } = {},
): Promise<PruneResult> {
  return withFamily(environment, "the pruning of the family", options, async ({ cloud }) => {
    const { family, project } = environment.imageFamily;
    const images = await ownImages(cloud, environment);
    const current = await cloud.fromFamily(project, family);
    const result: PruneResult = { removed: [], kept: [] };
    for (const [index, image] of images.entries()) {
      const name = String(image.name);
      const why = reasonToKeep(image, index, keep, { images, current, family, used: environment.training?.image });
      if (why) result.kept.push({ name, why });
      else {
        options.progress?.(`${options.dryRun ? "would delete" : "deleting"} the image ${name}`);
        if (!options.dryRun) await cloud.removeImage(project, name);
        result.removed.push(name);
      }
    }
    return result;
  });
}

function reasonToKeep(
  image: Image,
  index: number,
  keep: number,
  family: { images: Image[]; current: Image | undefined; family: string; used: string | undefined },
): string | undefined {
  const { current } = family;
  if (current && image.id === current.id) return "the current one";
  if (current && image.id === previousOf(family.images, current, family.family)?.id) return "the one before";
  if (family.used?.endsWith(`/images/${image.name}`)) return "training machines boot it";
  return index < keep ? `one of the newest ${keep}` : undefined;
}

/**
 * Takes away what builds have left whose launchers are gone, or could not take it away themselves: machines, disks,
 * untested images. Every build that has not ended is written off.
 */
export async function cleanBuilds(environment: OpenBuildEnvironment, options: WorkOptions = {}): Promise<Removed> {
  return withFamily(environment, "the cleaning of the family", options, async ({ removed, shared }) => {
    const { objects, buckets, imageFamily } = environment;
    const { prefixes } = await objects.list(buckets.data, { prefix: "images/", delimiter: "/" });
    for (const id of prefixes.map((prefix) => prefix.slice("images/".length, -1)).filter(isBuildId)) {
      const stored = await readState(objects, buckets.data, id);
      if (stored?.state.family === imageFamily.family) await endLost(shared, stored);
    }
    return removed;
  });
}

/** Removes every image of the family that is this environment's, and what builds have left: the family's end. */
export async function removeFamily(environment: OpenBuildEnvironment, options: WorkOptions = {}): Promise<Removed> {
  return withFamily(environment, "the removal of the family", options, async ({ cloud, progress, removed }) => {
    for (const image of await ownImages(cloud, environment)) {
      progress(`deleting the image ${image.name}`);
      await cloud.removeImage(environment.imageFamily.project, String(image.name));
      removed.images.push(String(image.name));
    }
    return removed;
  });
}

/** Makes an image the family's current one. */
export async function promoteImage(
  environment: OpenBuildEnvironment,
  name: string,
  options: WorkOptions & { deprecateNewer?: boolean } = {},
): Promise<Promotion> {
  return withFamily(environment, "a promotion in the family", options, async ({ cloud, limits, progress }) => {
    const image = await resolveImage(cloud, environment, name);
    return promote(cloud, environment, image, limits, { progress, deprecateNewer: options.deprecateNewer ?? false });
  });
}

/** Leads the family back to an earlier image, or to the one before the current. */
export async function rollbackFamily(
  environment: OpenBuildEnvironment,
  to: string | undefined,
  options: WorkOptions = {},
): Promise<Promotion> {
  return withFamily(environment, "a rollback of the family", options, async ({ cloud, limits, progress }) => {
    const image = to === undefined ? undefined : await resolveImage(cloud, environment, to);
    return rollback(cloud, environment, image, limits, { progress });
  });
}
