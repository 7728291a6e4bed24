import { projectNumber } from "../../core/cloud.ts";
import { GoogleError, notModelled } from "../../core/errors.ts";
import type { Call, Reply, Router } from "../../core/http.ts";
import { type BucketRecord, bucketJson } from "./bucket-record.ts";
import { applySettings, checkLocation, defaultSettings, type Json } from "./bucket-settings.ts";
import { endpoint } from "./endpoint.ts";
import { bucketMissing, conditionNotMet, invalid, required } from "./errors.ts";
import { firstPolicy } from "./iam.ts";
import { locationType } from "./locations.ts";
import { checkBucketName } from "./names.ts";
import { pageOf } from "./pages.ts";
import { BUCKET_CONDITIONS, checkPreconditions, preconditions } from "./preconditions.ts";
import { flag, integer } from "./query.ts";
import { bucketOf, type Service } from "./service.ts";

const ACL_QUERY = "predefinedAcl predefinedDefaultObjectAcl";

export function bucketRoutes(router: Router, service: Service): void {
  const root = "/storage/v1/b";
  endpoint(router, "POST", root, `project ${ACL_QUERY} enableObjectRetention`, (call) => insert(service, call));
  endpoint(router, "GET", root, "project prefix maxResults pageToken softDeleted returnPartialSuccess", (call) =>
    list(service, call),
  );
  endpoint(router, "GET", `${root}/{bucket}`, `${BUCKET_CONDITIONS} generation softDeleted`, (call) =>
    get(service, call),
  );
  endpoint(router, "PATCH", `${root}/{bucket}`, `${BUCKET_CONDITIONS} ${ACL_QUERY}`, (call) =>
    change(service, call, true),
  );
  endpoint(router, "PUT", `${root}/{bucket}`, `${BUCKET_CONDITIONS} ${ACL_QUERY}`, (call) =>
    change(service, call, false),
  );
  endpoint(router, "DELETE", `${root}/{bucket}`, BUCKET_CONDITIONS, (call) => remove(service, call));
  endpoint(router, "POST", `${root}/{bucket}/restore`, "generation", (call) => restore(service, call));
  endpoint(router, "GET", `${root}/{bucket}/storageLayout`, "prefix", (call) => layout(service, call));
  endpoint(router, "GET", "/storage/v1/projects/{project}/serviceAccount", "", (call) => {
    const project = call.params.project ?? "";
    service.permissions.onProject(call.principal, "resourcemanager.projects.get", project);
    const email_address = `service-${projectNumber(project)}@gs-project-accounts.iam.gserviceaccount.com`;
    return { json: { kind: "storage#serviceAccount", email_address } };
  });
}

async function insert(service: Service, call: Call): Promise<Reply> {
  const project = projectOf(call);
  service.permissions.onProject(call.principal, "storage.buckets.create", project);
  const body = await call.json();
  refuseBucketAcl(call, body, uniformIn(body));
  if (flag(call.query, "enableObjectRetention")) throw notModelled("enableObjectRetention");
  if (typeof body.name !== "string" || body.name === "") throw required("name");
  checkBucketName(body.name);
  const now = service.store.now();
  const base = { ...defaultSettings(now), location: checkLocation(body.location ?? "US") };
  const settings = applySettings(base, body, now, false);
  const taken = service.store.bucket(body.name);
  if (taken) throw conflict(taken, project);
  const bucket: BucketRecord = {
    name: body.name,
    project,
    generation: service.store.nextGeneration(),
    metageneration: 1,
    timeCreated: now,
    updated: now,
    settings,
    policy: firstPolicy(project, settings.uniformAccess.enabled),
  };
  return { json: bucketJson(service.store.save(bucket)) };
}

function conflict(taken: BucketRecord, project: string): GoogleError {
  return new GoogleError(
    409,
    "conflict",
    taken.project === project
      ? "Your previous request to create the named bucket succeeded and you already own it."
      : "The requested bucket name is not available. The bucket namespace is shared by all users of the system. " +
          "Please select a different name and try again.",
  );
}

function list(service: Service, call: Call): Reply {
  const project = projectOf(call);
  service.permissions.onProject(call.principal, "storage.buckets.list", project);
  const prefix = call.query.get("prefix") ?? "";
  const buckets = service.store
    .buckets(flag(call.query, "softDeleted"))
    .filter((bucket) => bucket.project === project && bucket.name.startsWith(prefix));
  const { items, nextPageToken } = pageOf(call.query, buckets, (bucket) => `${bucket.name}~${bucket.generation}`);
  return {
    json: {
      kind: "storage#buckets",
      ...(nextPageToken ? { nextPageToken } : {}),
      ...(items.length > 0 ? { items: items.map(bucketJson) } : {}),
    },
  };
}

