import { EXIT, UserError } from "../training/errors.ts";
import { googleImages, type Image, type ImageCloud } from "./cloud.ts";
import { drive } from "./drive.ts";
import { isTested, ownerOf } from "./family.ts";
import { buildId, imageName, lockObject, machineName } from "./ids.ts";
import { isOwn, LABELS, recipeLabel } from "./labels.ts";
import { type Limits, usualLimits } from "./limits.ts";
import type { Holder, Lock } from "./lock.ts";
import type { BuildEnvironment } from "./machine.ts";
import { type BuildPlan, planBuild } from "./plan.ts";
import { sweep } from "./remove.ts";
import { type BuildState, FINAL, readState, SCHEMA, StateFile } from "./state.ts";
import { endLost, type OpenBuildEnvironment, type Shared, takeLock } from "./work.ts";

export interface BuildOptions {
  /** @default true: the image goes into the family once it has passed its test */
  promote?: boolean;
  /** Builds although the family's image is of the same recipe and base. */
  force?: boolean;
  /** Waits for another build of the family; without it that is an error. */
  wait?: boolean;
  /** The exact base image, in the place of what the recipe's `base` names now. */
  baseImage?: string;
  progress?: (line: string) => void;
  /** The machines' own log, as it comes. */
  onLog?: (text: string) => void;
  signal?: AbortSignal;
  limits?: Limits;
  cloud?: ImageCloud;
  /** What the machines run; default: startup-scripts/image-build.sh. */
  script?: string;
  /** Told of each point that is reached: a test ends the launcher there. */
  reached?: (point: string, lock: Lock) => Promise<void>;
}

export interface BuildResult {
  /** `unchanged`: the family's image is of this recipe and base already. */
  outcome: "promoted" | "kept" | "unchanged";
  family: string;
  /** Exact name. */
  image: string;
  build?: string;
  base: string;
  recipe: string;
}

/**
 * Builds an image from a recipe's folder, tests it on a fresh machine and makes it the family's current one. What was
 * left over by a launcher that is gone is finished, if it is the same build, or else taken away.
 * @throws {Problems} what is wrong with recipe, base or family, before anything is made
 * @throws {UserError} why there is no image; the family is as it was
 */
export async function buildImage(
  environment: OpenBuildEnvironment,
  folder: string,
  options: BuildOptions = {},
): Promise<BuildResult> {
  const limits = options.limits ?? usualLimits(environment.imageFamily.maxMinutes);
  const cloud = options.cloud ?? googleImages(limits);
  const say = options.progress ?? (() => undefined);
  const { baseImage, script } = options;
  const plan = await planBuild(cloud, environment, folder, {
    now: limits.now,
    ...(baseImage ? { baseImage } : {}),
    ...(script ? { script } : {}),
  });
  for (const warning of plan.warnings) say(warning);
  const there = await unchanged(cloud, environment, plan, options);
  // A lock may be that of a launcher that is gone, whose work is to be looked at first.
  if (there && !(await environment.objects.info(environment.buckets.data, lockObject(there.family)))) return there;
  const lock = await takeLock(environment, "the build", limits, options);
  try {
    const driver = {
      cloud,
      objects: environment.objects,
      environment,
      limits,
      recipe: plan.recipe.archive.bytes,
      script: plan.script,
      progress: say,
      onLog: options.onLog ?? (() => undefined),
      reached: async (point: string) => options.reached?.(point, lock),
      ...(options.signal ? { signal: options.signal } : {}),
    };
    let file = await takeOver(driver, lock.found, plan, options);
    if (!file) {
      // Another build may have made it while this one waited.
      const now = await unchanged(cloud, environment, plan, options);
      if (now) return now;
      file = await begin(driver, plan, lock, options);
    }
    return outcomeOf(await drive({ ...driver, file }));
  } finally {
    await lock.release();
  }
}

