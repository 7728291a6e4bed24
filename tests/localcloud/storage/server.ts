import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { createAccess } from "../../../localcloud/core/access/decide.ts";
import type { Principal } from "../../../localcloud/core/access.ts";
import type { Cloud } from "../../../localcloud/core/cloud.ts";
import { GoogleError } from "../../../localcloud/core/errors.ts";
import { Faults } from "../../../localcloud/core/faults.ts";
import { type Call, noSuchMethod, parseJson, readBody, sendError, sendReply } from "../../../localcloud/core/http.ts";
import { State } from "../../../localcloud/core/state.ts";
import { Tokens } from "../../../localcloud/core/tokens.ts";
import { storageService } from "../../../localcloud/services/storage/index.ts";

export const PROJECT = "test-project";

/** The storage service alone, listening; calls without a token are the operator's. */
export class StorageServer {
  readonly folder: string;
  readonly origin: string;
  readonly cloud: Cloud;
  /** Added to the clock. */
  readonly clock: { offset: number };

  constructor(folder: string, origin: string, cloud: Cloud, clock: { offset: number }) {
    this.folder = folder;
    this.origin = origin;
    this.cloud = cloud;
    this.clock = clock;
  }

  /** A call by path, with JSON or raw bytes; answers status, headers and the body in both forms. */
  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const raw = body === undefined || typeof body === "string" || Buffer.isBuffer(body);
    const response = await fetch(`${this.origin}${path}`, {
      method,
      headers: raw ? headers : { "content-type": "application/json", ...headers },
      body: raw ? (body as string | undefined) : JSON.stringify(body),
      redirect: "manual",
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const text = bytes.toString();
    const isJson = response.headers.get("content-type")?.startsWith("application/json");
    return { status: response.status, headers: response.headers, bytes, text, json: isJson ? JSON.parse(text) : {} };
  }

  async bucket(name: string, settings: Record<string, unknown> = {}): Promise<void> {
    const made = await this.call("POST", `/storage/v1/b?project=${PROJECT}`, { name, ...settings });
    if (made.status !== 200) throw new Error(made.text);
  }

  /** Uploads in one request; answers the object. */
  put(bucket: string, name: string, content: string | Buffer, query = "", headers = {}): Promise<Answer> {
    const path = `/upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(name)}${query}`;
    return this.call("POST", path, content, { "content-type": "text/plain", ...headers });
  }

  token(principal: Principal): Record<string, string> {
    return { authorization: `Bearer ${this.cloud.tokens.issue(principal).access_token}` };
  }
}

export interface Answer {
  status: number;
  headers: Headers;
  bytes: Buffer;
  text: string;
  // A tree of JSON, looked into by tests.
  json: Json;
}
export interface Json {
  [name: string]: Json & string & Json[] & string[];
}

/** Starts the service over `folder` (an earlier server's, to see what survives) until the test ends. */
export async function startStorage(t: TestContext, folder?: string): Promise<StorageServer> {
  const own = folder ?? mkdtempSync(join(tmpdir(), "mlt-storage-"));
  const clock = { offset: 0 };
  const now = (): number => Date.now() + clock.offset;
  const state = new State(own);
  const cloud: Cloud = {
    state,
    access: createAccess({ state, now, settings: { iamDelayMs: 0 } }),
    tokens: new Tokens(undefined, now),
    faults: new Faults(now),
    now,
    log: () => {},
  };
  const server = createServer(listener(cloud));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    if (!folder) rmSync(own, { recursive: true, force: true });
  });
  return new StorageServer(own, `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cloud, clock);
}

function listener(cloud: Cloud): RequestListener {
  const router = storageService(cloud);
  return async (raw, response) => {
    try {
      const url = new URL(raw.url ?? "/", `http://${raw.headers.host}`);
      const found = router.find(raw.method ?? "GET", url.pathname);
      if (!found) throw noSuchMethod(raw.method ?? "GET", url.pathname);
      const token = /^Bearer (\S+)$/.exec(raw.headers.authorization ?? "")?.[1];
      const principal = token === undefined ? ({ kind: "operator" } as const) : cloud.tokens.read(token);
      if (!principal) throw new GoogleError(401, "authError", "Invalid Credentials");
      let whole: Promise<Buffer> | undefined;
      const body = (): Promise<Buffer> => {
        whole ??= readBody(raw);
        return whole;
      };
      const call: Call = {
        method: raw.method ?? "GET",
        path: decodeURIComponent(url.pathname),
        params: found.params,
        query: url.searchParams,
        raw,
        response,
        principal,
        origin: url.origin,
        body,
        json: async <T>() => parseJson<T>(await body()),
      };
      const reply = await found.handler(call);
      if (reply) await sendReply(response, reply);
    } catch (error) {
      raw.resume();
      await sendError(response, error).catch(() => response.destroy());
    }
  };
}
