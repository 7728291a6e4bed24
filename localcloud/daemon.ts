import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { GuestLevel } from "./guests/guest.ts";
import { isAlive } from "./lock.ts";

/** A local cloud that runs in a process of its own, as its state folder describes it. */
export interface Daemon {
  pid: number;
  startedAt: string;
  project: string;
  /** All of them, that one first; absent: that one alone. */
  projects?: string[];
  guest: GuestLevel;
  /** Every call needs a token. */
  url: string;
  /** Calls without a token are the operator's. */
  operatorUrl: string;
  metadataUrl: string;
  /** An operator's token that lasts as long as anyone keeps a shell open. It is good on this machine only. */
  token: string;
}

export interface StartOptions {
  stateFolder: string;
  guest?: GuestLevel;
  /** Ids with commas between; the first is the one that clients take who name none. */
  project?: string;
  /** APIs that are enabled from the start: `all`, or names with commas between. */
  services?: string;
  /** For Node, before the file to run: what an older Node needs to run TypeScript. */
  nodeArguments?: readonly string[];
  /** What the starting process says, line by line. */
  progress?: (line: string) => void;
}

export const LONG_TOKEN_SECONDS = 30 * 24 * 3600;

/** A local cloud that did not start or stop; the message ends with what its log says. */
export class DaemonError extends Error {}

const POLL_MS = 100;
/** Guests have their power cut at once, but a driver cleans up after them. */
const STOP_MS = 60_000;

export function describeFile(stateFolder: string): string {
  return join(stateFolder, "daemon.json");
}

export function logFile(stateFolder: string): string {
  return join(stateFolder, "log.txt");
}

/** The local cloud that runs on this folder and answers; `undefined` if none does. */
export async function daemonStatus(stateFolder: string): Promise<Daemon | undefined> {
  const daemon = described(stateFolder);
  if (!daemon || !isAlive(daemon.pid)) return undefined;
  try {
    const response = await fetch(`${daemon.operatorUrl}/local/v1/health`, { signal: AbortSignal.timeout(5000) });
    const { pid } = (await response.json()) as { pid?: number };
    return pid === daemon.pid ? daemon : undefined; // another program may have got the port
  } catch {
    return undefined;
  }
}

function described(stateFolder: string): Daemon | undefined {
  try {
    return JSON.parse(readFileSync(describeFile(stateFolder), "utf8")) as Daemon;
  } catch {
    return undefined;
  }
}

/** Starts a local cloud that outlives this process, or returns the one that runs on this folder already. */
export async function startDaemon(options: StartOptions): Promise<{ daemon: Daemon; started: boolean }> {
  const { stateFolder, progress = () => {} } = options;
  const running = await daemonStatus(stateFolder);
  if (running) {
    checkSame(running, options);
    return { daemon: running, started: false };
  }
  const log = logFile(stateFolder);
  const from = existsSync(log) ? statSync(log).size : 0;
  const output = openLog(stateFolder, log);
  const child = spawn(process.execPath, [...(options.nodeArguments ?? []), ...commandLine(options)], {
    detached: true,
    stdio: ["ignore", output, output],
    windowsHide: true,
  });
  closeSync(output);
  let ended: string | undefined;
  child.once("error", (error) => {
    ended = error.message;
  });
  child.once("exit", (code, signal) => {
    ended ??= `it ended with ${signal ?? code}`;
  });
  child.unref();

  let told = 0;
  for (;;) {
    const text = existsSync(log) ? readFileSync(log).subarray(from).toString("utf8") : "";
    const lines = text.split("\n").slice(0, -1);
    for (const line of lines.slice(told)) progress(withoutTime(line));
    told = lines.length;
    if (ended !== undefined) throw new DaemonError(`The local cloud did not start: ${ended}.\n${lastLines(text)}`);
    const daemon = await daemonStatus(stateFolder);
    if (daemon) return { daemon, started: true };
    await pause(POLL_MS);
  }
}

function openLog(stateFolder: string, log: string): number {
  try {
    mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
    rmSync(describeFile(stateFolder), { force: true });
    return openSync(log, "a", 0o600);
  } catch (error) {
    throw new DaemonError(
      `The local cloud needs a state folder that it can write; ${stateFolder} is none (${(error as Error).message}). ` +
        "Name another with --state FOLDER.",
    );
  }
}

function commandLine({ stateFolder, guest, project, services }: StartOptions): string[] {
  const flags = Object.entries({ state: stateFolder, guest, project, services });
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  return [main, ...flags.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]))];
}

/** What runs is not changed by starting it again: better to say so. */
function checkSame(running: Daemon, { guest, project, services }: StartOptions): void {
  const runs = (running.projects ?? [running.project]).join(",");
  const differs = [
    guest !== undefined && guest !== running.guest ? `guests at level ${running.guest}, not ${guest}` : "",
    project !== undefined && project !== runs ? `project ${runs}, not ${project}` : "",
    services !== undefined ? "the services that were asked for when it started" : "",
  ].filter(Boolean);
  if (differs.length === 0) return;
  throw new DaemonError(`A local cloud runs already, with ${differs.join(" and ")}. Stop it first: npx mlt local stop`);
}

/** Ends the local cloud of this folder and waits until it is gone. False: none ran. */
export async function stopDaemon(stateFolder: string): Promise<boolean> {
  const daemon = described(stateFolder);
  if (!daemon || !isAlive(daemon.pid)) {
    rmSync(describeFile(stateFolder), { force: true });
    return false;
  }
  if (!(await daemonStatus(stateFolder))) {
    // Its process may have died, and its number may be another program's by now: never signal what does not answer.
    rmSync(describeFile(stateFolder), { force: true });
    throw new DaemonError(
      `Process ${daemon.pid} does not answer as the local cloud of ${stateFolder}. If it is one, end it by hand: kill ${daemon.pid}`,
    );
  }
  await fetch(`${daemon.operatorUrl}/local/v1/shutdown`, { method: "POST" });
  const limit = Date.now() + STOP_MS;
  while (isAlive(daemon.pid)) {
    if (Date.now() > limit) {
      throw new DaemonError(
        `The local cloud (process ${daemon.pid}) did not end in ${STOP_MS / 1000} s. Its log: ${logFile(stateFolder)}`,
      );
    }
    await pause(POLL_MS);
  }
  return true;
}

function withoutTime(line: string): string {
  return line.replace(/^\d{4}-\d\d-\d\dT\S+Z /, "");
}

function lastLines(text: string): string {
  return text.trimEnd().split("\n").slice(-5).map(withoutTime).join("\n");
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
