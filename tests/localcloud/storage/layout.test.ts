import assert from "node:assert/strict";
import { type ClientHttp2Session, connect } from "node:http2";
import { type AddressInfo, createServer as createSocketServer } from "node:net";
import { type TestContext, test } from "node:test";
import { createEndpoints } from "../../../localcloud/guests/endpoints.ts";
import type { GuestSpec } from "../../../localcloud/guests/guest.ts";
import { testCloud } from "../server/local.ts";

/** The guests' door on a port: gRPC's clients speak HTTP/2 over TLS. */
async function guestDoor(t: TestContext, local: Awaited<ReturnType<typeof testCloud>>["local"]): Promise<number> {
  const { googleApis, certificate } = local;
  const spec = { googleApis, certificate, metadata: () => {} } as unknown as GuestSpec;
  const endpoints = createEndpoints(spec);
  const server = createSocketServer(endpoints.googleApis);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    endpoints.close();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

interface Answer {
  status: string | undefined;
  message: string | undefined;
  body: Buffer;
}

function call(session: ClientHttp2Session, token: string, name: string): Promise<Answer> {
  const message = Buffer.concat([Buffer.of(10, name.length), Buffer.from(name)]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  const stream = session.request({
    ":method": "POST",
    ":path": "/google.storage.control.v2.StorageControl/GetStorageLayout",
    "content-type": "application/grpc",
    authorization: `Bearer ${token}`,
    te: "trailers",
  });
  stream.end(Buffer.concat([head, message]));
  return new Promise((resolve, reject) => {
    const answer: Answer = { status: undefined, message: undefined, body: Buffer.alloc(0) };
    const note = (headers: Record<string, unknown>) => {
      answer.status = (headers["grpc-status"] as string | undefined) ?? answer.status;
      answer.message = (headers["grpc-message"] as string | undefined) ?? answer.message;
    };
    stream.on("response", note);
    stream.on("trailers", note);
    stream.on("data", (data: Buffer) => {
      answer.body = Buffer.concat([answer.body, data]);
    });
    stream.on("end", () => resolve(answer));
    stream.on("error", reject);
  });
}

test("a bucket's layout by gRPC, for those who may list", async (t) => {
  const cloud = await testCloud(t);
  const { local } = cloud;
  await cloud.call("POST", `/storage/v1/b?project=${local.project}`, { name: "some-bucket-1", location: "us-east1" });
  const port = await guestDoor(t, local);
  const session = connect(`https://localhost:${port}`, {
    ca: local.certificate.authority,
    servername: "storage.googleapis.com",
    // As gRPC's clients offer it.
    ALPNProtocols: ["h2"],
  });
  t.after(() => session.close());
  const operator = local.cloud.tokens.issue({ kind: "operator" }).access_token;
  const layout = (bucket: string) => `projects/_/buckets/${bucket}/storageLayout`;

  const found = await call(session, operator, layout("some-bucket-1"));
  assert.equal(found.status, "0");
  assert.deepEqual(
    found.body
      .subarray(5)
      .toString("latin1")
      .match(/[\w/-]{4,}/g),
    [layout("some-bucket-1"), "US-EAST1", "region"],
  );
  const missing = await call(session, operator, layout("no-bucket"));
  assert.deepEqual(
    [missing.status, decodeURIComponent(missing.message ?? "")],
    ["5", "The specified bucket does not exist."],
  );
  const outsider = local.cloud.tokens.issue({ kind: "user", email: "ann@example.com" }).access_token;
  assert.equal((await call(session, outsider, layout("some-bucket-1"))).status, "7");
});
