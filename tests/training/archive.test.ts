import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { list } from "tar";
import { archive } from "../../training/archive.ts";
import { crc32c, crcText } from "../../training/checksum.ts";
import { distance, nearest } from "../../training/nearest.ts";

const segment = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 60 })
  .filter((text) => !/[/\0\\]/.test(text) && text !== "." && text !== "..");
const entries = fc.uniqueArray(
  fc.record({
    path: fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/").normalize("NFC")),
    data: fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
  }),
  { selector: (entry) => entry.path, maxLength: 8 },
);

test("the same files make the same bytes, in whatever order they come", () => {
  fc.assert(
    fc.property(entries, (files) => {
      assert.equal(archive(files).sha256, archive([...files].reverse()).sha256);
    }),
  );
});

test("a tar program reads back what was put in, long and foreign names too", async () => {
  await fc.assert(
    fc.asyncProperty(entries, async (files) => {
      const read = new Map<string, Buffer>();
      await new Promise<void>((resolve, reject) => {
        const parser = list({
          onReadEntry: (entry) => {
            const chunks: Buffer[] = [];
            entry.on("data", (chunk: Buffer) => chunks.push(chunk));
            entry.on("end", () => read.set(entry.path, Buffer.concat(chunks)));
            assert.equal(entry.mtime?.toISOString(), "2000-01-01T00:00:00.000Z");
          },
        });
        parser.on("end", () => resolve());
        parser.on("error", reject);
        parser.end(archive(files).bytes);
      });
      assert.deepEqual([...read.keys()].sort(), files.map(({ path }) => path).sort());
      for (const { path, data } of files) assert.ok(read.get(path)?.equals(data), path);
    }),
    { numRuns: 50 },
  );
});

test("the bytes are the same everywhere: this is the checksum of a known package", () => {
  const known = archive([
    { path: "train.py", data: Buffer.from("#!/usr/bin/env python3\nprint('ä')\n") },
    { path: "a/b.txt", data: Buffer.from("line\n") },
  ]);
  assert.equal(known.sha256, "f4410abb186e75a5d2d7fa96c0ab12223086373f78317b7db545526714a69415");
  const tar = gunzipSync(known.bytes);
  assert.equal(tar.subarray(0, 7).toString(), "a/b.txt");
  assert.equal(tar.subarray(100, 107).toString(), "0000644");
  assert.equal(tar.subarray(1024 + 100, 1024 + 107).toString(), "0000755");
});

test("over 64 KiB the gzip has several blocks and is still read", () => {
  const data = Buffer.alloc(300_000, "abcdefg");
  assert.ok(gunzipSync(archive([{ path: "x", data }]).bytes).includes(data));
});

test("crc32c is Castagnoli's, in pieces as in one", () => {
  assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283);
  assert.equal(crcText(crc32c(Buffer.alloc(0))), "AAAAAA==");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, at) => {
      assert.equal(crc32c(bytes.subarray(at), crc32c(bytes.subarray(0, at))), crc32c(bytes));
    }),
  );
});

test("the nearest word is a small slip away, or there is none", () => {
  assert.equal(distance("comand", "command"), 1);
  assert.equal(distance("ab", "ba"), 1);
  assert.equal(nearest("comand", ["inputs", "command"]), "command");
  assert.equal(nearest("zzz", ["inputs", "command"]), undefined);
});
