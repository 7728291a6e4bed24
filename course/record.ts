import { createHash } from "node:crypto";
import { open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pausing, UserError } from "../training/errors.ts";
import { fileError, makeFolder } from "../training/files.ts";
import { Conflict, Objects } from "../training/storage.ts";
import type { Course, CourseRecord } from "./contract.ts";

/** The record's name beside the stacks' states. */
export const RECORD_FILE = "course.json";

/** Where a course keeps its record. */
export interface RecordStore {
  /** For messages: `gs://BUCKET/PREFIX/course.json` or a path. */
  readonly at: string;
  /** `undefined` before the first write. */
  read(): Promise<Stored | undefined>;
  /** @param generation what was read, "0" if there was none. Throws `Conflict` if somebody else wrote in between. */
  write(record: CourseRecord, generation: string): Promise<void>;
}

/** The bucket of the states is not there (yet). */
export class NoStates extends UserError {
  override name = "NoStates";

  constructor(bucket: string) {
    super(
      `The bucket gs://${bucket}, in which this course keeps its states, does not exist. \`mlt course check\` prints the command that makes it; or name another place: state in course.yaml`,
    );
  }
}

export interface Stored {
  record: CourseRecord;
  generation: string;
}

/** The record of a course that nobody has brought up yet. */
export function emptyRecord(course: Pick<Course, "name">): CourseRecord {
  return { schema: 1, course: course.name, places: {}, left: {} };
}

/** The store beside the states. @param state `gs://BUCKET[/PREFIX]` or `file:///FOLDER` */
export function recordStore(state: string, objects = new Objects()): RecordStore {
  return state.startsWith("gs://") ? bucketStore(state, objects) : fileStore(fileURLToPath(state));
}

/** Reads a course's record; an empty one before the first `up`. */
export async function readRecord(course: Course, store = recordStore(course.state)): Promise<CourseRecord> {
  return (await stored(course, store)).record;
}

/**
 * Changes the record: reads it, lets `change` make another of it, and writes that if nobody wrote in between; else again
 * from the beginning. `change` must be pure: it may be called several times. Nothing is written if it returns the same.
 */
export async function changeRecord(
  course: Course,
  change: (record: CourseRecord) => CourseRecord,
  store = recordStore(course.state),
): Promise<CourseRecord> {
  for (let round = 0; ; round += 1) {
    const { record, generation } = await stored(course, store);
    const next = change(structuredClone(record));
    if (JSON.stringify(next) === JSON.stringify(record)) return record;
    try {
      await store.write(next, generation);
      return next;
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
      if (round >= 9) {
        throw new UserError(
          `${store.at} was changed by somebody else ten times in a row. Is another instructor at work on this course? Try again when they are done.`,
        );
      }
      await pausing(50 * 2 ** Math.min(round, 5) * (0.5 + Math.random()));
    }
  }
}

async function stored(course: Pick<Course, "name">, store: RecordStore): Promise<Stored> {
  const found = await store.read();
  if (!found) return { record: emptyRecord(course), generation: "0" };
  const problem = recordProblem(found.record, course);
  if (problem) throw new UserError(`The course's record ${store.at} cannot be used: ${problem}`);
  return found;
}

/** Why a parsed record cannot be used; `undefined` if it can. */
function recordProblem(value: unknown, course: Pick<Course, "name">): string | undefined {
  const isMap = (part: unknown) => typeof part === "object" && part !== null && !Array.isArray(part);
  if (!isMap(value)) return "it is no JSON object. Somebody wrote it by hand, or it is not ours.";
  const { schema, course: owner, places, left } = value as Partial<Record<keyof CourseRecord, unknown>>;
  if (schema !== 1) {
    return `it has schema ${String(schema)}, this version of mlt reads 1. Update mlt (git pull && npm ci).`;
  }
  if (owner !== course.name) {
    return `it is that of the course ${JSON.stringify(owner)}, and course.yaml's name is ${JSON.stringify(course.name)}. Two courses cannot keep their states in one place: give this one another (course.yaml, state), such as a folder of its own in the bucket.`;
  }
  if (!isMap(places) || !isMap(left)) return "its places are no JSON object. Somebody wrote it by hand.";
  return undefined;
}

function bucketStore(state: string, objects: Objects): RecordStore {
  const [, bucket = "", prefix = ""] = /^gs:\/\/([^/]+)\/?(.*?)\/*$/.exec(state) ?? [];
  const name = prefix ? `${prefix}/${RECORD_FILE}` : RECORD_FILE;
  return {
    at: `gs://${bucket}/${name}`,
    async read() {
      const found = await objects.readJson<CourseRecord>(bucket, name).catch((error: unknown) => {
        if (error instanceof UserError && /^The bucket .* does not exist/.test(error.message))
          throw new NoStates(bucket);
        throw error;
      });
      return found && { record: found.value, generation: found.generation };
    },
    async write(record, generation) {
      await objects.writeJson(bucket, name, record, generation);
    },
  };
}

/** A lock that is older was left by a process that was killed: a write takes milliseconds. */
const STALE_LOCK_MS = 10_000;

/** On a disk the content's hash is the generation, and a lock file stands in for Google's precondition. */
function fileStore(folder: string): RecordStore {
  const file = join(folder, RECORD_FILE);
  const lock = `${file}.lock`;
  const current = async () => {
    const text = await readFile(file, "utf8").catch((error: unknown) => {
      if ((error as { code?: unknown }).code === "ENOENT") return undefined;
      throw fileError(error, `Reading ${file}`);
    });
    return text === undefined ? { text: "", generation: "0" } : { text, generation: hash(text) };
  };
  return {
    at: file,
    async read() {
      const { text, generation } = await current();
      if (generation === "0") return undefined;
      try {
        return { record: JSON.parse(text) as CourseRecord, generation };
      } catch {
        throw new UserError(`${file} is not JSON: somebody wrote it by hand, or it is not ours.`);
      }
    },
    async write(record, generation) {
      try {
        await makeFolder(folder);
        await locked(lock, async () => {
          if ((await current()).generation !== generation) throw new Conflict(`${file} changed in between`);
          const draft = `${file}.${process.pid}.tmp`;
          await writeFile(draft, `${JSON.stringify(record, null, 2)}\n`);
          await rename(draft, file);
        });
      } catch (error) {
        throw error instanceof Conflict ? error : fileError(error, `Writing ${file}`);
      }
    },
  };
}

async function locked(lock: string, work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await (await open(lock, "wx")).close();
      break;
    } catch (error) {
      if ((error as { code?: unknown }).code !== "EEXIST") throw error;
      const since = await stat(lock).then(
        ({ mtimeMs }) => mtimeMs,
        () => undefined,
      );
      if (since !== undefined && Date.now() - since > STALE_LOCK_MS) await rm(lock, { force: true });
      else await pausing(20);
    }
  }
  try {
    await work();
  } finally {
    await rm(lock, { force: true });
  }
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
