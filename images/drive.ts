import { EXIT, UserError } from "../training/errors.ts";
import { Conflict, type Objects } from "../training/storage.ts";
import { imagePath } from "./base.ts";
import { type ImageCloud, Refused, told } from "./cloud.ts";
import { isTested } from "./family.ts";
import { objectsOf } from "./ids.ts";
import { LABELS, ownLabels, recipeLabel } from "./labels.ts";
import { type Limits, pause } from "./limits.ts";
import { type BuildEnvironment, isOff } from "./machine.ts";
import { type MachineJob, runMachine } from "./machineJob.ts";
import { promote } from "./promote.ts";
import { sweep } from "./remove.ts";
import { type BuildState, FINAL, Overtaken, type StateFile, type Step } from "./state.ts";

export interface Driver {
  cloud: ImageCloud;
  objects: Objects;
  environment: BuildEnvironment;
  limits: Limits;
  file: StateFile;
  /** The recipe's archive, as long as it may have to be stored. */
  recipe: Buffer;
  /** What the machines run. */
  script: string;
  progress: (line: string) => void;
  onLog: (text: string) => void;
  signal?: AbortSignal;
  /** Told of each point that is reached, so that a test can end a launcher exactly there. */
  reached: (point: string) => Promise<void>;
}

/** The build itself went wrong, and no further try with the same recipe would help more than this one. */
export class BuildFailed extends Error {
  override name = "BuildFailed";
}

/**
 * Leads a build from the step that its state names to a final one. Every step can be done again: it looks at what is
 * there first. A failure takes everything away that the build has made; what cannot be taken away now is taken away by
 * whoever works on the family next.
 */
export async function drive(driver: Driver): Promise<BuildState> {
  const { file, limits } = driver;
  try {
    while (!FINAL.includes(file.state.step)) {
      const { step } = file.state;
      await driver.reached(`at ${step}`);
      if (driver.signal?.aborted) throw new BuildFailed("stopped before its end (Ctrl-C)");
      const next = await WORK[step as OpenStep](driver);
      await driver.reached(`did ${step}`);
      await file.write(next, limits.now());
    }
  } catch (error) {
    if (error instanceof Overtaken) throw error;
    try {
      await end(driver, error);
    } catch (second) {
      // Where the bucket does not take the state, machines still cost money; whoever comes next finds the state as it was.
      if (!(second instanceof Overtaken)) {
        await sweep(driver.cloud, driver.environment, { only: file.state.id }).catch(() => undefined);
      }
      throw second;
    }
  }
  await finish(driver);
  return file.state;
}

/** Writes how it went wrong; a tested image is kept, for its promotion can be repeated. */
async function end({ file, limits, progress }: Driver, error: unknown): Promise<void> {
  const reason = told(error).split("\n").join(" ");
  const step: Step = file.state.step === "promoting" ? "kept" : "failed";
  progress(step === "kept" ? `not promoted: ${reason}` : `failed: ${reason}`);
  await file.write({ step, reason, cleaned: false }, limits.now());
}

/** Takes the build's machines and disks away, and its image if that is good for nothing. */
export async function finish(driver: Driver): Promise<void> {
  const { cloud, environment, file, limits, progress } = driver;
  if (file.state.cleaned) return;
  await driver.reached("at cleaning");
  const { id, step } = file.state;
  try {
    await sweep(cloud, environment, { only: id, images: step === "failed", progress });
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `The build ${id} ended (${step}${file.state.reason ? `: ${file.state.reason}` : ""}), but not everything of it could be taken away: ${told(error)}. Again: mlt image clean`,
      EXIT.failedBeforeTraining,
    );
  }
  await driver.reached("did cleaning");
  await file.write({ cleaned: true }, limits.now());
}

type OpenStep = Exclude<Step, "promoted" | "kept" | "failed">;
type Work = (driver: Driver) => Promise<Partial<BuildState>>;

