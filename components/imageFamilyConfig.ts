import { REGIONS, regionOf, zonesOf } from "../catalog/zones.ts";
import type { ImageFamilyInput } from "./configSchema.ts";
import { imageProjectProblem } from "./images.ts";
import { checkMachineType } from "./machineTypes.ts";
import { LENGTHS, shorten } from "./names.ts";

/** The image family that this environment builds, checked and complete. */
export interface ImageFamilyConfig {
  family: string;
  /** The recipe's folder, relative to Pulumi.yaml's, with `/`. */
  recipe: string;
  region: string;
  /** In the order in which builders are tried; all of one region. */
  zones: string[];
  machineType: string;
  spot: boolean;
  diskGb: number;
  /** Minutes that a builder or a test machine lives at most. */
  maxMinutes: number;
  retainImages: boolean;
  baseProjects: string[];
}

const FAMILY = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;
const PROJECT = /^(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$/;

export const IMAGE_FAMILY_DEFAULTS = {
  machineType: "e2-standard-2",
  spot: false,
  diskGb: 20,
  maxMinutes: 30,
  retainImages: false,
} as const;

/** The family's name unless the settings have one: the environment's and the recipe's. */
export function defaultFamily(environment: string, recipe: string): string {
  const last = recipe.split("/").at(-1) ?? "";
  const legal = `${environment}-${last.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`.replace(/-+$/, "");
  return shorten(legal, LENGTHS.compute);
}

/** Problems begin with the member's name, without the key before it. Pure: the recipe is read later. */
export function readImageFamily(
  input: ImageFamilyInput,
  around: { scope: string; environment: string; project: string; region: string; regions: readonly string[] },
): { config?: ImageFamilyConfig; problems: string[] } {
  const problems: string[] = [];
  if (around.scope === "foundation") {
    problems.push("belongs to a stack with machines of its own (solo, student); this one is foundation");
  }
  const recipe = input.recipe.replace(/\/+$/, "");
  if (recipe === "" || /^([\\/~]|[A-Za-z]:)/.test(recipe) || recipe.includes("\\")) {
    problems.push(
      "recipe must be a folder relative to Pulumi.yaml's, with /, such as examples/images/census, so that every clone finds it; " +
        `got ${JSON.stringify(input.recipe)}`,
    );
  }
  const family = input.family ?? defaultFamily(around.environment, recipe);
  if (!FAMILY.test(family)) {
    problems.push(
      `family must be 1 to 63 lower case letters, digits and hyphens, beginning with a letter; got ${JSON.stringify(family)}`,
    );
  }
  const region = input.zone ? regionOf(input.zone) : (around.regions[0] ?? around.region);
  const known = REGIONS[region] ? zonesOf(region) : [];
  if (input.zone && !known.includes(input.zone)) {
    problems.push(`zone names no zone of Google's; got ${JSON.stringify(input.zone)}`);
  } else if (!around.regions.includes(region)) {
    problems.push(
      `zone lies in ${region}, where this environment has no network; take one of ${around.regions.join(", ")}; got ${input.zone}`,
    );
  }
  const machineType = input.machineType ?? IMAGE_FAMILY_DEFAULTS.machineType;
  problems.push(...checkMachineType(machineType).problems.map((problem) => `machineType: ${problem}`));
  (input.baseProjects ?? []).forEach((project, index) => {
    if (!PROJECT.test(project)) {
      problems.push(`baseProjects[${index}] must be a project's id; got ${JSON.stringify(project)}`);
    } else if (imageProjectProblem({ project }, around.project) === undefined) {
      problems.push(`baseProjects[${index}] is allowed anyway: ${project}`);
    }
  });
  if (problems.length > 0) return { problems };
  const zones = [...new Set([...(input.zone ? [input.zone] : []), ...known])];
  const { spot, diskGb, maxMinutes, retainImages } = { ...IMAGE_FAMILY_DEFAULTS, ...input };
  const baseProjects = input.baseProjects ?? [];
  return {
    config: { family, recipe, region, zones, machineType, spot, diskGb, maxMinutes, retainImages, baseProjects },
    problems,
  };
}
