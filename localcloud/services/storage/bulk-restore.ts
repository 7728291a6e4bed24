import { randomBytes } from "node:crypto";
import { GoogleError, notModelled } from "../../core/errors.ts";
import type { Call, Reply, Router } from "../../core/http.ts";
import type { BucketRecord } from "./bucket-record.ts";
import { checkBody, endpoint } from "./endpoint.ts";
import { invalid } from "./errors.ts";
import { globFilter } from "./glob.ts";
import type { ObjectRecord } from "./object-record.ts";
import { newRecord } from "./put-object.ts";
import { bucketOf, type Service } from "./service.ts";

interface Request {
  matchGlobs?: string[] | null;
  softDeletedAfterTime?: string | null;
  softDeletedBeforeTime?: string | null;
  createdAfterTime?: string | null;
  createdBeforeTime?: string | null;
  allowOverwrite?: boolean | null;
  copySourceAcl?: boolean | null;
}

interface Operation {
  kind: "storage#operation";
  name: string;
  metadata: Record<string, unknown>;
  done: boolean;
  response?: Record<string, unknown>;
}

const TIMES = ["softDeletedAfterTime", "softDeletedBeforeTime", "createdAfterTime", "createdBeforeTime"] as const;
const MEMBERS = ["matchGlobs", "allowOverwrite", "copySourceAcl", ...TIMES];

/**
 * `objects.bulkRestore` and the operations that it starts (reference of both read 2026-11-21). Of several soft-deleted
 * versions of one name the newest is restored, as the reference of `gcloud storage restore` has it. The members of the
 * operation's metadata are from general knowledge.
 */
export function bulkRestoreRoutes(router: Router, service: Service): void {
  const root = "/storage/v1/b/{bucket}";
  endpoint(router, "POST", `${root}/o/bulkRestore`, "", (call) => bulkRestore(service, call));
  const operations = service.store.cloud.state.collection<Operation>("storage/operations");
  endpoint(router, "GET", `${root}/operations`, "filter pageSize pageToken", (call) => {
    const bucket = bucketOf(service, call, call.params.bucket);
    service.permissions.onBucket(call.principal, "storage.bucketOperations.list", bucket);
    if (call.query.get("filter")) throw notModelled("the filter of operations");
    const prefix = `projects/_/buckets/${bucket.name}/`;
    return { json: { operations: operations.values().filter(({ name }) => name.startsWith(prefix)) } };
  });
  endpoint(router, "GET", `${root}/operations/{operation}`, "", (call) => {
    const bucket = bucketOf(service, call, call.params.bucket);
    service.permissions.onBucket(call.principal, "storage.bucketOperations.get", bucket);
    const found = operations.get(`projects/_/buckets/${bucket.name}/operations/${call.params.operation}`);
    if (!found) throw new GoogleError(404, "notFound", "The specified operation does not exist.");
    return { json: found };
  });
}

/** All is restored before the answer; it says that it is not done all the same, as Google's does. */
async function bulkRestore(service: Service, call: Call): Promise<Reply> {
  const body = await call.json<Request>();
  checkBody(body, "", MEMBERS, ["kind"], []);
  if (body.copySourceAcl) throw notModelled("copySourceAcl");
  for (const name of TIMES) {
    if (body[name] != null && Number.isNaN(Date.parse(String(body[name])))) throw invalid(`Invalid value for ${name}.`);
  }
  const bucket = bucketOf(service, call, call.params.bucket);
  service.permissions.onBucket(call.principal, "storage.buckets.restore", bucket);
  if (bucket.settings.softDelete.retentionSeconds === 0) {
    throw new GoogleError(400, "SoftDeletePolicyRequired", "The bucket has no soft delete policy.");
  }
  const contents = service.store.contents(bucket);
  const wanted = [...contents.names("softDeleted").all]
    .map((name) =>
      contents
        .generations("softDeleted", name)
        .filter((version) => fits(body, version))
        .at(-1),
    )
    .filter((version) => version !== undefined);
  for (const { name } of wanted) {
    service.permissions.onObject(call.principal, "storage.objects.restore", bucket, name);
    service.permissions.onObject(call.principal, "storage.objects.create", bucket, name);
  }
  let succeeded = 0;
  let skipped = 0;
  for (const source of wanted) {
    if (contents.live(source.name) && !body.allowOverwrite) skipped += 1;
    else {
      restoreOne(service, bucket, source);
      succeeded += 1;
    }
  }
  const createTime = service.store.now();
  const operation: Operation = {
    kind: "storage#operation",
    name: `projects/_/buckets/${bucket.name}/operations/${randomBytes(24).toString("base64url")}`,
    metadata: {
      commonMetadata: { type: "bulk-restore-objects", createTime, updateTime: createTime, progressPercent: 100 },
      requestedCount: String(wanted.length),
      succeededCount: String(succeeded),
      skippedCount: String(skipped),
      failedCount: "0",
    },
    done: true,
    response: {},
  };
  service.store.cloud.state.collection<Operation>("storage/operations").set(operation.name, operation);
  const { response: _, ...begun } = operation;
  return { json: { ...begun, done: false } };
}

function fits(request: Request, version: ObjectRecord): boolean {
  const { matchGlobs, softDeletedAfterTime, softDeletedBeforeTime, createdAfterTime, createdBeforeTime } = request;
  const between = (time: string | undefined, after?: string | null, before?: string | null): boolean =>
    (after == null || Date.parse(time ?? "") > Date.parse(after)) &&
    (before == null || Date.parse(time ?? "") < Date.parse(before));
  return (
    (!matchGlobs || matchGlobs.length === 0 || matchGlobs.some((glob) => globFilter(glob)?.(version.name) ?? true)) &&
    between(version.softDeleteTime, softDeletedAfterTime, softDeletedBeforeTime) &&
    between(version.timeCreated, createdAfterTime, createdBeforeTime)
  );
}

function restoreOne(service: Service, bucket: BucketRecord, source: ObjectRecord): void {
  const { name, metadata, storageClass, size, crc32c, md5Hash, componentCount } = source;
  const contents = service.store.contents(bucket);
  const draft = { bucket: bucket.name, name, metadata, storageClass, preconditions: {} };
  contents.addCopy(newRecord(service, bucket, draft, { size, crc32c, md5Hash, componentCount }), contents.file(source));
}
