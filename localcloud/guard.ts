import type { IncomingMessage, RequestListener } from "node:http";
import { GoogleError } from "./core/errors.ts";
import { sendError } from "./core/http.ts";
import { isGoogleHost } from "./hosts.ts";

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/;

/**
 * A door that asks for no token is for programs on this machine, not for pages in its browser: a page of any site may
 * send requests to 127.0.0.1, and a name of its own may lead there. Such requests show by their Origin and Host.
 */
export function forProgramsOnly(listener: RequestListener): RequestListener {
  return (request, response) => {
    const problem = foreign(request);
    if (problem === undefined) return listener(request, response);
    request.resume();
    const message = `This door is for programs on this machine: a request ${problem} is refused.`;
    sendError(response, new GoogleError(403, "forbidden", message)).catch(() => response.destroy());
  };
}

function foreign({ headers }: IncomingMessage): string | undefined {
  const host = (headers.host ?? "").replace(/:\d+$/, "").toLowerCase();
  if (!LOOPBACK.test(host) && !isGoogleHost(host) && host !== "metadata.google.internal") {
    return `with the host ${JSON.stringify(headers.host ?? "")}`;
  }
  const { origin } = headers;
  if (origin === undefined || isLoopbackOrigin(origin)) return undefined;
  return `of a page from ${JSON.stringify(origin)}`;
}

function isLoopbackOrigin(origin: string): boolean {
  try {
    return LOOPBACK.test(new URL(origin).hostname);
  } catch {
    return false;
  }
}
