import type { RunStatus } from "./contract.ts";
import type { Engine } from "./engines/engine.ts";
import type { OpenEnvironment } from "./environment.ts";

/** Reads a run's log from where it was left: segments while the machine lives, the composed file afterwards. */
export class LogReader {
  readonly #environment: OpenEnvironment;
  readonly #id: string;
  /** The last segment that was read whole. */
  #after = "";
  #bytes = 0;

  constructor(environment: OpenEnvironment, id: string) {
    this.#environment = environment;
    this.#id = id;
  }

  /** Bytes handed out so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What is new since the last call. Segments are written once and in order, so a name tells what was read. */
  async *fresh(attempts: number): AsyncGenerator<Buffer> {
    const { objects, buckets } = this.#environment;
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      const prefix = `runs/${this.#id}/attempt-${attempt}/log/`;
      // Names order as text within one attempt only: attempt-10 would come before attempt-2.
      if (this.#after && attemptOf(this.#after) > attempt) continue;
      const startOffset = this.#after.startsWith(prefix) ? this.#after : prefix;
      const { objects: segments } = await objects.list(buckets.scratch, { prefix, startOffset });
      for (const segment of segments) {
        if (segment.name === this.#after) continue;
        const found = await objects.read(buckets.scratch, segment.name);
        if (!found) continue;
        this.#after = segment.name;
        this.#bytes += found.data.length;
        yield found.data;
      }
    }
  }

  /** After the end: what the composed log holds beyond what was read from segments, or all of it. */
  async rest(): Promise<Buffer | undefined> {
    const { objects, buckets } = this.#environment;
    const name = `runs/${this.#id}/log.txt`;
    const info = await objects.info(buckets.data, name);
    if (!info || info.size <= this.#bytes) return undefined;
    const found = await objects.read(buckets.data, name, this.#bytes);
    if (found) this.#bytes += found.data.length;
    return found?.data;
  }
}

function attemptOf(name: string): number {
  return Number(/\/attempt-(\d+)\/log\//.exec(name)?.[1] ?? 0);
}

/** Where a log was found: composed at the end, in the pieces of a machine that lives or was lost, or nowhere. */
export type LogSource = "log" | "segments" | "console" | "none";

/** The whole log as it is now; empty if the machine has not written any. */
export async function readLog(environment: OpenEnvironment, id: string, attempts: number): Promise<Buffer> {
  return (await findLog(environment, id, attempts)).data;
}

/** The whole log as it is now, and where it was found. */
export async function findLog(
  environment: OpenEnvironment,
  id: string,
  attempts: number,
): Promise<{ data: Buffer; source: LogSource }> {
  const composed = await environment.objects.read(environment.buckets.data, `runs/${id}/log.txt`);
  if (composed) return { data: composed.data, source: "log" };
  const parts: Buffer[] = [];
  for await (const part of new LogReader(environment, id).fresh(attempts)) parts.push(part);
  return { data: Buffer.concat(parts), source: parts.length > 0 ? "segments" : "none" };
}

/** The console of a run's machine, as text without what drives a terminal; `undefined` if the machine is gone. */
export async function readConsole(
  environment: OpenEnvironment,
  status: RunStatus,
  engine: Engine,
): Promise<string | undefined> {
  if (!status.machine) return undefined;
  const text = await engine.console(environment, status.machine);
  return text
    ?.replaceAll("\r\n", "\n")
    .replaceAll(COLOURS, "")
    .split("\n")
    .map((line) => [...line].filter((character) => character >= " " || character === "\t").join(""))
    .join("\n");
}

const COLOURS = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[A-Za-z]`, "g");

/** The last lines of a log, without the line end of the last. */
export function lastLines(log: string, count: number): string {
  return log.trimEnd().split("\n").slice(-count).join("\n");
}
