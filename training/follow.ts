import type { RunSpec, RunStatus } from "./contract.ts";
import type { Engine } from "./engines/engine.ts";
import type { OpenEnvironment } from "./environment.ts";
import { EXIT } from "./errors.ts";
import { LogReader } from "./logs.ts";
import { engineOf, readSpec, readStatus } from "./runs.ts";
import { changeStatus, isTerminal, nextAttempt } from "./status.ts";
import { launchAttempt } from "./submit.ts";

export type FollowEvent =
  /** Phase, attempt or reason changed. */
  | { type: "status"; status: RunStatus }
  | { type: "log"; data: Buffer }
  /** What the launcher does for a restart. */
  | { type: "progress"; line: string };

export interface FollowOptions {
  engine?: Engine;
  now?: () => number;
  /** Ends the following, not the run. */
  signal?: AbortSignal;
  /** Milliseconds between two looks. */
  pollMs?: number;
  /** Whether a preempted run gets its next machine from here (default: yes). */
  restart?: boolean;
  logs?: boolean;
}

/**
 * Tells what a run does until it has ended, and returns its last status (or, when the signal came, the latest). A
 * preempted run gets its next machine from whoever follows it, as long as it has restarts left.
 */
export async function follow(
  environment: OpenEnvironment,
  id: string,
  onEvent: (event: FollowEvent) => void,
  options: FollowOptions = {},
): Promise<RunStatus> {
  const { signal, pollMs = 1000, restart = true, logs = true } = options;
  const spec = await readSpec(environment, id);
  const log = new LogReader(environment, id);
  const tellLog = async (attempts: number) => {
    if (!logs) return;
    for await (const data of log.fresh(attempts)) onEvent({ type: "log", data });
  };
  let told = "";
  for (;;) {
    const status = await readStatus(environment, id, options);
    const seen = JSON.stringify([status.phase, status.attempt, status.reason, status.machine?.zone]);
    const ended = isTerminal(status, spec.maxRestarts);
    if (!ended) await tellLog(status.attempt);
    if (seen !== told && !ended) onEvent({ type: "status", status });
    told = seen;
    if (ended) {
      await tellLog(status.attempt);
      const rest = logs ? await log.rest() : undefined;
      if (rest) onEvent({ type: "log", data: rest });
      onEvent({ type: "status", status });
      return status;
    }
    if (signal?.aborted) return status;
    if (status.phase === "preempted" && restart) {
      await restartRun(environment, spec, status, onEvent, options);
      continue;
    }
    await pause(pollMs, signal);
  }
}

/** Gives a preempted run its next machine; where the time is up, ends it instead. */
async function restartRun(
  environment: OpenEnvironment,
  spec: RunSpec,
  seen: RunStatus,
  onEvent: (event: FollowEvent) => void,
  options: FollowOptions,
): Promise<void> {
  const engine = options.engine ?? (await engineOf(environment));
  const { objects, buckets } = environment;
  const now = (options.now ?? Date.now)();
  const stored = await changeStatus(objects, buckets.data, spec.id, "launcher", (current) =>
    current.phase === "preempted" && current.attempt === seen.attempt && !current.cancelRequested
      ? nextAttempt(current, new Date(now).toISOString())
      : undefined,
  );
  // Somebody else who follows was faster.
  if (stored.status.attempt !== seen.attempt + 1 || stored.status.phase !== "provisioning") return;
  // The old machine deletes itself; one that hangs must not train beside the new one.
  if (seen.machine) await engine.remove(environment, seen.machine).catch(() => undefined);
  onEvent({ type: "progress", line: `restart ${stored.status.restarts} of ${spec.maxRestarts}` });
  await launchAttempt(environment, spec, stored.status.attempt, engine, {
    ...(options.now ? { now: options.now } : {}),
    progress: (line) => onEvent({ type: "progress", line }),
  });
}

function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", done);
    if (signal?.aborted) done();
  });
}

/** What `mlt train` ends with for a run that has ended. */
export function exitCodeOf(status: RunStatus): number {
  const { phase, exitCode } = status;
  if (phase === "succeeded") return 0;
  if (phase === "timedOut") return EXIT.timedOut;
  if (phase === "cancelled") return EXIT.cancelled;
  if (phase === "failed") return exitCode || EXIT.failedBeforeTraining;
  return EXIT.lost;
}
