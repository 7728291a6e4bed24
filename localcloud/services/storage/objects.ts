import { notModelled } from "../../core/errors.ts";
import type { Call, Reply, Router } from "../../core/http.ts";
import { download } from "./download.ts";
import { refuseAcl } from "./draft.ts";
import { endpoint } from "./endpoint.ts";
import { conditionNotMet, invalid, notModified, required } from "./errors.ts";
import { applyMetadata, newObject, type ObjectRecord, objectEtag, objectJson } from "./object-record.ts";
import { checkPreconditions, OBJECT_CONDITIONS, preconditions } from "./preconditions.ts";
import { checkHolds, newRecord } from "./put-object.ts";
import { flag, header, integer } from "./query.ts";
import { bucketOf, objectOf, type Service } from "./service.ts";

const SELECT = `generation ${OBJECT_CONDITIONS}`;

export function objectRoutes(router: Router, service: Service): void {
  const path = "/storage/v1/b/{bucket}/o/{object}";
  endpoint(router, "GET", path, `${SELECT} softDeleted`, (call) => get(service, call));
  endpoint(router, "GET", `/download${path}`, `${SELECT} softDeleted`, (call) => get(service, call));
  endpoint(router, "PATCH", path, `${SELECT} predefinedAcl`, (call) => change(service, call, true));
  endpoint(router, "PUT", path, `${SELECT} predefinedAcl`, (call) => change(service, call, false));
  endpoint(router, "DELETE", path, SELECT, (call) => remove(service, call));
  endpoint(router, "POST", `${path}/restore`, `${SELECT} copySourceAcl`, (call) => restore(service, call));
}

function get(service: Service, call: Call): Reply {
  const bucket = bucketOf(service, call, call.params.bucket);
  const name = call.params.object as string;
  const object = flag(call.query, "softDeleted")
    ? softDeleted(service, call)
    : objectOf(service, call, "storage.objects.get", bucket, name, integer(call.query, "generation"));
  checkPreconditions(preconditions(call.query), object, true);
  checkEtag(call, object);
  if (call.query.get("alt") !== "media") {
    return { headers: { etag: objectEtag(object) }, json: objectJson(object, call.origin) };
  }
  if (object.state === "softDeleted") throw invalid("The content of a soft-deleted object cannot be read.");
  return download(call, object, service.store.contents(bucket).file(object));
}

/** `If-Match` and `If-None-Match`, which hold etags. */
function checkEtag(call: Call, object: ObjectRecord): void {
  const has = (list: string): boolean =>
    list.split(",").some((entry) => ["*", objectEtag(object)].includes(entry.trim().replace(/^(W\/)?"(.*)"$/, "$2")));
  const match = header(call, "if-match");
  const none = header(call, "if-none-match");
  if (match !== undefined && !has(match)) throw conditionNotMet();
  if (none !== undefined && has(none)) throw notModified();
}

async function change(service: Service, call: Call, merge: boolean): Promise<Reply> {
  const bucket = bucketOf(service, call, call.params.bucket);
  const body = await call.json();
  const generation = integer(call.query, "generation");
  const object = objectOf(service, call, "storage.objects.update", bucket, call.params.object as string, generation);
  checkPreconditions(preconditions(call.query), object);
  refuseAcl(call.query, "predefinedAcl", bucket, body);
  const { storageClass } = newObject(body);
  if (storageClass && storageClass !== object.storageClass) {
    throw invalid("The storage class of an object is changed by rewriting it.");
  }
  const metadata = applyMetadata(object.metadata, body, merge);
  const changed = { ...object, metadata, metageneration: object.metageneration + 1, updated: service.store.now() };
  return { json: objectJson(service.store.contents(bucket).save(changed), call.origin) };
}

function remove(service: Service, call: Call): Reply {
  const bucket = bucketOf(service, call, call.params.bucket);
  // 0, which Google's Go client sends so that its library may try again, is the live object.
  const generation = integer(call.query, "generation") || undefined;
  const object = objectOf(service, call, "storage.objects.delete", bucket, call.params.object as string, generation);
  checkPreconditions(preconditions(call.query), object);
  checkHolds(object);
  const contents = service.store.contents(bucket);
  // A named generation is deleted for good (or soft-deleted); a delete without one keeps a noncurrent version.
  if (generation === undefined) contents.retire(object, service.store.now());
  else contents.discard(object, service.store.now());
  return { status: 204 };
}

function softDeleted(service: Service, call: Call): ObjectRecord {
  const bucket = bucketOf(service, call, call.params.bucket);
  const name = call.params.object as string;
  service.permissions.onObject(call.principal, "storage.objects.get", bucket, name);
  const generation = integer(call.query, "generation");
  if (generation === undefined) throw required("generation");
  const object = service.store
    .contents(bucket)
    .generations("softDeleted", name)
    .find((candidate) => candidate.generation === generation);
  if (!object) throw service.permissions.missing(call.principal, "storage.objects.get", bucket, name);
  return object;
}

/** Makes a soft-deleted object live again, as a copy: the soft-deleted one stays until its time is over. */
function restore(service: Service, call: Call): Reply {
  const bucket = bucketOf(service, call, call.params.bucket);
  const name = call.params.object as string;
  if (flag(call.query, "copySourceAcl")) throw notModelled("copySourceAcl");
  for (const permission of ["storage.objects.restore", "storage.objects.create"]) {
    service.permissions.onObject(call.principal, permission, bucket, name);
  }
  const source = softDeleted(service, call);
  const contents = service.store.contents(bucket);
  const current = contents.live(name);
  if (current) service.permissions.onObject(call.principal, "storage.objects.delete", bucket, name);
  checkPreconditions(preconditions(call.query), current);
  if (current) checkHolds(current);
  const draft = { bucket: bucket.name, name, metadata: source.metadata, storageClass: source.storageClass };
  const { size, crc32c, md5Hash, componentCount } = source;
  const record = newRecord(service, bucket, { ...draft, preconditions: {} }, { size, crc32c, md5Hash, componentCount });
  return { json: objectJson(contents.addCopy(record, contents.file(source)), call.origin) };
}
