import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { State } from "../../../localcloud/core/state.ts";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "state test "));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test("any key is a record of its own, also on file systems that do not tell A from a", (t) => {
  const path = folder(t);
  const keys = [
    "a",
    "A",
    "á",
    "../../up",
    "..",
    "a/b",
    "a%2Fb",
    "x".repeat(1024),
    `${"x".repeat(1023)}y`,
    "\u0000",
    "😀",
  ];
  const things = new State(path).collection<string>("things");
  for (const key of keys) things.set(key, key);
  const files = readdirSync(join(path, "records", "things"));
  assert.equal(new Set(files.map((file) => file.toLowerCase())).size, keys.length);
  assert.deepEqual(readdirSync(path), ["records"], "nothing lies outside its folder");
  const again = new State(path).collection<string>("things");
  assert.deepEqual(again.keys(), [...keys].sort());
  for (const key of keys) assert.equal(again.get(key), key);
  for (const key of keys) again.delete(key);
  assert.deepEqual(readdirSync(join(path, "records", "things")), []);
});

test("a record that was being written when the process died is not read; a spoilt one is named", (t) => {
  const path = folder(t);
  new State(path).collection("things").set("good", 1);
  const file = join(path, "records", "things", "bad.json");
  writeFileSync(`${file}.new`, '{"key": "ba');
  assert.deepEqual(new State(path).collection("things").keys(), ["good"]);
  writeFileSync(file, '{"key": "ba');
  assert.throws(() => new State(path).collection("things"), /bad\.json cannot be read as a record/);
});
