import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { win32 } from "node:path";
import { findProgram } from "../training/auth.ts";
import { UserError } from "../training/errors.ts";

export const INSTALL_GCLOUD = "https://cloud.google.com/sdk/docs/install";

/** A program with what stands before gcloud's own arguments. */
export interface Program {
  file: string;
  before: readonly string[];
  /** The arguments as Windows' command line, where they are passed as they are. */
  verbatim?: (args: readonly string[]) => string[];
}

/** @throws UserError where gcloud is not installed */
export function findGcloud(
  find: (name: string) => string | undefined = findProgram,
  platform: NodeJS.Platform = process.platform,
  exists: (path: string) => boolean = existsSync,
): Program {
  const file = find("gcloud");
  if (!file) {
    throw new UserError(
      `This connects through Google's gcloud, which is not installed here. Install it: ${INSTALL_GCLOUD} Then log in with: gcloud auth login`,
    );
  }
  return platform === "win32" ? onWindows(file, exists) : { file, before: [] };
}

/**
 * On Windows gcloud is a batch file, which Node starts by no means but a shell, and the shell would read arguments in
 * its own way. What the batch file starts is Python with `lib\gcloud.py` (general knowledge); that is started instead.
 */
function onWindows(file: string, exists: (path: string) => boolean): Program {
  const root = win32.dirname(win32.dirname(file));
  const script = win32.join(root, "lib", "gcloud.py");
  const python = process.env.CLOUDSDK_PYTHON || win32.join(root, "platform", "bundledpython", "python.exe");
  if (/\.(cmd|bat)$/i.test(file) && exists(script) && exists(python)) return { file: python, before: ["-S", script] };
  if (!/\.(cmd|bat)$/i.test(file)) return { file, before: [] };
  const verbatim = (args: readonly string[]) => ["/d", "/s", "/c", `"${[file, ...args].map(forCmd).join(" ")}"`];
  return { file: process.env.ComSpec || "cmd.exe", before: [], verbatim };
}

/** An argument as a program's C runtime reads it, with everything escaped that cmd.exe would act on, twice: for it and for the batch file. */
function forCmd(word: string): string {
  const inQuotes = `"${word.replace(/(\\*)"/g, '$1$1\\"').replace(/(\\*)$/, "$1$1")}"`;
  const once = inQuotes.replace(/[()\][%!^"`<>&|;, *?]/g, "^$&");
  return once.replace(/[()\][%!^"`<>&|;, *?]/g, "^$&");
}

export interface GcloudOptions {
  /** `inherit`: this terminal's; `open`: a pipe that stays open until `end`; `none`: nothing to read. */
  stdin: "inherit" | "open" | "none";
  /** `inherit`, or what is called with each piece of it. */
  stdout: "inherit" | ((data: Buffer) => void);
  /** What is called with each piece of it, besides keeping its end. */
  stderr: (data: Buffer) => void;
  /** Variables besides this process's own. */
  env?: Readonly<Record<string, string>>;
}

export interface Ended {
  /** A signal n counts as 128 + n. */
  code: number;
  /** The end of what it said on standard error. */
  said: string;
}

export interface RunningGcloud {
  readonly ended: Promise<Ended>;
  /** Closes its standard input, which ends what waits for it; kills it if that does not help within `graceMs`. */
  end(graceMs?: number): Promise<Ended>;
}

const KEPT = 16_384;

/** Starts gcloud, without a shell in between. */
export function startGcloud(program: Program, args: readonly string[], options: GcloudOptions): RunningGcloud {
  const { verbatim } = program;
  const words = verbatim ? verbatim(args) : [...program.before, ...args];
  const child = spawn(program.file, words, {
    stdio: [
      options.stdin === "open" ? "pipe" : options.stdin === "none" ? "ignore" : "inherit",
      options.stdout === "inherit" ? "inherit" : "pipe",
      "pipe",
    ],
    windowsVerbatimArguments: verbatim !== undefined,
    windowsHide: false,
    ...(options.env ? { env: { ...process.env, ...options.env } } : {}),
  });
  // It may have ended before it read what it was given.
  child.stdin?.on("error", () => undefined);
  if (options.stdout !== "inherit") child.stdout?.on("data", options.stdout);
  let said = "";
  child.stderr?.on("data", (data: Buffer) => {
    said = (said + data.toString("utf8")).slice(-KEPT);
    options.stderr(data);
  });
  const ended = endOf(child, () => said);
  return {
    ended,
    async end(graceMs = 3000) {
      child.stdin?.end();
      const timer = setTimeout(() => kill(child), graceMs);
      try {
        return await ended;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** gcloud hands SIGTERM on to ssh. Windows knows no signals: there all that it started has to be named. */
function kill(child: ChildProcess): void {
  if (process.platform !== "win32") child.kill("SIGTERM");
  else spawn("taskkill", ["/pid", String(child.pid), "/t", "/f"], { stdio: "ignore" }).on("error", () => child.kill());
}

/** What is left behind by a program that ended may keep its pipes open; it is not waited for. */
const PIPES_MS = 2000;

function endOf(child: ChildProcess, said: () => string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    child.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        new UserError(`gcloud cannot be started (${error.code ?? error.message}). Install it anew: ${INSTALL_GCLOUD}`),
      ),
    );
    child.once("exit", () => {
      setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, PIPES_MS).unref();
    });
    child.once("close", (code, signal) => {
      const number = signal ? 128 + ({ SIGINT: 2, SIGKILL: 9, SIGTERM: 15, SIGHUP: 1 }[signal as string] ?? 0) : 1;
      resolve({ code: code ?? number, said: said() });
    });
  });
}
