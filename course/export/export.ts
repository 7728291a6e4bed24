import { join } from "node:path";
import { each } from "../../cleanup/rest.ts";
import type { RunStatus } from "../../training/contract.ts";
import { UserError } from "../../training/errors.ts";
import { ENDED, statusObject } from "../../training/status.ts";
import { type ObjectInfo, Objects } from "../../training/storage.ts";
import type { CourseRecord, Place } from "../contract.ts";
import { type Found, findEnvironments, oneLine } from "../environments.ts";
import { CANARY_ID } from "../names.ts";
import { chosen } from "../only.ts";
import type { OpenCourse } from "../open.ts";
import { changeRecord, type RecordStore } from "../record.ts";
import { type Archive, type ArchiveFolder, openArchive } from "./archive.ts";

/** What of a data bucket is a student's work: results, records of runs, and what the workstation kept. */
export const EXPORTED_PREFIXES = ["output/", "runs/", "workstation/"] as const;
/** Says whose environment it was; kept with the rest. */
const EXPORTED_OBJECTS = ["environment.json"];
/** A workstation that runs rewrites these every minute; that they change is no reason to copy again. */
const PULSE = ["workstation/status.json", "workstation/log.txt"];

export const MANIFEST = "manifest.json";
/** The default place, in the course's folder. */
export const EXPORT_FOLDER = "export";

/** Students at the same time, and objects of each. */
const STUDENTS_AT_ONCE = 4;
const OBJECTS_AT_ONCE = 6;
/** So often is copied what changed meanwhile. */
const ROUNDS = 3;

/** An object of a manifest. */
export interface ManifestObject {
  /** In the data bucket. */
  name: string;
  /** Below the student's folder, where it is not the same. */
  file?: string;
  bytes: number;
  /** Base64, as Google gives it. */
  crc32c: string;
  generation: string;
  /** ISO time. */
  updated: string;
}

/** `ID/manifest.json`: what was copied and read back, now or by an earlier export. */
export interface StudentManifest {
  schema: 1;
  course: string;
  student: string;
  environment: string;
  bucket: string;
  /** ISO time at which everything had been read back and compared. */
  verified: string;
  bytes: number;
  objects: ManifestObject[];
}

/** `manifest.json`: everybody in the archive. */
export interface CourseManifest {
  schema: 1;
  course: string;
  /** By student id. */
  students: Record<string, { environment: string; verified: string; objects: number; bytes: number }>;
}

export interface StudentExport {
  id: string;
  /** `nothing`: there is no environment, or nothing in it. */
  result: "done" | "nothing" | "failed";
  objects: number;
  bytes: number;
  /** How many of the objects were copied now; the others were there. */
  copied: number;
  /** Runs that still go on: what they write from now on is not in the archive. */
  active: string[];
  reason?: string;
}

export interface ExportReport {
  /** Where it is. */
  to: string;
  /** ISO time. */
  at: string;
  /** In the order asked for. */
  students: StudentExport[];
}

export interface ExportOptions {
  /** `gs://BUCKET[/PREFIX]` or a folder. @default `export/` in the course's folder */
  to?: string;
  only?: readonly string[];
  now?: () => number;
  objects?: Objects;
  store?: RecordStore;
  /** Called when a student is done. */
  progress?: (student: StudentExport, done: number, of: number) => void;
  /** Aborting ends the export after the copies under way; the next call goes on. */
  signal?: AbortSignal;
}

/**
 * Copies everybody's results into an archive, one folder each, reads everything back and compares it with what Google
 * says of the originals. What is there already with the right checksum is not copied again. Whose copy was verified is
 * written into the course's record; a student whose results cannot be had stops no other's.
 */
export async function exportCourse(open: OpenCourse, options: ExportOptions = {}): Promise<ExportReport> {
  const { course, record } = open;
  const { now = Date.now, objects = new Objects(), progress, signal } = options;
  const archive = await openArchive(options.to ?? join(course.folder, EXPORT_FOLDER), objects);
  // Those who left, too, as long as there is something of theirs. What the canary trained is nobody's work.
  const everybody = [...open.students, ...Object.values(record.places)]
    .map(({ id }) => ({ id }))
    .filter(({ id }) => id !== CANARY_ID || !record.left[id]?.destroyed);
  const wanted = chosen(everybody, options.only);
  const ids = [...new Set(wanted.map(({ id }) => id))];
  const places = ids.flatMap((id) => record.places[id] ?? []);
  const found = new Map((await findEnvironments(places, objects)).map((each) => [each.place.id, each]));
  refuseOwnBuckets(archive, open, [...found.values()]);

  let done = 0;
  const students = await each(ids, STUDENTS_AT_ONCE, async (id) => {
    const student = await exported(id, found.get(id), { archive, objects, course: course.name, now, signal });
    done += 1;
    progress?.(student, done, ids.length);
    return student;
  });
  const at = new Date(now()).toISOString();
  await writeCourseManifest(archive, open, students, at);
  await note(open, archive, students, at, options.store);
  return { to: archive.at, at, students };
}

