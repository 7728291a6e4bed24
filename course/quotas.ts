import { call, each, Refused } from "../cleanup/rest.ts";
import { UserError } from "../training/errors.ts";
import type { Quota, Quotas } from "./arithmetic.ts";
import type { Course, Student } from "./contract.ts";
import { machinesOf } from "./machines.ts";

interface Listed {
  quotas?: { metric?: string; limit?: number; usage?: number }[];
}

/** Reads the quotas of all of a course's projects: their own, and those of the regions that the course uses. */
export async function readQuotas(course: Course, students: readonly Student[]): Promise<Quotas> {
  const regions = regionsOf(course, students);
  const read = await each(
    course.projects,
    4,
    async (project) => [project, await readProject(project, regions)] as const,
  );
  return Object.fromEntries(read);
}

/** The same of one project. Throws `UserError` with the reason where they cannot be read. */
export async function readProject(project: string, regions: readonly string[]): Promise<Quotas[string]> {
  try {
    const own = await call<Listed>("compute", `projects/${project}`);
    const places = await each(regions, 4, async (region) => {
      const found = await call<Listed>("compute", `projects/${project}/regions/${region}`);
      return [region, metrics(found)] as const;
    });
    return { project: metrics(own), regions: Object.fromEntries(places) };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const why = error.disabled
      ? `Compute Engine is off there. Turn it on: gcloud services enable compute.googleapis.com --project ${project}`
      : `${error.message} (${error.status}). You need roles/compute.viewer there`;
    throw new UserError(`The quotas of ${project} cannot be read: ${why}`);
  }
}

/** Where a course's machines are. */
export function regionsOf(course: Course, students: readonly Student[]): string[] {
  const found = new Set([course.region]);
  for (const student of students) {
    const { workstation } = machinesOf(course, student);
    if (workstation) found.add(workstation.region);
  }
  return [...found].sort();
}

function metrics({ quotas = [] }: Listed): Record<string, Quota> {
  return Object.fromEntries(quotas.map(({ metric = "", limit = 0, usage = 0 }) => [metric, { limit, usage }]));
}
