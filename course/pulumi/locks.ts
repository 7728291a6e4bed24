import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { pausing, UserError } from "../../training/errors.ts";
import type { StackLock, States } from "./states.ts";

/** Nothing that is done to one stack of a course takes so long: an owner that nobody can look at is dead then. */
export const DEAD_AFTER_MS = 60 * 60_000;
/** How long the owner's end is waited for: a Pulumi whose `mlt` was killed ends by itself soon. */
export const WAIT_MS = 60_000;
const POLL_MS = 500;

/** Whether the owner of a lock lives, and in what words it is told. */
export interface Verdict {
  alive: boolean;
  owner: string;
  /** Why it is held for dead, or for alive. */
  why: string;
}

export interface LockOptions {
  now?: () => number;
  host?: string;
  /** Whether the process is there and is Pulumi's; `undefined` where that cannot be told. */
  process?: (pid: number) => boolean | undefined;
  waitMs?: number;
  signal?: AbortSignal;
  /** One line about what is waited for or was removed. */
  say?: (line: string) => void;
}

/** Judges a lock's owner: by its process on this computer, else by the lock's age. Pure but for `process`. */
export function judge(lock: StackLock, options: LockOptions = {}): Verdict {
  const { now = Date.now, host = hostname(), process: look = isPulumi } = options;
  const since = lock.since === "" ? Number.NaN : Date.parse(lock.since);
  const age = now() - since;
  const when = Number.isNaN(since) ? "" : ` since ${lock.since}`;
  const owner = `${lock.user || "somebody"}@${lock.host || "an unknown computer"} (process ${lock.pid})${when}`;
  if (lock.host === host && lock.pid > 0) {
    const there = look(lock.pid);
    if (there === false) return { alive: false, owner, why: "its process is gone" };
    // An owner that stands still for so long, on this computer too, is nobody's to kill: the age decides nothing here.
    return { alive: true, owner, why: there ? "its process works on this computer" : "its process may be at work" };
  }
  if (Number.isNaN(age) || age > DEAD_AFTER_MS) {
    return { alive: false, owner, why: `it is older than ${DEAD_AFTER_MS / 60_000} minutes` };
  }
  return { alive: true, owner, why: "it may be at work on another computer" };
}

/**
 * Frees a stack of the locks of dead owners and waits a while for a living one's end. Returns whether a lock was removed:
 * then Pulumi was broken off, and the state may hold operations of which nobody knows the end.
 * @throws {UserError} naming a living owner who does not end in time
 */
export async function freeLocks(states: States, stack: string, options: LockOptions = {}): Promise<boolean> {
  const { now = Date.now, waitMs = WAIT_MS, signal, say = () => undefined } = options;
  const limit = now() + waitMs;
  let removed = false;
  let told = false;
  for (;;) {
    const locks = await states.locks(stack);
    const verdicts = locks.map((lock) => ({ lock, ...judge(lock, options) }));
    for (const { lock, owner, why } of verdicts.filter(({ alive }) => !alive)) {
      await states.removeLock(lock);
      removed = true;
      say(`${stack}: took away the lock of ${owner}: ${why}`);
    }
    const living = verdicts.find(({ alive }) => alive);
    if (!living) return removed;
    if (now() >= limit || signal?.aborted) {
      throw new UserError(
        `${living.owner} works on it (${living.why}); wait for the end and try again. If nobody does: pulumi cancel --stack ${stack}`,
      );
    }
    if (!told) say(`${stack}: waiting for ${living.owner}`);
    told = true;
    await pausing(POLL_MS, signal);
  }
}

/** Whether a process of this computer is there and is Pulumi; numbers are given to others again. */
export function isPulumi(pid: number): boolean | undefined {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as { code?: unknown }).code === "ESRCH") return false;
    // EPERM: somebody else's process is there.
  }
  const name = commandOf(pid);
  if (name === undefined) return undefined;
  return /pulumi/i.test(name);
}

/** The program of a process; `""` if it has ended and nobody has taken note of it; `undefined` if it cannot be told. */
function commandOf(pid: number): string | undefined {
  if (existsSync("/proc/self/stat")) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const state = stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
      if (state === "Z" || state === "X") return "";
      return stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    } catch {
      return "";
    }
  }
  if (process.platform === "win32") {
    const { stdout } = spawnSync("tasklist", ["/fi", `PID eq ${pid}`, "/fo", "csv", "/nh"], { encoding: "utf8" });
    return typeof stdout === "string" && stdout !== "" ? stdout : undefined;
  }
  const { stdout, status } = spawnSync("ps", ["-p", String(pid), "-o", "comm="], { encoding: "utf8" });
  return status === 0 ? stdout : undefined;
}
