import { createHash } from "node:crypto";
import type { Binding, Policy } from "../../core/access.ts";
import type { Call, Reply, Router } from "../../core/http.ts";
import { type BucketRecord, etag } from "./bucket-record.ts";
import { checkBody, endpoint } from "./endpoint.ts";
import { conditionNotMet, invalid } from "./errors.ts";
import { isPublic } from "./permissions.ts";
import { integer } from "./query.ts";
import { bucketOf, type Service } from "./service.ts";

const MEMBER =
  /^(allUsers|allAuthenticatedUsers|(user|serviceAccount|group):[^\s:@]+@[^\s:@]+|domain:[^\s:@]+|project(Owner|Editor|Viewer):[a-z0-9.:-]+|principal(Set)?:\/\/\S+|deleted:\S+\?uid=\d+|serviceAccount:[\w.-]+\.svc\.id\.goog\[\S+\])$/;
const ROLE = /^(roles\/[\w.]+|(projects|organizations)\/[\w.:-]+\/roles\/[\w.]+)$/;

/** What a new bucket grants: Google's convenience values for the project's basic roles. */
export function firstPolicy(project: string, uniform: boolean): Policy {
  const owners = [`projectEditor:${project}`, `projectOwner:${project}`];
  const viewers = [`projectViewer:${project}`];
  return {
    bindings: [
      { role: "roles/storage.legacyBucketOwner", members: owners },
      { role: "roles/storage.legacyBucketReader", members: viewers },
      ...(uniform
        ? [
            { role: "roles/storage.legacyObjectOwner", members: owners },
            { role: "roles/storage.legacyObjectReader", members: viewers },
          ]
        : []),
    ],
  };
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
  const version = integer(call.query, "optionsRequestedPolicyVersion") ?? 1;
  if (![0, 1, 3].includes(version)) throw invalid(`Invalid value for optionsRequestedPolicyVersion: ${version}.`);
  return { json: policyJson(bucket, version) };
}

function policyJson(bucket: BucketRecord, version: number): Record<string, unknown> {
  const bindings = bucket.policy.bindings ?? [];
  const conditional = bindings.some((binding) => binding.condition);
  return {
    kind: "storage#policy",
    resourceId: `projects/_/buckets/${bucket.name}`,
    version: conditional && version === 3 ? 3 : 1,
    etag: etag(bucket.policyVersion),
    bindings: version === 3 ? bindings : bindings.map(withoutCondition),
  };
}

/** A caller that does not know conditions sees a role of another name, which grants nothing when it is sent back. */
function withoutCondition({ condition, ...binding }: Binding): Binding {
  if (!condition) return binding;
  const hash = createHash("sha256").update(JSON.stringify(condition)).digest("hex").slice(0, 20);
  return { ...binding, role: `${binding.role}_withcond_${hash}` };
}

async function set(service: Service, call: Call): Promise<Reply> {
  const bucket = bucketOf(service, call, call.params.bucket);
  service.permissions.onBucket(call.principal, "storage.buckets.setIamPolicy", bucket);
  const body = await call.json<Policy>();
  checkBody(body, "", ["version", "etag", "bindings"], ["kind", "resourceId"], []);
  const before = bucketOf(service, call, call.params.bucket);
  if (body.etag && body.etag !== etag(before.policyVersion)) {
    throw conditionNotMet("The policy was changed since it was read: the etag does not match.");
  }
  const bindings = checkBindings(before, body);
  const conditional = bindings.some((binding) => binding.condition);
  const changed: BucketRecord = {
    ...before,
    policy: { version: conditional ? 3 : 1, bindings },
    policyVersion: before.policyVersion + 1,
    metageneration: before.metageneration + 1,
    updated: service.store.now(),
  };
  return { json: policyJson(service.store.save(changed), conditional ? 3 : 1) };
}

function checkBindings(bucket: BucketRecord, policy: Policy): Binding[] {
  const version = policy.version ?? 1;
  if (![0, 1, 3].includes(version)) throw invalid(`Invalid policy version: ${version}.`);
  const bindings = policy.bindings ?? [];
  if (!Array.isArray(bindings)) throw invalid("Invalid value for bindings: a list is needed.");
  for (const binding of bindings) checkBinding(bucket, binding, version);
  if (bindings.flatMap((binding) => binding.members).length > 1500)
    throw invalid("A policy has 1,500 members at most.");
  return bindings.filter((binding) => binding.members.length > 0);
}

function checkBinding(bucket: BucketRecord, binding: Binding, version: number): void {
  checkBody(binding, "bindings[].", ["role", "members", "condition"], [], []);
  if (!ROLE.test(binding.role ?? "")) throw invalid(`Invalid role: '${binding.role}'.`);
  if (!Array.isArray(binding.members)) throw invalid(`The binding of ${binding.role} has no members.`);
  for (const member of binding.members) {
    if (!MEMBER.test(member)) throw invalid(`Invalid member in the policy: '${member}'.`);
    if (isPublic(member) && bucket.settings.publicAccessPrevention === "enforced") {
      throw conditionNotMet(
        "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access prevention is enforced.",
      );
    }
  }
  const { condition } = binding;
  if (!condition) return;
  checkBody(condition, "bindings[].condition.", ["title", "description", "expression"], [], ["location"]);
  if (version !== 3) throw invalid("A policy with conditions has version 3.");
  if (!condition.title || !condition.expression) throw invalid("A condition needs a title and an expression.");
  if (!bucket.settings.uniformAccess.enabled) {
    throw invalid("Conditions can only be set on a bucket with uniform bucket-level access.");
  }
  if (/^roles\/storage\.legacy/.test(binding.role)) {
    throw invalid(`The role ${binding.role} cannot be granted with a condition.`);
  }
}

function test(service: Service, call: Call): Reply {
  const bucket = bucketOf(service, call, call.params.bucket);
  const asked = call.query.getAll("permissions");
  const unknown = asked.find((permission) => !/^storage\.\w+\.\w+$/.test(permission));
  if (asked.length === 0 || unknown !== undefined) throw invalid(`Invalid permission: '${unknown ?? ""}'.`);
  const permissions = asked.filter((permission) => service.permissions.hasOnBucket(call.principal, permission, bucket));
  return {
    json: { kind: "storage#testIamPermissionsResponse", ...(permissions.length > 0 ? { permissions } : {}) },
  };
}