interface Job {
  archive: Archive;
  objects: Objects;
  course: string;
  now: () => number;
  signal: AbortSignal | undefined;
}

async function exported(id: string, found: Found | undefined, job: Job): Promise<StudentExport> {
  const report: StudentExport = { id, result: "nothing", objects: 0, bytes: 0, copied: 0, active: [] };
  if (!found?.bucket) {
    if (found?.problem === undefined) return { ...report, reason: "has no environment" };
    return { ...report, result: "failed", reason: found.problem };
  }
  try {
    const originals = await listed(job.objects, found.bucket);
    if (originals.length === 0) return { ...report, reason: "has nothing in its environment" };
    report.active = await activeRuns(job.objects, found.bucket, originals);
    const folder = await job.archive.open(id);
    const now = await copied(found.bucket, originals, folder, job, report);
    const whole = [...now, ...(await gone(id, found.bucket, now, folder, job))];
    await folder.write(MANIFEST, `${JSON.stringify(manifestOf(id, found.place, found.bucket, whole, job), null, 1)}\n`);
    report.objects = whole.length;
    report.bytes = whole.reduce((sum, { bytes }) => sum + bytes, 0);
    return { ...report, result: "done" };
  } catch (error) {
    return { ...report, result: "failed", reason: oneLine(error) };
  }
}

/**
 * What an earlier export took out of the same bucket, what is there no more, and what the archive still has as it was: a
 * file that was deleted since, or a bucket that a broken-off `down` had begun to empty, takes nothing out of the manifest.
 */
async function gone(
  id: string,
  bucket: string,
  now: readonly ManifestObject[],
  folder: ArchiveFolder,
  { archive }: Job,
): Promise<ManifestObject[]> {
  const before = await readJson<StudentManifest>(archive, `${id}/${MANIFEST}`);
  if (before?.bucket !== bucket) return [];
  const there = new Set(now.map(({ name }) => name));
  const files = new Set(now.map(({ name, file = name }) => file));
  const others = before.objects.filter(({ name, file = name }) => !there.has(name) && !files.has(file));
  const kept = await each(others, OBJECTS_AT_ONCE, async ({ name, file = name, bytes, crc32c }) => {
    const found = await folder.look(file);
    return found?.bytes === bytes && found.crc32c === crc32c;
  });
  return others.filter((_, index) => kept[index]);
}

/** Everything of a data bucket that is exported; markers of empty folders are nothing. */
async function listed(objects: Objects, bucket: string): Promise<ObjectInfo[]> {
  const lists = await Promise.all(EXPORTED_PREFIXES.map((prefix) => objects.list(bucket, { prefix })));
  const single = await Promise.all(EXPORTED_OBJECTS.map((name) => objects.info(bucket, name)));
  const found = lists.flatMap((list) => list.objects).filter(({ name, size }) => !(name.endsWith("/") && size === 0));
  return [...found, ...single.filter((object) => object !== undefined)];
}

/** Copies, reads back, compares, and looks again, until what is in the archive is what is in the bucket. */
async function copied(
  bucket: string,
  first: readonly ObjectInfo[],
  folder: ArchiveFolder,
  job: Job,
  report: StudentExport,
): Promise<ManifestObject[]> {
  let originals = first;
  for (let round = 1; ; round += 1) {
    const names = folder.names(originals.map(({ name }) => name));
    if (new Set(names.values()).size !== names.size) throw new UserError("two objects would have one name there");
    const missing = await wrong(originals, names, folder);
    await each(missing, OBJECTS_AT_ONCE, async (object) => {
      if (job.signal?.aborted) throw new UserError("broken off; the next export goes on from here");
      await folder.copy(bucket, object, names.get(object.name)!);
      report.copied += 1;
    });
    await folder.reread();
    const differing = await wrong(originals, names, folder);
    const now = await listed(job.objects, bucket);
    const changed = changes(originals, now);
    if (differing.length === 0 && changed.length === 0) {
      return originals.map(({ name, size, crc32c, generation, updated }) => {
        const file = names.get(name);
        return { name, ...(file === name ? {} : { file }), bytes: size, crc32c, generation, updated };
      });
    }
    if (round === ROUNDS) {
      const [one] = differing;
      throw new UserError(
        one
          ? `${one.name} was copied ${ROUNDS} times and is another there: the archive loses or changes what is written`
          : `${changed[0]} and ${changed.length - 1} more are written while they are copied: take the right to start machines first (mlt course freeze), or wait until the runs have ended`,
      );
    }
    originals = now;
  }
}

