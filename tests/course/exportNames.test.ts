import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fileNames, objectKey } from "../../course/export/exportNames.ts";

const named = (...names: string[]) => [...fileNames(names).values()];

const CASES: [name: string, file: string][] = [
  ["runs/x/output/model.bin", "runs/x/output/model.bin"],
  ["output/Ergebnis ü 結果.csv", "output/Ergebnis ü 結果.csv"],
  ["../../etc/passwd", "%2E%2E/%2E%2E/etc/passwd"],
  ["/etc/passwd", "%/etc/passwd"],
  ["a//b/", "a/%/b/%"],
  ["./a", "%2E/a"],
  ["C:\\Windows\\x", "C%3A%5CWindows%5Cx"],
  ["con", "%63on"],
  ["output/NUL.txt", "output/%4EUL.txt"],
  ["lpt¹.log", "%6Cpt¹.log"],
  ["dots...", "dots..%2E"],
  ["space ", "space%20"],
  ["100%", "100%25"],
  ["a~b", "a%7Eb"],
  ['what? "is" <this>|*', "what%3F %22is%22 %3Cthis%3E%7C%2A"],
  ["tab\there\u0085", "tab%09here%C2%85"],
  ["-rf", "-rf"],
];
for (const [name, file] of CASES)
  test(`${JSON.stringify(name)} is ${file}`, () => assert.deepEqual(named(name), [file]));

test("names that a file system could take for one are told apart, all of them", () => {
  const files = named("output/Model.bin", "output/model.bin", "output/other.bin");
  assert.match(files[0]!, /^output\/Model~[0-9a-f]{12}\.bin$/);
  assert.match(files[1]!, /^output\/model~[0-9a-f]{12}\.bin$/);
  assert.equal(files[2], "output/other.bin");
  // The same letters composed and decomposed; sharp s and double s; a file where another needs a folder.
  for (const [one, other] of [
    ["\u00e4", "a\u0308"],
    ["straße", "STRASSE"],
    ["Out/x", "out/x"],
  ] as const) {
    const [first, second] = named(one, other);
    assert.notEqual(first!.normalize("NFC").toUpperCase(), second!.normalize("NFC").toUpperCase());
  }
  const [file, below] = named("a", "A/b");
  assert.match(file!, /^a~[0-9a-f]{12}$/);
  assert.equal(below, "A/b");
});

test("a student who knows how names are told apart cannot make two objects one file", () => {
  const files = named("A", "a");
  const literal = named("A", "a", files[0]!, files[1]!);
  assert.equal(new Set(literal.map((name) => name.toLowerCase())).size, 4);
});

test("long parts are cut at whole characters and told apart", () => {
  const long = "ü".repeat(300);
  const [one, other] = named(`${long}1`, `${long}2`);
  assert.notEqual(one, other);
  for (const file of [one!, other!]) assert.ok(Buffer.byteLength(file) <= 200 && !file.includes("\ufffd"));
});

test("any set of names: every file legal on every system, in its folder, and unlike all others", () => {
  const odd = fc.constantFrom(
    "..",
    ".",
    "",
    "A",
    "a",
    "con",
    "é",
    "e\u0301",
    "%",
    "~",
    "x.",
    "b ",
    "\\",
    ":",
    "\u0001",
    "ß",
    "SS",
  );
  const part = fc.oneof(odd, fc.string({ unit: "grapheme", maxLength: 8 }));
  const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  fc.assert(
    fc.property(
      fc.uniqueArray(
        name.filter((text) => text !== ""),
        { maxLength: 12 },
      ),
      (names) => {
        const files = [...fileNames(names).values()];
        const folded = files.map((file) => file.normalize("NFC").toUpperCase().toLowerCase());
        assert.equal(new Set(folded).size, names.length);
        for (const [index, file] of files.entries()) {
          for (const piece of file.split("/")) {
            assert.ok(piece !== "" && piece !== "." && piece !== "..", file);
            assert.ok(!/[<>:"\\|?*]|[. ]$/.test(piece) && !/^(con|nul)(\.|$)/i.test(piece), file);
            // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be left.
            assert.ok(!/[\u0000-\u001f\u007f]/.test(piece), file);
          }
          // No file where another needs a folder.
          assert.ok(!folded.some((other, at) => at !== index && other.startsWith(`${folded[index]}/`)), file);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test("in a bucket a name stays as it is, and one that would be too long is cut and told apart", () => {
  assert.equal(objectKey("2026/s001/", "output/../A b"), "2026/s001/output/../A b");
  const long = `output/${"ü".repeat(508)}`;
  const [one, other] = [objectKey("2026/s001/", `${long}1`), objectKey("2026/s001/", `${long}2`)];
  assert.notEqual(one, other);
  for (const key of [one, other]) assert.ok(Buffer.byteLength(key) <= 1024 && /~[0-9a-f]{16}$/.test(key));
});
