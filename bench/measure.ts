import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** One line of the closing table. */
export interface Row {
  measure: string;
  value: string;
  target: string;
  /** Whether the target was met; absent where there is none. */
  met?: boolean;
  note: string;
}

export interface Run {
  seconds: number;
  /** The most memory that the command and all its children held at one moment; `undefined` where /proc is missing. */
  peakMb: number | undefined;
  /** The most that one process of them held: what `/usr/bin/time` reports. */
  largestMb: number | undefined;
  code: number | null;
  output: string;
}

const SAMPLE_MS = 20;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Runs a command to its end. Memory is that of every descendant of this process meanwhile: run one at a time. */
export async function timed(
  command: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; memory?: boolean },
): Promise<Run> {
  const started = performance.now();
  const child = spawn(command, args, { cwd: options.cwd, env: options.env });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data: Buffer) => {
      output += data.toString();
    });
  }
  const peak = { total: 0, largest: 0 };
  const sample = () => {
    const { total, largest } = descendantsRss(process.pid);
    peak.total = Math.max(peak.total, total);
    peak.largest = Math.max(peak.largest, largest);
  };
  const timer = options.memory ? setInterval(sample, SAMPLE_MS) : undefined;
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  clearInterval(timer);
  const seconds = (performance.now() - started) / 1000;
  const megabytes = (bytes: number) => (bytes > 0 ? bytes / 2 ** 20 : undefined);
  return { seconds, peakMb: megabytes(peak.total), largestMb: megabytes(peak.largest), code, output };
}

/** The resident memory of a process's descendants, in bytes: all together, and the largest; 0 where there is no /proc. */
function descendantsRss(root: number): { total: number; largest: number } {
  const parents = new Map<number, number>();
  const pages = new Map<number, number>();
  for (const name of listProcesses()) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      // The command's name is in parentheses and may hold anything; the fields after it are numbers.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      parents.set(Number(name), Number(fields[1]));
      pages.set(Number(name), Number(fields[21]));
    } catch {
      // The process ended between the listing and the reading.
    }
  }
  let total = 0;
  let largest = 0;
  for (const [pid] of parents) {
    for (let at = parents.get(pid); at !== undefined; at = parents.get(at)) {
      if (at !== root) continue;
      const bytes = (pages.get(pid) ?? 0) * 4096;
      total += bytes;
      largest = Math.max(largest, bytes);
      break;
    }
  }
  return { total, largest };
}

function listProcesses(): string[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}
