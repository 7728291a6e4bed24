// What is known of the workstations' hours, kept beside the course's record: buckets forget old heartbeats after some
// weeks. Whoever looks adds what can still be seen; two who look at the same time lose nothing, since the more wins.
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileError, makeFolder } from "../../training/files.ts";
import { Conflict, Objects } from "../../training/storage.ts";

/** The name beside the stacks' states. */
export const USAGE_FILE = "usage.json";

/** Of one student's workstation. */
export interface KnownUse {
  /** Hours by week (its Monday, `yyyy-mm-dd`). */
  weeks: Record<string, number>;
  /** The first sign of it, ISO time: since then it has disks. */
  since?: string;
}

export interface UsageRecord {
  schema: 1;
  /** By student id. */
  workstations: Record<string, KnownUse>;
}

/** Both together: of each week the more, of the first signs the earlier. Pure; in any order, any number of times. */
export function mergeUse(one: KnownUse | undefined, other: KnownUse): KnownUse {
  const weeks = { ...one?.weeks };
  for (const [week, hours] of Object.entries(other.weeks)) weeks[week] = Math.max(weeks[week] ?? 0, hours);
  const since = [one?.since, other.since].filter((time) => time !== undefined).sort()[0];
  return { weeks, ...(since === undefined ? {} : { since }) };
}

/** Adds what was seen to what is kept, writes it if it is more, and gives all. @param state the course's `state` */
export async function keepUsage(
  state: string,
  seen: Readonly<Record<string, KnownUse>>,
  objects = new Objects(),
): Promise<UsageRecord> {
  for (let round = 0; ; round += 1) {
    const { record, write } = await load(state, objects);
    const before = JSON.stringify(record);
    for (const [id, use] of Object.entries(seen)) {
      if (Object.keys(use.weeks).length > 0 || use.since !== undefined) {
        record.workstations[id] = mergeUse(record.workstations[id], use);
      }
    }
    if (JSON.stringify(record) === before) return record;
    try {
      await write(record);
      return record;
    } catch (error) {
      if (!(error instanceof Conflict) || round >= 9) throw error;
    }
  }
}

interface Loaded {
  record: UsageRecord;
  write(record: UsageRecord): Promise<void>;
}

async function load(state: string, objects: Objects): Promise<Loaded> {
  if (state.startsWith("gs://")) {
    const [, bucket = "", prefix = ""] = /^gs:\/\/([^/]+)\/?(.*?)\/*$/.exec(state) ?? [];
    const name = prefix ? `${prefix}/${USAGE_FILE}` : USAGE_FILE;
    const found = await objects.readJson<unknown>(bucket, name);
    return {
      record: usable(found?.value),
      write: async (record) => void (await objects.writeJson(bucket, name, record, found?.generation ?? 0)),
    };
  }
  const folder = fileURLToPath(state);
  const file = join(folder, USAGE_FILE);
  const text = await readFile(file, "utf8").catch(() => "null");
  return {
    record: usable(parsed(text)),
    async write(record) {
      try {
        await makeFolder(folder);
        // Who looks at the same time may win: the next look brings the rest again.
        const draft = `${file}.${process.pid}.tmp`;
        await writeFile(draft, `${JSON.stringify(record, null, 2)}\n`);
        await rename(draft, file);
      } catch (error) {
        throw fileError(error, `Writing ${file}`);
      }
    },
  };
}

/** A file that is not ours, or cut off, is begun anew: it holds estimates only. */
function usable(value: unknown): UsageRecord {
  const { schema, workstations } = (value ?? {}) as Partial<UsageRecord>;
  const isMap = typeof workstations === "object" && workstations !== null;
  return { schema: 1, workstations: schema === 1 && isMap ? workstations : {} };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
