import type { Policy, Principal, Resource } from "../../core/access.ts";
import type { Cloud } from "../../core/cloud.ts";
import type { BucketRecord } from "./bucket-record.ts";
import { denied, objectMissing } from "./errors.ts";

const SERVICE = "storage.googleapis.com";
const PUBLIC = ["allUsers", "allAuthenticatedUsers"];

export function isPublic(member: string): boolean {
  return PUBLIC.includes(member);
}

/** The bucket's policy as it counts: public access prevention takes public members out. */
function effectivePolicy(bucket: BucketRecord): Policy {
  if (bucket.settings.publicAccessPrevention !== "enforced") return bucket.policy;
  const bindings = (bucket.policy.bindings ?? []).map((binding) => ({
    ...binding,
    members: binding.members.filter((member) => !isPublic(member)),
  }));
  return { ...bucket.policy, bindings };
}

function bucketResource(bucket: BucketRecord, attributes?: Record<string, string>): Resource {
  return {
    service: SERVICE,
    type: `${SERVICE}/Bucket`,
    name: `projects/_/buckets/${bucket.name}`,
    project: bucket.project,
    policies: [effectivePolicy(bucket)],
    ...(attributes ? { attributes } : {}),
  };
}

function objectResource(bucket: BucketRecord, name: string): Resource {
  return {
    service: SERVICE,
    type: `${SERVICE}/Object`,
    name: `projects/_/buckets/${bucket.name}/objects/${name}`,
    project: bucket.project,
    policies: [effectivePolicy(bucket)],
  };
}

/** Who may do what, by "IAM permissions for JSON methods" (cloud.google.com/storage/docs/access-control/iam-json). */
export class Permissions {
  readonly #cloud: Cloud;

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
  }

  onProject(principal: Principal, permission: string, project: string): void {
    this.#cloud.access.require(principal, permission, {
      service: SERVICE,
      type: "cloudresourcemanager.googleapis.com/Project",
      name: `projects/${project}`,
      project,
    });
  }

  onBucket(principal: Principal, permission: string, bucket: BucketRecord): void {
    this.#cloud.access.require(principal, permission, bucketResource(bucket));
  }

  /** Listing is a right on the bucket; a condition may look at the prefix that is asked for. */
  toList(principal: Principal, bucket: BucketRecord, prefix: string): void {
    const attributes = { "storage.googleapis.com/objectListPrefix": prefix };
    this.#cloud.access.require(principal, "storage.objects.list", bucketResource(bucket, attributes));
  }

  hasOnBucket(principal: Principal, permission: string, bucket: BucketRecord): boolean {
    return this.#cloud.access.allowed(principal, permission, bucketResource(bucket));
  }

  onObject(principal: Principal, permission: string, bucket: BucketRecord, name: string): void {
    this.#cloud.access.require(principal, permission, objectResource(bucket, name));
  }

  hasOnObject(principal: Principal, permission: string, bucket: BucketRecord, name: string): boolean {
    return this.#cloud.access.allowed(principal, permission, objectResource(bucket, name));
  }

  /**
   * 404 for an object that is not there; who may not list is not told so and gets 403. From general knowledge of the
   * service: no page of Google's was found that says so.
   */
  missing(principal: Principal, permission: string, bucket: BucketRecord, name: string): Error {
    if (this.hasOnBucket(principal, "storage.objects.list", bucket)) return objectMissing(bucket.name, name);
    return denied(principal, permission, "object");
  }
}
