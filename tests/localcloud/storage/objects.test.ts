import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { startStorage } from "./server.ts";

const DAY = 86_400_000;

test("preconditions hold for every way to touch an object", async (t) => {
  const server = await startStorage(t);
  await server.bucket("pre-bucket");
  const path = "/storage/v1/b/pre-bucket/o/x";
  let generation = (await server.put("pre-bucket", "x", "one")).json.generation;
  // method, query (G: the generation), the status for it; reads answer 304 where writes answer 412
  const rows: ["GET" | "PATCH" | "PUT" | "DELETE" | "POST", string, number][] = [
    ["GET", "ifGenerationMatch=G", 200],
    ["GET", "ifGenerationMatch=1", 412],
    ["GET", "ifGenerationMatch=0", 412],
    ["GET", "ifGenerationNotMatch=G", 304],
    ["GET", "ifGenerationNotMatch=1", 200],
    ["GET", "ifMetagenerationMatch=1", 200],
    ["GET", "ifMetagenerationMatch=2", 412],
    ["GET", "ifMetagenerationNotMatch=1", 304],
    ["GET", "generation=1", 404],
    ["PATCH", "ifGenerationMatch=1", 412],
    ["PATCH", "ifMetagenerationMatch=2", 412],
    ["PATCH", "ifGenerationNotMatch=G", 412],
    ["POST", "ifGenerationMatch=0", 412],
    ["POST", "ifGenerationMatch=1", 412],
    ["POST", "ifGenerationNotMatch=G", 412],
    ["POST", "ifMetagenerationMatch=2", 412],
    ["DELETE", "ifGenerationMatch=1", 412],
    ["DELETE", "ifMetagenerationMatch=2", 412],
    ["DELETE", "generation=1", 404],
    ["POST", "ifGenerationMatch=G", 200],
    ["POST", "ifGenerationNotMatch=0", 200],
    ["PATCH", "ifGenerationMatch=G&ifMetagenerationMatch=1", 200],
    ["DELETE", "ifGenerationMatch=G&ifMetagenerationMatch=2", 204],
    ["POST", "ifGenerationNotMatch=0", 412],
    ["POST", "ifGenerationMatch=1", 412],
    ["POST", "ifMetagenerationMatch=1", 412],
    ["POST", "ifGenerationMatch=0", 200],
  ];
  for (const [method, template, status] of rows) {
    const query = template.replace("=G", `=${generation}`);
    const answer =
      method === "POST"
        ? await server.put("pre-bucket", "x", "two", `&${query}`)
        : await server.call(method, `${path}?${query}`, method === "PATCH" ? {} : undefined);
    assert.equal(answer.status, status, `${method} ${query}: ${answer.text}`);
    if (answer.status === 200) generation = answer.json.generation;
  }
});

test("content is read whole, in ranges, and by etag", async (t) => {
  const server = await startStorage(t);
  await server.bucket("read-bucket");
  const made = await server.put("read-bucket", "dir/x", "0123456789");
  await server.put("read-bucket", "empty", "");
  const path = "/download/storage/v1/b/read-bucket/o/dir%2Fx?alt=media";
  const rows: [string | undefined, number, string, string | null][] = [
    [undefined, 200, "0123456789", null],
    ["bytes=0-3", 206, "0123", "bytes 0-3/10"],
    ["bytes=7-", 206, "789", "bytes 7-9/10"],
    ["bytes=-2", 206, "89", "bytes 8-9/10"],
    ["bytes=-20", 206, "0123456789", "bytes 0-9/10"],
    ["bytes=8-99", 206, "89", "bytes 8-9/10"],
    ["bytes=3-1", 200, "0123456789", null],
    ["bytes=0-1,4-5", 200, "0123456789", null],
    ["lines=1-2", 200, "0123456789", null],
  ];
  for (const [range, status, text, shown] of rows) {
    const answer = await server.call("GET", path, undefined, range ? { range } : {});
    assert.deepEqual([answer.status, answer.text, answer.headers.get("content-range")], [status, text, shown], range);
  }
  assert.equal((await server.call("GET", path, undefined, { range: "bytes=10-" })).status, 416);
  const empty = "/storage/v1/b/read-bucket/o/empty?alt=media";
  assert.deepEqual([(await server.call("GET", empty)).status, (await server.call("GET", empty)).text], [200, ""]);
  assert.equal((await server.call("GET", empty, undefined, { range: "bytes=0-" })).status, 416);

  const whole = await server.call("GET", path);
  assert.equal(whole.headers.get("x-goog-hash"), `crc32c=${made.json.crc32c},md5=${made.json.md5Hash}`);
  assert.equal(whole.headers.get("x-goog-generation"), made.json.generation);
  assert.equal(whole.headers.get("content-type"), "text/plain");
  const etag = made.json.etag as string;
  assert.equal((await server.call("GET", path, undefined, { "if-none-match": etag })).status, 304);
  assert.equal((await server.call("GET", path, undefined, { "if-match": `"${etag}"` })).status, 200);
  assert.equal((await server.call("GET", path, undefined, { "if-match": "other" })).status, 412);
  const absent = await server.call("GET", "/storage/v1/b/read-bucket/o/absent?alt=media");
  assert.deepEqual([absent.status, absent.text], [404, "No such object: read-bucket/absent"]);
});

