import type { RunSpec, RunStatus } from "./contract.ts";
import type { Engine } from "./engines/engine.ts";
import type { OpenEnvironment } from "./environment.ts";
import { UserError } from "./errors.ts";
import { resolveInputs } from "./inputs.ts";
import { launchAttempt } from "./launch.ts";
import { type Package, readPackage } from "./package.ts";
import { engineOf, readSpec } from "./runs.ts";
import { buildSpec, type RunFlags } from "./spec.ts";
import { firstStatus, launcherName, statusObject } from "./status.ts";
import { Conflict } from "./storage.ts";

/** A training that could be started: everything was checked, nothing was written. */
export interface Plan {
  package: Package;
  spec: RunSpec;
}

export interface SubmitOptions extends RunFlags {
  engine?: Engine;
  now?: () => number;
  sleep?: (milliseconds: number) => Promise<void>;
  /** Ends the waiting for a quota; the run stays `queued`. */
  signal?: AbortSignal;
  /** Whether to wait for a quota at all (default); else the run is left as `queued` at once. */
  waits?: boolean;
  /** One line about what goes on. */
  progress?: (line: string) => void;
}

/** Checks package, limits and inputs; throws every problem before anything is created. */
export async function planRun(
  environment: OpenEnvironment,
  directory: string,
  args: readonly string[],
  options: SubmitOptions = {},
): Promise<Plan> {
  const pack = await readPackage(directory);
  const spec = buildSpec({
    environment,
    manifest: pack.manifest,
    archive: pack.archive,
    arguments: args,
    flags: options,
    now: new Date((options.now ?? Date.now)()),
  });
  spec.inputs = await resolveInputs(environment, spec.inputs, options.progress);
  return { package: pack, spec };
}

/** A run that is on record; whoever wrote its first status is the one that makes its machine. */
export interface Recorded {
  /** Whether this call wrote the status. */
  mine: boolean;
  /** Makes the first attempt's machine; for whoever wrote the status only. */
  launch(): Promise<RunStatus>;
}

/**
 * Stores package, spec and status, in this order, each only if it is not there: of several callers with one id, one
 * wins, and the spec that was first holds for all.
 */
export async function recordRun(
  environment: OpenEnvironment,
  plan: Plan,
  options: SubmitOptions = {},
): Promise<Recorded> {
  const { objects, buckets } = environment;
  const { id } = plan.spec;
  const say = options.progress ?? (() => undefined);
  if (!(await objects.info(buckets.data, plan.spec.package.object))) {
    say(`uploading the package (${plan.package.files.length} files)`);
    // A conflict: the same bytes under the same name, somebody else was faster.
    await unlessThere(
      objects.write(buckets.data, plan.spec.package.object, plan.package.archive.bytes, {
        ifGeneration: 0,
        contentType: "application/gzip",
      }),
    );
  }
  const first = await unlessThere(objects.writeJson(buckets.data, `runs/${id}/spec.json`, plan.spec, 0));
  const spec = first ? plan.spec : await readSpec(environment, id);
  const launcher = launcherName();
  const status = firstStatus(spec, launcher, (options.now ?? Date.now)());
  const mine = await unlessThere(objects.writeJson(buckets.data, statusObject(id), status, 0));
  return {
    mine,
    launch: async () => {
      const engine = options.engine ?? (await engineOf(environment));
      return launchAttempt(environment, spec, { attempt: 1, launcher }, { ...options, engine });
    },
  };
}

/** False if the object was there already. */
async function unlessThere(write: Promise<unknown>): Promise<boolean> {
  try {
    await write;
    return true;
  } catch (error) {
    if (error instanceof Conflict) return false;
    throw error;
  }
}

/** Stores package, spec and status, then makes the machine. Returns when the machine is being booted. */
export async function startRun(
  environment: OpenEnvironment,
  plan: Plan,
  options: SubmitOptions = {},
): Promise<RunStatus> {
  const recorded = await recordRun(environment, plan, options);
  if (!recorded.mine) throw new UserError(`The run ${plan.spec.id} is there already. Try again.`);
  return recorded.launch();
}

/** Checks and starts in one; what a program without a person in front uses. */
export async function submit(
  environment: OpenEnvironment,
  directory: string,
  args: readonly string[] = [],
  options: SubmitOptions = {},
): Promise<RunStatus> {
  const plan = await planRun(environment, directory, args, options);
  return startRun(environment, plan, options);
}
