import type { Policy } from "../../core/access.ts";
import { projectNumber } from "../../core/cloud.ts";
import type { LifecycleRule } from "./lifecycle.ts";
import { locationType } from "./locations.ts";

/** What a caller sets on a bucket. */
export interface BucketSettings {
  location: string;
  storageClass: string;
  labels: Record<string, string>;
  versioning?: { enabled: boolean };
  lifecycle: LifecycleRule[];
  softDelete: { retentionSeconds: number; effectiveTime: string };
  uniformAccess: { enabled: boolean; lockedTime?: string };
  publicAccessPrevention: "inherited" | "enforced";
  rpo?: "DEFAULT" | "ASYNC_TURBO";
}

export interface BucketRecord {
  name: string;
  project: string;
  generation: number;
  metageneration: number;
  timeCreated: string;
  updated: string;
  settings: BucketSettings;
  policy: Policy;
  /** Set while the bucket is soft-deleted. */
  softDeleteTime?: string;
  hardDeleteTime?: string;
}

/** The key of a bucket's records: a name may be used again while the bucket that had it is soft-deleted. */
export function bucketId(bucket: { name: string; generation: number }): string {
  return `${bucket.name}~${bucket.generation}`;
}

/** Google's etags are small protocol buffers of numbers, in base64. */
export function etag(...numbers: number[]): string {
  const bytes: number[] = [];
  for (const [index, number] of numbers.entries()) {
    bytes.push(((index + 1) << 3) | 0);
    let rest = BigInt(number);
    for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
    bytes.push(Number(rest));
  }
  return Buffer.from(bytes).toString("base64");
}

/** The bucket as the API shows it. */
export function bucketJson(bucket: BucketRecord): Record<string, unknown> {
  const { settings } = bucket;
  const kind = locationType(settings.location);
  const access = {
    enabled: settings.uniformAccess.enabled,
    ...(settings.uniformAccess.lockedTime ? { lockedTime: settings.uniformAccess.lockedTime } : {}),
  };
  return {
    kind: "storage#bucket",
    selfLink: `https://www.googleapis.com/storage/v1/b/${bucket.name}`,
    id: bucket.name,
    name: bucket.name,
    projectNumber: projectNumber(bucket.project),
    generation: String(bucket.generation),
    metageneration: String(bucket.metageneration),
    location: settings.location,
    storageClass: settings.storageClass,
    etag: etag(bucket.metageneration),
    timeCreated: bucket.timeCreated,
    updated: bucket.updated,
    ...(Object.keys(settings.labels).length > 0 ? { labels: settings.labels } : {}),
    ...(settings.versioning ? { versioning: settings.versioning } : {}),
    ...(settings.lifecycle.length > 0 ? { lifecycle: { rule: settings.lifecycle } } : {}),
    softDeletePolicy: {
      retentionDurationSeconds: String(settings.softDelete.retentionSeconds),
      ...(settings.softDelete.retentionSeconds > 0 ? { effectiveTime: settings.softDelete.effectiveTime } : {}),
    },
    iamConfiguration: {
      bucketPolicyOnly: access,
      uniformBucketLevelAccess: access,
      publicAccessPrevention: settings.publicAccessPrevention,
    },
    locationType: kind,
    ...(kind === "region" ? {} : { rpo: settings.rpo ?? "DEFAULT" }),
    ...(bucket.softDeleteTime ? { softDeleteTime: bucket.softDeleteTime, hardDeleteTime: bucket.hardDeleteTime } : {}),
  };
}
