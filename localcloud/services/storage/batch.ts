import { randomBytes } from "node:crypto";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { GoogleError } from "../../core/errors.ts";
import { type Call, noSuchMethod, parseJson, type Reply, type Router } from "../../core/http.ts";
import { invalid } from "./errors.ts";
import { boundaryOf, partHeaders } from "./multipart.ts";
import { header } from "./query.ts";

const MOST_CALLS = 100;

/** Many metadata calls in one request, as `multipart/mixed` of HTTP messages. Content is not sent this way. */
export function batchRoutes(router: Router): void {
  router.on("POST", "/batch/storage/v1", async (call) => {
    const boundary = boundaryOf(header(call, "content-type"));
    const parts = (await call.body())
      .toString("utf8")
      .split(new RegExp(`(?:^|\\r?\\n)--${literal(boundary)}(?:--)?\\r?\\n?`));
    const messages = parts.filter((part) => part.trim() !== "");
    if (messages.length > MOST_CALLS) throw invalid(`A batch has ${MOST_CALLS} calls at most, not ${messages.length}.`);
    const answerBoundary = `batch_${randomBytes(16).toString("hex")}`;
    let body = "";
    for (const message of messages) body += `--${answerBoundary}\r\n${await answer(router, call, message)}\r\n`;
    return {
      status: 200,
      headers: { "content-type": `multipart/mixed; boundary=${answerBoundary}` },
      body: `${body}--${answerBoundary}--\r\n`,
    };
  });
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

async function answer(router: Router, outer: Call, message: string): Promise<string> {
  const [outerHead = "", inner = ""] = split(message);
  const id = partHeaders(outerHead)["content-id"] ?? "";
  const reply = await callInner(router, outer, inner);
  const json = reply.json === undefined ? "" : JSON.stringify(reply.json);
  const status = reply.status ?? (json ? 200 : 204);
  const answerId = id.startsWith("<") ? `<response-${id.slice(1)}` : `response-${id}`;
  return (
    `Content-Type: application/http\r\nContent-ID: ${answerId}\r\n\r\n` +
    `HTTP/1.1 ${status} ${status < 300 ? "OK" : "Error"}\r\n` +
    `Content-Type: application/json; charset=UTF-8\r\nContent-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}\r\n`
  );
}

async function callInner(router: Router, outer: Call, message: string): Promise<Reply> {
  try {
    const [head = "", body = ""] = split(message.replace(/^(\r?\n)+/, ""));
    const [, method, target] = /^([A-Z]+) (\S+)/.exec(head) ?? [];
    if (!method || !target) throw invalid("A part of the batch is no HTTP request.");
    const url = new URL(target, outer.origin);
    if (url.pathname.startsWith("/batch/") || url.searchParams.get("alt") === "media") {
      throw invalid("A batch holds calls about metadata only.");
    }
    const route = router.find(method, url.pathname);
    if (!route) throw noSuchMethod(method, url.pathname);
    return (await route.handler(innerCall(outer, method, url, route.params, partHeaders(head), body))) ?? {};
  } catch (error) {
    if (error instanceof GoogleError) return { status: error.code, json: error.body() };
    if (error instanceof URIError)
      return { status: 400, json: invalid("A path is not valid percent-encoding.").body() };
    throw error;
  }
}

function innerCall(
  outer: Call,
  method: string,
  url: URL,
  params: Record<string, string>,
  headers: Record<string, string>,
  body: string,
): Call {
  // Handlers read headers from the message; this one belongs to no connection.
  const raw = new IncomingMessage(new Socket());
  raw.method = method;
  raw.headers = headers;
  return {
    method,
    path: decodeURIComponent(url.pathname),
    params,
    query: url.searchParams,
    raw,
    response: new ServerResponse(raw),
    principal: outer.principal,
    origin: outer.origin,
    body: async () => Buffer.from(body),
    json: async <T>() => parseJson<T>(Buffer.from(body)),
  };
}

/** Head and body of a message. */
function split(message: string): [string, string] {
  const found = /\r?\n\r?\n/.exec(message);
  if (!found) return [message, ""];
  return [message.slice(0, found.index), message.slice(found.index + found[0].length)];
}
