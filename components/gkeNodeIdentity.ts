import { IAMMember } from "@pulumi/gcp/projects/iammember.js";
import { Account } from "@pulumi/gcp/serviceaccount/account.js";
import * as pulumi from "@pulumi/pulumi";
import { marked } from "./marks.ts";
import { environmentProblem, nodeAccountId } from "./names.ts";

/** What Google says nodes need, no more: to write logs and metrics, and to be told of their autoscaling. */
export const NODE_ROLE = "roles/container.defaultNodeServiceAccount";

export interface GkeNodeIdentityArgs {
  project: string;
  environment: string;
}

/**
 * What a cluster's nodes run as. Pods never have it: the metadata server of GKE gives each its own account. No keys,
 * costs nothing.
 */
export class GkeNodeIdentity extends pulumi.ComponentResource {
  /** Known once the account has its role. */
  readonly email: pulumi.Output<string>;

  constructor(name: string, args: GkeNodeIdentityArgs, opts?: pulumi.ComponentResourceOptions) {
    const problem = environmentProblem(args.environment);
    if (problem) throw new pulumi.InputPropertyError({ propertyPath: "environment", reason: problem });
    super("mltraining:index:GkeNodeIdentity", name, args, opts);
    const { project, environment } = args;
    const child = { parent: this };
    const account = new Account(
      `${name}-nodes`,
      {
        project,
        accountId: nodeAccountId(environment),
        displayName: `Cluster nodes of ${environment}`,
        description: marked("Writes logs and metrics of a cluster's nodes", environment),
      },
      child,
    );
    const member = pulumi.interpolate`serviceAccount:${account.email}`;
    const grant = new IAMMember(`${name}-nodes`, { project, role: NODE_ROLE, member }, child);
    this.email = pulumi.all([account.email, grant.id]).apply(([email]) => email);
    this.registerOutputs({ email: this.email });
  }
}