/** Those that are not in the archive as they are in the bucket. */
async function wrong(
  originals: readonly ObjectInfo[],
  names: ReadonlyMap<string, string>,
  folder: ArchiveFolder,
): Promise<ObjectInfo[]> {
  const right = await each(originals, OBJECTS_AT_ONCE, async ({ name, size, crc32c }) => {
    const kept = await folder.look(names.get(name)!);
    return kept?.bytes === size && kept.crc32c === crc32c;
  });
  return originals.filter((_, index) => !right[index]);
}

/** Names of what came, went or was rewritten, without what changes all the time. */
function changes(before: readonly ObjectInfo[], after: readonly ObjectInfo[]): string[] {
  const known = new Map(before.map(({ name, generation }) => [name, generation]));
  const changed = after.filter(({ name, generation }) => known.get(name) !== generation).map(({ name }) => name);
  const there = new Set(after.map(({ name }) => name));
  const gone = before.map(({ name }) => name).filter((name) => !there.has(name));
  return [...changed, ...gone].filter((name) => !PULSE.includes(name));
}

/** Ids of the runs that have not ended, as their records say. */
async function activeRuns(objects: Objects, bucket: string, originals: readonly ObjectInfo[]): Promise<string[]> {
  const ids = originals.flatMap(({ name }) => /^runs\/([^/]+)\/status\.json$/.exec(name)?.[1] ?? []);
  const active = await each(ids, OBJECTS_AT_ONCE, async (id) => {
    const status = await objects.readJson<RunStatus>(bucket, statusObject(id)).catch(() => undefined);
    return status !== undefined && !ENDED.includes(status.value.phase);
  });
  return ids.filter((_, index) => active[index]).sort();
}

function manifestOf(
  student: string,
  { environment }: Place,
  bucket: string,
  objects: ManifestObject[],
  { course, now }: Job,
): StudentManifest {
  const bytes = objects.reduce((sum, object) => sum + object.bytes, 0);
  return {
    schema: 1,
    course,
    student,
    environment,
    bucket,
    verified: new Date(now()).toISOString(),
    bytes,
    objects: objects.sort((one, other) => (one.name < other.name ? -1 : 1)),
  };
}

/** An archive in what goes with the course would go with it. */
function refuseOwnBuckets(archive: Archive, { record }: OpenCourse, found: readonly Found[]): void {
  if (archive.bucket === undefined) return;
  const shared = record.dataBucket?.replace(/^gs:\/\//, "").replace(/\/+$/, "");
  const owner = found.find(({ bucket }) => bucket === archive.bucket)?.place.id;
  if (owner === undefined && archive.bucket !== shared) return;
  throw new UserError(
    `gs://${archive.bucket} is ${owner === undefined ? "the course's shared bucket" : `the data bucket of ${owner}`} and goes with the course. Name another bucket, or a folder, with --to.`,
  );
}

async function writeCourseManifest(
  archive: Archive,
  { course }: OpenCourse,
  students: readonly StudentExport[],
  at: string,
): Promise<void> {
  const done = students.filter(({ result }) => result === "done");
  if (done.length === 0) return;
  const before = await readJson<CourseManifest>(archive, MANIFEST);
  const ours = before?.course === course.name ? before.students : {};
  const manifest: CourseManifest = { schema: 1, course: course.name, students: { ...ours } };
  for (const { id, objects: count, bytes } of done) {
    manifest.students[id] = { environment: `${course.name}-${id}`, verified: at, objects: count, bytes };
  }
  await archive.write(MANIFEST, `${JSON.stringify(manifest, null, 1)}\n`);
}

async function readJson<T>(archive: Archive, name: string): Promise<T | undefined> {
  try {
    const text = await archive.read(name);
    return text === undefined ? undefined : (JSON.parse(text) as T);
  } catch {
    // Cut off, or not ours: it is written anew.
    return undefined;
  }
}

/** Writes who is safe into the course's record: `down` destroys nobody else's without being told to. */
async function note(
  { course, students: roster }: OpenCourse,
  archive: Archive,
  students: readonly StudentExport[],
  at: string,
  store: RecordStore | undefined,
): Promise<void> {
  const safe = students.filter(({ result }) => result !== "failed").map(({ id }) => id);
  if (safe.length === 0) return;
  const present = new Set(roster.map(({ id }) => id));
  const change = (record: CourseRecord): CourseRecord => {
    const { exported: before, left } = record;
    const same = before?.to === archive.at ? before.students : [];
    const gone = safe.filter((id) => !present.has(id));
    return {
      ...record,
      exported: { at, to: archive.at, students: [...new Set([...same, ...safe])].sort() },
      left: { ...left, ...Object.fromEntries(gone.map((id) => [id, { ...left[id], exported: at }])) },
    };
  };
  await (store ? changeRecord(course, change, store) : changeRecord(course, change));
}