function get(service: Service, call: Call): Reply {
  if (flag(call.query, "softDeleted")) {
    const bucket = deletedBucket(service, call);
    service.permissions.onBucket(call.principal, "storage.buckets.get", bucket);
    return { json: bucketJson(bucket) };
  }
  const bucket = bucketOf(service, call, call.params.bucket);
  service.permissions.onBucket(call.principal, "storage.buckets.get", bucket);
  const generation = integer(call.query, "generation");
  if (generation !== undefined && generation !== bucket.generation) throw bucketMissing();
  checkPreconditions(preconditions(call.query), bucket, true);
  return { json: bucketJson(bucket) };
}

async function change(service: Service, call: Call, merge: boolean): Promise<Reply> {
  const bucket = bucketOf(service, call, call.params.bucket);
  service.permissions.onBucket(call.principal, "storage.buckets.update", bucket);
  checkPreconditions(preconditions(call.query), bucket);
  const body = await call.json();
  refuseBucketAcl(call, body, uniformIn(body) ?? bucket.settings.uniformAccess.enabled);
  if (body.name !== undefined && body.name !== bucket.name) throw invalid("A bucket cannot be renamed.");
  if (typeof body.location === "string" && body.location.toUpperCase() !== bucket.settings.location) {
    throw invalid("The location of a bucket cannot be changed after it is created.");
  }
  const now = service.store.now();
  const { location, softDelete } = bucket.settings;
  // An update starts from nothing; the soft delete policy stays until it is named.
  const before = merge ? bucket.settings : { ...defaultSettings(now), location, softDelete };
  if (!merge) before.uniformAccess = bucket.settings.uniformAccess;
  const settings = applySettings(before, body, now, merge);
  const conditional = bucket.policy.bindings?.some((binding) => binding.condition);
  if (!settings.uniformAccess.enabled && conditional) {
    throw conditionNotMet("Uniform bucket-level access cannot be disabled while the bucket's policy has conditions.");
  }
  const changed = { ...bucket, settings, metageneration: bucket.metageneration + 1, updated: now };
  return { json: bucketJson(service.store.save(changed)) };
}

function remove(service: Service, call: Call): Reply {
  const bucket = bucketOf(service, call, call.params.bucket);
  service.permissions.onBucket(call.principal, "storage.buckets.delete", bucket);
  checkPreconditions(preconditions(call.query), bucket);
  if (!service.store.contents(bucket).isEmpty) {
    throw new GoogleError(409, "conflict", "The bucket you tried to delete is not empty.");
  }
  service.store.remove(bucket);
  return { status: 204 };
}

function restore(service: Service, call: Call): Reply {
  const bucket = deletedBucket(service, call);
  service.permissions.onBucket(call.principal, "storage.buckets.restore", bucket);
  const taken = service.store.bucket(bucket.name);
  if (taken) throw conflict(taken, bucket.project);
  const { softDeleteTime: _, hardDeleteTime: __, ...live } = bucket;
  return { json: bucketJson(service.store.save({ ...live, metageneration: live.metageneration + 1 })) };
}

function layout(service: Service, call: Call): Reply {
  const bucket = bucketOf(service, call, call.params.bucket);
  service.permissions.toList(call.principal, bucket, call.query.get("prefix") ?? "");
  return {
    json: {
      kind: "storage#storageLayout",
      bucket: bucket.name,
      projectNumber: projectNumber(bucket.project),
      location: bucket.settings.location,
      locationType: locationType(bucket.settings.location),
      hierarchicalNamespace: { enabled: false },
    },
  };
}

function deletedBucket(service: Service, call: Call): BucketRecord {
  const generation = integer(call.query, "generation");
  if (generation === undefined) throw required("generation");
  const bucket = service.store.softDeleted(call.params.bucket ?? "", generation);
  if (!bucket) throw bucketMissing();
  return bucket;
}

function projectOf(call: Call): string {
  const project = call.query.get("project");
  if (!project) throw required("project");
  if (!/^([a-z][a-z0-9.:-]{2,61}[a-z0-9]|\d+)$/.test(project)) throw invalid(`Invalid project: '${project}'.`);
  return project;
}

function uniformIn(body: Json): boolean | undefined {
  const access = body.iamConfiguration as { uniformBucketLevelAccess?: { enabled?: boolean } } | null | undefined;
  return access?.uniformBucketLevelAccess?.enabled;
}

function refuseBucketAcl(call: Call, body: Json, uniform: boolean | undefined): void {
  const parameter = ACL_QUERY.split(" ").find((name) => call.query.get(name));
  const member = ["acl", "defaultObjectAcl"].find((name) => Array.isArray(body[name]) && body[name].length > 0);
  if (!parameter && !member) return;
  if (uniform) throw invalid("Cannot use ACL API to set ACL policy when uniform bucket-level access is enabled.");
  throw notModelled((parameter ?? member) as string);
}
