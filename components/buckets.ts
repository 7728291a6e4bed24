import { Bucket } from "@pulumi/gcp/storage/bucket.js";
import * as pulumi from "@pulumi/pulumi";
import { AUTOMATIC_SUFFIX, LENGTHS } from "./names.ts";

const DAY = 24 * 3600;

export interface BucketsArgs {
  project: string;
  location: string;
  /** Days that deleted objects of `data` can be restored: 0, or 7 to 90. @default 7 */
  softDeleteDays?: number;
  /** Days until overwritten versions of `data` go. @default 30 */
  noncurrentDays?: number;
  /** Days until objects of `scratch` go. @default 14 */
  scratchDays?: number;
  /** Whether `data` outlives `pulumi destroy`. @default false */
  retain?: boolean;
  labels: Readonly<Record<string, string>>;
}

/**
 * `data` (inputs, code, records, outputs) keeps versions and can be restored after a deletion; `scratch` (checkpoints,
 * live logs) keeps nothing, because a checkpoint that is rewritten every 30 s in a bucket with soft delete bills for
 * terabytes. Names are the provider's automatic ones: this component's name and seven random digits, kept in state.
 *
 * Cost: about $0.02 per GB and month in a region; old versions and soft-deleted objects are billed like live ones.
 */
export class Buckets extends pulumi.ComponentResource {
  readonly data: pulumi.Output<string>;
  readonly scratch: pulumi.Output<string>;

  constructor(name: string, args: BucketsArgs, opts?: pulumi.ComponentResourceOptions) {
    const { softDeleteDays = 7, noncurrentDays = 30, scratchDays = 14, retain = false } = args;
    const errors: pulumi.InputPropertyErrorDetails[] = [];
    if (softDeleteDays !== 0 && (softDeleteDays < 7 || softDeleteDays > 90)) {
      errors.push({ propertyPath: "softDeleteDays", reason: `must be 0 or 7 to 90; got ${softDeleteDays}` });
    }
    if (`${name}-scratch`.length + AUTOMATIC_SUFFIX > LENGTHS.bucket) {
      errors.push({
        propertyPath: "name",
        reason: `leaves no room for the random part of a bucket's name; got ${name}`,
      });
    }
    if (errors.length > 0) throw new pulumi.InputPropertiesError({ message: "the buckets cannot be made so", errors });
    super("mltraining:index:Buckets", name, args, opts);
    const shared = {
      project: args.project,
      location: args.location,
      storageClass: "STANDARD",
      uniformBucketLevelAccess: true,
      publicAccessPrevention: "enforced",
      labels: { ...args.labels },
    };

    const data = new Bucket(
      `${name}-data`,
      {
        ...shared,
        versioning: { enabled: true },
        softDeletePolicy: { retentionDurationSeconds: softDeleteDays * DAY },
        lifecycleRules: [
          { action: { type: "Delete" }, condition: { daysSinceNoncurrentTime: noncurrentDays, withState: "ARCHIVED" } },
          { action: { type: "AbortIncompleteMultipartUpload" }, condition: { age: 7 } },
        ],
        forceDestroy: !retain,
      },
      { parent: this, retainOnDelete: retain },
    );
    const scratch = new Bucket(
      `${name}-scratch`,
      {
        ...shared,
        versioning: { enabled: false },
        softDeletePolicy: { retentionDurationSeconds: 0 },
        lifecycleRules: [
          { action: { type: "Delete" }, condition: { age: scratchDays } },
          { action: { type: "AbortIncompleteMultipartUpload" }, condition: { age: 1 } },
        ],
        forceDestroy: true,
      },
      { parent: this },
    );
    this.data = data.name;
    this.scratch = scratch.name;
    this.registerOutputs({ data: this.data, scratch: this.scratch });
  }
}
