import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { document } from "../../../localcloud/docs.ts";

test("docs/localcloud.md says what the routes are", async () => {
  const kept = await readFile(new URL("../../../docs/localcloud.md", import.meta.url), "utf8");
  assert.equal(
    kept,
    await document(),
    "docs/localcloud.md is old: node --import ./cli/typescript.js localcloud/docs.ts > docs/localcloud.md",
  );
});