test("what is stored in gzip is unpacked for a client that does not take gzip", async (t) => {
  const server = await startStorage(t);
  await server.bucket("gzip-bucket");
  const packed = gzipSync("hello hello");
  await server.put("gzip-bucket", "x", packed, "&contentEncoding=gzip");
  const path = "/storage/v1/b/gzip-bucket/o/x";
  const plain = await server.call("GET", `${path}?alt=media`, undefined, { "accept-encoding": "identity" });
  assert.deepEqual([plain.text, plain.headers.get("content-encoding")], ["hello hello", null]);
  const kept = await server.call("GET", `${path}?alt=media`, undefined, { "accept-encoding": "gzip" });
  assert.deepEqual(
    [kept.headers.get("content-encoding"), kept.headers.get("content-length")],
    ["gzip", String(packed.length)],
  );
  assert.equal((await server.call("GET", path)).json.size, String(packed.length));
});

test("PATCH merges metadata, PUT replaces it, and each counts", async (t) => {
  const server = await startStorage(t);
  await server.bucket("meta-bucket");
  await server.put("meta-bucket", "x", "one");
  const path = "/storage/v1/b/meta-bucket/o/x";
  await server.call("PATCH", path, { metadata: { a: "1", b: "2" }, cacheControl: "no-store" });
  const two = await server.call("PATCH", path, { metadata: { a: null, c: "3" }, contentType: "text/csv" });
  assert.deepEqual(
    [two.json.metadata, two.json.contentType, two.json.metageneration],
    [{ b: "2", c: "3" }, "text/csv", "3"],
  );
  const put = await server.call("PUT", path, { contentType: "text/html" });
  assert.deepEqual(
    [put.json.metadata, put.json.cacheControl, put.json.contentType],
    [undefined, undefined, "text/html"],
  );
  const time = "2026-01-02T03:04:05Z";
  assert.equal((await server.call("PATCH", path, { customTime: time })).json.customTime, "2026-01-02T03:04:05.000Z");
  assert.equal((await server.call("PATCH", path, { customTime: "2025-01-01T00:00:00Z" })).status, 400);
  assert.equal((await server.call("PATCH", path, { metadata: { a: 1 } })).status, 400);
  assert.equal((await server.call("PATCH", path, { metadata: { a: "x".repeat(9000) } })).status, 400);
  assert.equal((await server.call("PATCH", path, { storageClass: "NEARLINE" })).status, 400);
  assert.equal((await server.call("PATCH", path, { colour: "red" })).status, 400);
});

test("an object under a hold stays", async (t) => {
  const server = await startStorage(t);
  await server.bucket("hold-bucket");
  await server.put("hold-bucket", "x", "one");
  const path = "/storage/v1/b/hold-bucket/o/x";
  await server.call("PATCH", path, { temporaryHold: true });
  assert.equal((await server.call("DELETE", path)).status, 403);
  assert.equal((await server.put("hold-bucket", "x", "two")).status, 403);
  await server.call("PATCH", path, { temporaryHold: false });
  assert.equal((await server.call("DELETE", path)).status, 204);
});

