// Files to and from the buckets: what is there already is left alone, what was broken off goes on where it was, and
// what arrives is compared by checksum.

import { createReadStream, createWriteStream } from "node:fs";
import { readdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { loginHeaders } from "./auth.ts";
import { fileCrc } from "./checksum.ts";
import { mediaUrl } from "./endpoints.ts";
import { explained, isTransient, Problems, retrying, statusOf, UserError } from "./errors.ts";
import { fileError, fileReason, makeFolder, nameProblem, quotable } from "./files.ts";
import type { BucketPath } from "./paths.ts";
import { localParts } from "./paths.ts";
import { type Meter, Progress, through } from "./progress.ts";
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
/** Cloud Storage's own limit. */
const NAME_BYTES = 1024;
/** Folders of every data bucket, also while nothing is in them. */
const TOPS = ["input", "output"];

/** Uploads a file, or a folder's contents, to below a path. */
export async function putFiles(
  objects: Objects,
  source: string,
  target: BucketPath,
  options: TransferOptions = {},
): Promise<TransferReport> {
  const info = await stat(source).catch(() => undefined);
  if (!info) throw new UserError(`There is no file or folder "${quotable(source)}" to upload.`);
  if (!info.isDirectory() && !info.isFile()) {
    throw new UserError(
      `Only files and folders are uploaded; ${source} is a device or a pipe. Write it to a file first.`,
    );
  }
  let base = target.path.replace(/\/+$/, "");
  const listing = await objects.list(target.bucket, { prefix: info.isDirectory() && base ? `${base}/` : base });
  const there = new Map(listing.objects.map((object) => [object.name, object]));
  const uploads: Upload[] = [];
  const problems: string[] = [];
  if (info.isDirectory()) await collect(source, base, uploads, problems);
  else {
    // As `cp` does: a file goes into a folder that is there.
    const isFolder = target.path === "" || target.path.endsWith("/") || TOPS.includes(base) || hasBelow(there, base);
    if (isFolder) base = join2(base, basename(source).normalize("NFC"));
    uploads.push({ file: source, name: base, size: info.size, modified: info.mtimeMs });
  }
  for (const { file, name } of uploads) {
    const bytes = Buffer.byteLength(name);
    if (bytes > NAME_BYTES)
      problems.push(`${quotable(file)} would have a name of ${bytes} bytes, ${NAME_BYTES} is the most`);
  }
  if (problems.length > 0) throw new Problems("Nothing was uploaded", problems);
  if (uploads.length === 0) throw new UserError(`The folder ${source} holds no file; nothing was uploaded.`);

  const meter = new Progress(
    uploads.reduce((sum, upload) => sum + upload.size, 0),
    options.progress,
  );
  return transfer(uploads, async (upload) => {
    const old = there.get(upload.name);
    try {
      if (old && old.size === upload.size && old.crc32c === (await fileCrc(upload.file))) {
        meter.add(upload.size, upload.name);
        return undefined;
      }
      await send(objects, target.bucket, upload, meter);
    } catch (error) {
      throw fileError(error, `Reading ${upload.file}`);
    }
    return upload.size;
  });
}

function hasBelow(there: ReadonlyMap<string, ObjectInfo>, base: string): boolean {
  return [...there.keys()].some((name) => name.startsWith(`${base}/`));
}

async function collect(folder: string, base: string, uploads: Upload[], problems: string[]): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    problems.push(`${quotable(folder)} cannot be read: ${fileReason(error) ?? String(error)}`);
    return [];
  });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    const name = join2(base, entry.name.normalize("NFC"));
    const wrong = nameProblem(entry.name);
    if (wrong) problems.push(`${quotable(path)} has ${wrong}; rename it`);
    else if (entry.isDirectory()) await collect(path, name, uploads, problems);
    else {
      const info = await stat(path).catch(() => undefined);
      if (info?.isFile()) uploads.push({ file: path, name, size: info.size, modified: info.mtimeMs });
      else if (!info)
        problems.push(`${path} ${entry.isSymbolicLink() ? "is a link to nothing" : "cannot be read"}; remove it`);
      else if (info.isDirectory()) problems.push(`${path} is a link to a folder; put the folder itself there`);
      else problems.push(`${path} is neither file nor folder; remove it`);
    }
  }
}

async function send(objects: Objects, bucket: string, upload: Upload, meter: Meter): Promise<void> {
  try {
    if (upload.size > RESUMABLE_BYTES) return await sendResumable(objects, bucket, upload, meter);
    const file = await objects.file(bucket, upload.name);
    await retrying(async () => {
      let counted = 0;
      const counting: Meter = {
        add: (bytes) => {
          counted += bytes;
          meter.add(bytes, upload.name);
        },
      };
      const stream = file.createWriteStream({ resumable: false, validation: "crc32c" });
      try {
        await pipeline(createReadStream(upload.file), through(counting, upload.name), stream);
      } catch (error) {
        meter.add(-counted, upload.name);
        throw error;
      }
    });
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
    try {
      await receive(source.bucket, object, file, meter);
    } catch (error) {
      throw fileError(error, `Writing ${file}`);
    }
    return object.size;
  });
}

/** Downloads one object of exactly this generation; a part that is there is gone on with, the whole is compared. */
export async function receive(bucket: string, object: ObjectInfo, file: string, meter: Meter): Promise<void> {
  await makeFolder(dirname(file));
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
      if (fileReason(error)) throw error;
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
  await pipeline(response.body, through(meter, object.name), createWriteStream(part, { flags }));
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
