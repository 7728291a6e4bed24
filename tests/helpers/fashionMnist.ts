import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "./cache.ts";
import { REPOSITORY, run } from "./shell.ts";

export const FASHION_MNIST = join(REPOSITORY, "examples/fashion-mnist");

/** A Python with what examples/fashion-mnist needs; made once, outside the repository. */
export async function fashionMnistPython(): Promise<string> {
  const lock = join(FASHION_MNIST, "requirements.txt");
  const hash = createHash("sha256").update(readFileSync(lock)).digest("hex").slice(0, 12);
  const folder = cacheFolder("test-venvs", `fashion-mnist-${hash}`);
  const python = join(folder, "bin/python");
  const done = join(folder, "installed");
  if (existsSync(done)) return python;
  console.log(`making a virtual environment with Keras and JAX in ${folder} (once, about a minute)`);
  const made = await run("python3", ["-m", "venv", "--clear", folder], { timeoutMs: 120_000 });
  assert.equal(made.status, 0, made.stderr);
  const flags = ["--require-hashes", "--only-binary", ":all:", "--quiet", "--disable-pip-version-check"];
  const installed = await run(python, ["-m", "pip", "install", ...flags, "-r", lock], { timeoutMs: 600_000 });
  assert.equal(installed.status, 0, installed.stderr);
  writeFileSync(done, "");
  return python;
}
