import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KEYS } from "../../training/manifest.ts";
import { readPackage } from "../../training/package.ts";
import { REPOSITORY } from "../helpers/shell.ts";

const EXAMPLES = join(REPOSITORY, "examples");
const names = readdirSync(EXAMPLES, { withFileTypes: true })
  // `images/` holds recipes of machine images, `mnist-pipeline/` is a Kubeflow pipeline, `course/` a course.
  .filter((entry) => entry.isDirectory() && !["course", "images", "mnist-pipeline"].includes(entry.name))
  .map((entry) => entry.name);

test("there are examples", () =>
  assert.ok(
    ["census", "digits", "fashion-mnist"].every((name) => names.includes(name)),
    String(names),
  ));

for (const name of names) {
  test(`examples/${name} is a package that mlt accepts, documented and locked`, async () => {
    const found = await readPackage(join(EXAMPLES, name));
    assert.equal(found.manifest.name, name);
    assert.ok(found.files.includes("requirements.txt") && found.files.includes("README.md"));
    const lock = readFileSync(join(EXAMPLES, name, "requirements.txt"), "utf8");
    assert.doesNotMatch(lock, /:\/\/|index-url|find-links/, "the lock names no host");
    // Every top requirement is in the lock.
    const wanted = readFileSync(join(EXAMPLES, name, "requirements.in"), "utf8").match(/^[a-z][\w-]*/gm) ?? [];
    for (const requirement of wanted) assert.match(lock, new RegExp(`^${requirement}==`, "im"));
  });
}

test("schemas/training.json knows exactly the keys that training.yaml may have", () => {
  const schema = JSON.parse(readFileSync(join(REPOSITORY, "schemas/training.json"), "utf8"));
  assert.deepEqual(Object.keys(schema.properties).sort(), [...KEYS].sort());
  assert.equal(schema.additionalProperties, false);
});
