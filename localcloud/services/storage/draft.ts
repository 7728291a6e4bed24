import { GoogleError, notModelled } from "../../core/errors.ts";
import type { Call } from "../../core/http.ts";
import type { BucketRecord } from "./bucket-record.ts";
import { invalid, required } from "./errors.ts";
import { checkObjectName } from "./names.ts";
import { applyMetadata, newObject } from "./object-record.ts";
import type { Claims } from "./payload.ts";
import { OBJECT_CONDITIONS, preconditions } from "./preconditions.ts";
import type { Draft } from "./put-object.ts";

/** Parameters of every way to upload. */
export const INSERT_QUERY = `${OBJECT_CONDITIONS} name contentEncoding kmsKeyName predefinedAcl`;

/** What an upload announces: the name and metadata of its object, and the checksums that it claims. */
export function draftOf(
  call: Call,
  bucket: BucketRecord,
  body: Record<string, unknown>,
  contentType: string | undefined,
): Draft & { claims: Claims } {
  refuseAcl(call.query, "predefinedAcl", bucket, body);
  if (call.query.get("kmsKeyName")) throw notModelled("kmsKeyName");
  const given = newObject(body);
  const name = call.query.get("name") ?? given.name;
  if (name === undefined) throw required("name");
  checkObjectName(name);
  const metadata = applyMetadata({}, body, false);
  const encoding = call.query.get("contentEncoding");
  if (encoding) metadata.contentEncoding = encoding;
  if (!metadata.contentType && contentType) metadata.contentType = contentType;
  return {
    bucket: bucket.name,
    name,
    metadata,
    storageClass: given.storageClass,
    preconditions: preconditions(call.query),
    claims: { md5Hash: given.md5Hash, crc32c: given.crc32c },
  };
}

/** ACLs have no place where access is uniform; elsewhere they are not modelled. */
export function refuseAcl(
  query: URLSearchParams,
  parameter: string,
  bucket: BucketRecord,
  body: Record<string, unknown> = {},
): void {
  const entries = Array.isArray(body.acl) && body.acl.length > 0;
  if (!query.get(parameter) && !entries) return;
  if (!bucket.settings.uniformAccess.enabled) throw notModelled(entries ? "acl" : parameter);
  throw invalid(
    "Cannot insert legacy ACL for an object when uniform bucket-level access is enabled. " +
      "Read more at https://cloud.google.com/storage/docs/uniform-bucket-level-access",
  );
}

export function uploadTypeMissing(): GoogleError {
  return new GoogleError(
    400,
    "badRequest",
    "Upload requests must include an uploadType of media, multipart or resumable.",
  );
}
