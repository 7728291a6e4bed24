import { createHash } from "node:crypto";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { GoogleError } from "../core/errors.ts";
import { readBody } from "../core/http.ts";
import type { AccessToken } from "../core/tokens.ts";
import {
  entries,
  type Found,
  isDirectory,
  json,
  leafText,
  listing,
  lookUp,
  type MetadataTree,
  recursiveText,
} from "./tree.ts";

export interface MetadataServerOptions {
  /** The tree as it is now; asked again for every request. */
  tree: () => MetadataTree;
  /** Calls the listener after every change of the tree; gives the way to stop. */
  onChange: (listener: () => void) => () => void;
  /** `account` is the entry below `service-accounts` that was asked for: `default` or an e-mail. */
  issueToken: (account: string) => AccessToken;
  identityToken?: (audience: string, account: string) => string;
  /** Is told of every request before it is answered; may throw an error, or have the connection broken. */
  meet?: (request: { method: string; path: string; query: string }) => Promise<"call" | "answer" | undefined>;
  /** OS Login, as Google's programs on the machine ask for it; absent: there is none. */
  osLogin?: {
    profiles(by: { username?: string; uid?: string }): object[];
    authorize(email: string, policy: string): boolean;
  };
  /** Absent: the guest has no guest attributes. */
  putGuestAttribute?: (namespace: string, key: string, value: string) => void;
}

const ROOT = "/computeMetadata/v1";
const HEADERS = {
  "metadata-flavor": "Google",
  server: "Metadata Server for VM",
  "x-xss-protection": "0",
  "x-frame-options": "SAMEORIGIN",
};
/** Google's limit for all guest attributes of a machine together. */
const MAX_GUEST_ATTRIBUTE_BYTES = 256 * 1024;

interface Answer {
  status: number;
  body: string;
  type?: string;
  headers?: Record<string, string>;
}

/** Speaks the protocol of Compute Engine's metadata server for one machine. */
export function createMetadataServer(options: MetadataServerOptions): RequestListener {
  return (request, response) => {
    answer(options, request, response)
      .catch((error: unknown) =>
        error instanceof GoogleError ? failure(error.code, error.message) : failure(500, String(error)),
      )
      .then((result) => result && send(response, result));
  };
}

async function answer(
  options: MetadataServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Answer | undefined> {
  const [rawPath = "/", rawQuery = ""] = (request.url ?? "/").split("?", 2);
  const asked = { method: request.method ?? "GET", path: rawPath.replace(/^\/computeMetadata\/v1\/?/, "") };
  // Nothing here changes anything but guest attributes, so an answer that is lost is a request that is lost.
  if (await options.meet?.({ ...asked, query: rawQuery })) return void response.destroy();
  // A probe for "is this Google?" carries no header of its own; only our answer's header matters to it.
  if (rawPath === "/" || rawPath === "") return { status: 200, body: "computeMetadata/\n" };
  if (request.headers["x-forwarded-for"] !== undefined) {
    return failure(403, "Requests with the header X-Forwarded-For are refused.");
  }
  if (request.headers["metadata-flavor"] !== "Google") return failure(403, "Missing Metadata-Flavor:Google header.");
  const path = decodePath(rawPath);
  if (path?.[0] !== "computeMetadata") return failure(404, `The requested URL ${rawPath} was not found.`);
  if (path.length === 1) return { status: 200, body: "v1/\n" };
  if (path[1] !== "v1") return failure(404, `The requested URL ${rawPath} was not found.`);
  const inside = path.slice(2);
  const query = new URLSearchParams(rawQuery);
  const guestAttributes = inside[0] === "instance" && inside[1] === "guest-attributes";
  if (request.method === "PUT" && guestAttributes) return putGuestAttribute(options, request, inside.slice(2));
  if (request.method !== "GET" && request.method !== "HEAD") return failure(405, "Method not allowed.");
  return (
    accountAnswer(options, inside, query) ??
    osLoginAnswer(options.osLogin, inside, query) ??
    treeAnswer(options, inside, { query, folder: rawPath.endsWith("/"), rawQuery }, response)
  );
}

/** Empty parts collapse, as Google's server lets them; `undefined` for bytes that are no text. */
function decodePath(rawPath: string): string[] | undefined {
  try {
    return rawPath.split("/").filter(Boolean).map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

/** The entries below `service-accounts/ACCOUNT` that are made on demand and are no part of the tree. */
function accountAnswer(options: MetadataServerOptions, path: string[], query: URLSearchParams): Answer | undefined {
  const [instance, accounts, account, leaf] = path;
  if (instance !== "instance" || accounts !== "service-accounts" || account === undefined) return undefined;
  if (path.length !== 4 || !lookUp(options.tree(), path.slice(0, 3))) return undefined;
  if (leaf === "token") {
    return { status: 200, body: JSON.stringify(options.issueToken(account)), type: "application/json" };
  }
  if (leaf !== "identity" || !options.identityToken) return undefined;
  const audience = query.get("audience");
  if (!audience) return failure(400, "non-empty audience parameter required");
  return { status: 200, body: options.identityToken(audience, account) };
}

/** `oslogin/users` and `oslogin/authorize`: what Google's name service, PAM and SSH programs in a guest ask. */
function osLoginAnswer(
  osLogin: MetadataServerOptions["osLogin"],
  [root, what, ...rest]: string[],
  query: URLSearchParams,
): Answer | undefined {
  if (root !== "oslogin" || !osLogin || rest.length > 0) return undefined;
  const asJson = (body: object): Answer => ({ status: 200, body: JSON.stringify(body), type: "application/json" });
  if (what === "users") {
    const [username, uid] = [query.get("username") ?? undefined, query.get("uid") ?? undefined];
    const found = osLogin.profiles({ username, uid });
    if ((username || uid) && found.length === 0) return failure(404, "The user was not found.");
    return asJson({ loginProfiles: found, nextPageToken: "0" });
  }
  if (what !== "authorize") return undefined;
  return asJson({ success: osLogin.authorize(query.get("email") ?? "", query.get("policy") ?? "") });
}

interface Asked {
  query: URLSearchParams;
  rawQuery: string;
  /** The path ended in a slash. */
  folder: boolean;
}

async function treeAnswer(
  options: MetadataServerOptions,
  path: string[],
  asked: Asked,
  response: ServerResponse,
): Promise<Answer | undefined> {
  const { query } = asked;
  const read = () => lookUp({ universe: { "universe-domain": "googleapis.com" }, ...options.tree() }, path);
  const first = read();
  if (!first) return notFound(path);
  if (isDirectory(first) && !asked.folder) {
    const target = `${[ROOT, ...path.map(encodeURIComponent)].join("/")}/`;
    return { ...failure(301, "Moved Permanently"), headers: { location: suffixed(target, asked.rawQuery) } };
  }
  const timeout = Number(query.get("timeout_sec") ?? 0);
  if (!Number.isInteger(timeout) || timeout < 0)
    return failure(400, `Invalid timeout_sec: ${query.get("timeout_sec")}`);
  if (query.get("wait_for_change") === "true" && !isStale(query.get("last_etag"), etag(first))) {
    const gone = await changed(options.onChange, () => etagOf(read()) !== etag(first), timeout, response);
    if (gone) return undefined;
  }
  const now = read();
  return now ? show(options, path, now, query) : notFound(path);
}

function suffixed(path: string, rawQuery: string): string {
  return rawQuery === "" ? path : `${path}?${rawQuery}`;
}

/** `NONE` and `0` stand for "I have seen nothing yet". */
function isStale(lastEtag: string | null, current: string): boolean {
  return lastEtag !== null && (lastEtag === "NONE" || lastEtag === "0" || lastEtag !== current);
}

/** Waits until `isNew`, or for `seconds` (0: without end). True: the client has gone meanwhile. */
function changed(
  onChange: MetadataServerOptions["onChange"],
  isNew: () => boolean,
  seconds: number,
  response: ServerResponse,
): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (gone: boolean) => {
      clearTimeout(timer);
      stop();
      response.off("close", onClose);
      resolve(gone);
    };
    const onClose = () => settle(true);
    const timer = seconds > 0 ? setTimeout(() => settle(false), seconds * 1000) : undefined;
    const stop = onChange(() => {
      if (isNew()) settle(false);
    });
    response.on("close", onClose);
    if (response.destroyed) settle(true);
  });
}

