import type { Config } from "./config.ts";
import type { FoundationArgs } from "./foundation.ts";

/** Where an environment has machines: each gets a subnet and a NAT. The first is its home. */
export function regionsOf({ region, training, workstation }: Config): string[] {
  const regions = training?.regions ?? [region];
  return workstation && !regions.includes(workstation.region) ? [...regions, workstation.region] : [...regions];
}

/** The course's shared bucket lies where this foundation's environment would have its own. */
export function courseDataOf({ courseData, bucket, labels }: Config): FoundationArgs["courseData"] {
  if (!courseData) return undefined;
  return { location: bucket.location, softDeleteDays: bucket.softDeleteDays, labels, readers: courseData.readers };
}

/** What workstations need of the project: the stack's own, or, in a foundation, whatever students' may need. */
export function workstationsOf({ scope, workstation }: Config): FoundationArgs["workstations"] {
  if (scope === "foundation") return { schedules: true, people: [], shared: true };
  if (!workstation) return undefined;
  const people = workstation.people.map(({ member }) => member);
  if (people.length === 0 && !workstation.schedule) return undefined;
  return { schedules: workstation.schedule !== undefined, people };
}
