import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Crc32c } from "../../../localcloud/services/storage/crc32c.ts";
import { selectFields } from "../../../localcloud/services/storage/fields.ts";
import { compareNames } from "../../../localcloud/services/storage/names.ts";

test("CRC-32C is right on the values of RFC 3720 and however its input is cut", () => {
  const of = (...parts: Uint8Array[]) => {
    const sum = new Crc32c();
    for (const part of parts) sum.update(part);
    return Buffer.from(sum.base64(), "base64").toString("hex");
  };
  assert.equal(of(Buffer.from("123456789")), "e3069283");
  assert.equal(of(Buffer.alloc(32)), "8a9136aa");
  assert.equal(of(Buffer.alloc(32, 0xff)), "62a8ab43");
  assert.equal(of(Buffer.from(Array.from({ length: 32 }, (_, index) => index))), "46dd794e");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, cut) => {
      assert.equal(of(bytes.subarray(0, cut), bytes.subarray(cut)), of(bytes));
    }),
  );
});

test("names are ordered as their bytes are", () => {
  const unit = fc.constantFrom("a", "b", "é", "\ud7ff", "\ue000", "\uffff", "\u{10000}", "\u{10ffff}");
  const name = fc.string({ unit, maxLength: 4 });
  fc.assert(
    fc.property(name, name, (a, b) => {
      assert.equal(Math.sign(compareNames(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  );
});

test("fields select parts of a reply", () => {
  const reply = { kind: "k", next: "n", items: [{ name: "a", size: 1, meta: { x: 1, y: 2 } }] };
  const rows: [string, unknown][] = [
    ["*", reply],
    ["kind", { kind: "k" }],
    ["items/name", { items: [{ name: "a" }] }],
    ["items(name,size),next", { next: "n", items: [{ name: "a", size: 1 }] }],
    ["items/name,items/size", { items: [{ name: "a", size: 1 }] }],
    ["items(meta/x)", { items: [{ meta: { x: 1 } }] }],
    ["items/meta/*", { items: [{ meta: { x: 1, y: 2 } }] }],
    ["*(name)", { kind: "k", next: "n", items: [{ name: "a" }] }],
    ["absent", {}],
  ];
  for (const [fields, expected] of rows) assert.deepEqual(selectFields(reply, fields), expected, fields);
  for (const fields of ["items(", "items)", "a,,b", "/a", "a b"]) {
    assert.throws(() => selectFields(reply, fields), /Invalid field selection/, fields);
  }
});
