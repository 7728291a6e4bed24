import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import { unauthenticated } from "./core/access/decide.ts";
import type { Principal } from "./core/access.ts";
import type { Cloud } from "./core/cloud.ts";
import { GoogleError, notModelled } from "./core/errors.ts";
import { breakAnswer } from "./core/faults.ts";
import { type Call, noSuchMethod, parseJson, type Router, readBody, sendError, sendReply } from "./core/http.ts";
import { isGoogleHost, pathForHost, serviceOf, withStoragePrefix } from "./hosts.ts";
import { projects } from "./services/resourcemanager/projects.ts";
import { requireEnabled } from "./services/serviceusage/enabled.ts";
import { storeOf } from "./services/storage/store.ts";

/** `open`: calls without a token are the operator's; `closed`: they are refused; `guest`: closed, routed by host name. */
export type Door = "open" | "closed" | "guest";

export interface FrontOptions {
  cloud: Cloud;
  /** The project that calls without one are counted to. */
  project: string;
  /** Asked in order; the first that knows the method and path answers. */
  routers: readonly Router[];
}

/** What stands before every service: who calls, planned faults, whether the API is enabled, and which service answers. */
export function createFront(options: FrontOptions, door: Door): RequestListener {
  return (raw, response) => {
    handle(options, door, raw, response).catch((error: unknown) => refuse(raw, response, error));
  };
}

async function handle(
  options: FrontOptions,
  door: Door,
  raw: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { cloud, routers } = options;
  const host = (raw.headers.host ?? "").replace(/:\d+$/, "").toLowerCase();
  const url = raw.url ?? "/";
  const at = url.indexOf("?");
  const sent = at < 0 ? url : url.slice(0, at);
  const isBucket = (name: string) => storeOf(cloud).bucket(name) !== undefined;
  const rawPath = withProjectId(cloud, door === "guest" ? guestPath(host, sent) : withStoragePrefix(sent, isBucket));
  const path = decoded(rawPath);
  const method = overridden(raw);
  const query = parameters(at < 0 ? "" : url.slice(at + 1));
  const wanted = projectByNumber(cloud, query.get("project"));
  if (wanted) query.set("project", wanted);

  const service = serviceOf(rawPath);
  if (service?.name === "local" && door !== "open") throw noSuchMethod(method, path);
  const principal: Principal = service?.public ? { kind: "anonymous" } : caller(cloud, door, raw, query);
  if (service && service.name !== "local") {
    const seen = { service: service.name, method, path, query: decodedQuery(query), caller: emailOf(principal) };
    const drop = await cloud.faults.meet(seen);
    if (drop === "call") return void response.destroy();
    if (drop === "answer") breakAnswer(response);
    response.once("finish", () => cloud.faults.answered(seen, response.statusCode));
  }
  if (service) {
    const named = projectOf(path, query);
    if (named !== undefined) requireProject(cloud, service.name, method, path, named);
    if (service.api) requireEnabled(cloud, service.api, named ?? options.project);
  }
  const found = find(routers, method, rawPath);
  if (!found) throw noSuchMethod(method, path);

  let whole: Promise<Buffer> | undefined;
  const body = () => {
    whole ??= readBody(raw);
    return whole;
  };
  const call: Call = {
    method,
    path,
    params: found.params,
    query,
    raw,
    response,
    principal,
    origin: `${(raw.socket as TLSSocket).encrypted || isGoogleHost(host) ? "https" : "http"}://${raw.headers.host ?? "127.0.0.1"}`,
    body,
    json: async <T>() => jsonObject<T>(parseJson(await body())),
  };
  const reply = await found.handler(call);
  if (reply) await sendReply(response, reply);
}

function find(routers: readonly Router[], method: string, rawPath: string): ReturnType<Router["find"]> {
  for (const router of routers) {
    const found = router.find(method, rawPath);
    if (found) return found;
  }
  return undefined;
}

function jsonObject<T>(value: unknown): T {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as T;
  throw new GoogleError(400, "parseError", "Parse Error: the body must be a JSON object.");
}

function guestPath(host: string, rawPath: string): string {
  const path = pathForHost(host, rawPath);
  if (path === undefined) throw notModelled(`the host ${host || "(none)"}`);
  return path;
}

