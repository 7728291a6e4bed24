// Which folder may import which is held by the lint; here each forbidden import is planted and found.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

const FORBIDDEN: [from: string, to: string][] = [
  ["localcloud/services/storage/planted.ts", "../../../components/names.ts"],
  ["localcloud/planted.ts", "../training/nearest.ts"],
  ["localcloud/planted.ts", "../cli/program.ts"],
  ["components/planted.ts", "../localcloud/hosts.ts"],
  ["components/planted.ts", "../engine/cli.ts"],
  ["training/engines/planted.ts", "../../localcloud/hosts.ts"],
  ["cli/training/planted.ts", "../../localcloud/hosts.ts"],
  ["cli/planted.ts", "../engine/cli.ts"],
  ["index.ts", "./localcloud/hosts.ts"],
];

const ALLOWED: [from: string, to: string][] = [
  ["localcloud/services/compute/planted.ts", "../../../catalog/zones.ts"],
  ["cli/rehearse/planted.ts", "../../localcloud/hosts.ts"],
  ["cli/local/planted.ts", "../../engine/cli.ts"],
  ["tests/planted.test.ts", "../localcloud/hosts.ts"],
  ["components/planted.ts", "../training/nearest.ts"],
];

/** Whether the lint has nothing against the import; the same lines pass or fail by the import alone. */
function passes(file: string, imported: string): boolean {
  const input = `import * as planted from "${imported}";\n\nconsole.log(planted);\n`;
  const args = ["biome", "lint", "--colors=off", `--stdin-file-path=${file}`];
  const { status, stderr } = spawnSync("npx", args, { cwd: root, input, encoding: "utf8" });
  if (status !== 0) assert.match(stderr, /The contents aren't fixed/);
  return status === 0;
}

describe("an import over a boundary is an error", () => {
  for (const [from, to] of FORBIDDEN) {
    test(`${from} imports ${to}`, () => assert.equal(passes(from, to), false));
  }
});

describe("other imports are none", () => {
  for (const [from, to] of ALLOWED) {
    test(`${from} imports ${to}`, () => assert.equal(passes(from, to), true));
  }
});
