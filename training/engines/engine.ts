import type { Environment, RunSpec, RunStatus } from "../contract.ts";
import { EXIT, UserError } from "../errors.ts";
import type { MachineState } from "../reconcile.ts";

export type Machine = NonNullable<RunStatus["machine"]>;

/** What a launch tells, and asks, while it goes on. Each may throw `NoLongerWanted`, which ends the launch. */
export interface LaunchHooks {
  /** Before a place is tried: the record of it is written here, so that no machine exists without one. */
  onPlace(machine: Machine): Promise<void>;
  /** Before a call is sent again, and every some seconds while Google works: a sign of life. */
  onAlive(): Promise<void>;
  /** Now and then while waiting, with what for. */
  onWait(message: string): Promise<void>;
  /** A zone had none, or took the machine back before it ran. */
  onSetback(zone: string): void;
  /**
   * It cannot be known whether the last request still makes a machine: the run goes on under a new attempt, whose number
   * comes back, and a machine of the old one finds itself superseded when it boots.
   */
  onUncertain(why: string): Promise<number>;
}

export interface LaunchOptions {
  /** The exact image of the run's earlier attempts. */
  image?: string;
  /** When a zone last failed the run; such zones are tried last. */
  setbacks?: Readonly<Record<string, string>>;
  /** How often this attempt went through the zones before: requests of another round are others to Google. */
  round?: number;
  /** Ends pauses between two tries; `onAlive` is asked then. */
  signal?: AbortSignal;
}

/** Where trainings run. */
export interface Engine {
  /**
   * Makes the machine of an attempt; returns where it is. Throws `LaunchRefused` when there can be none; every other
   * error leaves open what became of the request.
   */
  launch(
    environment: Environment,
    spec: RunSpec,
    attempt: number,
    hooks: LaunchHooks,
    options?: LaunchOptions,
  ): Promise<Machine>;
  state(environment: Environment, machine: Machine): Promise<MachineState>;
  /** Whether Google took the machine back, as far as that can be known. */
  preempted(environment: Environment, machine: Machine): Promise<boolean>;
  remove(environment: Environment, machine: Machine): Promise<void>;
  /** Removes the run's machines of the attempts before this one; returns the names of those that were there. */
  sweep(environment: Environment, run: string, before: number): Promise<string[]>;
  /** What the machine wrote to its console; `undefined` if it is gone. */
  console(environment: Environment, machine: Machine): Promise<string | undefined>;
}

/** The run was cancelled, has ended, or belongs to another launcher now. */
export class NoLongerWanted extends Error {
  override name = "NoLongerWanted";
}

/** The machine is there and has spoken: nothing more need be asked for. */
export class Booted extends NoLongerWanted {
  override name = "Booted";
}

/** No machine was made, and none is on its way. */
export class LaunchRefused extends UserError {
  override name = "LaunchRefused";
}

/** Every zone was tried in vain. */
export class NoMachine extends LaunchRefused {
  override name = "NoMachine";
  /** What a waiting run waits for, in a few words: `quota CPUS in us-central1 (limit 24)`. */
  readonly lacks: string;
  /** Whether a quota that others use now is (part of) what stands in the way: it comes free again by itself. */
  readonly sharedQuota: boolean;

  constructor(message: string, lacks: string, sharedQuota: boolean) {
    super(message, EXIT.noCapacity);
    this.lacks = lacks;
    this.sharedQuota = sharedQuota;
  }
}
