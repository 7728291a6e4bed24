import type { Environment, RunSpec, RunStatus } from "./contract.ts";
import type { Machine } from "./engines/engine.ts";
import { environmentProblem, type OpenEnvironment } from "./environment.ts";
import { type LaunchContext, launchAttempt } from "./launch.ts";
import { isUnattended } from "./reconcile.ts";
import { changeStatus, isTerminal, launcherName, nextAttempt } from "./status.ts";

/** Whether the run waits for somebody to make its (next) machine. */
export function needsLauncher(status: RunStatus, maxRestarts: number, now: number): boolean {
  if (status.cancelRequested || isTerminal(status, maxRestarts)) return false;
  // Whether there is a machine, which takes as long as it takes to boot and speak, is the reconciler's to find out: a
  // run whose machine never came about is `queued` then.
  if (status.phase === "provisioning") return false;
  return status.phase === "preempted" || isUnattended(status, now);
}

/**
 * Gives a run that waits for a machine its next attempt, if nobody else was faster, and makes the machine: on another
 * zone first after a preemption, with the exact image of the attempts before. Returns the status as it is then.
 */
export async function takeUp(
  environment: OpenEnvironment,
  spec: RunSpec,
  seen: RunStatus,
  context: LaunchContext,
): Promise<RunStatus> {
  const { objects, buckets } = environment;
  const launcher = launcherName();
  const now = (context.now ?? Date.now)();
  // Whether the last attempt had a machine that went: a launcher that goes on for another is no restart.
  const restart = seen.phase === "preempted" || seen.phase === "lost";
  const { status } = await changeStatus(
    objects,
    buckets.data,
    spec.id,
    "launcher",
    (current) => {
      const asSeen = current.attempt === seen.attempt && current.phase === seen.phase;
      const waits = current.phase === "lost" || needsLauncher(current, spec.maxRestarts, now);
      if (!asSeen || !waits || current.cancelRequested) return undefined;
      const next = nextAttempt(current, { now, launcher, restart });
      const zone = current.phase === "preempted" ? current.machine?.zone : undefined;
      return zone ? { ...next, setbacks: { ...next.setbacks, [zone]: new Date(now).toISOString() } } : next;
    },
    context.sleep,
  );
  // Somebody else was faster.
  if (status.launcher !== launcher) return status;
  context.progress?.(
    restart
      ? `restart ${status.restarts} of ${spec.maxRestarts}${status.checkpoint ? ` from checkpoint ${status.checkpoint.n}` : ""}`
      : `going on with attempt ${status.attempt}`,
  );
  await clearBefore(environment, spec.id, seen.machine, status.attempt, context);
  return launchAttempt(await freshEnvironment(environment), spec, { attempt: status.attempt, launcher }, context);
}

/** An old machine deletes itself; one that hangs, or was stopped, must not stay beside the new one. */
async function clearBefore(
  environment: OpenEnvironment,
  id: string,
  machine: Machine | undefined,
  attempt: number,
  context: LaunchContext,
): Promise<void> {
  const { engine } = context;
  const failures: unknown[] = [];
  if (machine) await engine.remove(environment, machine).catch((error: unknown) => failures.push(error));
  await engine.sweep(environment, id, attempt).catch((error: unknown) => failures.push(error));
  for (const error of failures.slice(0, 1)) {
    context.progress?.(`${(error as Error).message} An old machine finds itself superseded, and goes; see: mlt clean`);
  }
}

/** The templates may have been replaced (`pulumi up`) in the hours since the environment was read. */
async function freshEnvironment(environment: OpenEnvironment): Promise<OpenEnvironment> {
  const { objects, buckets } = environment;
  const found = await objects.readJson<Environment>(buckets.data, "environment.json").catch(() => undefined);
  if (!found || environmentProblem(found.value) || found.value.buckets.data !== buckets.data) return environment;
  return { ...found.value, objects };
}