const WORK: Readonly<Record<OpenStep, Work>> = {
  async prepared({ objects, file, recipe }) {
    const { id, buckets } = file.state;
    await objects
      .write(buckets.data, objectsOf(id).recipe, recipe, { ifGeneration: 0, contentType: "application/gzip" })
      .catch((error: unknown) => {
        // The same bytes, from the launcher that began this build.
        if (!(error instanceof Conflict)) throw error;
      });
    return { step: "building" };
  },

  async building(driver) {
    const { file, progress } = driver;
    const { builder, base, machineType } = file.state;
    progress(`building on ${base.name} with ${machineType}, machine ${builder.name}`);
    const marker = await runMachine(jobOf(driver, "build"));
    if (!marker.ok) throw new BuildFailed(marker.reason ?? "the builder gave no reason");
    const { python, skipped, traces } = marker;
    if (skipped?.length) progress(`not done on this kind of machine: ${skipped.join(", ")}`);
    return {
      step: "built",
      built: { ...(python ? { python } : {}), ...(skipped ? { skipped } : {}), ...(traces ? { traces } : {}) },
    };
  },

  /** The machine is stopped from here and not by itself: Google's time limit, which deletes it, ends with a stop. */
  async built({ cloud, file, limits, progress }) {
    const { project, builder } = file.state;
    const zone = builder.zone ?? "";
    progress(`stopping ${builder.name}`);
    try {
      await cloud.stopMachine(project, zone, builder.name);
    } catch (error) {
      if (error instanceof Refused && error.kind === "missing") throw new BuildFailed(lost(builder.name));
      if (error instanceof Refused && error.kind === "late") {
        throw new BuildFailed(`${builder.name} did not stop within ${Math.round(limits.stopMs / 1000)} s`);
      }
      throw error;
    }
    for (const started = limits.now(); ; await pause(limits, limits.pollMs)) {
      const machine = await cloud.machine(project, zone, builder.name);
      if (!machine) throw new BuildFailed(lost(builder.name));
      if (isOff(machine)) return { step: "imaging" };
      if (limits.now() - started > limits.stopMs) {
        throw new BuildFailed(`${builder.name} did not stop within ${Math.round(limits.stopMs / 1000)} s`);
      }
    }
  },

  async imaging({ cloud, environment, file, limits, progress }) {
    const { state } = file;
    const { builder, image: name } = state;
    const { project } = environment.imageFamily;
    if (!(await cloud.image(project, name))) {
      // A disk that is gone cannot be copied, and a machine that runs again would change it meanwhile.
      if (!isOff(await cloud.machine(state.project, builder.zone ?? "", builder.name))) {
        throw new BuildFailed(lost(builder.name));
      }
      progress(`making the image ${name}, outside the family`);
      await cloud.makeImage(project, {
        name,
        description: `Not tested (ml-training, build ${state.id})`,
        sourceDisk: `projects/${state.project}/zones/${builder.zone}/disks/${builder.name}`,
        labels: { ...environment.labels, ...provenanceLabels(state) },
      });
    }
    for (const started = limits.now(); ; await pause(limits, limits.pollMs)) {
      const image = await cloud.image(project, name);
      if (!image) throw new BuildFailed(`the image ${name} was not made`);
      if (image.status === "READY") break;
      if (image.status === "FAILED" || limits.now() - started > limits.imageMs) {
        throw new BuildFailed(`Google did not make the image ${name}: ${image.status}`);
      }
    }
    return { step: "candidate" };
  },

  /** The builder is billed as long as it is there; its disk is in the image now. */
  async candidate({ cloud, file, progress }) {
    const { project, builder } = file.state;
    progress(`deleting ${builder.name}`);
    await cloud.removeMachine(project, builder.zone ?? "", builder.name);
    return { step: "testing" };
  },

  async testing(driver) {
    const { file, progress } = driver;
    const { tester, image } = file.state;
    progress(`testing ${image} on a fresh machine, ${tester.name}`);
    const marker = await runMachine(jobOf(driver, "test"));
    if (!marker.ok) throw new BuildFailed(marker.reason ?? "the test machine gave no reason");
    return { step: "tested" };
  },

  async tested({ cloud, environment, file, progress }) {
    const { project, tester, image, promote: wanted } = file.state;
    await cloud.labelImage(environment.imageFamily.project, image, { [LABELS.smoke]: "passed" });
    progress(`${image} has passed; deleting ${tester.name}`);
    await cloud.removeMachine(project, tester.zone ?? "", tester.name);
    return { step: wanted ? "promoting" : "kept" };
  },

  async promoting({ cloud, environment, file, limits, progress }) {
    const image = await cloud.image(environment.imageFamily.project, file.state.image);
    if (!image) throw new BuildFailed(`the image ${file.state.image} is gone`);
    if (!isTested(image)) throw new BuildFailed(`the image ${file.state.image} has no mark of a passed test`);
    const { previous } = await promote(cloud, environment, image, limits, { progress });
    progress(
      `the family ${environment.imageFamily.family} names ${file.state.image} now${previous ? `, before ${previous}` : ""}`,
    );
    return { step: "promoted" };
  },
};

function lost(machine: string): string {
  return `the builder ${machine} is gone before its disk was copied: deleted by somebody, or by its time limit`;
}

function provenanceLabels(state: BuildState): Record<string, string> {
  return {
    ...ownLabels(state, state.id),
    [LABELS.recipe]: recipeLabel(state.recipe.sha256),
    [LABELS.base]: state.base.name,
    ...(state.commit ? { [LABELS.commit]: state.commit } : {}),
  };
}

/** The machine of a step: built from the base image, or booted from the candidate. */
function jobOf(driver: Driver, role: "build" | "test"): MachineJob {
  const { state } = driver.file;
  const { base } = state;
  const isBuild = role === "build";
  const place = isBuild ? state.builder : state.tester;
  return {
    ...driver,
    build: state.id,
    spot: isBuild && state.spot,
    wish: {
      role,
      name: place.name,
      image: isBuild
        ? imagePath(base)
        : imagePath({ project: driver.environment.imageFamily.project, name: state.image }),
      machineType: state.machineType,
      diskGb: state.diskGb,
      gpu: base.gpu,
    },
    ...(place.zone ? { zone: place.zone } : {}),
    onZone: async (zone) => {
      await driver.file.write(
        isBuild ? { builder: { ...state.builder, zone } } : { tester: { ...state.tester, zone } },
        driver.limits.now(),
      );
    },
  };
}
