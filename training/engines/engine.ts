import type { Environment, RunSpec, RunStatus } from "../contract.ts";
import type { MachineState } from "../reconcile.ts";

/** What a launch tells while it goes on. */
export interface LaunchHooks {
  /** Before a place is tried: the record of it is written here, so that no machine exists without one. */
  onPlace(machine: NonNullable<RunStatus["machine"]>): Promise<void>;
  /** Now and then while waiting; throws to give up (the run was cancelled). */
  onWait(message: string): Promise<void>;
}

/** Where trainings run. */
export interface Engine {
  /** Makes the machine of an attempt; returns where it is. Throws `UserError` when there can be none. */
  launch(
    environment: Environment,
    spec: RunSpec,
    attempt: number,
    hooks: LaunchHooks,
  ): Promise<NonNullable<RunStatus["machine"]>>;
  state(environment: Environment, machine: NonNullable<RunStatus["machine"]>): Promise<MachineState>;
  remove(environment: Environment, machine: NonNullable<RunStatus["machine"]>): Promise<void>;
}
