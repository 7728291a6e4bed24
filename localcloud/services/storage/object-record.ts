import { etag } from "./bucket-record.ts";
import { checkBody } from "./endpoint.ts";
import { invalid } from "./errors.ts";
import { checkStorageClass } from "./lifecycle.ts";

/** What a caller sets on an object. */
export interface ObjectMetadata {
  cacheControl?: string;
  contentDisposition?: string;
  contentEncoding?: string;
  contentLanguage?: string;
  contentType?: string;
  customTime?: string;
  eventBasedHold?: boolean;
  temporaryHold?: boolean;
  metadata?: Record<string, string>;
}

export interface ObjectRecord {
  bucket: string;
  name: string;
  generation: number;
  metageneration: number;
  size: number;
  crc32c: string;
  /** A composed object has none. */
  md5Hash?: string;
  componentCount?: number;
  storageClass: string;
  metadata: ObjectMetadata;
  timeCreated: string;
  updated: string;
  timeStorageClassUpdated: string;
  state: "live" | "noncurrent" | "softDeleted";
  timeDeleted?: string;
  softDeleteTime?: string;
  hardDeleteTime?: string;
  /** The file that holds the content, in the bucket's folder. */
  payload: string;
}

const TEXTS = ["cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "contentType"] as const;
const HOLDS = ["eventBasedHold", "temporaryHold"] as const;
const OUTPUT = [
  "kind",
  "id",
  "selfLink",
  "mediaLink",
  "bucket",
  "generation",
  "metageneration",
  "size",
  "etag",
  "owner",
  "componentCount",
  "timeCreated",
  "timeFinalized",
  "timeDeleted",
  "timeStorageClassUpdated",
  "updated",
  "softDeleteTime",
  "hardDeleteTime",
  "retentionExpirationTime",
];
/** A list of entries instead of an object, as `acl`, is asked for only when it has entries. */
const KNOWN = ["acl", "contexts", "customerEncryption", "kmsKeyName", "retention"];

/** Of a new object only. */
export interface NewObject {
  name?: string;
  storageClass?: string;
  md5Hash?: string;
  crc32c?: string;
}

/** Metadata after a body is applied; `null` removes. `merge` keeps what the body does not name, as PATCH does. */
export function applyMetadata(before: ObjectMetadata, body: Record<string, unknown>, merge: boolean): ObjectMetadata {
  checkBody(
    body,
    "",
    [...TEXTS, ...HOLDS, "customTime", "metadata", "name", "storageClass", "md5Hash", "crc32c"],
    OUTPUT,
    KNOWN,
  );
  const after: ObjectMetadata = merge ? { ...before } : {};
  for (const name of TEXTS) {
    const value = body[name];
    if (value === undefined) continue;
    if (value !== null && typeof value !== "string") throw invalid(`Invalid value for ${name}: not a string.`);
    if (value === null || value === "") delete after[name];
    else after[name] = value;
  }
  for (const name of HOLDS) {
    const value = body[name];
    if (value === undefined) continue;
    if (value !== null && typeof value !== "boolean") throw invalid(`Invalid value for ${name}: not a boolean.`);
    if (value) after[name] = true;
    else delete after[name];
  }
  if (body.metadata !== undefined) after.metadata = customMetadata(before, body.metadata, merge);
  if (body.customTime !== undefined && body.customTime !== null) {
    const time = Date.parse(String(body.customTime));
    if (Number.isNaN(time)) throw invalid(`Invalid value for customTime: '${String(body.customTime)}'.`);
    after.customTime = new Date(time).toISOString();
  }
  if (before.customTime && (after.customTime ?? "") < before.customTime) {
    throw invalid("Custom time cannot be removed or set to an earlier date-time.");
  }
  return after;
}

function customMetadata(before: ObjectMetadata, given: unknown, merge: boolean): Record<string, string> | undefined {
  if (given === null) return undefined;
  if (typeof given !== "object" || Array.isArray(given)) throw invalid("Invalid value for metadata: not an object.");
  const all: Record<string, unknown> = merge ? { ...before.metadata, ...given } : { ...given };
  const kept: Record<string, string> = {};
  let bytes = 0;
  for (const [key, value] of Object.entries(all)) {
    if (value === null) continue;
    if (typeof value !== "string") throw invalid(`Invalid value for metadata.${key}: not a string.`);
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
    kept[key] = value;
  }
  if (bytes > 8192) throw invalid("The metadata of an object is limited to 8 KiB.");
  return Object.keys(kept).length > 0 ? kept : undefined;
}

export function newObject(body: Record<string, unknown>): NewObject {
  const text = (name: string): string | undefined => {
    const value = body[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "string") throw invalid(`Invalid value for ${name}: not a string.`);
    return value;
  };
  const storageClass = text("storageClass");
  return {
    name: text("name"),
    md5Hash: text("md5Hash"),
    crc32c: text("crc32c"),
    ...(storageClass ? { storageClass: checkStorageClass(storageClass.toUpperCase()) } : {}),
  };
}

export function objectEtag(object: ObjectRecord): string {
  return etag(object.generation, object.metageneration);
}

/** The object as the API shows it. The media link leads back to where the caller came in. */
export function objectJson(object: ObjectRecord, origin: string): Record<string, unknown> {
  const path = `storage/v1/b/${object.bucket}/o/${encodeURIComponent(object.name)}`;
  return {
    kind: "storage#object",
    id: `${object.bucket}/${object.name}/${object.generation}`,
    selfLink: `https://www.googleapis.com/${path}`,
    mediaLink: `${origin}/download/${path}?generation=${object.generation}&alt=media`,
    name: object.name,
    bucket: object.bucket,
    generation: String(object.generation),
    metageneration: String(object.metageneration),
    ...object.metadata,
    storageClass: object.storageClass,
    size: String(object.size),
    ...(object.md5Hash ? { md5Hash: object.md5Hash } : {}),
    crc32c: object.crc32c,
    ...(object.componentCount ? { componentCount: object.componentCount } : {}),
    etag: objectEtag(object),
    timeCreated: object.timeCreated,
    updated: object.updated,
    timeStorageClassUpdated: object.timeStorageClassUpdated,
    timeFinalized: object.timeCreated,
    ...(object.timeDeleted ? { timeDeleted: object.timeDeleted } : {}),
    ...(object.softDeleteTime ? { softDeleteTime: object.softDeleteTime, hardDeleteTime: object.hardDeleteTime } : {}),
  };
}
