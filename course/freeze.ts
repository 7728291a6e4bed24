import { UserError } from "../training/errors.ts";
import type { CourseRecord, Place } from "./contract.ts";
import { foundationsUp } from "./foundations.ts";
import { RecordKeeper } from "./keeper.ts";
import { chosen } from "./only.ts";
import type { OpenCourse } from "./open.ts";
import { SILENT } from "./progress.ts";
import { type CourseRun, type CourseRunOptions, openEngine } from "./run.ts";
import { type Stopped, stopMachines } from "./stopMachines.ts";
import { programHash } from "./unchanged.ts";

export interface FreezeRun extends CourseRun {
  /** Absent where freezing was undone, and where the rights could not be taken. */
  machines?: Stopped;
}

/** Everybody whose environment stands, as the record has it. */
export function standingPlaces({ places, left }: Pick<CourseRecord, "places" | "left">): Place[] {
  return Object.values(places)
    .filter(({ id }) => !left[id]?.destroyed)
    .sort((one, other) => (one.id < other.id ? -1 : 1));
}

/**
 * Takes the right to start machines from the students, then deletes training machines and stops workstations. Files,
 * results and the right to read them stay. `undo` gives the right back; nothing is started.
 */
export async function freeze(opened: OpenCourse, options: CourseRunOptions & { undo?: boolean }): Promise<FreezeRun> {
  const { course } = opened;
  const { only, undo = false, progress = SILENT } = options;
  const keeper = await RecordKeeper.open(course);
  const standing = standingPlaces(keeper.record);
  if (standing.length === 0) throw new UserError(`Nobody of ${course.name} has an environment yet: mlt course up`);
  const those = chosen(standing, only);
  const all = standing.map(({ id }) => id);
  await keeper.change((record) => withFrozen(record, { all, ids: those.map(({ id }) => id), undo, everybody: !only }));
  const engine = await openEngine(opened, keeper, options);
  const run: FreezeRun = { outcomes: [], notes: [] };
  try {
    const places = Object.fromEntries(standing.map((place) => [place.id, place]));
    const judged = { ...options, keeper, program: await programHash() };
    const { outcomes } = await foundationsUp(engine, { course, record: keeper.record, places }, judged);
    run.outcomes.push(...outcomes);
  } finally {
    engine.close();
  }
  if (undo) return run;
  const failed = run.outcomes.filter(({ result }) => result === "failed" || result === "skipped");
  if (failed.length > 0) {
    run.notes.push("Not everybody's rights were taken, and so no machine was touched: the same command goes on.");
    return run;
  }
  run.machines = await stopMachines(those, (line) => progress.say(line));
  run.notes.push(
    "Google may take some minutes until a right that was taken is felt everywhere: the same command, called again, finds what was started meanwhile.",
  );
  return run;
}

interface Wanted {
  /** Everybody who stands. */
  all: readonly string[];
  ids: readonly string[];
  undo: boolean;
  /** Whether nobody was named: who comes later is frozen, too. */
  everybody: boolean;
}

/** The record with these students frozen, or thawed. Pure. */
export function withFrozen(record: CourseRecord, { all, ids, undo, everybody }: Wanted): CourseRecord {
  const { frozen: since, frozenStudents, ...rest } = record;
  const now = new Date().toISOString();
  if (everybody) return undo ? rest : { ...rest, frozen: since ?? now };
  const before = since === undefined ? [] : (frozenStudents ?? all);
  if (!undo && since !== undefined && frozenStudents === undefined) return record;
  const after = undo ? before.filter((id) => !ids.includes(id)) : [...new Set([...before, ...ids])];
  return after.length === 0 ? rest : { ...rest, frozen: since ?? now, frozenStudents: [...after].sort() };
}

/** Whether this student may start nothing. */
export function isFrozen({ frozen, frozenStudents }: CourseRecord, id: string): boolean {
  return frozen !== undefined && (frozenStudents === undefined || frozenStudents.includes(id));
}
