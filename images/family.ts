import { copyPerMonth } from "../catalog/prices.ts";
import { UserError } from "../training/errors.ts";
import type { Image, ImageCloud } from "./cloud.ts";
import { isOwn, LABELS, type Owner, ownFilter } from "./labels.ts";
import type { BuildEnvironment } from "./machine.ts";

/** How an image stands to its family. */
export type Standing =
  /** The family names it. */
  | "current"
  /** In the family, older than the current one; a rollback could lead to it. */
  | "older"
  /** In the family and marked as deprecated: rolled back, or made room. */
  | "deprecated"
  /** Passed its test, outside the family. */
  | "candidate"
  /** Not tested (yet): no use for anybody. */
  | "untested";

/** An image of the family, as `mlt image list` shows it. */
export interface ListedImage {
  name: string;
  family: string;
  standing: Standing;
  createdAt: string;
  /** Bytes that Google bills. */
  bytes: number;
  diskGb: number;
  /** List price of keeping it, per month. */
  cost: { amount: number; currency: "USD" };
  provenance: { build?: string; recipe?: string; base?: string; commit?: string };
}

export function ownerOf({ environment, imageFamily }: BuildEnvironment): Owner {
  return { environment, family: imageFamily.family };
}

/** This environment's images of the family and its candidates, newest first. */
export async function ownImages(cloud: ImageCloud, environment: BuildEnvironment): Promise<Image[]> {
  const owner = ownerOf(environment);
  const found = await cloud.images(environment.imageFamily.project, ownFilter(owner));
  return found.filter((image) => isOwn(image, owner)).sort(newestFirst);
}

export function newestFirst(one: Image, other: Image): number {
  return createdAt(other) - createdAt(one) || String(other.name).localeCompare(String(one.name));
}

export function createdAt(image: Image): number {
  return Date.parse(String(image.creationTimestamp));
}

export function isDeprecated(image: Image): boolean {
  const state = image.deprecated?.state;
  return state !== undefined && state !== null && state !== "ACTIVE";
}

export function isTested(image: Image): boolean {
  return image.labels?.[LABELS.smoke] === "passed";
}

/** The family's images that are somebody else's, in words: building into such a family would mix what they use with ours. */
export async function foreignProblem(cloud: ImageCloud, environment: BuildEnvironment): Promise<string | undefined> {
  const { family, project } = environment.imageFamily;
  const owner = ownerOf(environment);
  const foreign = (await cloud.images(project, `family = "${family}"`)).filter((image) => !isOwn(image, owner));
  if (foreign.length === 0) return undefined;
  const names = foreign.slice(0, 3).map(({ name }) => name);
  const more = foreign.length > 3 ? ` and ${foreign.length - 3} more` : "";
  return `the family ${family} holds images in ${project} that are not this environment's: ${names.join(", ")}${more}. Choose another name: pulumi config set --path mltraining:imageFamily.family NAME`;
}

/** All of the family as a list for people and programs, newest first. */
export async function listFamily(cloud: ImageCloud, environment: BuildEnvironment): Promise<ListedImage[]> {
  const { family, project } = environment.imageFamily;
  const [images, current] = await Promise.all([ownImages(cloud, environment), cloud.fromFamily(project, family)]);
  return images.map((image) => ({
    name: String(image.name),
    family,
    standing: standingOf(image, current, family),
    createdAt: String(image.creationTimestamp),
    bytes: Number(image.archiveSizeBytes ?? 0),
    diskGb: Number(image.diskSizeGb ?? 0),
    cost: { amount: copyPerMonth("image", Number(image.archiveSizeBytes ?? 0)), currency: "USD" },
    provenance: provenanceOf(image),
  }));
}

export function standingOf(image: Image, current: Image | undefined, family: string): Standing {
  if (current && image.id === current.id) return "current";
  if (image.family === family) return isDeprecated(image) ? "deprecated" : "older";
  return isTested(image) ? "candidate" : "untested";
}

export function provenanceOf({ labels }: Image): ListedImage["provenance"] {
  const [build, recipe, base, commit] = [LABELS.build, LABELS.recipe, LABELS.base, LABELS.commit].map(
    (key) => labels?.[key] || undefined,
  );
  return {
    ...(build ? { build } : {}),
    ...(recipe ? { recipe } : {}),
    ...(base ? { base } : {}),
    ...(commit ? { commit } : {}),
  };
}

/** The image that somebody named: by its name, `latest` or the end of its name. */
export async function resolveImage(cloud: ImageCloud, environment: BuildEnvironment, text: string): Promise<Image> {
  const images = await ownImages(cloud, environment);
  const [newest] = images;
  const { family } = environment.imageFamily;
  if (!newest) {
    throw new UserError(`The family ${family} has no image yet. Build one: mlt image build FOLDER`);
  }
  if (text === "latest") return newest;
  const fitting = images.filter(({ name }) => name === text || (text !== "" && String(name).endsWith(`-${text}`)));
  if (fitting.length === 1 && fitting[0]) return fitting[0];
  const names = images.slice(0, 5).map(({ name }) => name);
  throw new UserError(
    `"${text}" names ${fitting.length === 0 ? "no image" : `${fitting.length} images`} of the family ${family}. Its images: ${names.join(", ")}${images.length > 5 ? ", …" : ""}`,
  );
}
