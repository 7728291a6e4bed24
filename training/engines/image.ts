import type { Compute, TemplateProperties } from "../compute.ts";

type Disks = NonNullable<TemplateProperties["disks"]>;

/** The image of an attempt, and the disks to send if they are not the template's own. */
export interface ChosenImage {
  /** `projects/P/global/images/NAME`; absent: the template's disk comes from something else. */
  image?: string;
  disks?: Disks;
}

/**
 * The exact image that a run's machines boot: the one of its earlier attempts, else the template's, where a family is
 * its newest image now. Google replaces arrays of a template as a whole, so disks are sent complete or not at all.
 */
export async function chooseImage(
  compute: Compute,
  template: TemplateProperties,
  place: { project: string; zone: string },
  earlier: string | undefined,
): Promise<ChosenImage> {
  const { disks = [] } = template;
  const boot = disks.find((disk) => disk.boot) ?? disks[0];
  const named = imageIn(boot?.initializeParams?.sourceImage, place.project);
  if (!boot || !named) return {};
  const image =
    earlier ?? (named.family ? await compute.newestOf(named.project, named.name) : pathOf(named.project, named.name));
  if (!named.family && image === pathOf(named.project, named.name)) return { image };
  return {
    image,
    disks: disks.map((disk) => asSent(disk === boot ? { ...disk, ...booting(disk, image) } : disk, place)),
  };
}

function booting(disk: Disks[number], sourceImage: string): Partial<Disks[number]> {
  return { initializeParams: { ...disk.initializeParams, sourceImage } };
}

/** Templates name disk types plainly, instances by their place (from general knowledge). */
function asSent(disk: Disks[number], { zone }: { zone: string }): Disks[number] {
  const { kind: _kind, index: _index, initializeParams, ...rest } = disk;
  const { diskType, ...params } = initializeParams ?? {};
  if (!initializeParams) return rest;
  const placed = diskType && !diskType.includes("/") ? `zones/${zone}/diskTypes/${diskType}` : diskType;
  return { ...rest, initializeParams: { ...params, ...(placed ? { diskType: placed } : {}) } };
}

function pathOf(project: string, name: string): string {
  return `projects/${project}/global/images/${name}`;
}

function imageIn(source: string | null | undefined, project: string) {
  const parts = /(?:projects\/([^/]+)\/)?global\/images\/(family\/)?([^/]+)$/.exec(source ?? "");
  if (!parts) return undefined;
  return { project: parts[1] ?? project, family: parts[2] !== undefined, name: parts[3]! };
}
