import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { isDirect, startProxy } from "../../../localcloud/guests/process/proxy.ts";

/** Asks the proxy at `port` for a tunnel. */
function tunnel(port: number, target: string): Promise<{ status: number; socket: Socket }> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, method: "CONNECT", path: target, agent: false });
    asked.on("connect", (response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve({ status: response.statusCode ?? 0, socket });
    });
    asked.on("error", reject);
    asked.end();
  });
}

async function echoServer(t: TestContext): Promise<number> {
  const server = createTcpServer((socket) => socket.on("data", (data) => socket.write(`echo ${data}`)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function echo(socket: Socket): Promise<string> {
  socket.write("hello");
  const [data] = await new Promise<[Buffer]>((resolve) => socket.once("data", (chunk: Buffer) => resolve([chunk])));
  socket.destroy();
  return data.toString();
}

test("Google's hosts go to the local cloud, others where they are", async (t) => {
  const far = await echoServer(t);
  const proxy = await startProxy({ googleApis: (socket) => socket.end("local cloud") });
  t.after(() => proxy.close());
  const google = await tunnel(proxy.port, "storage.googleapis.com:443");
  assert.equal(google.status, 200);
  assert.equal((await new Promise<Buffer>((resolve) => google.socket.once("data", resolve))).toString(), "local cloud");
  const other = await tunnel(proxy.port, `127.0.0.1:${far}`);
  assert.equal(other.status, 200);
  assert.equal(await echo(other.socket), "echo hello");
  assert.equal((await tunnel(proxy.port, "pubsub.googleapis.com:443")).status, 501);
  assert.equal((await tunnel(proxy.port, "127.0.0.1:1")).status, 502);
});

test("this host's own proxy is used for others, with its password, save for the names without", async (t) => {
  const far = await echoServer(t);
  const seen: string[] = [];
  const upstream = createServer();
  upstream.on("connect", (asked, socket) => {
    seen.push(`${asked.url} ${asked.headers["proxy-authorization"]}`);
    socket.end(
      asked.url?.startsWith("refused") ? "HTTP/1.1 407 No\r\n\r\n" : "HTTP/1.1 200 OK\r\n\r\nthrough upstream",
    );
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  t.after(() => upstream.close());
  const proxy = await startProxy({
    googleApis: (socket) => socket.destroy(),
    upstream: `http://me:p%40ss@127.0.0.1:${(upstream.address() as AddressInfo).port}`,
    direct: "127.0.0.1,.corp.example",
  });
  t.after(() => proxy.close());
  const through = await tunnel(proxy.port, "index.example:443");
  assert.equal(
    (await new Promise<Buffer>((resolve) => through.socket.once("data", resolve))).toString(),
    "through upstream",
  );
  assert.equal((await tunnel(proxy.port, "refused.example:443")).status, 502);
  assert.equal(await echo((await tunnel(proxy.port, `127.0.0.1:${far}`)).socket), "echo hello");
  const credentials = `Basic ${Buffer.from("me:p@ss").toString("base64")}`;
  assert.deepEqual(seen, [`index.example:443 ${credentials}`, `refused.example:443 ${credentials}`]);
});

test("NO_PROXY names a host and all below it", () => {
  assert.ok(isDirect("a.corp.example", ".corp.example"));
  assert.ok(isDirect("corp.example", "x, corp.example"));
  assert.ok(isDirect("any", "*"));
  assert.ok(!isDirect("notcorp.example", "corp.example"));
  assert.ok(!isDirect("any"));
});
