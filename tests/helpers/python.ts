import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { cacheFolder } from "./cache.ts";

/** A set-up takes a minute or two; one that is older than this was broken off. */
const LOCK_MS = 10 * 60_000;

/**
 * A Python that has `packages` (`name==version`), from a virtual environment that is made once and cached. Skips the
 * test, with the reason, where there is no Python or the packages cannot be had.
 */
export async function pythonWith(t: TestContext, packages: string[]): Promise<string | undefined> {
  const key = createHash("sha256").update(packages.join("\n")).digest("hex").slice(0, 12);
  const folder = join(cacheFolder("test-venvs"), key);
  const python = join(folder, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  const ready = join(folder, "ready");
  const lock = `${folder}.lock`;
  while (!existsSync(ready)) {
    if (!locked(lock)) {
      // Another test makes it at this moment.
      await new Promise((resolve) => setTimeout(resolve, 500));
      continue;
    }
    try {
      t.diagnostic(`making a virtual environment with ${packages.join(", ")} in ${folder} (once, about a minute)`);
      rmSync(folder, { recursive: true, force: true });
      const problem =
        (await run(process.env.PYTHON ?? "python3", ["-m", "venv", folder])) ??
        (await run(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...packages]));
      if (problem) {
        t.skip(`no Python with ${packages.join(", ")}: ${problem}`);
        return undefined;
      }
      writeFileSync(ready, packages.join("\n"));
    } finally {
      rmSync(lock, { recursive: true, force: true });
    }
  }
  return python;
}

function locked(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch {
    const made = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
    if (made !== undefined && Date.now() - made > LOCK_MS) rmSync(lock, { recursive: true, force: true });
    return false;
  }
}

/** What went wrong, in its last line; `undefined` if nothing did. */
function run(program: string, args: string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => {
      errors += chunk;
    });
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code) =>
      resolve(code === 0 ? undefined : (errors.trim().split("\n").at(-1) ?? `${program} ended with ${code}`)),
    );
  });
}
