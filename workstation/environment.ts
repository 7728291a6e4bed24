import type { Environment } from "../training/contract.ts";
import { UserError } from "../training/errors.ts";
import { actingAs } from "../training/impersonate.ts";
import type { Target } from "./ssh.ts";

export type WorkstationRecord = NonNullable<Environment["workstation"]>;

/** The environment's workstation, or the message that says how to get one. */
export function workstationOf({ workstation, environment }: Environment): WorkstationRecord {
  if (workstation) return workstation;
  throw new UserError(
    `The environment ${environment} has no workstation. Add one: pulumi config set mltraining:workstation true && pulumi up`,
  );
}

export function targetOf(environment: Environment): Target {
  const { name, zone } = workstationOf(environment);
  // `gcloud compute ssh` asks for the project first, which a student's own account has no right to see.
  const impersonate = actingAs();
  return { project: environment.project, zone, name, ...(impersonate ? { impersonate } : {}) };
}
