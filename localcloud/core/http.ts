import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Principal } from "./access.ts";
import { GoogleError, notModelled } from "./errors.ts";

/** One request on its way through a service. */
export interface Call {
  readonly method: string;
  /** The decoded path, for messages. */
  readonly path: string;
  /** Decoded values of the `{name}` parts of the route. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly raw: IncomingMessage;
  readonly response: ServerResponse;
  readonly principal: Principal;
  /** `http(s)://host[:port]` as the client called it, for links such as an upload's session address. */
  readonly origin: string;
  /** The whole body. */
  body(): Promise<Buffer>;
  /** The body as JSON; `{}` when it is empty; 400 in Google's words when it is no JSON object. */
  json<T = Record<string, unknown>>(): Promise<T>;
}

export interface Reply {
  status?: number;
  headers?: Record<string, string>;
  /** Sent as `application/json`. */
  json?: unknown;
  /** Sent as it is. */
  body?: string | Buffer | Readable;
}

/** Answers a call. `undefined` means that the handler wrote to `call.response` itself. */
export type Handler = (call: Call) => Promise<Reply | undefined> | Reply | undefined;

interface Route {
  method: string;
  pattern: string;
  segments: string[];
  handler: Handler;
}

const VARIABLE = /^\{(\w+)\}(:\w+)?$/;

/**
 * Routes by method and path. A pattern's segment is a literal (`zones`), a variable (`{zone}`) or a variable with a
 * verb (`{project}:setIamPolicy`). A segment is decoded after the split, so an object's name may hold `%2F`.
 */
export class Router {
  readonly routes: Route[] = [];

  on(method: string, pattern: string, handler: Handler): this {
    const route = { method, pattern, segments: pattern.split("/").filter(Boolean), handler };
    // A custom method (`{project}:setIamPolicy`) is tried before the plain name, which would take its colon as its own.
    if (/:\w+$/.test(pattern)) this.routes.unshift(route);
    else this.routes.push(route);
    return this;
  }

  /** The route for a raw (still encoded) path, or `undefined`. */
  find(method: string, rawPath: string): { handler: Handler; params: Record<string, string> } | undefined {
    const parts = rawPath.split("/").filter(Boolean);
    for (const route of this.routes) {
      if (route.method !== method || route.segments.length !== parts.length) continue;
      const params = match(route.segments, parts);
      if (params) return { handler: route.handler, params };
    }
    return undefined;
  }
}

function match(segments: string[], parts: string[]): Record<string, string> | undefined {
  const params: Record<string, string> = {};
  for (const [index, segment] of segments.entries()) {
    const part = decodeURIComponent(parts[index] ?? "");
    const variable = VARIABLE.exec(segment);
    if (!variable) {
      if (segment !== part) return undefined;
      continue;
    }
    const [, name, verb = ""] = variable;
    if (!part.endsWith(verb)) return undefined;
    params[name as string] = part.slice(0, part.length - verb.length);
  }
  return params;
}

/** The largest body that is read into memory; uploads are streamed by the storage service. */
export const MAX_JSON_BYTES = 64 * 1024 * 1024;

export async function readBody(raw: IncomingMessage, limit = MAX_JSON_BYTES): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of raw) {
    size += (chunk as Buffer).length;
    if (size > limit) throw new GoogleError(413, "uploadTooLarge", `The request is larger than ${limit} bytes.`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

export function parseJson<T>(body: Buffer): T {
  const text = body.toString("utf8").trim();
  if (text === "") return {} as T;
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new GoogleError(400, "parseError", "Parse Error");
  }
}

export async function sendReply(response: ServerResponse, reply: Reply): Promise<void> {
  const status = reply.status ?? (reply.json === undefined && reply.body === undefined ? 204 : 200);
  const json = reply.json === undefined ? undefined : Buffer.from(JSON.stringify(reply.json));
  const body = json ?? reply.body;
  const headers: Record<string, string> = json ? { "content-type": "application/json; charset=UTF-8" } : {};
  if (typeof body === "string" || Buffer.isBuffer(body)) headers["content-length"] = String(Buffer.byteLength(body));
  response.writeHead(status, { ...headers, ...reply.headers });
  if (body === undefined || typeof body === "string" || Buffer.isBuffer(body)) response.end(body);
  else await pipeline(body, response);
}

export async function sendError(response: ServerResponse, error: unknown): Promise<void> {
  const known = error instanceof GoogleError ? error : new GoogleError(500, "backendError", String(error));
  // A client that went away in the middle of it is no mistake of ours, and there is nobody to answer.
  const gone = response.destroyed || response.socket === null;
  if (!(error instanceof GoogleError) && !gone) console.error(error);
  if (gone || response.headersSent) {
    response.destroy();
    return;
  }
  await sendReply(response, { status: known.code, json: known.body() });
}

/** The error for a path that no service has. */
export function noSuchMethod(method: string, path: string): GoogleError {
  return notModelled(`${method} ${path}`);
}
