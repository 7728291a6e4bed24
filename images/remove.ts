import type { ImageCloud } from "./cloud.ts";
import { isTested, ownerOf, ownImages } from "./family.ts";
import { LABELS, ownFilter } from "./labels.ts";
import type { BuildEnvironment } from "./machine.ts";

/** What was taken away, by name. */
export interface Removed {
  machines: string[];
  disks: string[];
  images: string[];
}

export interface SweepOptions {
  /** A build whose things stay. */
  except?: string;
  /** Only this build's things. */
  only?: string;
  /** Also images of builds that are not tested and in no family. */
  images?: boolean;
  progress?: (line: string) => void;
}

/**
 * Takes away the machines and disks of this family's builds, found by their labels wherever they are: to be called by
 * the one that holds the family's lock, for whom everything else is left over. Machines go before disks, because a
 * machine's disk goes with it.
 */
export async function sweep(
  cloud: ImageCloud,
  environment: BuildEnvironment,
  options: SweepOptions = {},
): Promise<Removed> {
  const { project } = environment;
  const filter = ownFilter(ownerOf(environment));
  const say = options.progress ?? (() => undefined);
  const wanted = ({ labels }: { labels?: Record<string, string> | null }): boolean => {
    const build = labels?.[LABELS.build];
    return options.only === undefined ? build !== options.except : build === options.only;
  };
  const removed: Removed = { machines: [], disks: [], images: [] };
  for (const { zone, thing } of await cloud.machines(project, filter)) {
    if (!wanted(thing)) continue;
    say(`deleting the machine ${thing.name}`);
    await cloud.removeMachine(project, zone, String(thing.name));
    removed.machines.push(String(thing.name));
  }
  for (const { zone, thing } of await cloud.disks(project, filter)) {
    if (!wanted(thing)) continue;
    say(`deleting the disk ${thing.name}`);
    await cloud.removeDisk(project, zone, String(thing.name));
    removed.disks.push(String(thing.name));
  }
  if (options.images) {
    for (const image of await ownImages(cloud, environment)) {
      if (!wanted(image) || image.family || isTested(image)) continue;
      say(`deleting the untested image ${image.name}`);
      await cloud.removeImage(environment.imageFamily.project, String(image.name));
      removed.images.push(String(image.name));
    }
  }
  return removed;
}