test("a versioned bucket keeps what is replaced and deleted, and a soft delete policy keeps it longer", async (t) => {
  const server = await startStorage(t);
  await server.bucket("kept-bucket", { versioning: { enabled: true } });
  const path = "/storage/v1/b/kept-bucket/o";
  const list = async (query: string) => {
    const { items = [] } = (await server.call("GET", `${path}?${query}`)).json;
    return items.map((object) => object.generation as string);
  };
  const one = (await server.put("kept-bucket", "x", "one")).json.generation as string;
  const two = (await server.put("kept-bucket", "x", "two")).json.generation as string;
  assert.deepEqual([await list(""), await list("versions=true")], [[two], [one, two]]);
  assert.equal((await server.call("GET", `${path}/x?alt=media&generation=${one}`)).text, "one");
  assert.ok((await server.call("GET", `${path}/x?generation=${one}`)).json.timeDeleted);
  // 0 stands for the live one.
  assert.equal((await server.call("DELETE", `${path}/x?generation=0`)).status, 204);
  assert.equal((await server.call("GET", `${path}/x`)).status, 404);
  assert.deepEqual([await list(""), await list("versions=true"), await list("softDeleted=true")], [[], [one, two], []]);

  await server.call("DELETE", `${path}/x?generation=${one}`);
  assert.deepEqual([await list("versions=true"), await list("softDeleted=true")], [[two], [one]]);
  assert.equal((await server.call("GET", `${path}/x?generation=${one}`)).status, 404);
  const soft = await server.call("GET", `${path}/x?generation=${one}&softDeleted=true`);
  assert.equal(Date.parse(soft.json.hardDeleteTime ?? "") - Date.parse(soft.json.softDeleteTime ?? ""), 7 * DAY);
  assert.equal((await list("softDeleted=true&versions=true")).length, 0);
  assert.equal((await server.call("GET", `${path}?softDeleted=true&versions=true`)).status, 400);
  assert.equal((await server.call("POST", `${path}/x/restore?generation=${two}`)).status, 404);
  const back = await server.call("POST", `${path}/x/restore?generation=${one}`);
  assert.notEqual(back.json.generation, one);
  assert.equal((await server.call("GET", `${path}/x?alt=media`)).text, "one");
  assert.deepEqual(await list("softDeleted=true"), [one]);

  server.clock.offset = 7 * DAY + 1000;
  assert.deepEqual(await list("softDeleted=true"), []);
  assert.equal((await server.call("POST", `${path}/x/restore?generation=${one}`)).status, 404);
});

test("without versions and soft delete, what is deleted is gone", async (t) => {
  const server = await startStorage(t);
  await server.bucket("scratch-bucket", { softDeletePolicy: { retentionDurationSeconds: "0" } });
  const path = "/storage/v1/b/scratch-bucket/o";
  await server.put("scratch-bucket", "x", "one");
  await server.put("scratch-bucket", "x", "two");
  await server.call("DELETE", `${path}/x`);
  for (const view of ["versions", "softDeleted"]) {
    assert.equal((await server.call("GET", `${path}?${view}=true`)).json.items, undefined, view);
  }
  assert.equal((await server.call("DELETE", `${path}/x`)).status, 404);
});

test("objects are composed, copied and rewritten", async (t) => {
  const server = await startStorage(t);
  await server.bucket("copy-bucket");
  await server.bucket("other-bucket", { storageClass: "NEARLINE" });
  const a = await server.put("copy-bucket", "a", "left ");
  await server.put("copy-bucket", "b", "right");
  const path = "/storage/v1/b/copy-bucket/o";
  const compose = (body: object, query = "") => server.call("POST", `${path}/whole/compose${query}`, body);
  const sourceObjects = [{ name: "a", objectPreconditions: { ifGenerationMatch: a.json.generation } }, { name: "b" }];

  const whole = await compose({ sourceObjects, destination: { contentType: "text/log" } });
  assert.deepEqual([whole.json.componentCount, whole.json.md5Hash, whole.json.contentType], [2, undefined, "text/log"]);
  const direct = await server.put("copy-bucket", "direct", "left right");
  assert.equal(whole.json.crc32c, direct.json.crc32c);
  assert.equal((await server.call("GET", `${path}/whole?alt=media`)).text, "left right");
  const again = await compose({ sourceObjects: [{ name: "whole" }, { name: "b" }] });
  assert.equal(again.json.componentCount, 3);
  assert.equal((await server.call("GET", `${path}/whole?alt=media`)).text, "left rightright");

  assert.equal((await compose({ sourceObjects }, "?ifGenerationMatch=0")).status, 412);
  const stale = [{ name: "a", objectPreconditions: { ifGenerationMatch: "1" } }];
  assert.equal((await compose({ sourceObjects: stale })).status, 412);
  assert.equal((await compose({ sourceObjects: [{ name: "absent" }] })).status, 404);
  assert.equal((await compose({ sourceObjects: [] })).status, 400);
  assert.equal((await compose({ sourceObjects: Array(33).fill({ name: "a" }) })).status, 400);
  assert.equal((await compose({ sourceObjects: Array(32).fill({ name: "a" }) })).json.size, String(32 * 5));

  const to = (name: string) => `${path}/a/rewriteTo/b/other-bucket/o/${name}`;
  const rewritten = await server.call("POST", to("copy"), {});
  assert.deepEqual([rewritten.json.done, rewritten.json.totalBytesRewritten], [true, "5"]);
  assert.equal(rewritten.json.resource?.contentType, "text/plain");
  const cold = await server.call("POST", to("cold"), { contentType: "text/cold", storageClass: "COLDLINE" });
  assert.deepEqual([cold.json.resource?.contentType, cold.json.resource?.storageClass], ["text/cold", "COLDLINE"]);
  assert.equal((await server.call("POST", `${to("copy")}?ifGenerationMatch=0`, {})).status, 412);
  assert.equal((await server.call("POST", `${to("x")}?ifSourceGenerationMatch=1`, {})).status, 412);
  assert.equal((await server.call("POST", `${path}/a/copyTo/b/absent/o/x`, {})).status, 404);
  await server.call("DELETE", `${path}/a`);
  assert.equal((await server.call("GET", "/storage/v1/b/other-bucket/o/copy?alt=media")).text, "left ");
});

