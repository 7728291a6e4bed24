// Which machines of the students ran, and how long, as the reaper saw them: a record of its own, because students may
// write their runs' records. It lies beside the course's.
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../../training/errors.ts";
import { fileError, makeFolder } from "../../training/files.ts";
import { Conflict, Objects } from "../../training/storage.ts";
import { mondayOf } from "../usage/usage.ts";
import { isUp, type Machine } from "./limits.ts";

export const LEDGER_FILE = "reaper.json";

/** One time of running of one machine. ISO times. */
export interface Span {
  environment: string;
  from: string;
  to: string;
}

export interface Ledger {
  schema: 1;
  /** By `PROJECT/ID/START`. */
  spans: Record<string, Span>;
}

export interface Sighting {
  environment: string;
  machine: Machine;
}

/**
 * The ledger with what runs now: a machine that is seen for the first time counts from its last start on, whenever that
 * was. What ended before this week goes. Pure.
 */
export function noted(ledger: Ledger, seen: readonly Sighting[], now: number): Ledger {
  const week = mondayOf(now);
  const kept = Object.entries(ledger.spans).filter(([, { to }]) => Date.parse(to) > week);
  const spans = Object.fromEntries(kept);
  for (const { environment, machine } of seen) {
    if (!isUp(machine)) continue;
    const start = Math.min(now, Math.max(machine.created, machine.started ?? 0));
    const key = `${machine.project}/${machine.id}/${start}`;
    const to = new Date(Math.max(now, Date.parse(spans[key]?.to ?? "") || 0)).toISOString();
    spans[key] = { environment, from: new Date(start).toISOString(), to };
  }
  return { schema: 1, spans };
}

/** Machine hours of this week (since Monday, UTC) by environment. */
export function hoursOf({ spans }: Ledger, now: number): Map<string, number> {
  const week = mondayOf(now);
  const hours = new Map<string, number>();
  for (const { environment, from, to } of Object.values(spans)) {
    const within = Math.max(0, Math.min(now, Date.parse(to)) - Math.max(week, Date.parse(from)));
    hours.set(environment, (hours.get(environment) ?? 0) + within / 3_600_000);
  }
  return hours;
}

/** Where a course keeps its ledger. @param state the course's: `gs://BUCKET[/PREFIX]` or `file:///FOLDER` */
export interface LedgerStore {
  readonly at: string;
  /** Reads, adds what runs now, writes, and gives all. */
  note(seen: readonly Sighting[], now: number): Promise<Ledger>;
}

export function ledgerStore(state: string, objects = new Objects()): LedgerStore {
  return state.startsWith("gs://") ? inBucket(state, objects) : inFolder(fileURLToPath(state));
}

function inBucket(state: string, objects: Objects): LedgerStore {
  const [, bucket = "", prefix = ""] = /^gs:\/\/([^/]+)\/?(.*?)\/*$/.exec(state) ?? [];
  const name = prefix ? `${prefix}/${LEDGER_FILE}` : LEDGER_FILE;
  const at = `gs://${bucket}/${name}`;
  return {
    at,
    async note(seen, now) {
      for (let round = 0; ; round += 1) {
        const found = await objects.readJson<unknown>(bucket, name);
        const next = noted(usable(found?.value, at), seen, now);
        try {
          await objects.writeJson(bucket, name, next, found?.generation ?? 0);
          return next;
        } catch (error) {
          if (!(error instanceof Conflict) || round >= 9) throw error;
        }
      }
    },
  };
}

function inFolder(folder: string): LedgerStore {
  const at = join(folder, LEDGER_FILE);
  return {
    at,
    async note(seen, now) {
      try {
        const text = await readFile(at, "utf8").catch((error: { code?: unknown }) => {
          if (error.code === "ENOENT") return "null";
          throw error;
        });
        const next = noted(usable(parsed(text), at), seen, now);
        await makeFolder(folder);
        const draft = `${at}.${process.pid}.tmp`;
        await writeFile(draft, `${JSON.stringify(next, null, 2)}\n`);
        await rename(draft, at);
        return next;
      } catch (error) {
        throw fileError(error, `Keeping ${at}`);
      }
    },
  };
}

/** Hours that were used cannot be made up: what cannot be read is told, and not begun anew. */
function usable(value: unknown, at: string): Ledger {
  if (value === undefined || value === null) return { schema: 1, spans: {} };
  const { schema, spans } = value as Partial<Ledger>;
  if (schema === 1 && typeof spans === "object" && spans !== null) return { schema, spans };
  throw new UserError(
    `${at}, where this week's machine hours are kept, cannot be read: ${schema === undefined ? "it is not ours" : `it has schema ${String(schema)}`}. Remove it to begin the week's count anew.`,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
