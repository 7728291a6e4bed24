import { Bucket } from "@pulumi/gcp/storage/bucket.js";
import { BucketIAMMember } from "@pulumi/gcp/storage/bucketIAMMember.js";
import * as pulumi from "@pulumi/pulumi";
import { memberKey } from "./names.ts";

const DAY = 24 * 3600;

export interface CourseDataArgs {
  project: string;
  location: string;
  /** Days that deleted objects can be restored: 0, or 7 to 90. */
  softDeleteDays: number;
  labels: Readonly<Record<string, string>>;
  /** The machines' accounts of this foundation's students, by environment. */
  machines: Readonly<Record<string, pulumi.Input<string>>>;
  /** Service accounts of other projects' students; they must exist. */
  readers: readonly string[];
}

/**
 * What a course gives to everybody: one bucket that the machines of all its students read and none of them writes.
 * Rights are granted on the bucket, one binding for each account, so that one student's coming or going changes no
 * other's. `mlt course put` fills it; a package names what it wants of it as `course://NAME`.
 *
 * Cost: about $0.02 per GB and month in a region, once for the whole class.
 */
export class CourseData extends pulumi.ComponentResource {
  readonly bucket: pulumi.Output<string>;

  constructor(name: string, args: CourseDataArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mltraining:index:CourseData", name, args, opts);
    const child = { parent: this };
    const bucket = new Bucket(
      `${name}-course`,
      {
        project: args.project,
        location: args.location,
        storageClass: "STANDARD",
        uniformBucketLevelAccess: true,
        publicAccessPrevention: "enforced",
        labels: { ...args.labels },
        // What is uploaded again replaces what was there; a mistake can be undone while it is soft-deleted.
        versioning: { enabled: false },
        softDeletePolicy: { retentionDurationSeconds: args.softDeleteDays * DAY },
        lifecycleRules: [{ action: { type: "AbortIncompleteMultipartUpload" }, condition: { age: 7 } }],
        forceDestroy: true,
      },
      child,
    );
    const role = "roles/storage.objectViewer";
    for (const [environment, email] of Object.entries(args.machines)) {
      const member = pulumi.interpolate`serviceAccount:${email}`;
      new BucketIAMMember(`${name}-course-${environment}`, { bucket: bucket.name, role, member }, child);
    }
    for (const email of args.readers) {
      const member = `serviceAccount:${email}`;
      new BucketIAMMember(`${name}-course-${memberKey(email)}`, { bucket: bucket.name, role, member }, child);
    }
    this.bucket = bucket.name;
    this.registerOutputs({ bucket: this.bucket });
  }
}