async function begin(driver: Shared, plan: BuildPlan, lock: Lock, options: BuildOptions): Promise<StateFile> {
  const { objects, environment, limits, progress } = driver;
  const { environment: prefix, imageFamily, project, buckets } = environment;
  const id = buildId(imageFamily.family, new Date(limits.now()));
  await lock.name(id);
  await driver.reached("named");
  progress(`build ${id}: recipe ${plan.recipe.archive.sha256.slice(0, 12)} on ${plan.base.name}`);
  const { archive, files, manifest } = plan.recipe;
  return StateFile.create(objects, {
    schema: SCHEMA,
    id,
    environment: prefix,
    family: imageFamily.family,
    project,
    step: "prepared",
    recipe: {
      sha256: archive.sha256,
      bytes: archive.bytes.length,
      files: files.length,
      manifest,
    },
    base: plan.base,
    ...(plan.commit ? { commit: plan.commit } : {}),
    image: imageName(prefix, id),
    builder: { name: machineName(prefix, id, "build") },
    tester: { name: machineName(prefix, id, "test") },
    machineType: imageFamily.machineType,
    spot: imageFamily.spot,
    diskGb: plan.diskGb,
    buckets,
    promote: options.promote ?? true,
    times: { prepared: new Date(limits.now()).toISOString() },
    cleaned: false,
  });
}

/**
 * What a launcher that is gone has left: its build is gone on with if it is the one that is wanted now; else it is ended
 * and taken away, with everything else that no living build can own.
 */
async function takeOver(
  driver: Shared,
  found: Holder | undefined,
  plan: BuildPlan,
  options: BuildOptions,
): Promise<StateFile | undefined> {
  const { cloud, environment, objects, limits, progress } = driver;
  const stored = found?.build ? await readState(objects, environment.buckets.data, found.build) : undefined;
  const goOn = stored !== undefined && !FINAL.includes(stored.state.step) && isSame(stored.state, plan, options);
  if (stored && !goOn) await endLost(driver, stored);
  await sweep(cloud, environment, { images: true, progress, ...(goOn ? { except: stored.state.id } : {}) });
  if (!goOn) return undefined;
  progress(`going on with the build ${stored.state.id} (${stored.state.step}), whose launcher is gone`);
  const file = new StateFile(objects, stored);
  // Claims the state: a launcher that was only slow is refused its next write.
  await file.write({}, limits.now());
  return file;
}

function isSame(state: BuildState, plan: BuildPlan, { force, promote = true }: BuildOptions): boolean {
  return (
    !force &&
    state.promote === promote &&
    state.recipe.sha256 === plan.recipe.archive.sha256 &&
    state.base.id === plan.base.id
  );
}

/** The result, if the family names an image of this recipe on this base already. */
async function unchanged(
  cloud: ImageCloud,
  environment: BuildEnvironment,
  plan: BuildPlan,
  { force }: BuildOptions,
): Promise<BuildResult | undefined> {
  if (force) return undefined;
  const { family, project } = environment.imageFamily;
  const current = await cloud.fromFamily(project, family);
  if (!current || !isOwn(current, ownerOf(environment)) || !isTested(current)) return undefined;
  const sha256 = plan.recipe.archive.sha256;
  if (!isOf(current, sha256, plan.base.name)) return undefined;
  return { outcome: "unchanged", family, image: String(current.name), base: plan.base.name, recipe: sha256 };
}

function isOf({ labels }: Image, sha256: string, base: string): boolean {
  return labels?.[LABELS.recipe] === recipeLabel(sha256) && labels[LABELS.base] === base;
}

function outcomeOf(state: BuildState): BuildResult {
  const { step, id, image, family, reason } = state;
  if (step === "failed") {
    throw new UserError(
      `The build ${id} failed: ${reason}\nThe family ${family} is as it was; the log: mlt fetch images/${id}/log.txt .`,
      EXIT.failedBeforeTraining,
    );
  }
  if (step === "kept" && reason) {
    throw new UserError(
      `The image ${image} is good but was not promoted: ${reason}\nThe family ${family} is as it was. Again: mlt image promote ${image}`,
      EXIT.failedBeforeTraining,
    );
  }
  return {
    outcome: step === "promoted" ? "promoted" : "kept",
    family,
    image,
    build: id,
    base: state.base.name,
    recipe: state.recipe.sha256,
  };
}
