import { labelValue } from "../training/ids.ts";

// Labels by which images, machines and disks of builds are known. What is not labelled so is never changed or removed.

export const LABELS = {
  environment: "mlt-environment",
  family: "mlt-image-family",
  build: "mlt-build",
  /** Of a machine: `build` or `test`. */
  role: "mlt-image-role",
  /** Of a machine: seconds since 1970 after which nobody needs it any more. */
  expires: "mlt-expires",
  /** The first 40 digits of the recipe's SHA-256. */
  recipe: "mlt-recipe",
  /** The base image's name. */
  base: "mlt-base",
  /** The git commit that the recipe was built from, `-dirty` behind it if files were changed. */
  commit: "mlt-commit",
  /** `passed`, once the smoke test has. An image without it never gets into the family. */
  smoke: "mlt-smoke",
} as const;

export interface Owner {
  environment: string;
  family: string;
}

/** The labels of everything that a build makes. */
export function ownLabels({ environment, family }: Owner, build: string): Record<string, string> {
  return {
    [LABELS.environment]: labelValue(environment),
    [LABELS.family]: labelValue(family),
    [LABELS.build]: labelValue(build),
  };
}

/** Whether something was made by builds of this family in this environment. */
export function isOwn(thing: { labels?: Record<string, string> | null }, { environment, family }: Owner): boolean {
  const labels = thing.labels ?? {};
  return labels[LABELS.environment] === labelValue(environment) && labels[LABELS.family] === labelValue(family);
}

/** Google's filter for what is `isOwn`. */
export function ownFilter({ environment, family }: Owner): string {
  return `(labels.${LABELS.environment} = "${labelValue(environment)}") (labels.${LABELS.family} = "${labelValue(family)}")`;
}

/** A recipe's hash as a label holds it: 63 characters are allowed, a SHA-256 has 64. */
export function recipeLabel(sha256: string): string {
  return sha256.slice(0, 40);
}
