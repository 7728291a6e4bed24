import { randomBytes } from "node:crypto";
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Principal } from "../../core/access.ts";
import { GoogleError } from "../../core/errors.ts";
import type { Call, Reply, Router } from "../../core/http.ts";
import type { Collection } from "../../core/state.ts";
import { draftOf } from "./draft.ts";
import { endpoint } from "./endpoint.ts";
import { invalid } from "./errors.ts";
import { objectJson } from "./object-record.ts";
import { type Claims, claims, Digest, digestOf, PayloadWriter, verify } from "./payload.ts";
import { checkPut, type Draft, putObject } from "./put-object.ts";
import { header } from "./query.ts";
import { bucketOf, type Service } from "./service.ts";

/** What is kept of an unfinished upload is a multiple of this. */
const GRANULE = 256 * 1024;
const HOUR = 3_600_000;
const WEEK = 7 * 24 * HOUR;

interface Session {
  id: string;
  draft: Draft & { claims: Claims };
  /** Who began it: the address of the session is the right to go on. */
  principal: Principal;
  created: number;
  /** As announced by `X-Upload-Content-Length`. */
  total?: number;
  state: "open" | "cancelled" | "done";
  generation?: number;
}

/** What a process knows of a session besides its record. A later request takes the turn from one that hangs. */
interface Progress {
  turn: symbol;
  digest?: Digest;
}

const PROGRESS = new Map<string, Progress>();

function sessions(service: Service): Collection<Session> {
  return service.store.cloud.state.collection<Session>("storage/uploads");
}

function fileOf(service: Service, session: Session): string {
  return join(service.store.incoming, session.id);
}

export async function startResumable(service: Service, call: Call): Promise<Reply> {
  const bucket = bucketOf(service, call, call.params.bucket);
  const draft = draftOf(call, bucket, await call.json(), header(call, "x-upload-content-type"));
  checkPut(service, call.principal, draft);
  const announced = header(call, "x-upload-content-length");
  if (announced !== undefined && !/^\d+$/.test(announced)) {
    throw invalid(`Invalid X-Upload-Content-Length: '${announced}'.`);
  }
  const session: Session = {
    id: `A${randomBytes(48).toString("base64url")}`,
    draft,
    principal: call.principal,
    created: service.store.cloud.now(),
    state: "open",
    ...(announced === undefined ? {} : { total: Number(announced) }),
  };
  removeOld(service);
  sessions(service).set(session.id, session);
  const digest = new Digest();
  new PayloadWriter(fileOf(service, session), digest).close();
  PROGRESS.set(session.id, { turn: Symbol(), digest });
  const query = new URLSearchParams({ uploadType: "resumable", name: draft.name, upload_id: session.id });
  const location = `${call.origin}/upload/storage/v1/b/${bucket.name}/o?${query}`;
  return { status: 200, headers: { location, "x-guploader-uploadid": session.id }, body: "" };
}

/** The requests that go to a session's address. */
export function resumableRoutes(router: Router, service: Service): void {
  for (const root of ["/upload", "/resumable/upload"]) {
    const path = `${root}/storage/v1/b/{bucket}/o`;
    endpoint(router, "PUT", path, "name", (call) => proceed(service, call));
    endpoint(router, "DELETE", path, "name", (call) => cancel(service, call));
  }
}

function sessionOf(service: Service, call: Call): Session {
  const id = call.query.get("upload_id");
  if (!id) throw invalid("A resumable upload is continued at the address of its session.");
  const session = sessions(service).get(id);
  if (!session || session.draft.bucket !== call.params.bucket) {
    throw new GoogleError(404, "notFound", "No such upload session.");
  }
  if (session.state === "cancelled") throw new GoogleError(499, "cancelled", "The upload was cancelled.");
  if (service.store.cloud.now() - session.created > WEEK) {
    throw new GoogleError(410, "uploadBroken", "The upload session is older than a week.");
  }
  return session;
}

function cancel(service: Service, call: Call): Reply {
  const session = sessionOf(service, call);
  if (session.state === "open") {
    sessions(service).set(session.id, { ...session, state: "cancelled" });
    PROGRESS.delete(session.id);
    rmSync(fileOf(service, session), { force: true });
  }
  return { status: 499, body: "" };
}

/** Which bytes a request carries, by its Content-Range. */
interface Range {
  first: number;
  /** Inclusive; unknown when the request is a stream. */
  last?: number;
  /** `undefined`: not known yet. */
  total?: number;
  /** The content ends where the request ends. */
  final: boolean;
  query: boolean;
}

function rangeOf(text: string | undefined): Range {
  if (text === undefined) return { first: 0, final: true, query: false };
  const [, span, first, last, total] = /^bytes (\*|(\d+)-(\d+|\*))\/(\d+|\*)$/.exec(text.trim()) ?? [];
  if (span === undefined) throw invalid(`Failed to parse Content-Range header: '${text}'.`);
  const whole = total === "*" ? undefined : Number(total);
  if (span === "*") return { first: 0, total: whole, final: false, query: true };
  const end = last === "*" ? undefined : Number(last);
  if (end !== undefined && (end < Number(first) || (whole !== undefined && end >= whole))) {
    throw invalid(`Invalid Content-Range header: '${text}'.`);
  }
  const final = end === undefined || (whole !== undefined && end === whole - 1);
  return { first: Number(first), last: end, total: whole, final, query: false };
}

