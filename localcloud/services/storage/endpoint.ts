import { GoogleError, notModelled } from "../../core/errors.ts";
import type { Call, Handler, Reply, Router } from "../../core/http.ts";
import { invalid } from "./errors.ts";
import { selectFields } from "./fields.ts";

/** Parameters that every method of Google's APIs takes. */
const SYSTEM = new Set([
  "alt",
  "fields",
  "prettyPrint",
  "quotaUser",
  "userIp",
  "userProject",
  "key",
  "access_token",
  "oauth_token",
  "callback",
  "projection",
  "uploadType",
  "upload_id",
]);

/**
 * Adds a method of the Storage API. `query` names the parameters that the method models, separated by spaces; any
 * other is refused by name. The reply is cut to the `fields` that the caller selects.
 */
export function endpoint(router: Router, method: string, pattern: string, query: string, handler: Handler): void {
  const modelled = new Set(query.split(" ").filter(Boolean));
  router.on(method, pattern, async (call) => {
    const media = call.query.get("alt") === "media";
    try {
      checkQuery(call, modelled);
      return partial(call, await handler(call));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ECONNRESET" && call.raw.destroyed) throw clientGone();
      if (!(error instanceof GoogleError)) throw error;
      if (error.code === 304) return { status: 304 };
      // A download that fails is answered with the sentence alone.
      if (media) {
        return { status: error.code, headers: { "content-type": "text/html; charset=UTF-8" }, body: error.message };
      }
      throw error;
    }
  });
}

/** Nobody reads this answer: the caller's connection broke within its request. */
function clientGone(): GoogleError {
  return new GoogleError(499, "clientClosedRequest", "The client closed the connection.");
}

function checkQuery(call: Call, modelled: Set<string>): void {
  for (const name of call.query.keys()) {
    if (name.startsWith("$") || SYSTEM.has(name) || modelled.has(name)) continue;
    throw notModelled(`the query parameter ${name} of ${call.method} ${call.path}`);
  }
  const alt = call.query.get("alt") ?? "json";
  if (alt !== "json" && !(alt === "media" && call.method === "GET")) throw invalid(`Invalid value for alt: '${alt}'.`);
  const projection = call.query.get("projection") ?? "noAcl";
  if (projection !== "noAcl" && projection !== "full") {
    throw invalid(`Invalid value for projection: '${projection}'.`);
  }
  // Customer-supplied keys would have to encrypt.
  const key = Object.keys(call.raw.headers).find((name) => name.startsWith("x-goog-encryption-"));
  if (key) throw notModelled(`the header ${key}`);
}

export function partial(call: Call, reply: Reply | undefined): Reply | undefined {
  const fields = call.query.get("fields");
  if (!fields || reply?.json === undefined) return reply;
  return { ...reply, json: selectFields(reply.json, fields) };
}

/**
 * Refuses members of a body that are not modelled. `ignored` are those that Google sets itself and accepts back;
 * `known` are those that Google has and this service has not.
 */
export function checkBody(body: object, path: string, modelled: string[], ignored: string[], known: string[]): void {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw invalid(`Invalid value for ${path.replace(/\.$/, "")}: an object is needed.`);
  }
  for (const [name, value] of Object.entries(body)) {
    if (modelled.includes(name) || ignored.includes(name)) continue;
    if (known.includes(name)) {
      if (isOff(value)) continue;
      throw notModelled(`${path}${name}`);
    }
    throw invalid(`Invalid JSON payload received. Unknown name "${path}${name}": Cannot find field.`);
  }
}

/** Nothing is asked for: null, false, an empty text, list or object, or an object whose members all are so. */
function isOff(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === "") return true;
  return typeof value === "object" && Object.values(value).every(isOff);
}
