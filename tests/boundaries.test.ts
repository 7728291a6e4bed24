// Which folder may import which is held by the lint; here each import over a boundary is planted, and found.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

const FORBIDDEN: [from: string, to: string][] = [
  ["localcloud/services/storage/a.ts", "../../../components/names.ts"],
  ["localcloud/b.ts", "../training/nearest.ts"],
  ["localcloud/c.ts", "../cli/program.ts"],
  ["localcloud/d.ts", "../engine/cli.ts"],
  ["components/e.ts", "../localcloud/hosts.ts"],
  ["components/f.ts", "../engine/cli.ts"],
  ["training/engines/g.ts", "../../localcloud/hosts.ts"],
  ["cli/training/h.ts", "../../localcloud/hosts.ts"],
  ["cli/i.ts", "../engine/cli.ts"],
  ["cleanup/p.ts", "../localcloud/hosts.ts"],
  ["images/q.ts", "../localcloud/hosts.ts"],
  ["workstation/r.ts", "../engine/cli.ts"],
  ["course/z.ts", "../localcloud/hosts.ts"],
  ["course/aa.ts", "../engine/cli.ts"],
  ["kubeflow/bb.ts", "../localcloud/hosts.ts"],
  ["cli/course/cc.ts", "../../engine/cli.ts"],
  ["localcloud/dd.ts", "../course/names.ts"],
  ["localcloud/ee.ts", "../kubeflow/objects.ts"],
  ["localcloud/s.ts", "../cleanup/inventory.ts"],
  ["localcloud/v.ts", "../faults/case.ts"],
  ["training/w.ts", "../faults/case.ts"],
  ["index.ts", "./localcloud/hosts.ts"],
];

const ALLOWED: [from: string, to: string][] = [
  ["localcloud/services/compute/k.ts", "../../../catalog/zones.ts"],
  ["cli/rehearse/l.ts", "../../localcloud/hosts.ts"],
  ["cli/local/m.ts", "../../engine/cli.ts"],
  ["tests/n.test.ts", "../localcloud/hosts.ts"],
  ["faults/x.ts", "../localcloud/hosts.ts"],
  ["faults/y.ts", "../engine/cli.ts"],
  ["components/o.ts", "../training/nearest.ts"],
  ["course/ff.ts", "../components/names.ts"],
];

let folder: string;
let found: Set<string>;
before(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "mlt-boundaries-")));
  for (const name of ["biome.json", ".gitignore"]) copyFileSync(join(root, name), join(folder, name));
  for (const [from, to] of [...FORBIDDEN, ...ALLOWED]) {
    mkdirSync(dirname(join(folder, from)), { recursive: true });
    writeFileSync(join(folder, from), `import { planted } from "${to}";\n\nconsole.log(planted);\n`);
  }
  const biome = join(root, "node_modules", ".bin", "biome");
  const { stdout } = spawnSync(biome, ["lint", "--reporter=github", "."], { cwd: folder, encoding: "utf8" });
  const lines = stdout.split("\n").filter((line) => line.includes("noRestrictedImports"));
  found = new Set(lines.map((line) => relative(folder, /file=([^,]+)/.exec(line)?.[1] ?? line)));
});
after(() => rmSync(folder, { recursive: true, force: true }));

describe("an import over a boundary is an error", () => {
  for (const [from, to] of FORBIDDEN) test(`${from} imports ${to}`, () => assert.ok(found.has(from)));
});

describe("other imports are none", () => {
  for (const [from, to] of ALLOWED) test(`${from} imports ${to}`, () => assert.ok(!found.has(from)));
});
