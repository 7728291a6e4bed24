import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { buildPulumi } from "../../engine/build.ts";
import { findPulumi, isOlder, PULUMI_VERSION } from "../../engine/cli.ts";

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "mlt-cli-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** A program that answers as a Pulumi CLI of this version does. */
function pretend(place: string, version: string): string {
  mkdirSync(place, { recursive: true });
  const path = join(place, "pulumi");
  writeFileSync(path, `#!/bin/sh\necho v${version}\n`);
  chmodSync(path, 0o755);
  return path;
}

const posix = process.platform === "win32" ? "the stand-ins for programs are shell scripts" : false;

test("versions are compared by number", () => {
  assert.ok(isOlder("3.99.0", "3.218.0"));
  assert.ok(isOlder("2.300.1", "3.218.0"));
  assert.ok(!isOlder("3.218.0", "3.218.0"));
  assert.ok(!isOlder("3.256.0-dev.1", "3.218.0"));
});

test("the Pulumi on the path is used if it is new enough", { skip: posix }, async () => {
  const path = pretend(join(folder, "new"), "3.300.1");
  const found = await findPulumi(() => {}, { PATH: join(folder, "new"), ML_TRAINING_CACHE: join(folder, "none") });
  assert.deepEqual(found, { path, version: "3.300.1", how: "on the path" });
});

test("an old one on the path is named and passed over for the cached one", { skip: posix }, async () => {
  pretend(join(folder, "old"), "3.100.0");
  const cache = join(folder, "cache");
  const path = pretend(join(cache, "pulumi", PULUMI_VERSION, "bin"), PULUMI_VERSION);
  const said: string[] = [];
  const found = await findPulumi((line) => said.push(line), { PATH: join(folder, "old"), ML_TRAINING_CACHE: cache });
  assert.deepEqual(found, { path, version: PULUMI_VERSION, how: "cached" });
  assert.match(said.join("\n"), /is 3\.100\.0, older than/);
});

test("without Go the build ends with what to install", async () => {
  const build = buildPulumi({
    path: join(folder, "nowhere", "bin", "pulumi"),
    version: PULUMI_VERSION,
    progress: () => {},
    environment: { PATH: join(folder, "empty") },
  });
  await assert.rejects(build, /Install one of them: Pulumi .* or Go/);
});

test("a build that another process does is waited for, and its result taken", { skip: posix }, async () => {
  const place = join(folder, "shared", "bin");
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, ".building"), String(process.pid));
  const said: string[] = [];
  const path = join(place, "pulumi");
  const build = buildPulumi({ path, version: PULUMI_VERSION, progress: (line) => said.push(line), environment: {} });
  await new Promise((resolve) => setTimeout(resolve, 100));
  pretend(place, PULUMI_VERSION);
  rmSync(join(place, ".building"));
  await build;
  assert.match(said.join("\n"), /is building it already; waiting/);
});
