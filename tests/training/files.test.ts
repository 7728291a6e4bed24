import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { makeFolder } from "../../training/files.ts";
import { temporaryFolder } from "../helpers/shell.ts";

test("several downloads at once make the folders that they share", async (t) => {
  const folder = temporaryFolder(t);
  for (let round = 0; round < 50; round += 1) {
    const names = ["a/b/c/d", "a/b/c", "a/b/c/e", "a", "a/b/c/d"].map((name) => join(folder, String(round), name));
    await Promise.all(names.map((name) => makeFolder(name)));
    for (const name of names) assert.ok(existsSync(name), name);
  }
});

test("a folder that the system refuses is an error, and does not take for ever", async (t) => {
  if (process.platform !== "linux") return t.skip("needs /proc, in which no folder can be made");
  await assert.rejects(makeFolder("/proc/none/of/these"), { code: "ENOENT" });
});
