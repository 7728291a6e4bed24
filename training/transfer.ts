// Files to and from the buckets: what is there already is left alone, what was broken off goes on where it was, and
// what arrives is compared by checksum.

import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readdir, realpath, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { loginHeaders } from "./auth.ts";
import { fileCrc } from "./checksum.ts";
import { mediaUrl } from "./endpoints.ts";
import { explained, isTransient, statusOf, UserError } from "./errors.ts";
import type { BucketPath } from "./paths.ts";
import { localParts } from "./paths.ts";
import { type Meter, Progress } from "./progress.ts";
import { sendResumable, type Upload } from "./resumable.ts";
import type { ObjectInfo, Objects } from "./storage.ts";

export interface TransferReport {
  /** Files that were sent or fetched. */
  transferred: number;
  /** Files that were there with the same contents. */
  skipped: number;
  bytes: number;
}

export interface TransferOptions {
  /** Bytes done of all bytes, files included that are skipped. */
  progress?: (done: number, total: number, file: string) => void;
}

const AT_ONCE = 6;
/** How often in a row a connection may break without a byte. */
const TRIES = 5;
/** Above this, an upload keeps a session and can go on after it was broken off. */
const RESUMABLE_BYTES = 8 * 1024 * 1024;

/** Uploads a file, or a folder's contents, to below a path. */
export async function putFiles(
  objects: Objects,
  source: string,
  target: BucketPath,
  options: TransferOptions = {},
): Promise<TransferReport> {
  const info = await stat(source).catch(() => undefined);
  if (!info) throw new UserError(`There is no file or folder ${source} to upload.`);
  const base = target.path.replace(/\/+$/, "");
  const uploads: Upload[] = [];
  if (info.isDirectory()) await collect(source, base, uploads, await realpath(source));
  else {
    const name = target.path === "" || target.path.endsWith("/") ? join2(base, basename(source)) : base;
    uploads.push({ file: source, name, size: info.size, modified: info.mtimeMs });
  }
  if (uploads.length === 0) throw new UserError(`The folder ${source} is empty; nothing was uploaded.`);
  const there = new Map<string, ObjectInfo>();
  const prefix = info.isDirectory() && base ? `${base}/` : base;
  const listing = await objects.list(target.bucket, { prefix });
  for (const object of listing.objects) there.set(object.name, object);

  const meter = new Progress(
    uploads.reduce((sum, upload) => sum + upload.size, 0),
    options.progress,
  );
  return transfer(uploads, async (upload) => {
    const old = there.get(upload.name);
    if (old && old.size === upload.size && old.crc32c === (await fileCrc(upload.file))) {
      meter.add(upload.size, upload.name);
      return undefined;
    }
    await send(objects, target.bucket, upload, meter);
    return upload.size;
  });
}

