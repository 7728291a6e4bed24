import type { RunSpec, RunStatus } from "./contract.ts";
import {
  Booted,
  type Engine,
  type LaunchHooks,
  LaunchRefused,
  type Machine,
  NoLongerWanted,
  NoMachine,
} from "./engines/engine.ts";
import type { OpenEnvironment } from "./environment.ts";
import { pausing } from "./errors.ts";
import { waitingLine } from "./queue.ts";
import { LAUNCHING, unattended } from "./reconcile.ts";
import { changeStatus, isTerminal, nextAttempt, oneLine } from "./status.ts";

export interface LaunchContext {
  engine: Engine;
  now?: () => number;
  sleep?: (milliseconds: number) => Promise<void>;
  /** Ends the waiting for a quota, not a request that is under way. */
  signal?: AbortSignal;
  /** Whether to wait for a quota at all (default); else the run is left as `queued` at once. */
  waits?: boolean;
  /** One line about what goes on. */
  progress?: (line: string) => void;
}

/** The attempt that a launcher wrote, and so may ask for a machine of. */
export interface Claim {
  attempt: number;
  launcher: string;
}

/** Google takes no shorter limit for a machine. */
const LEAST_MS = 30_000;
const FIRST_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 5 * 60_000;
const SIGN_MS = 15_000;

/**
 * Makes the machine of an attempt that is the caller's, waiting as `queued` where a quota that others use is in the way
 * (and, for a run that has trained before, for any machine at all). Returns the status when the machine is there, when
 * the run has ended or went to somebody else, or when the signal came while it waited.
 *
 * @throws LaunchRefused when there can be no machine; the run has failed then, or (restarted) waits for `mlt resume`
 */
export function launchAttempt(
  environment: OpenEnvironment,
  spec: RunSpec,
  claim: Claim,
  context: LaunchContext,
): Promise<RunStatus> {
  return new Launch(environment, spec, claim, context).run();
}

/** Whoever asked has left, between two tries. */
class Left extends Error {}

class Launch {
  readonly #environment: OpenEnvironment;
  readonly #spec: RunSpec;
  readonly #context: LaunchContext;
  readonly #launcher: string;
  readonly #setbacks: Record<string, string> = {};
  #attempt: number;

  constructor(environment: OpenEnvironment, spec: RunSpec, claim: Claim, context: LaunchContext) {
    this.#environment = environment;
    this.#spec = spec;
    this.#context = context;
    this.#attempt = claim.attempt;
    this.#launcher = claim.launcher;
  }

  async run(): Promise<RunStatus> {
    for (let round = 0; ; round += 1) {
      try {
        const status = await this.#try(round);
        if (status) return status;
      } catch (error) {
        if (error instanceof Left) return this.#leave(error.message);
        if (error instanceof NoLongerWanted) return this.#unwanted();
        if (!(error instanceof LaunchRefused)) throw error;
        const next = await this.#refused(error);
        if (next === "told") throw error;
        const status = next === "wait" ? await this.#wait(error as NoMachine, round) : await this.#unwanted();
        if (status) return status;
      }
    }
  }

