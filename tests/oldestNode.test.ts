// The oldest supported Node runs the command and the program; one that is too old is told so.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { cacheFolder } from "./helpers/cache.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const OLDEST = "22.13.0";
const TOO_OLD = "20.19.0";

function installed(version: string): string {
  const folder = cacheFolder("node", version);
  const node = join(folder, "node_modules", "node", "bin", "node");
  if (!existsSync(node)) {
    console.log(`installing Node ${version} from the npm package "node" into ${folder}`);
    const flags = ["install", "--no-save", "--no-audit", "--no-fund", "--prefix", folder, `node@${version}`];
    execFileSync("npm", flags, { cwd: folder, stdio: "ignore" });
  }
  return node;
}

let oldest: string;
let tooOld: string;
before(() => {
  oldest = installed(OLDEST);
  tooOld = installed(TOO_OLD);
});

test("package.json promises what is tested here", () => {
  const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { engines: { node: string } };
  assert.equal(engines.node, ">=22.13");
});

test("mlt --help runs on the oldest supported Node", () => {
  const { status, stdout, stderr } = spawnSync(oldest, ["cli/mlt.js", "--help"], { cwd: root, encoding: "utf8" });
  assert.equal(stderr, "");
  assert.match(stdout, /^Usage: mlt /);
  assert.equal(status, 0);
});

test("a command that loads Google's login and the environment runs on the oldest supported Node", () => {
  const env = { PATH: "", HOME: cacheFolder("node"), METADATA_SERVER_DETECTION: "none", XDG_CONFIG_HOME: "/nowhere" };
  const options = { cwd: root, encoding: "utf8", env } as const;
  const { status, stdout, stderr } = spawnSync(oldest, ["cli/mlt.js", "doctor", "--json"], options);
  assert.deepEqual([status, stderr], [1, ""]);
  const { checks } = JSON.parse(stdout) as { checks: { name: string; state: string; detail: string }[] };
  assert.deepEqual(checks[0], { name: "Node", state: "ok", detail: `${OLDEST}, 22.13 or newer is needed` });
  assert.equal(checks.find(({ name }) => name === "login")?.state, "missing");
});

test("the Pulumi program loads on the oldest supported Node, the way Pulumi.yaml says", () => {
  const script = 'const m = await import("./index.ts"); console.log(typeof m.default);';
  const args = ["--import", "./cli/typescript.js", "--input-type=module", "--eval", script];
  const { status, stdout, stderr } = spawnSync(oldest, args, { cwd: root, encoding: "utf8" });
  assert.equal(stderr, "");
  assert.equal(stdout.trim(), "function");
  assert.equal(status, 0);
});

test("an older Node is told what to do, with Pulumi's code for a message that needs no stack", () => {
  const { status, stderr } = spawnSync(tooOld, ["--import", "./cli/typescript.js", "index.ts"], {
    cwd: root,
    encoding: "utf8",
  });
  assert.equal(
    stderr,
    `ml-training needs Node 22.13 or newer, because its dependencies do; this is Node ${TOO_OLD} (${tooOld}).\n` +
      "Install Node 24 (LTS), or put the one that `npm ci` brings first on the path: export PATH=$PWD/node_modules/.bin:$PATH\n",
  );
  assert.equal(status, 32);
});
