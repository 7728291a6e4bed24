import { BucketIAMMember } from "@pulumi/gcp/storage/bucketIAMMember.js";
import * as pulumi from "@pulumi/pulumi";

/** Where in the data bucket machines write. Inputs, code packages and environment.json are not theirs to change. */
export const WRITABLE_PREFIXES = ["runs/", "output/"] as const;

export interface BucketAccessArgs {
  /** The machines' service account. */
  serviceAccount: pulumi.Input<string>;
  data: pulumi.Input<string>;
  scratch: pulumi.Input<string>;
}

/** IAM condition: objects of `bucket` below the writable prefixes. */
export function writableCondition(bucket: string): string {
  return WRITABLE_PREFIXES.map(
    (prefix) => `resource.name.startsWith("projects/_/buckets/${bucket}/objects/${prefix}")`,
  ).join(" || ");
}

/** What machines may do with their own two buckets, granted on the buckets and nowhere else. Costs nothing. */
export class BucketAccess extends pulumi.ComponentResource {
  constructor(name: string, args: BucketAccessArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mltraining:index:BucketAccess", name, args, opts);
    const member = pulumi.interpolate`serviceAccount:${args.serviceAccount}`;
    const child = { parent: this };
    new BucketIAMMember(`${name}-data-read`, { bucket: args.data, role: "roles/storage.objectViewer", member }, child);
    new BucketIAMMember(
      `${name}-data-write`,
      {
        bucket: args.data,
        role: "roles/storage.objectUser",
        member,
        condition: {
          title: "runs and outputs only",
          description: `Objects below ${WRITABLE_PREFIXES.join(" and ")}`,
          expression: pulumi.output(args.data).apply(writableCondition),
        },
      },
      child,
    );
    new BucketIAMMember(`${name}-scratch`, { bucket: args.scratch, role: "roles/storage.objectUser", member }, child);
    this.registerOutputs({});
  }
}
