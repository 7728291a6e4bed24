// Files to and from the buckets: what is there already is left alone, what was broken off goes on where it was, and
// what arrives is compared by checksum.

import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readdir, readFile, realpath, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileCrc } from "./checksum.ts";
import { explained, statusOf, UserError } from "./errors.ts";
import type { BucketPath } from "./paths.ts";
import { localParts } from "./paths.ts";
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
/** Above this, an upload keeps a session and can go on after it was broken off. */
const RESUMABLE_BYTES = 8 * 1024 * 1024;

interface Upload {
  file: string;
  name: string;
  size: number;
  modified: number;
}

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

  const meter = new Meter(
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
  const file = await objects.file(bucket, upload.name);
  const large = upload.size > RESUMABLE_BYTES;
  try {
    const session = large ? await openSession(objects, bucket, upload) : undefined;
    const stream = file.createWriteStream({
      resumable: large,
      validation: "crc32c",
      ...(session ? { uri: session.uri, metadata: { contentLength: upload.size } } : {}),
    });
    await pipeline(createReadStream(upload.file), meter.through(upload.name), stream);
    await session?.close();
  } catch (error) {
    throw missingBucket(error, bucket) ?? explained(error, `Uploading ${upload.file}`);
  }
}

interface Session {
  uri: string;
  close(): Promise<void>;
}

/** An upload's session at Google, remembered on this computer for as long as the file stays the same (a day at most). */
async function openSession(objects: Objects, bucket: string, upload: Upload): Promise<Session> {
  const cache = process.env.XDG_CACHE_HOME?.trim() || join(homedir(), ".cache");
  const identity = JSON.stringify([bucket, upload.name, await realpath(upload.file), upload.size, upload.modified]);
  const record = join(cache, "ml-training", "uploads", createHash("sha256").update(identity).digest("hex"));
  const close = () => rm(record, { force: true });
  const old = await readFile(record, "utf8").catch(() => "");
  if (old) {
    const { uri, begun } = JSON.parse(old) as { uri: string; begun: number };
    if (Date.now() - begun < 24 * 3_600_000 && (await sessionLives(objects, uri))) return { uri, close };
  }
  const file = await objects.file(bucket, upload.name);
  const [uri] = await file.createResumableUpload();
  await mkdir(dirname(record), { recursive: true, mode: 0o700 });
  await writeFile(record, JSON.stringify({ uri, begun: Date.now() }), { mode: 0o600 });
  return { uri, close };
}

async function sessionLives(objects: Objects, uri: string): Promise<boolean> {
  const client = await objects.client();
  try {
    const response = await client.authClient.request({
      url: uri,
      method: "PUT",
      headers: { "content-range": "bytes */*", "content-length": "0" },
      validateStatus: () => true,
      retry: false,
    });
    // 308: it waits for more. Finished or gone: begin anew.
    return response.status === 308;
  } catch {
    return false;
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
  const meter = new Meter(
    wanted.reduce((sum, object) => sum + object.size, 0),
    options.progress,
  );
  return transfer(targets, async ({ object, file }) => {
    const local = await stat(file).catch(() => undefined);
    if (local?.isFile() && local.size === object.size && (await fileCrc(file)) === object.crc32c) {
      meter.add(object.size, object.name);
      return undefined;
    }
    await receive(objects, source.bucket, object, file, meter);
    return object.size;
  });
}

async function receive(
  objects: Objects,
  bucket: string,
  object: ObjectInfo,
  file: string,
  meter: Meter,
): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  // The generation in the name: a part of an older version is never continued with a newer one.
  const part = `${file}.${object.generation}.part`;
  const have = (await stat(part).catch(() => undefined))?.size ?? 0;
  const start = have < object.size ? have : 0;
  try {
    if (object.size > start) {
      const remote = await objects.file(bucket, object.name, object.generation);
      meter.add(start, object.name);
      const from = remote.createReadStream({ start, validation: false });
      await pipeline(from, meter.through(object.name), createWriteStream(part, { flags: start > 0 ? "a" : "w" }));
    } else await writeFile(part, "");
  } catch (error) {
    throw missingBucket(error, bucket) ?? explained(error, `Downloading gs://${bucket}/${object.name}`);
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

/** Counts bytes as they pass. */
class Meter {
  readonly #total: number;
  readonly #tell: TransferOptions["progress"];
  #done = 0;

  constructor(total: number, tell: TransferOptions["progress"]) {
    this.#total = total;
    this.#tell = tell;
  }

  add(bytes: number, file: string): void {
    this.#done += bytes;
    this.#tell?.(Math.min(this.#done, this.#total), this.#total, file);
  }

  through(file: string): Transform {
    return new Transform({
      transform: (chunk: Buffer, _encoding, next) => {
        this.add(chunk.length, file);
        next(null, chunk);
      },
    });
  }
}

function join2(base: string, name: string): string {
  return base ? `${base}/${name}` : name;
}
