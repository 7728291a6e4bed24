import type * as pulumi from "@pulumi/pulumi";
import type { Config } from "./config.ts";
import type { Ground } from "./foundation.ts";
import { startupScript } from "./startupScript.ts";
import { Workstation } from "./workstation.ts";
import { WorkstationIdentity } from "./workstationIdentity.ts";

export { readRequirementsFile } from "./requirementsFile.ts";

export interface WorkstationParts {
  ground: Ground;
  /** The data bucket. */
  bucket: pulumi.Input<string>;
  /** The text of a requirements.txt of this computer. */
  requirements?: string;
}

/** Identity and machine of the workstation, if the settings ask for one. A student's runs as the student's one account. */
export function addWorkstation(
  { workstation, scope, project, environment, labels }: Config,
  { ground, bucket, requirements }: WorkstationParts,
): Workstation | undefined {
  if (!workstation) return undefined;
  const account = scope === "student" ? ground.serviceAccounts[environment] : undefined;
  const opts = { dependsOn: ground.apis };
  const identity = new WorkstationIdentity(environment, { project, environment, data: bucket, account }, opts);
  return new Workstation(
    environment,
    {
      project,
      environment,
      workstation,
      network: ground.network ?? "",
      subnetwork: ground.subnetworks[workstation.region] ?? "",
      serviceAccount: identity.email,
      ownAccount: identity.own,
      bucket,
      startupScript: startupScript("workstation.sh"),
      requirements,
      labels,
      after: ground.ready,
    },
    opts,
  );
}
