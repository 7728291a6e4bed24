import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { type StorageServer, startStorage } from "./server.ts";

const KIB256 = 256 * 1024;
const CONTENT = Buffer.from(Array.from({ length: 4 * KIB256 + 1000 }, (_, index) => (index * 7) % 251));

async function begin(server: StorageServer, query = "", headers: Record<string, string> = {}): Promise<string> {
  const path = `/upload/storage/v1/b/up-bucket/o?uploadType=resumable&name=large${query}`;
  const answer = await server.call("POST", path, { contentType: "text/x-large" }, headers);
  assert.equal(answer.status, 200, answer.text);
  return (answer.headers.get("location") as string).slice(server.origin.length);
}

function send(server: StorageServer, session: string, range: string | undefined, body: Buffer | string = "") {
  return server.call("PUT", session, body, range === undefined ? {} : { "content-range": range });
}

/** Sends the head of a request that announces more, then pulls the plug. */
function sendAndCut(server: StorageServer, path: string, method: string, headers: object, body: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const url = new URL(path, server.origin);
    const call = request(url, { method, headers: { ...headers, "content-length": CONTENT.length } });
    call.on("error", () => resolve());
    call.write(body, () => setTimeout(() => call.destroy(), 100));
  });
}

test("a resumable upload goes on in chunks and answers where it stands", async (t) => {
  const server = await startStorage(t);
  await server.bucket("up-bucket");
  const session = await begin(server);
  const empty = await send(server, session, "bytes */*");
  assert.deepEqual([empty.status, empty.headers.get("range")], [308, null]);
  const first = await send(server, session, `bytes 0-${KIB256 - 1}/*`, CONTENT.subarray(0, KIB256));
  assert.deepEqual([first.status, first.headers.get("range")], [308, `bytes=0-${KIB256 - 1}`]);

  await t.test("a client that cannot do with 308 is answered 200 that says so", async () => {
    const headers = { "content-range": "bytes */*", "x-guploader-no-308": "yes" };
    const answer = await server.call("PUT", session, "", headers);
    assert.deepEqual(
      [answer.status, answer.headers.get("x-http-status-code-override"), answer.headers.get("range")],
      [200, "308", `bytes=0-${KIB256 - 1}`],
    );
  });
  await t.test("bytes that are there already are not taken twice", async () => {
    const again = await send(server, session, `bytes 0-${2 * KIB256 - 1}/*`, CONTENT.subarray(0, 2 * KIB256));
    assert.equal(again.headers.get("range"), `bytes=0-${2 * KIB256 - 1}`);
  });
  await t.test("a chunk that leaves a gap is refused", async () => {
    const gap = await send(server, session, `bytes ${3 * KIB256}-${4 * KIB256 - 1}/*`, Buffer.alloc(KIB256));
    assert.equal(gap.status, 400);
    assert.match(gap.text, /exceeds already uploaded size/);
  });
  await t.test("a chunk that is too short is refused, one that is uneven is kept in part", async () => {
    const start = 2 * KIB256;
    assert.equal((await send(server, session, `bytes ${start}-${start + 99}/*`, Buffer.alloc(100))).status, 400);
    const uneven = CONTENT.subarray(start, start + KIB256 + 5);
    const answer = await send(server, session, `bytes ${start}-${start + KIB256 + 4}/*`, uneven);
    assert.equal(answer.headers.get("range"), `bytes=0-${3 * KIB256 - 1}`);
  });
  await t.test("the last chunk makes the object, and asking again answers it", async () => {
    const range = `bytes ${3 * KIB256}-${CONTENT.length - 1}/${CONTENT.length}`;
    const done = await send(server, session, range, CONTENT.subarray(3 * KIB256));
    assert.equal(done.status, 200, done.text);
    assert.equal(done.json.size, String(CONTENT.length));
    assert.equal(done.json.contentType, "text/x-large");
    assert.equal(done.json.md5Hash, createHash("md5").update(CONTENT).digest("base64"));
    assert.equal((await send(server, session, "bytes */*")).json.generation, done.json.generation);
    const back = await server.call("GET", "/storage/v1/b/up-bucket/o/large?alt=media");
    assert.ok(back.bytes.equals(CONTENT));
  });
});

