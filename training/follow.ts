import type { RunSpec, RunStatus } from "./contract.ts";
import type { Engine } from "./engines/engine.ts";
import type { OpenEnvironment } from "./environment.ts";
import { EXIT, pausing, Unreachable } from "./errors.ts";
import { LogReader } from "./logs.ts";
import { engineOf, readSpec, readStatus } from "./runs.ts";
import { isTerminal } from "./status.ts";
import { needsLauncher, takeUp } from "./takeUp.ts";

export type FollowEvent =
  /** Phase, attempt or reason changed. */
  | { type: "status"; status: RunStatus }
  | { type: "log"; data: Buffer }
  /** What the launcher does for a restart. */
  | { type: "progress"; line: string };

export interface FollowOptions {
  engine?: Engine;
  now?: () => number;
  sleep?: (milliseconds: number) => Promise<void>;
  /** Ends the following, not the run. */
  signal?: AbortSignal;
  /** Milliseconds between two looks. */
  pollMs?: number;
  /** Milliseconds until the next look while Google cannot be reached. */
  unreachablePauseMs?: number;
  /** Whether a run that waits for a machine, and for somebody to ask for it, gets it from here (default: yes). */
  restart?: boolean;
  logs?: boolean;
}

/**
 * Tells what a run does until it has ended, and returns its last status (or, when the signal came, the latest). A
 * preempted run gets its next machine from whoever follows it, as long as it has restarts left; so does one whose
 * launcher has left it.
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
  const wait = (milliseconds: number) => (options.sleep ? options.sleep(milliseconds) : pausing(milliseconds, signal));
  const patiently = patience(spec, onEvent, options, wait);
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
    if (restart && !signal?.aborted && needsLauncher(status, spec.maxRestarts, (options.now ?? Date.now)())) {
      const engine = options.engine ?? (await engineOf(environment));
      const progress = (line: string) => onEvent({ type: "progress", line });
      await takeUp(environment, spec, status, { ...options, engine, progress });
      if (!signal?.aborted) return look();
    }
    return undefined;
  };
  for (;;) {
    const ended = await patiently(look);
    if (ended) return ended;
    if (signal?.aborted && status) return status;
    await wait(pollMs);
  }
}

/** Longer than this after its deadline no run lives, and nobody need wait for news of it. */
const AFTER_DEADLINE_MS = 10 * 60_000;
const UNREACHABLE_PAUSE_MS = 10_000;

/** Looks, and where the network is away (a closed laptop, a train in a tunnel) says so once and comes back later. */
function patience(
  spec: RunSpec,
  onEvent: (event: FollowEvent) => void,
  options: FollowOptions,
  wait: (milliseconds: number) => Promise<void>,
) {
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
      await wait(options.unreachablePauseMs ?? UNREACHABLE_PAUSE_MS);
      return undefined;
    }
  };
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
