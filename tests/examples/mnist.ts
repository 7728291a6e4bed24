// The Kubeflow pipeline's example, with Python and its locked requirements, made once and cached.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../helpers/cache.ts";
import { REPOSITORY, run } from "../helpers/shell.ts";

export const EXAMPLE = join(REPOSITORY, "examples/mnist-pipeline");

/** A Python that has what requirements.txt locks. */
export async function mnistPython(): Promise<string> {
  const lock = join(EXAMPLE, "requirements.txt");
  const hash = createHash("sha256").update(readFileSync(lock)).digest("hex").slice(0, 12);
  const folder = join(cacheFolder("test-venvs"), `mnist-pipeline-${hash}`);
  const python = join(folder, "bin/python");
  const done = join(folder, "installed");
  // Several test files want it at the same time: one makes it.
  const making = `${folder}.lock`;
  while (!existsSync(done)) {
    if (!taken(making)) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      continue;
    }
    try {
      console.log(`making a virtual environment with KFP and JAX in ${folder} (once, about a minute)`);
      const made = await run("python3", ["-m", "venv", "--clear", folder], { timeoutMs: 120_000 });
      assert.equal(made.status, 0, made.stderr);
      // As steps.Dockerfile has it.
      const flags = ["--require-hashes", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"];
      const source = ["--no-binary", "kfp-server-api", "--no-build-isolation"];
      for (const more of [
        ["-r", join(EXAMPLE, "build.txt")],
        [...source, "-r", lock],
      ]) {
        const installed = await run(python, ["-m", "pip", "install", ...flags, ...more], { timeoutMs: 600_000 });
        assert.equal(installed.status, 0, installed.stderr);
      }
      writeFileSync(done, "");
    } finally {
      rmSync(making, { recursive: true, force: true });
    }
  }
  return python;
}

function taken(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch {
    const made = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
    if (made !== undefined && Date.now() - made > 10 * 60_000) rmSync(lock, { recursive: true, force: true });
    return false;
  }
}

/** Runs Python with the example's modules; `code` finds `args` in `sys.argv[1:]`. */
export function runPython(python: string, code: string, args: string[], env: Record<string, string> = {}) {
  return run(python, ["-B", "-c", code, ...args], {
    env: { PATH: process.env.PATH!, PYTHONPATH: EXAMPLE, HOME: "/nonexistent", ...env },
    timeoutMs: 60_000,
  });
}