test("an object is moved in one step and leaves nothing behind", async (t) => {
  const server = await startStorage(t);
  await server.bucket("move-bucket", { versioning: { enabled: true } });
  const { json: source } = await server.put("move-bucket", "a", "content");
  await server.put("move-bucket", "b", "replaced");
  const path = "/storage/v1/b/move-bucket/o";
  const move = (from: string, to: string, query = "") => server.call("POST", `${path}/${from}/moveTo/o/${to}${query}`);
  assert.equal((await move("a", "a")).status, 400);
  assert.equal((await move("absent", "c")).status, 404);
  assert.equal((await move("a", "b", "?ifGenerationMatch=0")).status, 412);
  assert.equal((await move("a", "b", "?ifSourceGenerationMatch=1")).status, 412);
  const moved = await move("a", "b", `?ifSourceGenerationMatch=${source.generation}`);
  assert.deepEqual([moved.json.name, moved.json.md5Hash, moved.json.metageneration], ["b", source.md5Hash, "1"]);
  assert.notEqual(moved.json.generation, source.generation);
  assert.equal((await server.call("GET", `${path}/b?alt=media`)).text, "content");
  const left = async (query: string) =>
    ((await server.call("GET", `${path}?${query}`)).json.items ?? []).map(({ name }: { name?: string }) => name);
  assert.deepEqual(await left("versions=true"), ["b", "b"], "what was replaced is noncurrent, the source is not");
  assert.deepEqual(await left("softDeleted=true"), []);
});

test("a session goes on with POST too, and null in a composition means nothing", async (t) => {
  const server = await startStorage(t);
  await server.bucket("post-bucket");
  const uploads = "/upload/storage/v1/b/post-bucket/o?uploadType=resumable&name=o";
  const begun = await fetch(`${server.origin}${uploads}`, { method: "POST", body: '{"name": "o"}' });
  const session = begun.headers.get("location") ?? "";
  const range = { "content-range": "bytes 0-4/5" };
  const done = await fetch(`${session}&uploadType=resumable`, { method: "POST", headers: range, body: "12345" });
  assert.equal(done.status, 200);
  const sourceObjects = [{ name: "o", generation: null, objectPreconditions: null }];
  const composed = await server.call("POST", "/storage/v1/b/post-bucket/o/c/compose", { sourceObjects });
  assert.equal(composed.json.size, "5");
});

test("a batch answers each of its calls", async (t) => {
  const server = await startStorage(t);
  await server.bucket("batch-bucket");
  await server.put("batch-bucket", "a", "one");
  const part = (id: string, request: string, body = "") =>
    `--b\r\nContent-Type: application/http\r\nContent-ID: <${id}>\r\n\r\n${request}\r\nContent-Type: application/json\r\n\r\n${body}\r\n`;
  const body =
    part("1", "PATCH /storage/v1/b/batch-bucket/o/a HTTP/1.1", '{"metadata":{"k":"v"}}') +
    part("2", "DELETE /storage/v1/b/batch-bucket/o/absent HTTP/1.1") +
    part("3", "GET /storage/v1/b/batch-bucket/o/a?alt=media HTTP/1.1") +
    part("4", "GET /storage/v1/b/%ZZ HTTP/1.1");
  const headers = { "content-type": "multipart/mixed; boundary=b" };
  const answer = await server.call("POST", "/batch/storage/v1", `${body}--b--\r\n`, headers);
  const statuses = [...answer.text.matchAll(/Content-ID: <response-(\d)>\r\n\r\nHTTP\/1.1 (\d+)/g)];
  assert.deepEqual(
    statuses.map(([, id, status]) => `${id}:${status}`),
    ["1:200", "2:404", "3:400", "4:400"],
  );
  assert.deepEqual((await server.call("GET", "/storage/v1/b/batch-bucket/o/a")).json.metadata, { k: "v" });
});