  /** One round through the zones. */
  async #try(round: number): Promise<RunStatus | undefined> {
    const { engine } = this.#context;
    const known = await this.#change(() => undefined);
    if (!this.#owns(known) || this.#ended(known)) throw new NoLongerWanted();
    if (this.#tooLate()) return this.#timedOut(known.reason);
    const { image, setbacks } = known;
    const { signal } = this.#context;
    const options = {
      round,
      ...(signal ? { signal } : {}),
      ...(image ? { image } : {}),
      ...(setbacks ? { setbacks } : {}),
    };
    const machine = await engine.launch(this.#environment, this.#spec, this.#attempt, this.#hooks(), options);
    this.#say(`machine ${machine.name} boots in ${machine.zone}`);
    const status = await this.#change((current) => {
      // A reader may have found this launcher silent meanwhile, and have called the run waiting.
      if (!this.#owns(current) || !LAUNCHING.includes(current.phase)) return undefined;
      const { reason: _reason, ...rest } = current;
      const times = { ...current.times, provisioned: this.#time() };
      const next: RunStatus = { ...rest, phase: "provisioning", machine, heartbeat: this.#time(), times };
      return { ...next, ...this.#learnt(current, machine) };
    });
    // Cancelled or taken over while Google was making it: nobody would remove it.
    if (!this.#owns(status) || isTerminal(status, this.#spec.maxRestarts)) await this.#remove(machine);
    return status;
  }

  #hooks(): LaunchHooks {
    return {
      onPlace: async (machine) => {
        this.#say(`asking for ${machine.type}${machine.spot ? " (Spot)" : ""} in ${machine.zone}`);
        const status = await this.#beat({ machine });
        // The machine of an earlier request lives after all.
        if (!LAUNCHING.includes(status.phase)) throw new Booted();
      },
      onAlive: async () => {
        const { reason } = await this.#beat({});
        // Heeded between two tries; while Google works, it is waited for.
        if (this.#context.signal?.aborted) throw new Left(reason ?? "whoever asked for its machine has left");
      },
      onWait: async (message) => {
        this.#say(message);
        // When the next try comes is soon no longer true.
        await this.#beat({ reason: oneLine(message.replace(/; next try in [\d.]+ s$/, "")) });
      },
      onSetback: (zone) => {
        this.#setbacks[zone] = this.#time();
      },
      onUncertain: (why) => this.#supersede(why),
    };
  }

  /** Goes on under the next number: what may still come of the old one finds itself superseded, and goes. */
  async #supersede(why: string): Promise<number> {
    const status = await this.#change((current) => {
      if (!this.#owns(current) || !LAUNCHING.includes(current.phase)) return undefined;
      const next = nextAttempt(current, { now: this.#now(), launcher: this.#launcher, restart: false });
      return { ...next, reason: oneLine(why) };
    });
    if (status.launcher !== this.#launcher || this.#ended(status)) throw new NoLongerWanted();
    if (status.attempt === this.#attempt) throw new Booted();
    this.#attempt = status.attempt;
    this.#say(`${why}; going on as attempt ${status.attempt}`);
    const { engine } = this.#context;
    await engine.sweep(this.#environment, this.#spec.id, this.#attempt).catch(() => undefined);
    return this.#attempt;
  }

  /** Keeps the record alive while no machine does, and stops when the run is no longer wanted. */
  async #beat(change: Partial<RunStatus>): Promise<RunStatus> {
    const status = await this.#change((current) => {
      if (!this.#owns(current) || this.#ended(current) || !LAUNCHING.includes(current.phase)) return undefined;
      const { reason: _old, ...rest } = current;
      const reason = change.reason ?? (change.machine ? undefined : current.reason);
      const next: RunStatus = { ...rest, ...change, phase: "provisioning", heartbeat: this.#time() };
      return { ...next, ...(reason ? { reason } : {}), ...this.#learnt(current) };
    });
    if (!this.#owns(status) || this.#ended(status)) throw new NoLongerWanted();
    return status;
  }

  #learnt(current: RunStatus, machine?: Machine): Partial<RunStatus> {
    const setbacks = { ...current.setbacks, ...this.#setbacks };
    const image = machine?.image ?? current.image;
    return { ...(Object.keys(setbacks).length > 0 ? { setbacks } : {}), ...(image ? { image } : {}) };
  }

  /** Whether a refused run waits; `told`: it does not, and its status says so. */
  async #refused(error: LaunchRefused): Promise<"wait" | "told" | "unwanted"> {
    const reason = oneLine(error.message);
    let next: "wait" | "told" | "unwanted" = "unwanted";
    await this.#change((current) => {
      next = "unwanted";
      if (!this.#owns(current) || this.#ended(current) || !LAUNCHING.includes(current.phase)) return undefined;
      const restarted = current.restarts > 0;
      if (error instanceof NoMachine && (error.sharedQuota || (restarted && error.lacks))) {
        next = "wait";
        return undefined;
      }
      next = "told";
      // What was trained is kept for whoever puts it right.
      if (restarted)
        return { ...unattended(current, `it could not be restarted (${reason})`), ...this.#learnt(current) };
      return { ...current, phase: "failed", reason, times: { ...current.times, ended: this.#time() } };
    });
    return next;
  }

  /** Waits as `queued`; returns the status if the run is not to be tried again. */
  async #wait(error: NoMachine, round: number): Promise<RunStatus | undefined> {
    const { signal, waits = true } = this.#context;
    const reason = oneLine(await waitingLine(this.#environment, this.#spec, error.lacks));
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(round, 5));
    if (waits) this.#say(`${this.#spec.id} ${reason}; next try in ${pause / 1000} s`);
    const until = this.#now() + pause;
    while (waits && !signal?.aborted) {
      const status = await this.#change((current) => {
        if (!this.#owns(current) || this.#ended(current) || !LAUNCHING.includes(current.phase)) return undefined;
        const { machine: _machine, ...rest } = current;
        return { ...rest, phase: "queued", reason, heartbeat: this.#time(), ...this.#learnt(current) };
      });
      if (!this.#owns(status) || this.#ended(status)) return this.#unwanted();
      if (this.#tooLate()) return this.#timedOut(reason);
      const left = until - this.#now();
      if (left <= 0) return undefined;
      await this.#sleep(Math.min(SIGN_MS, left));
    }
    return this.#leave(reason);
  }

  /** Leaves the run as `queued`, for whoever goes on with it. */
  #leave(reason: string): Promise<RunStatus> {
    return this.#change((current) =>
      this.#owns(current) && !this.#ended(current) && LAUNCHING.includes(current.phase)
        ? { ...unattended(current, reason), ...this.#learnt(current) }
        : undefined,
    );
  }

  /** Nobody wants the machine any more: what the run has become. */
  async #unwanted(): Promise<RunStatus> {
    return this.#change((current) => {
      if (!current.cancelRequested || !this.#owns(current) || !LAUNCHING.includes(current.phase)) return undefined;
      const times = { ...current.times, ended: this.#time() };
      return { ...current, phase: "cancelled", reason: "cancelled before the machine was made", times };
    });
  }

  #tooLate(): boolean {
    return Date.parse(this.#spec.deadline) - this.#now() < LEAST_MS;
  }

  #timedOut(waited: string | undefined): Promise<RunStatus> {
    const reason = oneLine(`time limit reached (${this.#spec.deadline})${waited ? `; ${waited}` : ""}`);
    return this.#change((current) => {
      if (!this.#owns(current) || this.#ended(current) || !LAUNCHING.includes(current.phase)) return undefined;
      return { ...current, phase: "timedOut", reason, times: { ...current.times, ended: this.#time() } };
    });
  }

  async #remove(machine: Machine): Promise<void> {
    try {
      await this.#context.engine.remove(this.#environment, machine);
    } catch (error) {
      this.#say(`${(error as Error).message} It finds itself superseded when it boots, and goes; see: mlt clean`);
    }
  }

  #owns(status: RunStatus): boolean {
    return status.attempt === this.#attempt && status.launcher === this.#launcher;
  }

  #ended(status: RunStatus): boolean {
    return status.cancelRequested === true || isTerminal(status, this.#spec.maxRestarts);
  }

  async #change(next: (status: RunStatus) => RunStatus | undefined): Promise<RunStatus> {
    const { objects, buckets } = this.#environment;
    const sleep = this.#context.sleep ?? pausing;
    return (await changeStatus(objects, buckets.data, this.#spec.id, "launcher", next, sleep)).status;
  }

  #now(): number {
    return (this.#context.now ?? Date.now)();
  }

  #time(): string {
    return new Date(this.#now()).toISOString();
  }

  #say(line: string): void {
    this.#context.progress?.(line);
  }

  #sleep(milliseconds: number): Promise<void> {
    const { sleep, signal } = this.#context;
    return sleep ? sleep(milliseconds) : pausing(milliseconds, signal);
  }
}
