// `npm run typecheck` finds a type error; nothing else does, since Node strips types without reading them.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
let folder: string;
// Inside the repository, so that the planted file finds the same packages and the same settings.
before(() => {
  folder = mkdtempSync(join(root, "node_modules", ".planted-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

function typecheck(source: string): { status: number | null; stdout: string } {
  writeFileSync(join(folder, "planted.ts"), source);
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ extends: join(root, "tsconfig.json"), include: ["planted.ts"], exclude: [] }),
  );
  const args = [
    "run",
    "--silent",
    "typecheck",
    "--",
    "--project",
    join(folder, "tsconfig.json"),
    "--typeRoots",
    join(root, "node_modules/@types"),
  ];
  return spawnSync("npm", args, { cwd: root, encoding: "utf8" });
}

const USE = `import { startupScript } from "${join(root, "components/startupScript.ts")}";\n`;

test("a right call passes", () => {
  const { status, stdout } = typecheck(`${USE}export const script: string = startupScript("trainer.sh");\n`);
  assert.equal(stdout, "");
  assert.equal(status, 0);
});

test("a planted type error is found and named", () => {
  const { status, stdout } = typecheck(`${USE}export const script: number = startupScript("trainer.sh");\n`);
  assert.match(stdout, /planted\.ts\(2,14\): error TS2322: Type 'string' is not assignable to type 'number'\./);
  assert.equal(status, 2);
});
