import { createReadStream, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { notModelled } from "../../core/errors.ts";
import type { Call, Reply, Router } from "../../core/http.ts";
import { refuseAcl } from "./draft.ts";
import { checkBody, endpoint } from "./endpoint.ts";
import { conditionNotMet, invalid } from "./errors.ts";
import { checkObjectName } from "./names.ts";
import { applyMetadata, newObject, type ObjectRecord, objectJson } from "./object-record.ts";
import { Digest, PayloadWriter } from "./payload.ts";
import { checkPreconditions, OBJECT_CONDITIONS, preconditions, SOURCE_CONDITIONS } from "./preconditions.ts";
import { checkHolds, checkPut, type Draft, newRecord, putObject } from "./put-object.ts";
import { integer } from "./query.ts";
import { bucketOf, objectOf, type Service } from "./service.ts";

const COPY_QUERY =
  `${OBJECT_CONDITIONS} ${SOURCE_CONDITIONS} sourceGeneration destinationPredefinedAcl destinationKmsKeyName ` +
  "rewriteToken maxBytesRewrittenPerCall";
const MOST_SOURCES = 32;

export function copyRoutes(router: Router, service: Service): void {
  const source = "/storage/v1/b/{bucket}/o/{object}";
  endpoint(router, "POST", `${source}/rewriteTo/b/{toBucket}/o/{toObject}`, COPY_QUERY, async (call) => {
    const object = await copy(service, call);
    return {
      json: {
        kind: "storage#rewriteResponse",
        totalBytesRewritten: String(object.size),
        objectSize: String(object.size),
        done: true,
        resource: objectJson(object, call.origin),
      },
    };
  });
  endpoint(router, "POST", `${source}/copyTo/b/{toBucket}/o/{toObject}`, COPY_QUERY, async (call) => ({
    json: objectJson(await copy(service, call), call.origin),
  }));
  const moveQuery = `${OBJECT_CONDITIONS} ${SOURCE_CONDITIONS}`;
  endpoint(router, "POST", `${source}/moveTo/o/{toObject}`, moveQuery, (call) => move(service, call));
  const composeQuery = `${OBJECT_CONDITIONS} destinationPredefinedAcl kmsKeyName`;
  endpoint(router, "POST", `${source}/compose`, composeQuery, (call) => compose(service, call));
}

/** A copy shares the file of its source, so it is done in one call whatever its size. */
async function copy(service: Service, call: Call): Promise<ObjectRecord> {
  const body = await call.json();
  const fromBucket = bucketOf(service, call, call.params.bucket);
  const toBucket = bucketOf(service, call, call.params.toBucket);
  const name = call.params.toObject as string;
  checkObjectName(name);
  refuseAcl(call.query, "destinationPredefinedAcl", toBucket, body);
  if (call.query.get("destinationKmsKeyName")) throw notModelled("destinationKmsKeyName");
  const generation = integer(call.query, "sourceGeneration");
  const source = objectOf(service, call, "storage.objects.get", fromBucket, call.params.object as string, generation);
  checkPreconditions(preconditions(call.query, "Source"), source);
  // With a body the metadata is the body's; without one the source's. Holds stay with the source.
  const { eventBasedHold: _, temporaryHold: __, ...metadata } = source.metadata;
  const given = newObject(body);
  const overrides = Object.keys(body).some((member) => member !== "storageClass");
  const draft: Draft = {
    bucket: toBucket.name,
    name,
    metadata: overrides ? applyMetadata({}, body, false) : metadata,
    storageClass: given.storageClass ?? (overrides ? undefined : source.storageClass),
    preconditions: preconditions(call.query),
  };
  checkPut(service, call.principal, draft);
  const { size, crc32c, md5Hash, componentCount } = source;
  const record = newRecord(service, toBucket, draft, { size, crc32c, md5Hash, componentCount });
  const file = service.store.contents(fromBucket).file(source);
  return service.store.contents(toBucket).addCopy(record, file);
}

/**
 * Renames an object within its bucket in one step ("Objects: move" of the JSON API's reference, read 2026-11-21): the
 * source goes without a soft-deleted or noncurrent version, what was at the destination is replaced as by an upload.
 */
function move(service: Service, call: Call): Reply {
  const bucket = bucketOf(service, call, call.params.bucket);
  const { object: from = "", toObject: name = "" } = call.params;
  checkObjectName(name);
  if (name === from) throw invalid("The source and the destination of a move must have different names.");
  const { principal } = call;
  const reads = service.permissions.hasOnObject(principal, "storage.objects.get", bucket, from);
  const removes = service.permissions.hasOnObject(principal, "storage.objects.delete", bucket, from);
  const permission = reads && removes ? "storage.objects.get" : "storage.objects.move";
  const source = objectOf(service, call, permission, bucket, from, undefined);
  checkPreconditions(preconditions(call.query, "Source"), source);
  checkHolds(source);
  const { metadata, storageClass, size, crc32c, md5Hash, componentCount } = source;
  const draft: Draft = { bucket: bucket.name, name, metadata, storageClass, preconditions: preconditions(call.query) };
  checkPut(service, principal, draft);
  const contents = service.store.contents(bucket);
  const record = newRecord(service, bucket, draft, { size, crc32c, md5Hash, componentCount });
  const moved = contents.addCopy(record, contents.file(source));
  contents.erase(source);
  return { json: objectJson(moved, call.origin) };
}

interface ComposeBody {
  /** Python's client sends null for what it does not know. */
  sourceObjects?: {
    name?: string;
    generation?: string | null;
    objectPreconditions?: { ifGenerationMatch?: string | null } | null;
  }[];
  destination?: Record<string, unknown>;
}

async function compose(service: Service, call: Call): Promise<Reply> {
  const body = await call.json<ComposeBody>();
  checkBody(body, "", ["sourceObjects", "destination"], ["kind"], ["deleteSourceObjects"]);
  const bucket = bucketOf(service, call, call.params.bucket);
  const name = call.params.object as string;
  checkObjectName(name);
  if (call.query.get("kmsKeyName")) throw notModelled("kmsKeyName");
  const destination = body.destination ?? {};
  refuseAcl(call.query, "destinationPredefinedAcl", bucket, destination);
  const wanted = body.sourceObjects ?? [];
  if (!Array.isArray(wanted) || wanted.length === 0) throw invalid("You must provide at least one source component.");
  if (wanted.length > MOST_SOURCES) {
    throw invalid(`The number of source components provided (${wanted.length}) exceeds the maximum (${MOST_SOURCES})`);
  }
  const sources = wanted.map((source) => composeSource(service, call, source));
  const draft: Draft = {
    bucket: bucket.name,
    name,
    metadata: applyMetadata({}, destination, false),
    storageClass: newObject(destination).storageClass,
    preconditions: preconditions(call.query),
  };
  checkPut(service, call.principal, draft);
  const object = await joinSources(service, call, draft, sources);
  return { json: objectJson(object, call.origin) };
}

function composeSource(
  service: Service,
  call: Call,
  wanted: NonNullable<ComposeBody["sourceObjects"]>[number],
): ObjectRecord {
  checkBody(wanted, "sourceObjects[].", ["name", "generation", "objectPreconditions"], [], []);
  if (!wanted.name) throw invalid("A source component needs a name.");
  const bucket = bucketOf(service, call, call.params.bucket);
  const generation = wanted.generation == null ? undefined : Number(wanted.generation);
  const object = objectOf(service, call, "storage.objects.get", bucket, wanted.name, generation);
  const match = wanted.objectPreconditions?.ifGenerationMatch;
  if (match != null && Number(match) !== object.generation) throw conditionNotMet();
  if (object.storageClass === "ARCHIVE") throw invalid("Objects of the class ARCHIVE are not composed.");
  return object;
}

async function joinSources(service: Service, call: Call, draft: Draft, sources: ObjectRecord[]): Promise<ObjectRecord> {
  const bucket = bucketOf(service, call, draft.bucket);
  const contents = service.store.contents(bucket);
  const file = join(service.store.incoming, service.store.newPayload());
  // All are opened at once: a source may be replaced, and its file removed, while the one before it is read.
  const streams = sources.map((source) => {
    const path = contents.file(source);
    return createReadStream(path, { fd: openSync(path, "r"), highWaterMark: 1 << 20 });
  });
  const digest = new Digest();
  const writer = new PayloadWriter(file, digest);
  try {
    try {
      for (const stream of streams) for await (const chunk of stream) writer.write(chunk as Buffer);
    } finally {
      writer.close();
      for (const stream of streams) stream.destroy();
    }
    const { size, crc32c } = digest.result();
    const componentCount = sources.reduce((sum, source) => sum + (source.componentCount ?? 1), 0);
    return putObject(service, call.principal, draft, { size, crc32c, componentCount }, file);
  } catch (error) {
    rmSync(file, { force: true });
    throw error;
  }
}