async function collect(folder: string, base: string, uploads: Upload[], root: string): Promise<void> {
  for (const entry of (await readdir(folder, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    const name = join2(base, entry.name.normalize("NFC"));
    if (entry.isDirectory()) await collect(path, name, uploads, root);
    else {
      const info = await stat(path).catch(() => undefined);
      if (!info?.isFile())
        throw new UserError(`${path} is no regular file; only files are uploaded. Move it out of ${root}.`);
      uploads.push({ file: path, name, size: info.size, modified: info.mtimeMs });
    }
  }
}

async function send(objects: Objects, bucket: string, upload: Upload, meter: Meter): Promise<void> {
  try {
    if (upload.size > RESUMABLE_BYTES) return await sendResumable(objects, bucket, upload, meter);
    const file = await objects.file(bucket, upload.name);
    const stream = file.createWriteStream({ resumable: false, validation: "crc32c" });
    await pipeline(createReadStream(upload.file), meter.through(upload.name), stream);
  } catch (error) {
    throw missingBucket(error, bucket) ?? explained(error, `Uploading ${upload.file}`);
  }
}

/** Downloads an object, or everything below a path, into a folder. */
export async function fetchFiles(
  objects: Objects,
  source: BucketPath,
  folder: string,
  options: TransferOptions = {},
): Promise<TransferReport> {
  const base = source.path.replace(/\/+$/, "");
  const below = base === "" ? "" : `${base}/`;
  const { objects: found } = await objects.list(source.bucket, { prefix: base });
  const wanted = found.filter(({ name }) => (name === base || name.startsWith(below)) && !name.endsWith("/"));
  if (wanted.length === 0) {
    throw new UserError(
      `gs://${source.bucket}/${source.path} does not exist: no object has that name or lies below it.`,
    );
  }
  const targets = wanted.map((object) => {
    const inside = object.name === base ? basename(base) : object.name.slice(below.length);
    return { object, file: join(folder, ...localParts(inside)) };
  });
  const meter = new Progress(
    wanted.reduce((sum, object) => sum + object.size, 0),
    options.progress,
  );
  return transfer(targets, async ({ object, file }) => {
    const local = await stat(file).catch(() => undefined);
    if (local?.isFile() && local.size === object.size && (await fileCrc(file)) === object.crc32c) {
      meter.add(object.size, object.name);
      return undefined;
    }
    await receive(source.bucket, object, file, meter);
    return object.size;
  });
}

async function receive(bucket: string, object: ObjectInfo, file: string, meter: Meter): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  // The generation in the name: a part of an older version is never continued with a newer one.
  const part = `${file}.${object.generation}.part`;
  const sizeOf = async () => (await stat(part).catch(() => undefined))?.size ?? 0;
  if (object.size === 0 || (await sizeOf()) > object.size) await writeFile(part, "");
  let have = await sizeOf();
  meter.add(have, object.name);
  for (let idle = 0; have < object.size; ) {
    try {
      await append(bucket, object, part, have, meter);
    } catch (error) {
      const gone = statusOf(error) === 404;
      if (gone) throw new UserError(`gs://${bucket}/${object.name} does not exist any more; run the command again.`);
      if ((statusOf(error) !== undefined && !isTransient(error)) || idle >= TRIES) {
        throw explained(error, `Downloading gs://${bucket}/${object.name}`);
      }
    }
    const now = await sizeOf();
    idle = now > have ? 0 : idle + 1;
    if (idle > 0) await new Promise((resolve) => setTimeout(resolve, 250 * 2 ** idle));
    have = now;
  }
  if (object.crc32c && (await fileCrc(part)) !== object.crc32c) {
    await rm(part, { force: true });
    throw new UserError(
      `gs://${bucket}/${object.name} arrived with another checksum than it has there; run the command again.`,
    );
  }
  await rename(part, file);
  const updated = new Date(object.updated);
  if (!Number.isNaN(updated.getTime())) await utimes(file, updated, updated);
}

/** Fetches from byte `start` on and appends to `part`, as far as the connection holds. */
async function append(bucket: string, object: ObjectInfo, part: string, start: number, meter: Meter): Promise<void> {
  const url = mediaUrl(bucket, object.name, object.generation);
  const headers = await loginHeaders(url);
  if (start > 0) headers.set("range", `bytes=${start}-`);
  const response = await fetch(url, { headers });
  if (!response.ok || !response.body) {
    throw Object.assign(new Error((await response.text()).slice(0, 500)), { status: response.status });
  }
  // Who does not know ranges sends all of it.
  const flags = start > 0 && response.status === 206 ? "a" : "w";
  await pipeline(response.body, meter.through(object.name), createWriteStream(part, { flags }));
}

function missingBucket(error: unknown, bucket: string): UserError | undefined {
  return statusOf(error) === 404
    ? new UserError(`gs://${bucket} (or the object in it) does not exist any more.`)
    : undefined;
}

/** Does `job` (which returns the bytes it moved, if it did) for each item, a few at a time; the first error ends it. */
async function transfer<T>(
  items: readonly T[],
  job: (item: T) => Promise<number | undefined>,
): Promise<TransferReport> {
  const report: TransferReport = { transferred: 0, skipped: 0, bytes: 0 };
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      try {
        const bytes = await job(item);
        report.bytes += bytes ?? 0;
        if (bytes === undefined) report.skipped += 1;
        else report.transferred += 1;
      } catch (error) {
        queue.length = 0;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
  return report;
}

function join2(base: string, name: string): string {
  return base ? `${base}/${name}` : name;
}
