import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { constants } from "node:os";
import { StringDecoder } from "node:string_decoder";

/** What the processes of a provider have in common, and the command's own part of it. */
export interface CommandProcess {
  /** Program and first arguments; the command is the last. @default the shell of the operating system */
  interpreter?: readonly string[];
  command: string;
  folder: string;
  environment: Readonly<Record<string, string | undefined>>;
  stdin?: string;
  /** Each line as it comes. */
  onLine?: (line: string, stream: "stdout" | "stderr") => void;
  /** Kills the command and what it started. */
  signal?: AbortSignal;
}

const SHELL = process.platform === "win32" ? ["cmd", "/C"] : ["/bin/sh", "-c"];

/**
 * Runs a command to its end and returns what it wrote, without the last line end.
 * @throws with how it ended, the command and all that it wrote, the last lines last
 */
export function run(wish: CommandProcess): Promise<{ stdout: string; stderr: string }> {
  const { command, folder, onLine, signal } = wish;
  const [program = "", ...args] = [...(wish.interpreter?.length ? wish.interpreter : SHELL), command];
  return new Promise((resolve, reject) => {
    let both = "";
    const fail = (how: string) => reject(new Error(`${how}: running ${JSON.stringify(command)}:\n${both}`));
    if (signal?.aborted) return fail("cancelled");
    if (!isFolder(folder)) return fail(`chdir ${folder}: no such file or directory`);
    const child = spawn(program, args, {
      cwd: folder,
      env: wish.environment as NodeJS.ProcessEnv,
      stdio: [wish.stdin ? "pipe" : "ignore", "pipe", "pipe"],
      // A group of its own, so that a shell's children end with it.
      detached: process.platform !== "win32",
    });
    const kill = () => killGroup(child.pid);
    signal?.addEventListener("abort", kill, { once: true });
    const done = () => signal?.removeEventListener("abort", kill);
    const texts = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const) {
      const decoder = new StringDecoder("utf8");
      let line = "";
      const take = (text: string) => {
        texts[stream] += text;
        both += text;
        const lines = (line + text).split("\n");
        line = lines.pop() ?? "";
        for (const whole of lines) onLine?.(whole, stream);
      };
      child[stream]?.on("data", (data: Buffer) => take(decoder.write(data)));
      child[stream]?.on("end", () => {
        take(decoder.end());
        if (line) onLine?.(line, stream);
      });
    }
    // A command that does not read its input ends before all of it is written.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(wish.stdin);
    child.on("error", (error: NodeJS.ErrnoException) => {
      done();
      fail(error.code === "ENOENT" ? `exec: "${program}": executable file not found in $PATH` : error.message);
    });
    child.on("close", (code, signalName) => {
      done();
      if (code === 0) resolve({ stdout: withoutLineEnd(texts.stdout), stderr: withoutLineEnd(texts.stderr) });
      else
        fail(
          signal?.aborted ? "cancelled" : code === null ? `signal: ${signalWord(signalName)}` : `exit status ${code}`,
        );
    });
  });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === "win32" ? pid : -pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}

function isFolder(folder: string): boolean {
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;
}

function withoutLineEnd(text: string): string {
  return text.endsWith("\n") ? text.slice(0, -1) : text;
}

/** Go's word for a signal, as the real provider prints it. */
function signalWord(name: NodeJS.Signals | null): string {
  const words: Partial<Record<NodeJS.Signals, string>> = {
    SIGKILL: "killed",
    SIGTERM: "terminated",
    SIGINT: "interrupt",
    SIGHUP: "hangup",
    SIGABRT: "aborted",
    SIGSEGV: "segmentation fault",
  };
  return name ? (words[name] ?? `signal ${constants.signals[name]}`) : "unknown";
}
