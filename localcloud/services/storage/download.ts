import { createReadStream, openSync } from "node:fs";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { GoogleError } from "../../core/errors.ts";
import type { Call, Reply } from "../../core/http.ts";
import { type ObjectRecord, objectEtag } from "./object-record.ts";
import { header } from "./query.ts";

/** The content of an object, whole or the range that is asked for, read from `file` as it is sent. */
export function download(call: Call, object: ObjectRecord, file: string): Reply {
  const { metadata } = object;
  const headers: Record<string, string> = {
    "content-type": metadata.contentType ?? "application/octet-stream",
    etag: objectEtag(object),
    "last-modified": new Date(object.updated).toUTCString(),
    "cache-control": metadata.cacheControl ?? "no-cache, no-store, max-age=0, must-revalidate",
    "x-goog-generation": String(object.generation),
    "x-goog-metageneration": String(object.metageneration),
    "x-goog-storage-class": object.storageClass,
    "x-goog-stored-content-encoding": metadata.contentEncoding ?? "identity",
    "x-goog-stored-content-length": String(object.size),
    "x-goog-hash": `crc32c=${object.crc32c}${object.md5Hash ? `,md5=${object.md5Hash}` : ""}`,
  };
  if (metadata.contentDisposition) headers["content-disposition"] = metadata.contentDisposition;
  if (metadata.contentLanguage) headers["content-language"] = metadata.contentLanguage;
  if (unpacks(call, object)) {
    const body = pipeline(read(file, 0, object.size), createGunzip(), () => {});
    return { headers: { ...headers, vary: "Accept-Encoding", warning: "214 UploadServer gunzipped" }, body };
  }
  if (metadata.contentEncoding) headers["content-encoding"] = metadata.contentEncoding;
  headers["accept-ranges"] = "bytes";
  const range = rangeOf(header(call, "range"), object.size);
  if (!range) {
    return { headers: { ...headers, "content-length": String(object.size) }, body: read(file, 0, object.size) };
  }
  const [first, last] = range;
  return {
    status: 206,
    headers: {
      ...headers,
      "content-range": `bytes ${first}-${last}/${object.size}`,
      "content-length": String(last - first + 1),
    },
    body: read(file, first, last + 1),
  };
}

/** Decompressive transcoding: what is stored in gzip is sent plain to a client that does not accept gzip. */
function unpacks(call: Call, object: ObjectRecord): boolean {
  if (object.metadata.contentEncoding !== "gzip") return false;
  if (/\bno-transform\b/.test(object.metadata.cacheControl ?? "")) return false;
  return !/\bgzip\b/.test(header(call, "accept-encoding") ?? "");
}

/** The file is opened at once: the object may be replaced, and its file removed, before the first byte is sent. */
function read(file: string, start: number, end: number): Readable {
  if (start === end) return Readable.from([]);
  return createReadStream(file, { fd: openSync(file, "r"), start, end: end - 1, highWaterMark: 1 << 18 });
}

/** First and last byte of a `Range`; `undefined` where the whole is sent: no range, several, or one that is none. */
function rangeOf(text: string | undefined, size: number): [number, number] | undefined {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(text?.trim() ?? "") ?? [];
  if (from === undefined || to === undefined || (from === "" && to === "")) return undefined;
  const first = from === "" ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1);
  if (from !== "" && to !== "" && Number(to) < first) return undefined;
  if (first >= size) {
    throw new GoogleError(416, "requestedRangeNotSatisfiable", `The requested range cannot be satisfied: ${text}.`);
  }
  return [first, last];
}
