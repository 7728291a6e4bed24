import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inflateRawSync } from "node:zlib";
import { deflate } from "../../components/deflate.ts";

/** Bytes that look random and are the same every time. */
function noise(length: number): Buffer {
  let value = 1;
  return Buffer.from(
    Array.from({ length }, () => {
      value = (value * 48_271) % 2_147_483_647;
      return value & 255;
    }),
  );
}

test("zlib reads back what was compressed: every length of run, every byte, long distances, nothing at all", () => {
  const far = Buffer.concat([noise(40), Buffer.alloc(32_768 - 40, 1), noise(40), Buffer.alloc(50_000, 2), noise(300)]);
  const samples = [Buffer.alloc(0), noise(1), noise(100_000), far, readFileSync(new URL(import.meta.url))];
  for (let length = 1; length < 600; length++) samples.push(Buffer.alloc(length, length));
  for (let byte = 0; byte < 256; byte++) samples.push(Buffer.from([byte, 255 - byte, byte]));
  for (const sample of samples) assert.ok(inflateRawSync(deflate(sample)).equals(sample), `${sample.length} bytes`);
});

test("text becomes less than half as long, and the bytes are the same for ever", () => {
  const text = Buffer.from(Array.from({ length: 500 }, (_, line) => `line ${line} of ${line * 7919}\n`).join(""));
  const packed = deflate(text);
  assert.ok(packed.length < text.length / 2, `${packed.length} of ${text.length}`);
  assert.equal(
    createHash("sha256").update(packed).digest("hex"),
    "96e900132d351b3e56598d65c040c936e639fdced38bd0ed9fb009ef5b15c265",
  );
});
