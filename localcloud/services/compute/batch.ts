import { STATUS_CODES } from "node:http";
import { GoogleError } from "../../core/errors.ts";
import { type Call, noSuchMethod, parseJson, type Reply, type Router } from "../../core/http.ts";

/** Google takes this many calls in one batch. */
const MOST = 1000;

/** Several calls in one request (`multipart/mixed`), as gcloud sends them. Each answers for itself. */
export function addBatch(router: Router): void {
  for (const version of ["v1", "beta"]) router.on("POST", `/batch/compute/${version}`, (call) => batch(router, call));
}

async function batch(router: Router, call: Call): Promise<Reply> {
  const type = call.raw.headers["content-type"] ?? "";
  const boundary = /boundary="?([^";]+)"?/.exec(type)?.[1];
  if (!type.startsWith("multipart/mixed") || !boundary) {
    throw new GoogleError(400, "badRequest", "A batch is a body of type multipart/mixed with a boundary.");
  }
  const parts = (await call.body()).toString("utf8").split(`--${boundary}`).slice(1, -1);
  if (parts.length > MOST) throw new GoogleError(400, "badRequest", `A batch holds at most ${MOST} calls.`);
  const answers = [];
  for (const part of parts) answers.push(await answer(router, call, part));
  const mark = `batch_${boundary.replace(/[^\w]/g, "").slice(0, 40)}`;
  const body = answers.map((text) => `--${mark}\r\n${text}\r\n`).join("");
  return {
    status: 200,
    headers: { "content-type": `multipart/mixed; boundary=${mark}` },
    body: `${body}--${mark}--\r\n`,
  };
}

/** Head and body of a message, divided by its first empty line. */
function divide(text: string): [string, string] {
  const normal = text.replace(/^\r?\n/, "");
  const at = /\r?\n\r?\n/.exec(normal);
  return at ? [normal.slice(0, at.index), normal.slice(at.index + at[0].length)] : [normal, ""];
}

async function answer(router: Router, outer: Call, part: string): Promise<string> {
  const [envelope, message] = divide(part);
  const id = /^content-id:\s*(.+?)\s*$/im.exec(envelope)?.[1] ?? "";
  const [head, body] = divide(message);
  const [, method = "", target = ""] = /^(\w+)\s+(\S+)/.exec(head) ?? [];
  const { status, json } = await run(router, outer, method, target, body);
  const text = json === undefined ? "" : JSON.stringify(json);
  const responseId = id ? `Content-ID: ${id.replace(/^<?/, "<response-").replace(/>?$/, ">")}\r\n` : "";
  return (
    `Content-Type: application/http\r\n${responseId}\r\n` +
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\nContent-Type: application/json; charset=UTF-8\r\n` +
    `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
  );
}

async function run(
  router: Router,
  outer: Call,
  method: string,
  target: string,
  body: string,
): Promise<{ status: number; json?: unknown }> {
  try {
    const url = new URL(target, "http://compute");
    const found = router.find(method, url.pathname);
    if (!found) throw noSuchMethod(method, url.pathname);
    const bytes = Buffer.from(body.trim());
    const call: Call = {
      method,
      path: decodeURIComponent(url.pathname),
      params: found.params,
      query: url.searchParams,
      raw: outer.raw,
      response: outer.response,
      principal: outer.principal,
      origin: outer.origin,
      body: async () => bytes,
      json: async <T>() => parseJson<T>(bytes),
    };
    const reply = await found.handler(call);
    return { status: reply?.status ?? (reply?.json === undefined ? 204 : 200), json: reply?.json };
  } catch (error) {
    if (error instanceof GoogleError) return { status: error.code, json: error.body() };
    console.error(error);
    return { status: 500, json: new GoogleError(500, "backendError", String(error)).body() };
  }
}
