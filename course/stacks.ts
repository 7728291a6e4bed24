import { serviceAccountId } from "../components/names.ts";
import type { Course, CourseRecord, Place, StackPlan, Student } from "./contract.ts";
import { limitsOf, workstationOf } from "./machines.ts";
import { environmentOf, foundationEnvironmentOf, foundationStackOf } from "./names.ts";

/** Who stands, or is to stand, in the course's projects. */
export interface Standing {
  course: Course;
  record: Pick<CourseRecord, "frozen" | "frozenStudents" | "dataBucket">;
  /** By id: everybody whose stack stands or is to stand, those included who leave and are not destroyed yet. */
  places: Readonly<Record<string, Place>>;
}

/**
 * The foundation of each project that has students, in the order in which they must come up: the first of the course's
 * projects last, because the bucket that all share is made there and names the accounts of the other projects' students.
 */
export function foundationPlans(standing: Standing): StackPlan[] {
  const { course, places } = standing;
  const used = new Set(Object.values(places).map(({ project }) => project));
  const [first = ""] = course.projects;
  if (used.size > 0) used.add(first);
  // A project that course.yaml names no more still holds whom it held.
  const known = [...course.projects.filter((project) => used.delete(project)), ...[...used].sort()];
  return known.toReversed().map((project) => foundationPlan(standing, project));
}

/** What the students of a project share: APIs, network, roles, their machines' accounts, the course's data bucket. */
export function foundationPlan({ course, record, places }: Standing, project: string): StackPlan {
  const all = Object.values(places);
  const students = all.filter((place) => place.project === project).map(({ environment }) => environment);
  const others = all.filter((place) => place.project !== project).map(accountOf);
  const isFirst = course.projects[0] === project;
  return {
    name: foundationStackOf(course, project),
    project,
    scope: "foundation",
    config: {
      "gcp:region": course.region,
      environment: foundationEnvironmentOf(course),
      scope: "foundation",
      preset: course.preset,
      expires: course.expires,
      students: students.sort(),
      ...frozen(course, record, students),
      ...(isFirst ? { courseData: others.length > 0 ? { readers: others.sort() } : true } : {}),
      training: { regions: [course.region] },
    },
  };
}

/** One student's own: buckets, machines' template, workstation, and the rights of the student's Google account. */
export function studentPlan(
  { course, record }: Pick<Standing, "course" | "record">,
  student: Student,
  place: Place,
): StackPlan {
  const limits = limitsOf(course, student);
  const [machineType = ""] = limits.machineTypes;
  const { costPerRun, hoursPerWeek, gpus } = limits;
  const workstation = workstationOf(course, student);
  return {
    name: place.stack,
    project: place.project,
    scope: "student",
    student,
    config: {
      "gcp:region": course.region,
      environment: place.environment,
      scope: "student",
      foundation: foundationStackOf(course, place.project),
      preset: course.preset,
      expires: course.expires,
      // The name is nowhere here: renaming changes nothing.
      student: { member: student.member, costPerRun, hoursPerWeek, gpus },
      training: {
        regions: [course.region],
        machineType,
        allowedMachineTypes: [...limits.machineTypes],
        maxHours: limits.maxHours,
      },
      ...(workstation ? { workstation } : {}),
      ...(record.dataBucket ? { courseData: `gs://${bare(record.dataBucket)}` } : {}),
    },
  };
}

/** The e-mail of the machines' account that a foundation makes for a student. */
export function accountOf({ environment, project }: Pick<Place, "environment" | "project">): string {
  return `${serviceAccountId(environment)}@${project}.iam.gserviceaccount.com`;
}

function bare(bucket: string): string {
  return bucket.replace(/^gs:\/\//, "").replace(/\/$/, "");
}

function frozen(
  course: Course,
  { frozen: since, frozenStudents }: Standing["record"],
  students: readonly string[],
): { frozen?: string[] } {
  if (since === undefined) return {};
  if (frozenStudents === undefined) return { frozen: [...students].sort() };
  const those = new Set(frozenStudents.map((id) => environmentOf(course, id)));
  const here = students.filter((environment) => those.has(environment)).sort();
  return here.length > 0 ? { frozen: here } : {};
}
