import { acceptPolicy, checkPolicyShape, newEtag, policyFor } from "../../core/access/policy.ts";
import type { Binding, Policy } from "../../core/access.ts";
import type { Call, Reply, Router } from "../../core/http.ts";
import type { BucketRecord } from "./bucket-record.ts";
import { endpoint } from "./endpoint.ts";
import { conditionNotMet, invalid } from "./errors.ts";
import { isPublic } from "./permissions.ts";
import { integer } from "./query.ts";
import { bucketOf, type Service } from "./service.ts";

/** What a new bucket grants: Google's convenience values for the project's basic roles. */
export function firstPolicy(project: string, uniform: boolean): Policy {
  const owners = [`projectEditor:${project}`, `projectOwner:${project}`];
  const viewers = [`projectViewer:${project}`];
  const bindings = [
    { role: "roles/storage.legacyBucketOwner", members: owners },
    { role: "roles/storage.legacyBucketReader", members: viewers },
  ];
  if (uniform) {
    bindings.push({ role: "roles/storage.legacyObjectOwner", members: owners });
    bindings.push({ role: "roles/storage.legacyObjectReader", members: viewers });
  }
  return { version: 1, etag: newEtag(), bindings };
}

export function iamRoutes(router: Router, service: Service): void {
  const path = "/storage/v1/b/{bucket}/iam";
  endpoint(router, "GET", path, "optionsRequestedPolicyVersion", (call) => get(service, call));
  endpoint(router, "PUT", path, "", (call) => set(service, call));
  endpoint(router, "GET", `${path}/testPermissions`, "permissions", (call) => test(service, call));
}

function get(service: Service, call: Call): Reply {
  const bucket = bucketOf(service, call, call.params.bucket);
  service.permissions.onBucket(call.principal, "storage.buckets.getIamPolicy", bucket);
  return { json: policyJson(bucket, integer(call.query, "optionsRequestedPolicyVersion") ?? 1) };
}

function policyJson(bucket: BucketRecord, version: number): Record<string, unknown> {
  const name = resourceOf(bucket);
  return { kind: "storage#policy", resourceId: name, version: 1, ...policyFor(bucket.policy, version) };
}

function resourceOf(bucket: BucketRecord): string {
  return `projects/_/buckets/${bucket.name}`;
}

async function set(service: Service, call: Call): Promise<Reply> {
  const next = await call.json<Policy>();
  const bucket = bucketOf(service, call, call.params.bucket);
  service.permissions.onBucket(call.principal, "storage.buckets.setIamPolicy", bucket);
  const { cloud } = service.store;
  checkPolicyShape(next);
  for (const binding of next.bindings ?? []) checkBinding(bucket, binding);
  const policy = acceptPolicy({
    state: cloud.state,
    now: cloud.now,
    project: bucket.project,
    resource: resourceOf(bucket),
    current: bucket.policy,
    next,
    conflict: 412,
    bindable: (role) => role.startsWith("roles/storage.") || !role.startsWith("roles/"),
  });
  const metageneration = bucket.metageneration + 1;
  const changed = service.store.save({ ...bucket, policy, metageneration, updated: service.store.now() });
  return { json: policyJson(changed, 3) };
}

/** The rules that only buckets have. */
function checkBinding(bucket: BucketRecord, { role, members, condition }: Binding): void {
  const { publicAccessPrevention, uniformAccess } = bucket.settings;
  if (publicAccessPrevention === "enforced" && (members ?? []).some(isPublic)) {
    throw conditionNotMet(
      "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access prevention is enforced.",
    );
  }
  if (!condition) return;
  if (!uniformAccess.enabled) {
    throw invalid("Conditions can only be set on a bucket with uniform bucket-level access.");
  }
  if (role?.startsWith("roles/storage.legacy")) {
    throw invalid(`The role ${role} cannot be granted with a condition.`);
  }
}

function test(service: Service, call: Call): Reply {
  const bucket = bucketOf(service, call, call.params.bucket);
  const asked = call.query.getAll("permissions");
  const unknown = asked.find((permission) => !permission.startsWith("storage."));
  if (asked.length === 0 || unknown !== undefined) throw invalid(`Invalid permission: '${unknown ?? ""}'.`);
  const permissions = asked.filter((permission) => service.permissions.hasOnBucket(call.principal, permission, bucket));
  return {
    json: { kind: "storage#testIamPermissionsResponse", ...(permissions.length > 0 ? { permissions } : {}) },
  };
}
