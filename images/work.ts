import { EXIT, UserError } from "../training/errors.ts";
import type { Objects } from "../training/storage.ts";
import { googleImages, type ImageCloud } from "./cloud.ts";
import { type Driver, finish } from "./drive.ts";
import { type Limits, pause, usualLimits } from "./limits.ts";
import { Held, Lock } from "./lock.ts";
import type { BuildEnvironment } from "./machine.ts";
import { type Removed, sweep } from "./remove.ts";
import { FINAL, readState, StateFile, type StoredState } from "./state.ts";

export type OpenBuildEnvironment = BuildEnvironment & { readonly objects: Objects };

/** What everything that is done to a family can be told. */
export interface WorkOptions {
  /** Waits for whoever works on the family; without it that is an error. */
  wait?: boolean;
  progress?: (line: string) => void;
  signal?: AbortSignal;
  limits?: Limits;
  cloud?: ImageCloud;
}

/** A build's driver before there is a build. */
export type Shared = Omit<Driver, "file">;

/** What a piece of work on a family gets. */
export interface Workplace {
  cloud: ImageCloud;
  limits: Limits;
  lock: Lock;
  progress: (line: string) => void;
  /** What a launcher that is gone had left, and is taken away now. */
  removed: Removed;
  /** To end other builds with. */
  shared: Shared;
}

/** Does something to a family as the only one; what a launcher that is gone has left is taken away first. */
export async function withFamily<T>(
  environment: OpenBuildEnvironment,
  doing: string,
  options: WorkOptions,
  work: (place: Workplace) => Promise<T>,
): Promise<T> {
  const limits = options.limits ?? usualLimits(environment.imageFamily.maxMinutes);
  const cloud = options.cloud ?? googleImages(limits);
  const progress = options.progress ?? (() => undefined);
  const lock = await takeLock(environment, doing, limits, options);
  try {
    const { objects } = environment;
    const dead = lock.found?.build;
    const stored = dead ? await readState(objects, environment.buckets.data, dead) : undefined;
    const removed = await sweep(cloud, environment, { images: true, progress });
    const nothing = { recipe: Buffer.alloc(0), script: "", onLog: () => undefined, reached: async () => undefined };
    const shared = { cloud, environment, limits, progress, objects, ...nothing };
    if (stored) await endLost(shared, stored);
    return await work({ cloud, limits, lock, progress, removed, shared });
  } finally {
    await lock.release();
  }
}

/** Ends the build of a launcher that is gone, and takes away what it has made. */
export async function endLost(driver: Shared, stored: StoredState): Promise<void> {
  const file = new StateFile(driver.objects, stored);
  const { step, id } = stored.state;
  if (!FINAL.includes(step)) {
    driver.progress(`ending the build ${id} (${step}), whose launcher is gone`);
    // What was tested is good; whether it got into the family is for `mlt image list` to see.
    const ended = step === "promoting" ? "kept" : "failed";
    await file.write({ step: ended, reason: "its launcher went away", cleaned: false }, driver.limits.now());
  }
  await finish({ ...driver, file });
}

/** The right to work on the family; with `wait` once it is free. */
export async function takeLock(
  environment: OpenBuildEnvironment,
  doing: string,
  limits: Limits,
  options: Pick<WorkOptions, "wait" | "progress" | "signal">,
): Promise<Lock> {
  const { family } = environment.imageFamily;
  for (let said = ""; ; ) {
    try {
      return await Lock.take(environment.objects, environment.buckets.data, family, doing, limits);
    } catch (error) {
      if (!(error instanceof Held)) throw error;
      const text = `${error.message}; one at a time can work on the family ${family}`;
      if (!options.wait || options.signal?.aborted) {
        throw new UserError(`${text}. Wait for it with --wait, or see what is there: mlt image list`, EXIT.lost);
      }
      if (said !== error.holder.key) options.progress?.(`${text}: waiting`);
      said = error.holder.key;
      await pause(limits, Math.min(5 * limits.pollMs, limits.lockMs));
    }
  }
}