test("a resumable upload survives a cut connection and another process", async (t) => {
  const server = await startStorage(t);
  await server.bucket("up-bucket");
  const session = await begin(server, "", { "x-upload-content-length": String(CONTENT.length) });
  const part = CONTENT.subarray(0, 2 * KIB256 + 777);
  const headers = { "content-range": `bytes 0-${CONTENT.length - 1}/${CONTENT.length}` };
  await sendAndCut(server, session, "PUT", headers, part);
  assert.equal((await server.call("GET", "/storage/v1/b/up-bucket/o/large")).status, 404);

  const next = await startStorage(t, server.folder);
  const status = await send(next, session, `bytes */${CONTENT.length}`);
  assert.deepEqual([status.status, status.headers.get("range")], [308, `bytes=0-${2 * KIB256 - 1}`]);
  const range = `bytes ${2 * KIB256}-${CONTENT.length - 1}/${CONTENT.length}`;
  const done = await send(next, session, range, CONTENT.subarray(2 * KIB256));
  assert.equal(done.json.md5Hash, createHash("md5").update(CONTENT).digest("base64"));
});

test("a later request takes an upload over from one that hangs", async (t) => {
  const server = await startStorage(t);
  await server.bucket("up-bucket");
  const session = await begin(server);
  const headers = {
    "content-range": `bytes 0-${CONTENT.length - 1}/${CONTENT.length}`,
    "content-length": CONTENT.length,
  };
  const hanging = request(new URL(session, server.origin), { method: "PUT", headers });
  const ended = new Promise<void>((resolve) => {
    hanging.on("error", () => resolve());
    hanging.on("response", (answer) => answer.resume().on("end", resolve));
  });
  await new Promise<void>((resolve) => hanging.write(CONTENT.subarray(0, KIB256), () => setTimeout(resolve, 50)));
  const status = await send(server, session, "bytes */*");
  assert.equal(status.headers.get("range"), `bytes=0-${KIB256 - 1}`);
  const range = `bytes ${KIB256}-${CONTENT.length - 1}/${CONTENT.length}`;
  const done = await send(server, session, range, CONTENT.subarray(KIB256));
  hanging.end(CONTENT.subarray(KIB256));
  await ended;
  assert.equal(done.json.md5Hash, createHash("md5").update(CONTENT).digest("base64"));
  const { items = [] } = (await server.call("GET", "/storage/v1/b/up-bucket/o?versions=true")).json;
  assert.deepEqual(
    items.map((object) => object.generation),
    [done.json.generation],
  );
});

test("a resumable upload of unknown length ends with its stream, one of known length must fit it", async (t) => {
  const server = await startStorage(t);
  await server.bucket("up-bucket");
  const open = await begin(server);
  assert.equal((await send(server, open, "bytes 0-*/*", CONTENT)).json.size, String(CONTENT.length));
  const plain = await begin(server);
  assert.equal((await send(server, plain, undefined, "short")).json.size, "5");
  const announced = await begin(server, "", { "x-upload-content-length": "6" });
  assert.equal((await send(server, announced, undefined, "short")).status, 400);
  const nothing = await begin(server);
  assert.equal((await send(server, nothing, "bytes */0")).json.size, "0");
});

test("a resumable upload can be cancelled and asks its preconditions again at its end", async (t) => {
  const server = await startStorage(t);
  await server.bucket("up-bucket");
  const session = await begin(server, "&ifGenerationMatch=0");
  const other = await begin(server);
  assert.equal((await server.call("DELETE", other)).status, 499);
  assert.equal((await send(server, other, undefined, "late")).status, 499);
  assert.equal((await send(server, other.replace(/upload_id=\w+/, "upload_id=none"), undefined, "x")).status, 404);
  await server.put("up-bucket", "large", "someone else was faster");
  assert.equal((await send(server, session, undefined, "mine")).status, 412);
  const late = `/upload/storage/v1/b/up-bucket/o?uploadType=resumable&name=large&ifGenerationMatch=0`;
  assert.equal((await server.call("POST", late, "")).status, 412);
  server.clock.offset = 8 * 86_400_000;
  assert.equal((await send(server, session, undefined, "mine")).status, 410);
});

test("an upload that breaks off leaves neither object nor file", async (t) => {
  const server = await startStorage(t);
  await server.bucket("up-bucket");
  const path = "/upload/storage/v1/b/up-bucket/o?uploadType=media&name=cut";
  await sendAndCut(server, path, "POST", {}, CONTENT.subarray(0, KIB256));
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal((await server.call("GET", "/storage/v1/b/up-bucket/o/cut")).status, 404);
  assert.deepEqual(readdirSync(join(server.folder, "storage", "incoming")), []);
});

