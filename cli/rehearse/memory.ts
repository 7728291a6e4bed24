import { readdirSync, readFileSync } from "node:fs";

/** How often the processes are looked at. */
const INTERVAL_MS = 500;

/** Measures the memory of this process with all that it started. */
export interface MemoryMeter {
  /** Stops measuring; the largest sum of resident memory seen, in MiB, or `undefined` where /proc does not tell. */
  stop(): number | undefined;
}

/**
 * Follows this process and its descendants, guests included, through /proc. Elsewhere only this process is known,
 * which would be a wrong number under a right name: then there is none.
 */
export function measureMemory(): MemoryMeter {
  if (process.platform !== "linux") return { stop: () => undefined };
  let peak = 0;
  const look = () => {
    peak = Math.max(peak, residentMiB(process.pid));
  };
  look();
  const timer = setInterval(look, INTERVAL_MS);
  timer.unref();
  return {
    stop: () => {
      clearInterval(timer);
      look();
      return Math.round(peak);
    },
  };
}

function residentMiB(root: number): number {
  const processes = new Map<number, { parent: number; kib: number }>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const status = readFileSync(`/proc/${entry}/status`, "utf8");
      const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
      processes.set(Number(entry), { parent: field("PPid"), kib: field("VmRSS") });
    } catch {
      // ended between the listing and the look
    }
  }
  const descends = (pid: number): boolean => {
    for (let at: number | undefined = pid, steps = 0; at && steps < 64; at = processes.get(at)?.parent, steps++) {
      if (at === root) return true;
    }
    return false;
  };
  let sum = 0;
  for (const [pid, { kib }] of processes) if (descends(pid)) sum += kib;
  return sum / 1024;
}
