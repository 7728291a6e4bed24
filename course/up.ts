import { each } from "../cleanup/rest.ts";
import { UserError } from "../training/errors.ts";
import { roomOf } from "./arithmetic.ts";
import type { CourseRecord, Outcome, Place, Student } from "./contract.ts";
import { foundationsUp, upOrUnchanged } from "./foundations.ts";
import { RecordKeeper } from "./keeper.ts";
import { foundationStackOf } from "./names.ts";
import { chosen } from "./only.ts";
import type { OpenCourse } from "./open.ts";
import { type Assignment, assign, withPlaces } from "./places.ts";
import { SILENT } from "./progress.ts";
import type { Engine } from "./pulumi/engine.ts";
import { changeRecord } from "./record.ts";
import { atOnceOf, type CourseRun, type CourseRunOptions, failedAlready, openEngine, skipped, turn } from "./run.ts";
import { studentPlan } from "./stacks.ts";
import { programHash } from "./unchanged.ts";

export interface UpOptions extends CourseRunOptions {
  /** Students that a project can hold. @default by Google's fixed limits */
  room?: (project: string) => number;
  /** Ids of those who left the roster and whose environments go now; nobody else's does. */
  remove?: readonly string[];
  /** Exports these students' results and verifies the copy; called before their environments go. */
  exportFirst?: (ids: readonly string[]) => Promise<void>;
  /** Runs the engine for every stack. */
  all?: boolean;
}

/** Brings up or changes what the roster says. Goes on where an earlier call, however it ended, was broken off. */
export async function up(opened: OpenCourse, options: UpOptions): Promise<CourseRun> {
  const { course, students } = opened;
  const { progress = SILENT, only, remove = [] } = options;
  const wanted = chosen(students, only);
  const width = students[0]?.id.length ?? 1;
  const room = options.room ?? ((project: string) => roomOf(course, project, width).students);
  const { record, assignment } = await settle(opened, room);
  const unknown = remove.filter((id) => !assignment.leaving.includes(id));
  if (unknown.length > 0) {
    throw new UserError(
      `${unknown.join(", ")} cannot be removed: only who has an environment and is not in the roster any more can. ${
        assignment.leaving.length > 0 ? `Those are ${assignment.leaving.join(", ")}.` : "There is nobody."
      }`,
    );
  }
  const keeper = new RecordKeeper(course, record);
  const notes: string[] = [];
  const outcomes: Outcome[] = [];
  const engine = await openEngine(opened, keeper, options);
  try {
    outcomes.push(...(await removeStudents(engine, keeper, options)));
    const standing = { course, record: keeper.record, places: standingPlaces(keeper.record, assignment) };
    const judged = { ...options, keeper, program: await programHash() };
    const ground = await foundationsUp(engine, standing, judged);
    outcomes.push(...ground.outcomes);
    const { dataBucket } = ground;
    if (dataBucket !== undefined && keeper.record.dataBucket === undefined) {
      await keeper.change((before) => ({ ...before, dataBucket }));
    }
    progress.phase("Students", wanted.length);
    outcomes.push(
      ...(await each(wanted, atOnceOf(options), async (student) => {
        const place = assignment.places[student.id];
        const problem = placeProblem(student, place, assignment, ground.outcomes, course.name);
        if (problem || !place) {
          progress.end(problem as Outcome);
          return problem as Outcome;
        }
        const plan = studentPlan({ course, record: keeper.record }, student, place);
        const read = ground.grounds.get(place.project)?.of(place.environment);
        return turn(plan, options, () => upOrUnchanged(engine, plan, judged, read));
      })),
    );
  } finally {
    engine.close();
  }
  const left = assignment.leaving.filter((id) => !keeper.record.left[id]?.destroyed);
  if (left.length > 0) {
    notes.push(
      `Not in the roster any more, and still standing: ${left.join(", ")}. They go, their results exported first, by: mlt course up --only ${left.join(",")}`,
    );
  }
  return { outcomes, notes };

  function placeProblem(
    { id }: Student,
    place: Place | undefined,
    { stranded }: Assignment,
    foundations: readonly Outcome[],
    name: string,
  ): Outcome | undefined {
    if (!place) {
      return failedAlready(`${name}-${id}`, id, "no project has room: name another in course.yaml (mlt course plan)");
    }
    if (stranded.includes(id)) {
      return failedAlready(
        place.stack,
        id,
        `its project ${place.project} is not in course.yaml any more: name it there again; a student's project never changes`,
      );
    }
    const foundation = foundations.find(({ stack }) => stack === foundationStackOf(course, place.project));
    if (foundation?.result === "failed")
      return failedAlready(place.stack, id, `its foundation failed: ${foundation.reason}`);
    if (foundation?.result === "skipped") return skipped(place.stack, id, "stopped");
    return undefined;
  }
}

/** Gives everybody a place, once and for all, and takes back that they left who are in the roster again. */
async function settle(
  { course, students }: OpenCourse,
  room: (project: string) => number,
): Promise<{ record: CourseRecord; assignment: Assignment }> {
  let assignment: Assignment | undefined;
  const record = await changeRecord(course, (before) => {
    assignment = assign(course, students, before, room);
    const left = Object.entries(before.left).filter(([id]) => !assignment?.returning.includes(id));
    return withPlaces({ ...before, left: Object.fromEntries(left) }, assignment);
  });
  if (!assignment) throw new Error("the record was not read");
  return { record, assignment };
}

/** Everybody whose account a foundation makes: the roster's, and those whose stack stands although they left. */
function standingPlaces({ places, left }: CourseRecord, assignment: Assignment): Record<string, Place> {
  const leaving = assignment.leaving.filter((id) => !left[id]?.destroyed);
  return { ...assignment.places, ...Object.fromEntries(leaving.map((id) => [id, places[id] as Place])) };
}

/** Those who leave: results first, then the stack; the account goes with the foundation's next `up`. */
async function removeStudents(engine: Engine, keeper: RecordKeeper, options: UpOptions): Promise<Outcome[]> {
  const { remove = [], exportFirst, progress = SILENT, signal } = options;
  if (remove.length === 0) return [];
  // Also whose results were exported before: they may have worked since. What is there already is not copied again.
  if (exportFirst) {
    await exportFirst(remove);
    const exported = new Date().toISOString();
    await keeper.change((record) => withLeft(record, remove, { exported }));
  }
  progress.phase("Leaving", remove.length);
  return each(remove, atOnceOf(options), async (id) => {
    const { stack } = keeper.record.places[id] as Place;
    const outcome = await turn({ name: stack }, options, async () => {
      const run = await engine.destroy(stack, { signal, refresh: true, onStep: (step) => progress.step(stack, step) });
      const destroyed = new Date().toISOString();
      await keeper.change((record) => withoutApplied(withLeft(record, [id], { destroyed }), [stack]));
      return run;
    });
    return { ...outcome, student: id };
  });
}

function withLeft(record: CourseRecord, ids: readonly string[], more: CourseRecord["left"][string]): CourseRecord {
  const left = Object.fromEntries(ids.map((id) => [id, { ...record.left[id], ...more }]));
  return { ...record, left: { ...record.left, ...left } };
}

/** The record without what was remembered of stacks that are gone. */
export function withoutApplied(record: CourseRecord, stacks: readonly string[]): CourseRecord {
  if (!record.applied) return record;
  const rest = Object.entries(record.applied).filter(([stack]) => !stacks.includes(stack));
  return { ...record, applied: Object.fromEntries(rest) };
}
