import type { Call } from "../../core/http.ts";
import type { BucketRecord } from "./bucket-record.ts";
import { bucketMissing, denied } from "./errors.ts";
import type { ObjectRecord } from "./object-record.ts";
import type { Permissions } from "./permissions.ts";
import type { Store } from "./store.ts";

/** What the handlers of this service share. */
export interface Service {
  store: Store;
  permissions: Permissions;
}

/** The live bucket of this name, or 404. A bucket's name is no secret, but an anonymous caller is asked who it is. */
export function bucketOf(service: Service, call: Pick<Call, "principal">, name: string | undefined): BucketRecord {
  const bucket = service.store.bucket(name ?? "");
  if (bucket) return bucket;
  if (call.principal.kind === "anonymous") throw denied(call.principal, "storage.buckets.get", "bucket");
  throw bucketMissing();
}

/** A generation of an object that the caller may use with `permission`; without a generation the live one. */
export function objectOf(
  service: Service,
  call: Pick<Call, "principal">,
  permission: string,
  bucket: BucketRecord,
  name: string,
  generation?: number,
): ObjectRecord {
  service.permissions.onObject(call.principal, permission, bucket, name);
  const object = service.store.contents(bucket).find(name, generation);
  if (!object) throw service.permissions.missing(call.principal, permission, bucket, name);
  return object;
}
