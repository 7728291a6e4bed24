// Commands in the background: started through SSH, kept by the machine (`mlt-exec`), read from the bucket.
import type { OpenEnvironment } from "../training/environment.ts";
import { UserError } from "../training/errors.ts";
import { nearest } from "../training/nearest.ts";
import { shellLine } from "./quote.ts";
import type { Condition } from "./status.ts";

/** `workstation/exec/ID/command.json`. */
export interface ExecRecord {
  schema: number;
  id: string;
  command: string[];
  cwd: string;
  by: string;
  machine: string;
  startedAt: string;
}

/** `workstation/exec/ID/exit.json`. */
export interface ExecEnd {
  schema: number;
  id: string;
  /** A signal n is 128 + n; null: it was ended from outside. */
  exitCode: number | null;
  reason?: string;
  endedAt: string;
}

export type ExecState = "running" | "ended" | "lost";
export type Exec = ExecRecord & { state: ExecState } & Partial<Omit<ExecEnd, "schema" | "id">>;

const PREFIX = "workstation/exec/";
const ID = /^\d{14}-[0-9a-f]{4}$/;
/** A remote command travels as one argument, and Linux takes no argument that is longer than 128 KiB. */
const LONGEST = 100_000;

/** The line that starts a command in the background. The arguments arrive as they are. */
export function startLine(command: readonly string[], cwd: string | undefined): string {
  const line = shellLine(["mlt-exec", "start", ...(cwd === undefined ? [] : ["--cwd", cwd]), "--", ...command]);
  const bytes = Buffer.byteLength(line);
  if (bytes > LONGEST) {
    throw new UserError(
      `The command takes ${bytes} bytes, and ${LONGEST} are the most that can be sent. Put it into a file: mlt cp FILE :FILE`,
    );
  }
  return line;
}

/** The record that `mlt-exec start` printed, among whatever else came. */
export function recordIn(output: string): ExecRecord | undefined {
  for (const line of output.split("\n").toReversed()) {
    if (!line.startsWith("{")) continue;
    try {
      const value = JSON.parse(line) as Partial<ExecRecord>;
      if (typeof value.id === "string" && ID.test(value.id)) return value as ExecRecord;
    } catch {
      // Another program's line.
    }
  }
  return undefined;
}

/** The newest commands, the newest first. */
export async function listExecs(
  environment: OpenEnvironment,
  condition: Condition,
  limit: number,
): Promise<{ execs: Exec[]; more: number }> {
  const ids = await execIds(environment);
  const wanted = ids.slice(0, limit);
  const execs: Exec[] = [];
  for (let start = 0; start < wanted.length; start += 10) {
    const read = wanted.slice(start, start + 10).map((id) => readExec(environment, id, condition));
    for (const exec of await Promise.all(read)) if (exec) execs.push(exec);
  }
  return { execs, more: ids.length - wanted.length };
}

/** All ids, newest first. */
async function execIds({ objects, buckets }: OpenEnvironment): Promise<string[]> {
  const { prefixes } = await objects.list(buckets.data, { prefix: PREFIX, delimiter: "/" });
  const ids = prefixes.map((prefix) => prefix.slice(PREFIX.length, -1)).filter((id) => ID.test(id));
  return ids.sort().reverse();
}

async function readExec(environment: OpenEnvironment, id: string, condition: Condition): Promise<Exec | undefined> {
  const { objects, buckets } = environment;
  const [record, end] = await Promise.all([
    objects.readJson<ExecRecord>(buckets.data, `${PREFIX}${id}/command.json`),
    readEnd(environment, id),
  ]);
  if (!record) return undefined;
  if (!end) return { ...record.value, state: stateWithoutEnd(record.value, condition) };
  const { exitCode, reason, endedAt } = end;
  return { ...record.value, state: "ended", exitCode, endedAt, ...(reason ? { reason } : {}) };
}

export async function readEnd({ objects, buckets }: OpenEnvironment, id: string): Promise<ExecEnd | undefined> {
  return (await objects.readJson<ExecEnd>(buckets.data, `${PREFIX}${id}/exit.json`))?.value;
}

/** Without an end in the bucket it runs, unless its machine is off or has booted since. */
function stateWithoutEnd({ startedAt }: ExecRecord, condition: Condition): ExecState {
  if (condition.state === "stopped" || condition.state === "gone") return "lost";
  const isLater = "status" in condition && Date.parse(condition.status.bootedAt) > Date.parse(startedAt);
  return isLater ? "lost" : "running";
}

/** Its log as the bucket has it: 5 s behind, a long one up to five minutes. */
export async function readExecLog({ objects, buckets }: OpenEnvironment, id: string): Promise<Buffer> {
  return (await objects.read(buckets.data, `${PREFIX}${id}/log.txt`))?.data ?? Buffer.alloc(0);
}

/** The id that is meant: an id, `latest`, or the beginning or end of one alone. */
export async function resolveExec(environment: OpenEnvironment, text: string): Promise<string> {
  if (ID.test(text)) return text;
  const ids = await execIds(environment);
  const [newest] = ids;
  if (text === "latest" && newest) return newest;
  const fitting = text === "" ? [] : ids.filter((id) => id.startsWith(text) || id.endsWith(text));
  if (fitting.length === 1) return fitting[0]!;
  if (ids.length === 0) {
    throw new UserError("No command has run in the background here. `mlt exec -- COMMAND` starts one.");
  }
  const shown = (fitting.length > 0 ? fitting : ids).slice(0, 5).join(", ");
  if (fitting.length > 1) throw new UserError(`"${text}" fits ${fitting.length} commands: ${shown}. Name one of them.`);
  const near = nearest(text, ids);
  throw new UserError(`There is no command ${text}.${near ? ` Did you mean ${near}?` : ""} The latest: ${shown}`);
}