/** Takes what a request to a session brings. */
export async function proceed(service: Service, call: Call): Promise<Reply> {
  const session = sessionOf(service, call);
  if (session.state === "done") return finished(service, call, session);
  const range = rangeOf(header(call, "content-range"));
  const file = fileOf(service, session);
  const turn = Symbol();
  const progress: Progress = { turn, digest: PROGRESS.get(session.id)?.digest };
  PROGRESS.set(session.id, progress);
  const persisted = statSync(file).size;
  if (range.query) {
    if (range.total !== undefined && range.total === persisted) return finish(service, call, session, progress);
    return incomplete(call, session, settle(file, persisted, progress));
  }
  const start = settle(file, persisted, progress);
  if (range.first > start) {
    throw invalid(
      `Invalid request. According to the Content-Range header, the upload offset is ${range.first} byte(s), ` +
        `which exceeds already uploaded size of ${start} byte(s).`,
    );
  }
  const end = await take(call, session, range, file, start, progress);
  if (range.final) return finish(service, call, session, progress);
  if (end - start < GRANULE && end < (range.last ?? 0) + 1) {
    throw invalid(
      "Invalid request. The number of bytes uploaded is required to be equal or greater than 262144, except for the " +
        "final request (it's recommended to be the exact multiple of 262144). The received request contained " +
        `${(range.last ?? 0) - range.first + 1} bytes, which does not meet this requirement.`,
    );
  }
  return incomplete(call, session, end);
}

/** Cuts what a broken request left to what Google would have kept. */
function settle(file: string, size: number, progress: Progress): number {
  const kept = size - (size % GRANULE);
  if (kept === size) return size;
  const writer = new PayloadWriter(file, new Digest(), size);
  writer.truncate(kept);
  writer.close();
  progress.digest = undefined;
  return kept;
}

/** Writes the request's bytes behind those that are there; answers how many are kept. */
async function take(
  call: Call,
  session: Session,
  range: Range,
  file: string,
  start: number,
  progress: Progress,
): Promise<number> {
  progress.digest = progress.digest?.size === start ? progress.digest : await digestOf(file);
  const writer = new PayloadWriter(file, progress.digest, start);
  // Bytes that are there already are not written twice.
  let skip = start - range.first;
  let received = 0;
  try {
    for await (const piece of call.raw) {
      checkTurn(session, progress);
      const chunk = piece as Buffer;
      received += chunk.length;
      if (range.last !== undefined && received > range.last - range.first + 1) {
        throw invalid("The request carries more bytes than its Content-Range says.");
      }
      const dropped = Math.min(skip, chunk.length);
      skip -= dropped;
      if (dropped < chunk.length) writer.write(chunk.subarray(dropped));
    }
    checkTurn(session, progress);
    if (range.last !== undefined && received !== range.last - range.first + 1) {
      throw invalid("The request carries fewer bytes than its Content-Range says.");
    }
  } finally {
    writer.close();
  }
  return range.final ? writer.position : settle(file, writer.position, progress);
}

function checkTurn(session: Session, progress: Progress): void {
  if (PROGRESS.get(session.id)?.turn === progress.turn) return;
  throw new GoogleError(409, "conflict", "A later request has taken this upload over.");
}

/** Google's Go client does not take 308, which its own library follows as a redirect, and asks for a 200 that says so. */
function incomplete(call: Call, session: Session, persisted: number): Reply {
  const headers: Record<string, string> = { "x-guploader-uploadid": session.id };
  if (persisted > 0) headers.range = `bytes=0-${persisted - 1}`;
  if (header(call, "x-guploader-no-308") !== "yes") return { status: 308, headers, body: "" };
  return { status: 200, headers: { ...headers, "x-http-status-code-override": "308" }, body: "" };
}

async function finish(service: Service, call: Call, session: Session, progress: Progress): Promise<Reply> {
  const file = fileOf(service, session);
  const size = statSync(file).size;
  const digest = progress.digest?.size === size ? progress.digest : await digestOf(file);
  progress.digest = undefined;
  if (session.total !== undefined && session.total !== size) {
    throw invalid(`The upload has ${size} bytes; X-Upload-Content-Length announced ${session.total}.`);
  }
  const checksums = digest.result();
  verify(checksums, claims(header(call, "x-goog-hash"), header(call, "content-md5"), session.draft.claims));
  const object = putObject(service, session.principal, session.draft, checksums, file);
  sessions(service).set(session.id, { ...session, state: "done", generation: object.generation });
  PROGRESS.delete(session.id);
  return { json: objectJson(object, call.origin) };
}

/** A finished session answers what it made. */
function finished(service: Service, call: Call, session: Session): Reply {
  const bucket = bucketOf(service, { principal: session.principal }, session.draft.bucket);
  const object = service.store.contents(bucket).find(session.draft.name, session.generation);
  if (!object) throw new GoogleError(410, "uploadBroken", "The upload is finished and its object is gone.");
  return { json: objectJson(object, call.origin) };
}

const LAST_CLEANING = new WeakMap<Service, number>();

function removeOld(service: Service): void {
  const now = service.store.cloud.now();
  if (now - (LAST_CLEANING.get(service) ?? 0) < HOUR) return;
  LAST_CLEANING.set(service, now);
  for (const session of sessions(service).values()) {
    if (now - session.created <= WEEK) continue;
    sessions(service).delete(session.id);
    PROGRESS.delete(session.id);
    rmSync(fileOf(service, session), { force: true });
  }
}