function decoded(rawPath: string): string {
  try {
    return decodeURIComponent(rawPath);
  } catch {
    throw new GoogleError(400, "badRequest", `The path ${JSON.stringify(rawPath)} is not valid percent-encoding.`);
  }
}

function parameters(text: string): URLSearchParams {
  const query = new URLSearchParams(text);
  // Bytes that are no UTF-8 would be replaced in silence, and the name of an object be another.
  if (/\ufffd/.test([...query].flat().join("")) && !/%EF%BF%BD/i.test(text)) {
    throw new GoogleError(400, "badRequest", `The query ${JSON.stringify(text)} is not valid UTF-8.`);
  }
  return query;
}

/** Google's APIs take the method from this header where a client cannot send it. */
function overridden(raw: IncomingMessage): string {
  const header = raw.headers["x-http-method-override"];
  return raw.method === "POST" && typeof header === "string" ? header.toUpperCase() : (raw.method ?? "GET");
}

/** The caller by the token sent. A token that is sent must be good, also where none is needed. */
function caller(cloud: Cloud, door: Door, raw: IncomingMessage, query: URLSearchParams): Principal {
  const header = raw.headers.authorization;
  const token = header === undefined ? query.get("access_token") : /^Bearer +(\S+)$/i.exec(header)?.[1];
  if (header === undefined && token === null) {
    if (door === "open") return { kind: "operator" };
    throw unauthenticated();
  }
  const principal = token ? cloud.tokens.read(token) : undefined;
  if (!principal) throw unauthenticated();
  return principal;
}

/** The caller by the token in the header, where nothing else will do. */
export function bearer({ tokens }: Cloud, { headers }: IncomingMessage): Principal | undefined {
  const token = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  return token ? tokens.read(token) : undefined;
}

function emailOf(principal: Principal): string | undefined {
  return "email" in principal ? principal.email : undefined;
}

function decodedQuery(query: URLSearchParams): string {
  return [...query].map((pair) => pair.join("=")).join("&");
}

/** The project that a call names in its path or query. */
function projectOf(path: string, query: URLSearchParams): string | undefined {
  const inPath = /\/projects\/([^/:]+)/.exec(path)?.[1];
  return inPath && !/^[_-]$/.test(inPath) ? inPath : (query.get("project") ?? undefined);
}

/** Compute Engine and Storage take a project's number wherever they take its id. */
function withProjectId(cloud: Cloud, rawPath: string): string {
  const number = /^\/compute\/[^/]+\/projects\/(\d+)(?=\/|$)/.exec(rawPath)?.[1] ?? null;
  const id = projectByNumber(cloud, number);
  return id ? rawPath.replace(`/projects/${number}`, `/projects/${id}`) : rawPath;
}

function projectByNumber({ state }: Cloud, number: string | null): string | undefined {
  if (!number || !/^\d+$/.test(number)) return undefined;
  return projects(state)
    .values()
    .find((each) => each.projectNumber === number)?.projectId;
}

/** Refuses projects that are not there. Google's own image projects are there to read images from. */
function requireProject({ state }: Cloud, service: string, method: string, path: string, project: string): void {
  if (
    projects(state).has(project) ||
    projects(state)
      .values()
      .some((each) => each.projectNumber === project)
  )
    return;
  if (service === "storage") throw new GoogleError(400, "invalid", `Unknown project id: ${project}`);
  const readsImages = method === "GET" && /\/(global\/images|imageFamilyViews)(\/|$)/.test(path);
  if (service === "compute" && !readsImages) {
    throw new GoogleError(404, "notFound", `The resource 'projects/${project}' was not found`);
  }
}

async function refuse(raw: IncomingMessage, response: ServerResponse, error: unknown): Promise<void> {
  // A refused upload's body is still on its way: let it pass, or the client never reads the answer.
  raw.resume();
  if (error instanceof GoogleError && error.code === 401 && !response.headersSent) {
    response.setHeader("www-authenticate", 'Bearer realm="https://accounts.google.com/", error="invalid_token"');
  }
  await sendError(response, error).catch(() => response.destroy());
}
