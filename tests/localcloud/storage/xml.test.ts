import assert from "node:assert/strict";
import { test } from "node:test";
import { pathForHost } from "../../../localcloud/hosts.ts";
import { startStorage } from "./server.ts";

/** The path that a guest's call of `https://storage.googleapis.com` comes to. */
const path = (raw: string) => pathForHost("storage.googleapis.com", raw) ?? "";

test("an object is read at the root of the host, as gcsfuse reads it", async (t) => {
  const server = await startStorage(t);
  await server.bucket("xml-bucket");
  const { generation } = (await server.put("xml-bucket", "a b/c", "0123456789")).json;
  const whole = await server.call("GET", path("/xml-bucket/a%20b/c"));
  assert.equal(whole.text, "0123456789");
  assert.equal(whole.headers.get("x-goog-generation"), generation);
  assert.match(whole.headers.get("x-goog-hash") ?? "", /^crc32c=\S+,md5=\S+$/);
  const part = await server.call("GET", `${path("/xml-bucket/a%20b%2Fc")}?generation=${generation}`, undefined, {
    range: "bytes=3-5",
  });
  assert.deepEqual([part.status, part.text, part.headers.get("content-range")], [206, "345", "bytes 3-5/10"]);
  const head = await server.call("HEAD", path("/xml-bucket/a%20b/c"));
  assert.deepEqual([head.status, head.headers.get("x-goog-stored-content-length"), head.text], [200, "10", ""]);
});

test("errors are XML in Google's words", async (t) => {
  const server = await startStorage(t);
  await server.bucket("xml-bucket");
  await server.put("xml-bucket", "x", "0123");
  const refused = async (raw: string, headers: Record<string, string> = {}) => {
    const { status, text } = await server.call("GET", path(raw), undefined, headers);
    return [status, /<Code>(\w+)<\/Code>/.exec(text)?.[1]];
  };
  assert.deepEqual(await refused("/xml-bucket/no"), [404, "NoSuchKey"]);
  assert.deepEqual(await refused("/no-bucket/x"), [404, "NoSuchBucket"]);
  assert.deepEqual(await refused("/xml-bucket/x", { range: "bytes=9-" }), [416, "InvalidRange"]);
  assert.deepEqual(await refused("/xml-bucket/x", { "x-goog-if-generation-match": "1" }), [412, "PreconditionFailed"]);
  const stranger = server.token({ kind: "user", email: "ann@example.com" });
  assert.deepEqual(await refused("/xml-bucket/x", stranger), [403, "AccessDenied"]);
});

test("the rest of the XML API is refused by name", async (t) => {
  const server = await startStorage(t);
  const listing = await server.call("GET", path("/xml-bucket"));
  assert.deepEqual([listing.status, /does not model/.test(listing.text)], [501, true]);
});
