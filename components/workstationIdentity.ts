import { Account } from "@pulumi/gcp/serviceaccount/account.js";
import { BucketIAMMember } from "@pulumi/gcp/storage/bucketIAMMember.js";
import * as pulumi from "@pulumi/pulumi";
import { marked } from "./marks.ts";
import { environmentProblem, workstationAccountId } from "./names.ts";

/** Below these a workstation changes nothing: runs are the machines' and the launcher's, code and images never change. */
export const KEPT_PREFIXES = ["runs/", "code/", "images/"] as const;
/** How every command knows its environment. */
export const KEPT_OBJECTS = ["environment.json"] as const;

/** IAM condition: every object of `bucket` but those that are others'. */
export function folderCondition(bucket: string): string {
  const objects = `projects/_/buckets/${bucket}/objects/`;
  return [
    `resource.name.startsWith("${objects}")`,
    ...KEPT_PREFIXES.map((prefix) => `!resource.name.startsWith("${objects}${prefix}")`),
    ...KEPT_OBJECTS.map((name) => `resource.name != "${objects}${name}"`),
  ].join(" && ");
}

export interface WorkstationIdentityArgs {
  project: string;
  environment: string;
  /** The data bucket. */
  data: pulumi.Input<string>;
  /** An account that is there already: a student's machines have one for all. Absent: the workstation gets its own. */
  account?: pulumi.Input<string>;
}

/**
 * What a workstation runs as. The data bucket is the person's folder: all of it is read, and everything is written but
 * runs, code, images and environment.json. With an account of its own, training machines keep their narrower rights, so
 * that what a training downloads cannot change inputs or what a workstation runs. No keys, costs nothing.
 */
export class WorkstationIdentity extends pulumi.ComponentResource {
  /** Known once the account may use the bucket. */
  readonly email: pulumi.Output<string>;
  /** Whether the account is the workstation's own. */
  readonly own: boolean;

  constructor(name: string, args: WorkstationIdentityArgs, opts?: pulumi.ComponentResourceOptions) {
    const problem = environmentProblem(args.environment);
    if (problem) throw new pulumi.InputPropertyError({ propertyPath: "environment", reason: problem });
    super("mltraining:index:WorkstationIdentity", name, args, opts);
    const { project, environment, data } = args;
    const child = { parent: this };
    this.own = args.account === undefined;
    const email =
      args.account === undefined
        ? new Account(
            `${name}-workstation`,
            {
              project,
              accountId: workstationAccountId(environment),
              displayName: `Workstation of ${environment}`,
              description: marked("Reads and writes the data bucket, but for runs and code", environment),
            },
            child,
          ).email
        : pulumi.output(args.account);
    const member = pulumi.interpolate`serviceAccount:${email}`;
    const grants = [
      new BucketIAMMember(
        `${name}-workstation-write`,
        {
          bucket: data,
          role: "roles/storage.objectUser",
          member,
          condition: {
            title: "the person's folder",
            description: marked(`Objects that are not ${[...KEPT_PREFIXES, ...KEPT_OBJECTS].join(", ")}`, environment),
            expression: pulumi.output(data).apply(folderCondition),
          },
        },
        child,
      ),
    ];
    if (this.own) {
      const read = { bucket: data, role: "roles/storage.objectViewer", member };
      grants.push(new BucketIAMMember(`${name}-workstation-read`, read, child));
    }
    this.email = pulumi.all([email, ...grants.map(({ id }) => id)]).apply(([text]) => text as string);
    this.registerOutputs({ email: this.email });
  }
}