function show(options: MetadataServerOptions, path: string[], found: Found, query: URLSearchParams): Answer {
  const headers = { etag: etag(found) };
  const asJson = query.get("alt") === "json";
  const asText = query.get("alt") === "text";
  const recursive = query.get("recursive") === "true";
  if (isDirectory(found) && !recursive) {
    return { status: 200, body: listing(found) + accountEntries(options, path), headers };
  }
  if (recursive && asText) return { status: 200, body: recursiveText(found), headers };
  if (recursive ? isDirectory(found) || asJson : asJson) {
    return { status: 200, body: json(found), type: "application/json", headers };
  }
  return { status: 200, body: leafText(found), headers };
}

/** What a listing of `service-accounts/ACCOUNT/` shows besides the tree's own entries. */
function accountEntries(options: MetadataServerOptions, path: string[]): string {
  if (path.length !== 3 || path[0] !== "instance" || path[1] !== "service-accounts") return "";
  return options.identityToken ? "identity\ntoken\n" : "token\n";
}

async function putGuestAttribute(
  options: MetadataServerOptions,
  request: IncomingMessage,
  path: string[],
): Promise<Answer> {
  const [namespace, key] = path;
  if (!options.putGuestAttribute || !guestAttributesEnabled(options.tree())) {
    return failure(403, "Guest attributes endpoint access is disabled.");
  }
  if (path.length !== 2 || namespace === undefined || key === undefined) {
    return failure(400, "A guest attribute has the path NAMESPACE/KEY.");
  }
  const value = await readBody(request, MAX_GUEST_ATTRIBUTE_BYTES);
  options.putGuestAttribute(namespace, key, value.toString("utf8"));
  return { status: 200, body: "" };
}

/** The machine's own word wins over the project's. */
function guestAttributesEnabled(tree: MetadataTree): boolean {
  for (const owner of ["instance", "project"]) {
    const found = lookUp(tree, [owner, "attributes", "enable-guest-attributes"]);
    if (found && !entries(found)) return leafText(found).toLowerCase() === "true";
  }
  return false;
}

function etag(found: Found): string {
  return createHash("sha256").update(json(found)).digest("hex").slice(0, 16);
}

function etagOf(found: Found | undefined): string {
  return found ? etag(found) : "";
}

function notFound(path: string[]): Answer {
  return failure(404, `The requested URL ${[ROOT, ...path].join("/")} was not found on this server.`);
}

function failure(status: number, message: string): Answer {
  const text = message.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const body = `<!DOCTYPE html>\n<html lang=en>\n<title>Error ${status}</title>\n<p><b>${status}.</b> ${text}\n`;
  return { status, body, type: "text/html; charset=UTF-8" };
}

function send(response: ServerResponse, { status, body, type = "application/text", headers = {} }: Answer): void {
  if (response.writableEnded || response.destroyed) return;
  const length = { "content-length": String(Buffer.byteLength(body)) };
  response.writeHead(status, { ...HEADERS, "content-type": type, ...length, ...headers });
  response.end(body);
}
