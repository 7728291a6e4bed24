import type { Course, Place } from "./contract.ts";

/** The student that `mlt course check` makes and takes away again; no student's id may be this either. */
export const CANARY_ID = "test";

type Named = Pick<Course, "name">;

/** Longest name of an environment; see `components/names.ts`. */
export const LONGEST_ENVIRONMENT = 20;

/** What the foundation's environment is called behind the course's name. */
export const FOUNDATION_ID = "base";

/** Ids that no student may have. */
export const RESERVED_IDS: readonly string[] = [FOUNDATION_ID, CANARY_ID];

/** `ml26` and `s001` → `ml26-s001`. Ids hold no hyphen: the last one parts course and student, whatever the course's name. */
export function environmentOf(course: Named, id: string): string {
  return `${course.name}-${id}`;
}

/** The foundation's environment, the same in each project of a course: projects have their own names. */
export function foundationEnvironmentOf(course: Named): string {
  return environmentOf(course, FOUNDATION_ID);
}

/** Name of the stack that holds what the students of a project share. */
export function foundationStackOf(course: Named, project: string): string {
  return `${course.name}-foundation-${project.replace(/[^a-z0-9-]/g, "-")}`;
}

/** The student's place in a project. */
export function placeOf(course: Named, id: string, project: string): Place {
  const environment = environmentOf(course, id);
  return { id, project, environment, stack: environment };
}
