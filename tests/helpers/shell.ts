import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { chmod, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

export const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

/** What a program did. */
export interface Ran {
  /** Exit code, 128 + n for signal n. */
  status: number;
  stdout: string;
  stderr: string;
  /** For every stub, the arguments of each of its calls, in order. */
  calls: Record<string, string[][]>;
}

export interface RunOptions {
  /** All of the environment but PATH. */
  env?: Record<string, string>;
  /** Programs put first on PATH: name → body of a bash script. Every call and its arguments are recorded. */
  stubs?: Record<string, string>;
  args?: string[];
  /** Ends a program that hangs; a test then sees 137. */
  timeoutMs?: number;
  cwd?: string;
}

/** A folder that is removed when the test ends. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "mlt-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The metadata server as files: `METADATA_BASE=file://…` for `curl`, which fails on a missing file as on a 404. */
export async function metadataFiles(folder: string, values: Record<string, string>): Promise<string> {
  for (const [path, value] of Object.entries(values)) {
    const file = join(folder, path);
    await mkdir(join(file, ".."), { recursive: true });
    writeFileSync(file, value);
  }
  return `file://${folder}`;
}

/** Runs a bash script under recorded stubs. */
export async function runScript(path: string, options: RunOptions = {}): Promise<Ran> {
  const folder = mkdtempSync(join(tmpdir(), "mlt-shell-"));
  try {
    for (const [name, body] of Object.entries(options.stubs ?? {})) {
      const stub = join(folder, name);
      // Arguments are recorded with a NUL after each: they may hold anything else.
      const record = `printf '%s\\0' "$@" >"$(mktemp "${folder}/calls.${name}.$(date +%s%N).XXXXXX")"`;
      writeFileSync(stub, `#!/usr/bin/env bash\n${record}\n${body}\n`);
      await chmod(stub, 0o755);
    }
    const env = { ...options.env, PATH: `${folder}:${process.env.PATH}` };
    const ran = await run("bash", [path, ...(options.args ?? [])], { ...options, env });
    return { ...ran, calls: recorded(folder, Object.keys(options.stubs ?? {})) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function recorded(folder: string, names: string[]): Record<string, string[][]> {
  const files = readdirSync(folder).sort();
  return Object.fromEntries(
    names.map((name) => [
      name,
      files
        .filter((file) => file.startsWith(`calls.${name}.`))
        .map((file) => readFileSync(join(folder, file), "utf8").split("\0").slice(0, -1)),
    ]),
  );
}

/** Runs any program to its end. */
export async function run(
  program: string,
  args: string[],
  options: { env?: Record<string, string>; timeoutMs?: number; cwd?: string } = {},
): Promise<Omit<Ran, "calls">> {
  const child = spawn(program, args, {
    env: options.env ?? (process.env as Record<string, string>),
    cwd: options.cwd ?? REPOSITORY,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const killer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 60_000);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const status = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? 128 + (signal === "SIGKILL" ? 9 : 15)));
  });
  clearTimeout(killer);
  return { status, stdout, stderr };
}
