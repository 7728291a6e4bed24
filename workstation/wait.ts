import type { OpenEnvironment } from "../training/environment.ts";
import { EXIT, pausing, UserError } from "../training/errors.ts";
import { targetOf } from "./environment.ts";
import { gone, Machine } from "./machine.ts";
import { type Condition, conditionOf, problemsOf, readWorkstationStatus, wordsOf } from "./status.ts";

/** What has to be there before a command can do its work. `login`: the machine has spoken, so its SSH is up. */
export type Need = "login" | "commands" | "jupyter" | "tensorboard";

export interface WaitOptions {
  /** A line when something has changed. */
  progress?: (line: string) => void;
  signal?: AbortSignal;
  now?: () => number;
  sleep?: (milliseconds: number) => Promise<void>;
  machine?: Machine;
}

/** A first set-up installs for minutes, GPU drivers up to ten of them. */
export const LIMIT_MS = 20 * 60_000;
/** Whoever wants to log in may want to see why the machine says nothing. */
const LOGIN_LIMIT_MS = 120_000;
const POLL_MS = 2000;

/** How the workstation is now. */
export async function lookAt(
  environment: OpenEnvironment,
  machine = new Machine(targetOf(environment)),
  now: () => number = Date.now,
): Promise<Condition> {
  const [instance, status] = await Promise.all([machine.look(), readWorkstationStatus(environment)]);
  return conditionOf(instance, status, now());
}

/**
 * Waits until what is needed works.
 * @returns a warning, if something else does not work
 * @throws UserError with the reason where it will not, or not within its limit
 */
export async function waitUntil(
  environment: OpenEnvironment,
  need: Need,
  options: WaitOptions = {},
): Promise<string | undefined> {
  const { now = Date.now, sleep = pausing, progress } = options;
  const target = targetOf(environment);
  const machine = options.machine ?? new Machine(target, sleep);
  const limit = need === "login" ? LOGIN_LIMIT_MS : LIMIT_MS;
  const end = now() + limit;
  let said = "";
  for (;;) {
    options.signal?.throwIfAborted();
    const condition = await lookAt(environment, machine, now);
    const verdict = judge(condition, need, environment);
    if (verdict.done) return verdict.warning;
    if (verdict.error) throw verdict.error;
    const words = `${target.name}: ${verdict.waitsFor ?? wordsOf(condition)}`;
    if (words !== said) progress?.(words);
    said = words;
    if (now() > end) {
      // Whoever logs in finds out more than this can tell.
      if (need === "login") return `${words}; trying to log in all the same`;
      throw new UserError(
        `${target.name} was not ready within ${limit / 60_000} minutes: ${words.slice(target.name.length + 2)}. Its log: gs://${environment.buckets.data}/workstation/log.txt, its console: mlt serial`,
        EXIT.failedBeforeTraining,
      );
    }
    await sleep(POLL_MS);
  }
}

interface Verdict {
  done?: boolean;
  warning?: string;
  error?: UserError;
  waitsFor?: string;
}

function judge(condition: Condition, need: Need, environment: OpenEnvironment): Verdict {
  const { state } = condition;
  const target = targetOf(environment);
  if (state === "gone") return { error: gone(target) };
  if (state === "stopped") {
    const why = condition.why ? ` (${condition.why})` : "";
    return { error: new UserError(`${target.name} is stopped${why}. Start it: mlt start`) };
  }
  if (state === "starting") {
    // A command would miss the packages that the set-up still installs.
    return { done: need === "login" && condition.step !== undefined };
  }
  if (state === "silent" || state === "stopping") {
    if (need === "login" && state === "silent") return { done: true, warning: wordsOf(condition) };
    return {};
  }
  const { status } = condition;
  const warning = state === "failed" ? { warning: `not all of it works: ${problemsOf(status)}` } : {};
  if (need === "login" || need === "commands") return { done: true, ...warning };
  const names = { jupyter: "JupyterLab", tensorboard: "TensorBoard" } as const;
  if (status[need] === "running") return { done: true, ...warning };
  const own = status.problems.find(({ step }) => step === names[need]);
  if (own || status[need] === "stopped") {
    return {
      error: new UserError(
        `${names[need]} does not run on ${target.name}: ${own?.reason ?? problemsOf(status)}. More: mlt ssh, then sudo journalctl -u mlt-${need}`,
        EXIT.failedBeforeTraining,
      ),
    };
  }
  return { waitsFor: `${names[need]} is starting` };
}
