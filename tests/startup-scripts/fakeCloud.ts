import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

/** An answer that is given instead of the right one: `times` times, to requests that fit `path`. */
export interface Burst {
  method?: string;
  path: RegExp;
  times: number;
  /** HTTP status; 0: the connection is cut. */
  status: number;
}

export interface FakeCloud {
  origin: string;
  host: string;
  /** Serves all of it, for a guest that calls by other names. */
  listener: RequestListener;
  /** Metadata by path below computeMetadata/v1/. */
  metadata: Map<string, string>;
  /** `bucket/name` → contents and generation. */
  objects: Map<string, { data: Buffer; generation: number }>;
  bursts: Burst[];
  /** Every request: `METHOD path`. */
  requests: string[];
  /** How often a machine's deletion was accepted. */
  deletions: string[];
  put(bucket: string, name: string, data: string | Buffer): void;
  text(bucket: string, name: string): string;
  json<T = Record<string, unknown>>(bucket: string, name: string): T;
}

/**
 * The three services that a training machine calls, just enough of each and with faults on order: metadata, storage,
 * compute. The full ones are in localcloud/; here a test decides what goes wrong.
 */
export async function fakeCloud(t: TestContext): Promise<FakeCloud> {
  const cloud = {
    metadata: new Map(),
    objects: new Map(),
    bursts: [],
    requests: [],
    deletions: [],
  } as unknown as FakeCloud;
  const sessions = new Map<string, { key: string; held: Buffer }>();
  let generation = 1000;

  cloud.put = (bucket, name, data) => {
    generation += 1;
    cloud.objects.set(`${bucket}/${name}`, { data: Buffer.from(data as Buffer), generation });
  };
  cloud.text = (bucket, name) => {
    const found = cloud.objects.get(`${bucket}/${name}`);
    if (!found) throw new Error(`no object gs://${bucket}/${name}; there are ${[...cloud.objects.keys()].join(", ")}`);
    return found.data.toString("utf8");
  };
  cloud.json = (bucket, name) => JSON.parse(cloud.text(bucket, name));

  const resource = (key: string) => {
    const { data, generation } = cloud.objects.get(key)!;
    const [bucket, ...name] = key.split("/");
    const md5Hash = createHash("md5").update(data).digest("base64");
    return { bucket, name: name.join("/"), size: String(data.length), generation: String(generation), md5Hash };
  };

  const storage = (method: string, url: URL, body: Buffer, raw: IncomingMessage, response: ServerResponse) => {
    const reply = (status: number, value: unknown, headers: Record<string, string> = {}) =>
      response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));
    const missing = () => reply(404, { error: { code: 404, message: "No such object" } });
    const parts = url.pathname.split("/").filter(Boolean).map(decodeURIComponent);
    if (parts[0] === "upload") {
      const key = `${parts[4]}/${url.searchParams.get("name")}`;
      const wanted = url.searchParams.get("ifGenerationMatch");
      const held = cloud.objects.get(key);
      if (wanted !== null && wanted !== String(held?.generation ?? 0)) {
        return reply(412, {
          error: { code: 412, message: "At least one of the pre-conditions you specified did not hold." },
        });
      }
      if (url.searchParams.get("uploadType") === "resumable" && method === "POST") {
        const id = String(sessions.size + 1);
        sessions.set(id, { key, held: Buffer.alloc(0) });
        // As the client called us: a guest knows us by Google's host name.
        const scheme = raw.headers.host === cloud.host ? "http" : "https";
        const location = `${scheme}://${raw.headers.host}/upload/storage/v1/b/${parts[4]}/o?uploadType=resumable&upload_id=${id}`;
        return reply(200, {}, { location });
      }
      if (method === "PUT") {
        const session = sessions.get(url.searchParams.get("upload_id")!)!;
        const [, start, total] = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(raw.headers["content-range"] ?? "")!;
        if (start !== undefined && Number(start) === session.held.length)
          session.held = Buffer.concat([session.held, body]);
        if (session.held.length < Number(total)) {
          // As Google: no Range as long as nothing is held.
          const range = session.held.length > 0 ? { range: `bytes=0-${session.held.length - 1}` } : {};
          return response.writeHead(308, { ...range, "content-length": "0" }).end();
        }
        cloud.put(session.key.split("/")[0]!, session.key.split("/").slice(1).join("/"), session.held);
        return reply(200, resource(session.key));
      }
      cloud.put(parts[4]!, url.searchParams.get("name")!, body);
      return reply(200, resource(key));
    }
    if (parts.length === 5) {
      const prefix = `${parts[3]}/${url.searchParams.get("prefix") ?? ""}`;
      const keys = [...cloud.objects.keys()].filter((key) => key.startsWith(prefix)).sort();
      return reply(200, { items: keys.map(resource) });
    }
    const key = `${parts[3]}/${parts[5]}`;
    const found = cloud.objects.get(key);
    if (!found) return missing();
    const wanted = url.searchParams.get("generation") ?? url.searchParams.get("ifGenerationMatch");
    if (wanted !== null && wanted !== String(found.generation)) {
      return url.searchParams.has("generation")
        ? missing()
        : reply(412, { error: { code: 412, message: "condition" } });
    }
    if (method === "DELETE") {
      cloud.objects.delete(key);
      return response.writeHead(204).end();
    }
    if (url.searchParams.get("alt") !== "media") return reply(200, resource(key));
    const range = /^bytes=(\d+)-(\d+)$/.exec(raw.headers.range ?? "");
    const data = range ? found.data.subarray(Number(range[1]), Number(range[2]) + 1) : found.data;
    return response
      .writeHead(range ? 206 : 200, {
        "x-goog-generation": String(found.generation),
        "content-length": String(data.length),
      })
      .end(data);
  };

  const answer = (method: string, url: URL, body: Buffer, raw: IncomingMessage, response: ServerResponse) => {
    if (url.pathname.startsWith("/computeMetadata/v1/")) {
      const key = url.pathname.slice("/computeMetadata/v1/".length);
      const value = cloud.metadata.get(key);
      const headers = { "metadata-flavor": "Google", etag: etag(value) };
      if (raw.headers["metadata-flavor"] !== "Google") return response.writeHead(403, headers).end();
      if (url.searchParams.get("wait_for_change") === "true" && url.searchParams.get("last_etag") === headers.etag) {
        // Held until the value is another one, as Google's server does.
        const look = setInterval(() => {
          if (etag(cloud.metadata.get(key)) === headers.etag) return;
          clearInterval(look);
          answer(method, url, body, raw, response);
        }, 50);
        response.on("close", () => clearInterval(look));
        return;
      }
      return value === undefined
        ? response.writeHead(404, headers).end("<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>")
        : response.writeHead(200, headers).end(value);
    }
    if (raw.headers.authorization !== "Bearer secret-token") return response.writeHead(401).end("{}");
    if (!url.pathname.startsWith("/compute/")) return storage(method, url, body, raw, response);
    const operation = JSON.stringify({ name: "operation-1", status: method === "DELETE" ? "RUNNING" : "DONE" });
    if (method === "DELETE") cloud.deletions.push(url.pathname.split("/").at(-1)!);
    return response.writeHead(200, { "content-type": "application/json" }).end(operation);
  };

  cloud.listener = async (raw, response) => {
    const url = new URL(raw.url!, "http://fake");
    const method = raw.method!;
    const chunks: Buffer[] = [];
    for await (const chunk of raw) chunks.push(chunk as Buffer);
    const line = `${method} ${decodeURIComponent(url.pathname)}${url.searchParams.has("name") ? ` ${url.searchParams.get("name")}` : ""}`;
    cloud.requests.push(line);
    const burst = cloud.bursts.find((b) => b.times > 0 && b.path.test(line) && (!b.method || b.method === method));
    if (burst) {
      burst.times -= 1;
      if (burst.status === 0) return void raw.socket.destroy();
      return void response
        .writeHead(burst.status)
        .end(JSON.stringify({ error: { code: burst.status, message: "burst" } }));
    }
    answer(method, url, Buffer.concat(chunks), raw, response);
  };
  const server = createServer(cloud.listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  cloud.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  cloud.origin = `http://${cloud.host}`;
  return cloud;
}

function etag(value: string | undefined): string {
  return createHash("md5")
    .update(value ?? "")
    .digest("hex")
    .slice(0, 16);
}
