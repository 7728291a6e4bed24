import type { RunSpec, RunStatus } from "./contract.ts";
import type { Engine } from "./engines/engine.ts";
import type { OpenEnvironment } from "./environment.ts";
import { EXIT, Unreachable } from "./errors.ts";
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
  /** Milliseconds until the next look while Google cannot be reached. */
  unreachablePauseMs?: number;
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
  let status: RunStatus | undefined;
  const patiently = patience(spec, onEvent, options);
  /** One look; `undefined`: the run goes on. */
  const look = async (): Promise<RunStatus | undefined> => {
    status = await readStatus(environment, id, options);
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
    if (status.phase === "preempted" && restart && !signal?.aborted) {
      await restartRun(environment, spec, status, onEvent, options);
      return look();
    }
    return undefined;
  };
  for (;;) {
    const ended = await patiently(look);
    if (ended) return ended;
    if (signal?.aborted && status) return status;
    await pause(pollMs, signal);
  }
}

/** Longer than this after its deadline no run lives, and nobody need wait for news of it. */
const AFTER_DEADLINE_MS = 10 * 60_000;
const UNREACHABLE_PAUSE_MS = 10_000;

/** Looks, and where the network is away (a closed laptop, a train in a tunnel) says so once and comes back later. */
function patience(spec: RunSpec, onEvent: (event: FollowEvent) => void, options: FollowOptions) {
  const now = options.now ?? Date.now;
  let away = false;
  return async (look: () => Promise<RunStatus | undefined>): Promise<RunStatus | undefined> => {
    try {
      const ended = await look();
      if (away) onEvent({ type: "progress", line: "Google answers again" });
      away = false;
      return ended;
    } catch (error) {
      const over = now() > Date.parse(spec.deadline) + AFTER_DEADLINE_MS;
      if (!(error instanceof Unreachable) || over || options.signal?.aborted) throw error;
      if (!away) onEvent({ type: "progress", line: `${error.message} The run goes on; waiting for the network.` });
      away = true;
      await pause(options.unreachablePauseMs ?? UNREACHABLE_PAUSE_MS, options.signal);
      return undefined;
    }
  };
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