test("claimed checksums are verified, wherever they are claimed", async (t) => {
  const server = await startStorage(t);
  await server.bucket("up-bucket");
  const md5 = "XUFAKrxLKna5cZ2REBfFkg=="; // of "hello"
  const crc32c = "mnG7TA==";
  for (const headers of [
    { "x-goog-hash": `crc32c=${crc32c},md5=${md5}` },
    { "x-goog-hash": `md5=${md5}` },
    { "content-md5": md5 },
  ]) {
    assert.equal((await server.put("up-bucket", "sum", "hello", "", headers)).status, 200);
    assert.equal((await server.put("up-bucket", "bad", "hellO", "", headers)).status, 400, JSON.stringify(headers));
  }
  for (const [content, status] of [
    ["hello", 200],
    ["hellO", 400],
  ] as const) {
    const answer = await multipart(server, { name: "body", md5Hash: md5, crc32c }, content);
    assert.equal(answer.status, status, answer.text);
    const session = await begin(server);
    const headers = { "x-goog-hash": `crc32c=${crc32c}` };
    assert.equal((await server.call("PUT", session, content, headers)).status, status);
  }
  assert.equal((await server.call("GET", "/storage/v1/b/up-bucket/o/bad")).status, 404);
});

function multipart(server: StorageServer, metadata: object, content: Buffer | string, newline = "\r\n", quote = '"') {
  const lines = [
    "--b1",
    "Content-Type: application/json",
    "",
    JSON.stringify(metadata),
    "--b1",
    "Content-Type: text/x-part",
    "",
  ];
  const body = Buffer.concat([
    Buffer.from(lines.map((line) => line + newline).join("")),
    Buffer.from(content),
    Buffer.from(`${newline}--b1--${newline}`),
  ]);
  const headers = { "content-type": `multipart/related; boundary=${quote}b1${quote}` };
  return server.call("POST", "/upload/storage/v1/b/up-bucket/o?uploadType=multipart", body, headers);
}

test("a multipart upload keeps content that looks like a boundary", async (t) => {
  const server = await startStorage(t);
  await server.bucket("up-bucket");
  for (const newline of ["\r\n", "\n"]) {
    for (const content of ["", "\r", "\r\n", "\r\n--b", "--b1", "\n\n--", Buffer.alloc(200_000, "\r\n--b0")]) {
      const answer = await multipart(server, { name: "part" }, content, newline, newline === "\n" ? "'" : '"');
      assert.equal(answer.json.contentType, "text/x-part");
      const back = await server.call("GET", "/storage/v1/b/up-bucket/o/part?alt=media");
      assert.ok(back.bytes.equals(Buffer.from(content)), JSON.stringify([newline, String(content).slice(0, 20)]));
    }
  }
});

test("uploads that Google refuses are refused", async (t) => {
  const server = await startStorage(t);
  await server.bucket("up-bucket", { iamConfiguration: { uniformBucketLevelAccess: { enabled: true } } });
  const path = "/upload/storage/v1/b/up-bucket/o";
  const rows: [string, string, number][] = [
    ["no type of upload", `${path}?name=x`, 400],
    ["no name", `${path}?uploadType=media`, 400],
    ["an empty name", `${path}?uploadType=media&name=`, 400],
    ["a line feed in the name", `${path}?uploadType=media&name=a%0Ab`, 400],
    ["a name of dots", `${path}?uploadType=media&name=..`, 400],
    ["a name over 1024 bytes", `${path}?uploadType=media&name=${"%C3%BC".repeat(513)}`, 400],
    ["an ACL under uniform access", `${path}?uploadType=media&name=x&predefinedAcl=publicRead`, 400],
    ["a customer's key", `${path}?uploadType=media&name=x&kmsKeyName=k`, 501],
    ["an unknown parameter", `${path}?uploadType=media&name=x&colour=red`, 501],
    ["a bucket that is not there", `/upload/storage/v1/b/absent/o?uploadType=media&name=x`, 404],
    ["a generation that is no number", `${path}?uploadType=media&name=x&ifGenerationMatch=new`, 400],
  ];
  for (const [what, target, status] of rows) {
    const answer = await server.call("POST", target, "content");
    assert.equal(answer.status, status, `${what}: ${answer.text}`);
    assert.equal(answer.json.error?.code, status);
  }
  assert.equal((await multipart(server, { name: "x", colour: "red" }, "content")).status, 400);
  assert.equal((await multipart(server, { name: "x", retention: { mode: "Locked" } }, "content")).status, 501);
  assert.equal((await multipart(server, { name: "x", storageClass: "HOT" }, "content")).status, 400);
});
