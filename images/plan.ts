import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { checkMachineType } from "../components/machineTypes.ts";
import { startupScript } from "../components/startupScript.ts";
import { Problems } from "../training/errors.ts";
import { type BaseImage, imagePath, resolveBase } from "./base.ts";
import type { ImageCloud } from "./cloud.ts";
import { foreignProblem } from "./family.ts";
import { type BuildEnvironment, type MachineWish, metadataOf, metadataProblems, newNonce } from "./machine.ts";
import { type Recipe, readRecipe } from "./recipe.ts";

/** A build that was found possible: nothing has been made for it yet. */
export interface BuildPlan {
  recipe: Recipe;
  base: BaseImage;
  /** The git commit that the recipe is of, `-dirty` if it was changed since; absent outside a repository. */
  commit?: string;
  /** What builder and test machine run. */
  script: string;
  diskGb: number;
  warnings: string[];
}

export interface PlanOptions {
  /** `projects/P/global/images/NAME` in the place of what the recipe's `base` names now. */
  baseImage?: string;
  script?: string;
  now?: () => number;
}

/** Reads the recipe, asks Google about base and family; every problem is told at once. */
export async function planBuild(
  cloud: ImageCloud,
  environment: BuildEnvironment,
  folder: string,
  options: PlanOptions = {},
): Promise<BuildPlan> {
  const problems: string[] = [];
  const subject = `The image recipe ${folder} cannot be used`;
  const { imageFamily } = environment;
  const today = new Date((options.now ?? Date.now)()).toISOString().slice(0, 10);
  const [recipe, foreign] = await Promise.all([
    readRecipe(folder).catch((error: unknown) => {
      if (!(error instanceof Problems)) throw error;
      problems.push(...error.problems);
      return undefined;
    }),
    foreignProblem(cloud, environment),
  ]);
  const wish = options.baseImage ?? recipe?.manifest.base ?? baseIn(await baseOnly(folder));
  const check = wish ? await resolveBase(cloud, wish, imageFamily, today) : { problems: [], warnings: [] };
  problems.push(...check.problems);
  if (foreign) problems.push(foreign);
  const shape = checkMachineType(imageFamily.machineType);
  problems.push(...shape.problems.map((problem) => `the builder's machine type ${problem}`));
  const base = "base" in check ? check.base : undefined;
  if (base && base.diskGb > imageFamily.diskGb) {
    problems.push(
      `base ${base.name} needs a disk of ${base.diskGb} GB, the builder has ${imageFamily.diskGb} GB: pulumi config set --path mltraining:imageFamily.diskGb ${base.diskGb}`,
    );
  }
  const script = options.script ?? startupScript("image-build.sh");
  if (base) problems.push(...metadataProblems(metadataOf(environment, sample(script, base))));
  if (problems.length > 0 || !recipe || !base) throw new Problems(subject, problems);
  const commit = await commitOf(recipe.folder);
  const diskGb = Math.max(imageFamily.diskGb, base.diskGb);
  return { recipe, base, script, diskGb, warnings: check.warnings, ...(commit ? { commit } : {}) };
}

/** A machine as the build will ask for it, to see whether its metadata fits. */
function sample(startupScript: string, base: BaseImage): MachineWish {
  return {
    role: "build",
    name: "n".repeat(63),
    build: "b".repeat(40),
    image: imagePath(base),
    machineType: "",
    spot: false,
    diskGb: 0,
    gpu: false,
    startupScript,
    nonce: newNonce(),
  };
}

/** The base that a recipe names whose rest is wrong, so that both are told together. */
async function baseOnly(folder: string): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  const { join, resolve } = await import("node:path");
  return readFile(join(resolve(folder), "image.yaml"), "utf8").catch(() => "");
}

function baseIn(text: string): string | undefined {
  return /^base:\s*["']?([^\s"'#]+)/m.exec(text)?.[1];
}

const run = promisify(execFile);

/** The commit of a folder's repository, and whether the folder differs from it; `undefined` outside a repository. */
export async function commitOf(folder: string): Promise<string | undefined> {
  try {
    const { stdout: commit } = await run("git", ["-C", folder, "rev-parse", "HEAD"], { timeout: 10_000 });
    const { stdout: changes } = await run("git", ["-C", folder, "status", "--porcelain", "--", "."], {
      timeout: 10_000,
    });
    return `${commit.trim()}${changes.trim() === "" ? "" : "-dirty"}`;
  } catch {
    return undefined;
  }
}
