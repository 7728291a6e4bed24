import { IAMMember } from "@pulumi/gcp/projects/iammember.js";
import { Account } from "@pulumi/gcp/serviceaccount/account.js";
import * as pulumi from "@pulumi/pulumi";
import { marked } from "./marks.ts";
import { environmentProblem, machineCondition, runPrefix, serviceAccountId } from "./names.ts";

export interface MachineIdentityArgs {
  project: string;
  environment: string;
  /** Whose stack makes this; in a foundation another environment than the one that it is for. @default environment */
  madeBy?: string;
  /** Roles of `SelfDeleteRoles`. */
  selfDelete: pulumi.Input<string>;
  watchOperations: pulumi.Input<string>;
}

/**
 * The one service account of an environment's machines, with the right to delete machines of this environment's name
 * and nothing else in the project. The right exists before any machine does: a grant on the machine itself would come
 * after its start and take minutes to be felt. What it may read and write is in `BucketAccess`. No keys, costs nothing.
 */
export class MachineIdentity extends pulumi.ComponentResource {
  /** Known once the account may delete its machines. */
  readonly email: pulumi.Output<string>;

  constructor(name: string, args: MachineIdentityArgs, opts?: pulumi.ComponentResourceOptions) {
    const problem = environmentProblem(args.environment);
    if (problem) throw new pulumi.InputPropertyError({ propertyPath: "environment", reason: problem });
    super("mltraining:index:MachineIdentity", name, args, opts);
    const { project, environment, madeBy = environment } = args;
    const child = { parent: this };

    const account = new Account(
      `${name}-machines`,
      {
        project,
        accountId: serviceAccountId(environment),
        displayName: `Training machines of ${environment}`,
        description: marked("Reads inputs, writes runs, deletes its own machine", madeBy, environment),
      },
      child,
    );
    const member = pulumi.interpolate`serviceAccount:${account.email}`;
    const selfDelete = new IAMMember(
      `${name}-self-delete`,
      {
        project,
        role: args.selfDelete,
        member,
        condition: {
          title: `${environment} machines only`,
          description: marked(`Machines whose names begin with ${runPrefix(environment)}`, madeBy, environment),
          expression: machineCondition(environment),
        },
      },
      child,
    );
    const watch = new IAMMember(`${name}-watch-operations`, { project, role: args.watchOperations, member }, child);
    this.email = pulumi.all([account.email, selfDelete.id, watch.id]).apply(([email]) => email);
    this.registerOutputs({ email: this.email });
  }
}
