// Uploads that go on after they were broken off, also by another process: Cloud Storage's resumable protocol
// (cloud.google.com/storage/docs/performing-resumable-uploads). The session comes from the official client; its bytes
// are sent here, because the client's own stream forgets the login at any endpoint but Google's (8.4.0).
import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { access, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { loginHeaders } from "./auth.ts";
import { fileCrc } from "./checksum.ts";
import { retrying, UserError } from "./errors.ts";
import { fileError, makeFolder } from "./files.ts";
import type { Meter } from "./progress.ts";
import type { Objects } from "./storage.ts";

export interface Upload {
  file: string;
  /** The object's name. */
  name: string;
  size: number;
  /** Milliseconds since 1970. */
  modified: number;
}

/** How often in a row a connection may break before a single byte has arrived. */
const TRIES = 5;
/** Google keeps a session for a week. */
const SESSION_MS = 6 * 24 * 3_600_000;

export async function sendResumable(objects: Objects, bucket: string, upload: Upload, meter: Meter): Promise<void> {
  const session = await openSession(objects, bucket, upload);
  let counted = 0;
  let idle = 0;
  for (;;) {
    const state = await retrying(() => ask(session.uri, upload.size));
    if (state === "gone") {
      await session.forget();
      throw new UserError(`Google has forgotten the upload of ${upload.file} half way; run the command again.`);
    }
    if (state.done) {
      await session.forget();
      meter.add(upload.size - counted, upload.name);
      await compare(upload, state.crc32c);
      return;
    }
    meter.add(state.offset - counted, upload.name);
    idle = state.offset > counted ? 0 : idle + 1;
    counted = state.offset;
    if (idle > TRIES) {
      throw new UserError(
        `${upload.file} does not get through: the connection breaks again and again. Run the command again; it goes on at byte ${state.offset}.`,
      );
    }
    if (idle > 1) await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** idle));
    await requireSame(upload);
    const body = createReadStream(upload.file, { start: state.offset });
    body.on("data", (chunk) => {
      counted += chunk.length;
      meter.add(chunk.length, upload.name);
    });
    const before = state.offset;
    const range = `bytes ${state.offset}-${upload.size - 1}/${upload.size}`;
    const length = String(upload.size - state.offset);
    // Whatever the answer is, or if there is none: the next question tells how far it came.
    await put(session.uri, { "content-range": range, "content-length": length }, body).catch(() => undefined);
    body.destroy();
    if (counted === before) idle += 1;
  }
}

type State = { done: true; crc32c: string } | { done: false; offset: number } | "gone";

async function ask(uri: string, size: number): Promise<State> {
  const response = await put(uri, { "content-range": `bytes */${size}`, "content-length": "0" });
  if (response.status === 308) {
    const range = /-(\d+)$/.exec(response.headers.get("range") ?? "");
    return { done: false, offset: range ? Number(range[1]) + 1 : 0 };
  }
  if (response.ok)
    return { done: true, crc32c: String(((await response.json()) as { crc32c?: unknown }).crc32c ?? "") };
  if (response.status === 404 || response.status === 410) return "gone";
  throw Object.assign(new Error(await response.text()), { status: response.status });
}

async function put(uri: string, headers: Record<string, string>, body?: Readable): Promise<Response> {
  const all = await loginHeaders(uri);
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  const stream = body ? { body: Readable.toWeb(body) as ReadableStream, duplex: "half" as const } : {};
  return fetch(uri, { method: "PUT", headers: all, redirect: "manual", ...stream });
}

/** A file that shrank or went cannot be sent to its end; one that nobody may read not at all. */
async function requireSame({ file, size, modified }: Upload): Promise<void> {
  await access(file, constants.R_OK);
  const now = await stat(file);
  if (now.size === size && now.mtimeMs === modified) return;
  throw new UserError(`${file} changed while it was uploaded; run the command again when nobody writes to it.`);
}

async function compare(upload: Upload, crc32c: string): Promise<void> {
  if (!crc32c || crc32c === (await fileCrc(upload.file))) return;
  throw new UserError(
    `${upload.file} arrived with another checksum than it has here (did it change?); run the command again.`,
  );
}

interface Session {
  uri: string;
  forget(): Promise<void>;
}

/** The upload's session at Google, remembered on this computer for as long as the file stays the same. */
async function openSession(objects: Objects, bucket: string, upload: Upload): Promise<Session> {
  const cache = process.env.XDG_CACHE_HOME?.trim() || join(homedir(), ".cache");
  const identity = JSON.stringify([bucket, upload.name, await realpath(upload.file), upload.size, upload.modified]);
  const record = join(cache, "ml-training", "uploads", createHash("sha256").update(identity).digest("hex"));
  const forget = () => rm(record, { force: true });
  const old = await readFile(record, "utf8").catch(() => "");
  if (old) {
    const { uri, begun } = recordOf(old);
    const state = Date.now() - begun < SESSION_MS ? await ask(uri, upload.size).catch(() => "gone") : "gone";
    // A finished one was finished in an earlier life: what is in the bucket now may be something else.
    if (typeof state === "object" && !state.done) return { uri, forget };
  }
  const file = await objects.file(bucket, upload.name);
  const [uri] = await retrying(() => file.createResumableUpload());
  // Who knows the address may write the object, so nobody else may read it.
  try {
    await makeFolder(dirname(record), 0o700);
    await writeFile(record, JSON.stringify({ uri, begun: Date.now() }), { mode: 0o600 });
  } catch (error) {
    throw fileError(error, `Writing ${record}, where unfinished uploads are remembered (XDG_CACHE_HOME moves it),`);
  }
  return { uri, forget };
}

/** What was written down about a session; one that lies in the distant past if it cannot be read. */
function recordOf(text: string): { uri: string; begun: number } {
  try {
    const { uri, begun } = JSON.parse(text) as { uri?: unknown; begun?: unknown };
    if (typeof uri === "string" && typeof begun === "number") return { uri, begun };
  } catch {
    // Cut off half way, or written by hand.
  }
  return { uri: "", begun: 0 };
}
