import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MLT = join(fileURLToPath(new URL("../..", import.meta.url)), "cli", "mlt.js");

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** `mlt` under way, as a user started it. */
export interface MltCommand {
  readonly ended: Promise<Ended>;
  /** What fits in what it has said, as soon as it has; rejects with its words if it ends before. */
  said(pattern: RegExp): Promise<string>;
  /** As Ctrl-C does. */
  interrupt(): void;
}

export interface MltOptions {
  folder: string;
  variables: NodeJS.ProcessEnv;
  signal?: AbortSignal;
}

/** Starts `mlt`; it gets an interrupt when the signal aborts. */
export function startMlt(args: readonly string[], { folder, variables, signal }: MltOptions): MltCommand {
  signal?.throwIfAborted();
  const child: ChildProcess = spawn(process.execPath, [MLT, ...args], {
    cwd: folder,
    env: variables,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const all: Ended = { code: null, stdout: "", stderr: "" };
  const listeners = new Set<() => void>();
  const wake = () => {
    for (const listener of [...listeners]) listener();
  };
  let isOver = false;
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      all[name] += text;
      wake();
    });
  }
  const interrupt = () => void child.kill("SIGINT");
  signal?.addEventListener("abort", interrupt);
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      signal?.removeEventListener("abort", interrupt);
      isOver = true;
      all.code = code;
      resolve(all);
      wake();
    });
  });
  const said = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(`${all.stdout}\n${all.stderr}`)?.[0];
        if (found === undefined && !isOver) return;
        listeners.delete(look);
        if (found === undefined) reject(new Error(failure(args, all)));
        else resolve(found);
      };
      listeners.add(look);
      look();
    });
  return { ended, said, interrupt };
}

/** What `mlt` printed; a rejection has its own words. */
export async function runMlt(args: readonly string[], options: MltOptions): Promise<string> {
  const ended = await startMlt(args, options).ended;
  options.signal?.throwIfAborted();
  if (ended.code !== 0) throw new Error(failure(args, ended));
  return ended.stdout;
}

function failure(args: readonly string[], { code, stderr }: Ended): string {
  const words = stderr
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("+ gcloud"))
    .join("\n");
  return `mlt ${args[0]} ended with ${code}: ${words.slice(-2000)}`;
}
