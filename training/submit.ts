import type { RunSpec, RunStatus } from "./contract.ts";
import type { Engine } from "./engines/engine.ts";
import type { OpenEnvironment } from "./environment.ts";
import { EXIT, Problems, UserError } from "./errors.ts";
import { type Package, readPackage } from "./package.ts";
import { engineOf, readSpec } from "./runs.ts";
import { buildSpec, type RunFlags } from "./spec.ts";
import { changeStatus, firstStatus, isTerminal, statusObject } from "./status.ts";
import { Conflict } from "./storage.ts";

/** A training that could be started: everything was checked, nothing was written. */
export interface Plan {
  package: Package;
  spec: RunSpec;
}

export interface SubmitOptions extends RunFlags {
  engine?: Engine;
  now?: () => number;
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
  await checkInputs(environment, spec);
  return { package: pack, spec };
}

async function checkInputs(environment: OpenEnvironment, spec: RunSpec): Promise<void> {
  const { objects, buckets } = environment;
  const counts = await Promise.all(
    spec.inputs.map((input) => objects.list(buckets.data, { prefix: `input/${input}`, limit: 20 })),
  );
  const problems = spec.inputs.flatMap((input, index) => {
    const there = counts[index]!.objects.some(
      ({ name }) => name === `input/${input}` || name.startsWith(`input/${input}/`),
    );
    return there
      ? []
      : [
          `gs://${buckets.data}/input/${input} does not exist (inputs in training.yaml); upload it: mlt put DIR input/${input}`,
        ];
  });
  if (problems.length > 0) throw new Problems("The run cannot be started", problems);
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
  const mine = await unlessThere(objects.writeJson(buckets.data, statusObject(id), firstStatus(spec), 0));
  return {
    mine,
    launch: async () => launchAttempt(environment, spec, 1, options.engine ?? (await engineOf(environment)), options),
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

/** Makes the machine of an attempt whose number the status already has; ends the run where there can be none. */
export async function launchAttempt(
  environment: OpenEnvironment,
  spec: RunSpec,
  attempt: number,
  engine: Engine,
  options: SubmitOptions = {},
): Promise<RunStatus> {
  const { objects, buckets } = environment;
  const now = () => new Date((options.now ?? Date.now)()).toISOString();
  const say = options.progress ?? (() => undefined);
  const change = (next: (status: RunStatus) => RunStatus | undefined) =>
    changeStatus(objects, buckets.data, spec.id, "launcher", next).then((stored) => stored.status);
  /** Keeps the record alive while no machine does, and stops when the run is no longer wanted. */
  const record = async (machine?: RunStatus["machine"], reason?: string) => {
    const status = await change((current) => {
      if (current.attempt !== attempt || current.cancelRequested || isTerminal(current, spec.maxRestarts))
        return undefined;
      const { reason: _old, ...rest } = current;
      return {
        ...rest,
        phase: "provisioning",
        heartbeat: now(),
        ...(machine ? { machine } : {}),
        ...(reason ? { reason } : {}),
      };
    });
    if (status.attempt !== attempt || status.cancelRequested || isTerminal(status, spec.maxRestarts)) {
      throw new NoLongerWanted();
    }
  };
  let machine: RunStatus["machine"];
  try {
    machine = await engine.launch(environment, spec, attempt, {
      onPlace: async (place) => {
        say(`asking for ${place.type}${place.spot ? " (Spot)" : ""} in ${place.zone}`);
        await record(place);
      },
      onWait: async (message) => {
        say(message);
        await record(undefined, message);
      },
    });
  } catch (error) {
    const reason = error instanceof NoLongerWanted ? "cancelled before the machine was made" : (error as Error).message;
    const phase = error instanceof NoLongerWanted ? "cancelled" : "failed";
    const status = await change((current) =>
      current.attempt !== attempt || isTerminal(current, spec.maxRestarts)
        ? undefined
        : { ...current, phase, reason: reason.split("\n").join(" "), times: { ...current.times, ended: now() } },
    );
    if (error instanceof NoLongerWanted) return status;
    if (error instanceof UserError) throw error;
    throw new UserError(`The machine could not be made: ${reason}`, EXIT.failedBeforeTraining);
  }
  say(`machine ${machine.name} boots in ${machine.zone}`);
  const status = await change((current) => {
    const early = current.attempt === attempt && current.phase === "provisioning";
    if (!early) return undefined;
    const { reason: _reason, ...rest } = current;
    return { ...rest, machine, heartbeat: now() };
  });
  // Cancelled while Google was making it: nobody would remove it.
  if (status.phase === "cancelled") await engine.remove(environment, machine);
  return status;
}

class NoLongerWanted extends Error {}

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
