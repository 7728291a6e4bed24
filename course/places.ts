import type { Course, CourseRecord, Place, Student } from "./contract.ts";
import { placeOf } from "./names.ts";

export interface Assignment {
  /** Of everybody in the roster who has one, by id: those that the record holds, and new ones. */
  places: Record<string, Place>;
  /** Ids of those who got a place now, sorted. */
  added: string[];
  /** In the roster, and no project has room for them; sorted. */
  unplaced: string[];
  /** In the record and not in the roster any more, and not on record as gone; sorted. */
  leaving: string[];
  /** On record as gone, and in the roster again: they get their old place; sorted. */
  returning: string[];
  /** Whose place is in a project that course.yaml does not name any more; sorted. */
  stranded: string[];
}

/**
 * Gives everybody in the roster a project, once: who has a place stays there, whatever else changes. Who is new goes
 * where least of the room is taken. Places of those who left stay theirs, and take up room. Pure; the roster's order
 * changes nothing.
 * @param room students that a project can hold
 */
export function assign(
  course: Pick<Course, "name" | "projects">,
  students: readonly Pick<Student, "id">[],
  record: Pick<CourseRecord, "places" | "left">,
  room: (project: string) => number,
): Assignment {
  const taken = new Map(course.projects.map((project) => [project, 0]));
  for (const { project } of Object.values(record.places)) taken.set(project, (taken.get(project) ?? 0) + 1);

  const places: Record<string, Place> = {};
  const fresh: string[] = [];
  for (const id of students.map((student) => student.id).sort()) {
    const known = record.places[id];
    if (known) places[id] = known;
    else fresh.push(id);
  }
  // First how many each project gets, then who: neighbours in the roster stay together.
  const shares = new Map<string, number>();
  for (const _ of fresh) {
    const project = emptiest(course.projects, taken, room);
    if (project === undefined) break;
    taken.set(project, (taken.get(project) ?? 0) + 1);
    shares.set(project, (shares.get(project) ?? 0) + 1);
  }
  const seats = course.projects.flatMap((project) => Array<string>(shares.get(project) ?? 0).fill(project));
  const added = fresh.slice(0, seats.length);
  added.forEach((id, index) => {
    places[id] = placeOf(course, id, seats[index] ?? "");
  });
  const inRoster = new Set(students.map(({ id }) => id));
  const recorded = Object.keys(record.places).sort();
  return {
    places,
    added,
    unplaced: fresh.slice(seats.length),
    leaving: recorded.filter((id) => !inRoster.has(id) && !record.left[id]?.destroyed),
    returning: recorded.filter((id) => inRoster.has(id) && record.left[id] !== undefined),
    stranded: recorded.filter((id) => {
      const gone = !inRoster.has(id) && record.left[id]?.destroyed;
      return !gone && !course.projects.includes(record.places[id]?.project ?? "");
    }),
  };
}

/** The project with room of whose room the least part is taken; of equal ones the first. */
function emptiest(
  projects: readonly string[],
  taken: ReadonlyMap<string, number>,
  room: (project: string) => number,
): string | undefined {
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const project of projects) {
    const [used, most] = [taken.get(project) ?? 0, room(project)];
    if (used < most && used / most < least) {
      least = used / most;
      best = project;
    }
  }
  return best;
}

/** The record with the new places in it; what it holds already stays as it is. Pure: for `changeRecord`. */
export function withPlaces(record: CourseRecord, assignment: Pick<Assignment, "places">): CourseRecord {
  return { ...record, places: { ...assignment.places, ...record.places } };
}
