import type { Principal } from "../../core/access.ts";
import { GoogleError } from "../../core/errors.ts";
import type { BucketRecord } from "./bucket-record.ts";
import { bucketMissing } from "./errors.ts";
import type { ObjectMetadata, ObjectRecord } from "./object-record.ts";
import type { Checksums } from "./payload.ts";
import { checkPreconditions, type Preconditions } from "./preconditions.ts";
import type { Service } from "./service.ts";

/** An object that is about to be: everything but its content. */
export interface Draft {
  bucket: string;
  name: string;
  metadata: ObjectMetadata;
  storageClass?: string;
  preconditions: Preconditions;
}

/**
 * Whether the draft may become an object now: rights, preconditions, holds. Asked before the content is read, so that
 * nothing is sent in vain, and again when it is all there.
 */
export function checkPut(service: Service, principal: Principal, draft: Draft): BucketRecord {
  const bucket = service.store.bucket(draft.bucket);
  if (!bucket) throw bucketMissing();
  service.permissions.onObject(principal, "storage.objects.create", bucket, draft.name);
  const current = service.store.contents(bucket).live(draft.name);
  if (current) service.permissions.onObject(principal, "storage.objects.delete", bucket, draft.name);
  checkPreconditions(draft.preconditions, current);
  if (current) checkHolds(current);
  return bucket;
}

/** An object under a hold stays as it is. */
export function checkHolds(object: ObjectRecord): void {
  const hold = object.metadata.temporaryHold ? "Temporary" : object.metadata.eventBasedHold ? "Event-Based" : undefined;
  if (!hold) return;
  throw new GoogleError(
    403,
    "objectUnderActiveHold",
    `Object '${object.bucket}/${object.name}' is under active ${hold} hold and cannot be deleted, overwritten or ` +
      "archived until hold is removed.",
  );
}

/** The record of a new generation. */
export function newRecord(
  service: Service,
  bucket: BucketRecord,
  draft: Draft,
  content: Omit<Checksums, "md5Hash"> & { md5Hash?: string; componentCount?: number },
): ObjectRecord {
  const now = service.store.now();
  return {
    bucket: draft.bucket,
    name: draft.name,
    generation: service.store.nextGeneration(),
    metageneration: 1,
    ...content,
    storageClass: draft.storageClass ?? bucket.settings.storageClass,
    metadata: draft.metadata,
    timeCreated: now,
    updated: now,
    timeStorageClassUpdated: now,
    state: "live",
    payload: service.store.newPayload(),
  };
}

/** Makes the object of a content that lies complete in `file`. */
export function putObject(
  service: Service,
  principal: Principal,
  draft: Draft,
  content: Parameters<typeof newRecord>[3],
  file: string,
): ObjectRecord {
  const bucket = checkPut(service, principal, draft);
  return service.store.contents(bucket).add(newRecord(service, bucket, draft, content), file);
}
