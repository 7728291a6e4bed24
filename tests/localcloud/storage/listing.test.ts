import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Answer, type StorageServer, startStorage } from "./server.ts";

/** All of a list, page by page: names of items, prefixes, and how many pages it took. */
async function listAll(server: StorageServer, bucket: string, query: Record<string, string>) {
  const items: string[] = [];
  const prefixes: string[] = [];
  let token = "";
  for (let pages = 1; ; pages++) {
    const search = new URLSearchParams({ ...query, ...(token ? { pageToken: token } : {}) });
    const page: Answer = await server.call("GET", `/storage/v1/b/${bucket}/o?${search}`);
    assert.equal(page.status, 200, page.text);
    items.push(...(page.json.items ?? []).map((object) => object.name as string));
    prefixes.push(...((page.json.prefixes as string[] | undefined) ?? []));
    token = page.json.nextPageToken ?? "";
    if (!token) return { items, prefixes, pages };
  }
}

test("objects are listed by prefix, delimiter and offset, in any page size", async (t) => {
  const server = await startStorage(t);
  await server.bucket("list-bucket");
  for (const name of ["a.txt", "b/", "b/one", "b/two", "b/deep/x", "c/only", "d", "é", "\uff5e", "\u{1f600}"]) {
    await server.put("list-bucket", name, name);
  }
  const rows: [Record<string, string>, string[], string[]][] = [
    [{}, ["a.txt", "b/", "b/deep/x", "b/one", "b/two", "c/only", "d", "é", "\uff5e", "\u{1f600}"], []],
    [{ delimiter: "/" }, ["a.txt", "d", "é", "\uff5e", "\u{1f600}"], ["b/", "c/"]],
    [{ prefix: "b/", delimiter: "/" }, ["b/", "b/one", "b/two"], ["b/deep/"]],
    [{ prefix: "b", delimiter: "/" }, [], ["b/"]],
    [{ prefix: "b/o" }, ["b/one"], []],
    [{ prefix: "absent" }, [], []],
    [
      { delimiter: "/", includeTrailingDelimiter: "true" },
      ["a.txt", "b/", "d", "é", "\uff5e", "\u{1f600}"],
      ["b/", "c/"],
    ],
    [{ startOffset: "b/one", endOffset: "d" }, ["b/one", "b/two", "c/only"], []],
    [{ prefix: "b/", startOffset: "b/p" }, ["b/two"], []],
    [{ matchGlob: "b/[!o]*" }, ["b/two"], []],
    [{ matchGlob: `${"*".repeat(400)}{a,b}${"*".repeat(400)}no` }, [], []],
    [{ matchGlob: "**/one" }, ["b/one"], []],
    [{ matchGlob: "b/*" }, ["b/", "b/one", "b/two"], []],
    [{ matchGlob: "{a.*,b/[ot]*}" }, ["a.txt", "b/one", "b/two"], []],
  ];
  for (const [query, items, prefixes] of rows) {
    for (const maxResults of ["1", "2", "3", "1000"]) {
      const found = await listAll(server, "list-bucket", { ...query, maxResults });
      assert.deepEqual([found.items, found.prefixes], [items, prefixes], JSON.stringify({ ...query, maxResults }));
    }
  }
  const part = await server.call("GET", "/storage/v1/b/list-bucket/o?fields=items(name,size),prefixes&maxResults=1");
  assert.deepEqual(part.json, { items: [{ name: "a.txt", size: "5" }] });
  for (const query of [
    "maxResults=-1",
    "maxResults=x",
    "pageToken=%7B",
    "versions=maybe",
    "matchGlob=%5Ba",
    "matchGlob=%5Bz-a%5D",
    "matchGlob=%7Ba",
  ]) {
    assert.equal((await server.call("GET", `/storage/v1/b/list-bucket/o?${query}`)).status, 400, query);
  }
  assert.equal((await server.call("GET", "/storage/v1/b/list-bucket/o?filter=x")).status, 501);
});

test("pages go on where they ended while objects come and go", async (t) => {
  const server = await startStorage(t);
  await server.bucket("page-bucket");
  for (const name of ["a", "b", "c", "d"]) await server.put("page-bucket", name, "");
  const first = await server.call("GET", "/storage/v1/b/page-bucket/o?maxResults=2");
  await server.call("DELETE", "/storage/v1/b/page-bucket/o/b");
  await server.put("page-bucket", "aa", "");
  const second = await server.call("GET", `/storage/v1/b/page-bucket/o?pageToken=${first.json.nextPageToken}`);
  assert.deepEqual(
    second.json.items?.map((object) => object.name),
    ["c", "d"],
  );
});

test("a list of any names is what a plain filter of them is", async (t) => {
  const server = await startStorage(t);
  let number = 0;
  const name = fc.string({ unit: fc.constantFrom("a", "b", "/", "é"), minLength: 1, maxLength: 6 });
  const options = fc.record({
    prefix: fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 2 }),
    delimiter: fc.constantFrom("", "/", "b"),
    maxResults: fc.integer({ min: 1, max: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(name, { maxLength: 12 }),
      options,
      async (names, { prefix, delimiter, maxResults }) => {
        const bucket = `property-${number++}`;
        await server.bucket(bucket);
        for (const entry of names) await server.put(bucket, entry, "");
        const items: string[] = [];
        const prefixes = new Set<string>();
        for (const entry of [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
          if (!entry.startsWith(prefix)) continue;
          const cut = delimiter ? entry.indexOf(delimiter, prefix.length) : -1;
          if (cut < 0) items.push(entry);
          else prefixes.add(entry.slice(0, cut + delimiter.length));
        }
        const found = await listAll(server, bucket, { prefix, delimiter, maxResults: String(maxResults) });
        assert.deepEqual([found.items, found.prefixes], [items, [...prefixes]]);
        assert.equal(found.pages, Math.max(1, Math.ceil((items.length + prefixes.size) / maxResults)));
      },
    ),
    { numRuns: 60 },
  );
});
