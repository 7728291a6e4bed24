import { EXIT, UserError } from "../training/errors.ts";
import type { Image, ImageCloud } from "./cloud.ts";
import { createdAt, isDeprecated, isTested, newestFirst, ownImages, provenanceOf } from "./family.ts";
import { type Limits, pause } from "./limits.ts";
import type { BuildEnvironment } from "./machine.ts";

export interface PromoteOptions {
  /** Marks newer images of the family as deprecated, so that an older one can be its current one. */
  deprecateNewer?: boolean;
  progress?: (line: string) => void;
}

/** What a family names before and after. */
export interface Promotion {
  family: string;
  image: string;
  previous?: string;
  /** Images that were marked as deprecated for it. */
  deprecated: string[];
}

/**
 * Makes an image the one that its family names. A family names its newest image that is not deprecated, by the time of
 * creation and not of promotion: so an older image needs the newer ones deprecated, which has to be asked for. What the
 * family names is read back; where it is not this image, what was changed is changed back.
 */
export async function promote(
  cloud: ImageCloud,
  environment: BuildEnvironment,
  image: Image,
  limits: Limits,
  options: PromoteOptions = {},
): Promise<Promotion> {
  const { family, project } = environment.imageFamily;
  const name = String(image.name);
  if (!isTested(image)) {
    throw new UserError(
      `${name} has not passed its smoke test, and an image that has not never gets into the family. Test it: mlt image test ${name}`,
    );
  }
  const all = await ownImages(cloud, environment);
  const before = await cloud.fromFamily(project, family);
  const newer = all.filter(
    (other) => other.family === family && !isDeprecated(other) && other.id !== image.id && !isOlder(other, image),
  );
  if (newer.length > 0 && !options.deprecateNewer) {
    const names = newer.map((other) => other.name).join(", ");
    throw new UserError(
      `${name} is older than ${names}: a family names its newest image, so promoting this one would change nothing. To mark the newer ones as deprecated: mlt image promote ${name} --deprecate-newer`,
    );
  }
  const say = options.progress ?? (() => undefined);
  const undo: (() => Promise<void>)[] = [];
  const change = async (line: string, work: () => Promise<void>, back: () => Promise<void>): Promise<void> => {
    say(line);
    undo.unshift(back);
    await work();
  };
  try {
    // First into the family, where a newer one hides it; the last deprecation moves the family in one step.
    if (image.family !== family) {
      await change(
        `putting ${name} into the family ${family}`,
        () => cloud.changeImage(project, name, { family, description: descriptionOf(image, family) }),
        () => cloud.changeImage(project, name, { family: image.family ?? "" }),
      );
    }
    if (isDeprecated(image)) {
      await change(
        `marking ${name} as active`,
        () => cloud.deprecate(project, name, { state: "ACTIVE" }),
        () => cloud.deprecate(project, name, image.deprecated ?? { state: "DEPRECATED" }),
      );
    }
    for (const other of newer.sort(newestFirst)) {
      await change(
        `marking ${other.name} as deprecated`,
        () =>
          cloud.deprecate(project, String(other.name), {
            state: "DEPRECATED",
            replacement: `projects/${project}/global/images/${name}`,
            deprecated: new Date(limits.now()).toISOString(),
          }),
        () => cloud.deprecate(project, String(other.name), { state: "ACTIVE" }),
      );
    }
    await readBack(cloud, environment, name, limits);
  } catch (error) {
    // An answer may have been lost although the change was made: what the family names decides.
    const now = await cloud.fromFamily(project, family).catch(() => undefined);
    if (now?.name !== name) {
      for (const back of undo) await back().catch(() => undefined);
      throw error;
    }
  }
  return {
    family,
    image: name,
    ...(before && before.id !== image.id ? { previous: String(before.name) } : {}),
    deprecated: newer.map((other) => String(other.name)),
  };
}

/**
 * Leads the family back to an earlier image: everything newer is marked as deprecated. Without a name, to the image
 * before the current one.
 */
export async function rollback(
  cloud: ImageCloud,
  environment: BuildEnvironment,
  to: Image | undefined,
  limits: Limits,
  options: PromoteOptions = {},
): Promise<Promotion> {
  const { family, project } = environment.imageFamily;
  const current = await cloud.fromFamily(project, family);
  if (!current) {
    throw new UserError(`The family ${family} names no image, so there is nothing to lead back from.`);
  }
  const target = to ?? previousOf(await ownImages(cloud, environment), current, family);
  if (!target) {
    throw new UserError(
      `The family ${family} has no image before ${current.name}. mlt image list shows all there are.`,
    );
  }
  if (target.id === current.id) throw new UserError(`The family ${family} names ${current.name} already.`);
  if (target.family !== family) {
    throw new UserError(
      `${target.name} was never in the family ${family}; to put it there: mlt image promote ${target.name}`,
    );
  }
  if (!isOlder(target, current)) {
    throw new UserError(
      `${target.name} is newer than ${current.name}, so this would be no rollback; mlt image promote ${target.name} makes it the current one`,
    );
  }
  return promote(cloud, environment, target, limits, { ...options, deprecateNewer: true });
}

/** The image to which a rollback leads: the newest one before the current that is not deprecated. */
export function previousOf(images: readonly Image[], current: Image, family: string): Image | undefined {
  return [...images]
    .sort(newestFirst)
    .find((image) => image.family === family && isOlder(image, current) && !isDeprecated(image) && isTested(image));
}

export function isOlder(one: Image, other: Image): boolean {
  return createdAt(one) < createdAt(other);
}

/** Waits a moment for Google to agree with itself, then compares. */
async function readBack(
  cloud: ImageCloud,
  { imageFamily: { family, project } }: BuildEnvironment,
  wanted: string,
  limits: Limits,
): Promise<void> {
  const started = limits.now();
  for (;;) {
    const now = await cloud.fromFamily(project, family);
    if (now?.name === wanted) return;
    if (limits.now() - started > 10 * limits.pollMs) {
      throw new UserError(
        `The family ${family} names ${now?.name ?? "no image"} after the change, not ${wanted}. Look: mlt image list`,
        EXIT.failedBeforeTraining,
      );
    }
    await pause(limits, limits.pollMs);
  }
}

function descriptionOf(image: Image, family: string): string {
  const { recipe = "?", base = "?", commit } = provenanceOf(image);
  return `${family}: recipe ${recipe.slice(0, 12)} on ${base}${commit ? `, commit ${commit.slice(0, 12)}` : ""} (ml-training)`;
}
