import {
  byProject,
  type Cost,
  costOf,
  type ProjectSum,
  type Projects,
  projectSum,
  projectsNeeded,
  type Quotas,
  roomOf,
} from "./arithmetic.ts";
import type { Place, Student } from "./contract.ts";
import type { OpenCourse } from "./open.ts";
import { type Assignment, assign } from "./places.ts";

/** What `mlt course plan` says, and prints with `--json`. */
export interface CoursePlan {
  course: string;
  students: number;
  /** Whether the quotas were read, or are what new projects usually have. */
  quotas: "read" | "usual";
  projects: Projects;
  sums: ProjectSum[];
  cost: Cost;
  /** By student's id. */
  places: Record<string, Place>;
  changes: Omit<Assignment, "places">;
  /** In the way of `up`: nothing of it can be done as it is. */
  problems: string[];
  /** To be done before the class starts. */
  advice: string[];
}

/** Assigns, adds up and compares. Pure: nothing is written, nobody is asked. */
export function planCourse(open: OpenCourse, quotas: Quotas | undefined, today: string): CoursePlan {
  const { course, students, record } = open;
  const width = students[0]?.id.length ?? 1;
  const { places, ...changes } = assign(course, students, record, (project) => roomOf(course, project, width).students);
  const held = byProject(students, places);
  const elsewhere = [...held.keys()].filter((project) => !course.projects.includes(project));
  const sums = [...course.projects, ...elsewhere].map((project) =>
    projectSum(course, project, held.get(project) ?? [], quotas?.[project]),
  );
  const projects = projectsNeeded(course, students, quotas);
  const cost = costOf(course, students, today);
  const plan = { course: course.name, students: students.length, projects, sums, cost, places, changes };
  return {
    ...plan,
    quotas: quotas ? "read" : "usual",
    problems: problemsOf(open, plan),
    advice: adviceOf(open, plan, quotas !== undefined, today),
  };
}

type Sums = Pick<CoursePlan, "projects" | "sums" | "changes" | "places" | "cost">;

function problemsOf({ course, record }: OpenCourse, { projects, sums, changes }: Sums): string[] {
  const problems: string[] = [];
  const { unplaced, stranded } = changes;
  if (unplaced.length > 0) {
    problems.push(
      `no project has room for ${people(unplaced)}: a project holds as many as its ${projects.bounds.limit} allow. The course needs ${projects.byLimits} projects; add ${Math.max(1, projects.byLimits - projects.have)} to projects in course.yaml`,
    );
  }
  if (stranded.length > 0) {
    const gone = [...new Set(stranded.map((id) => record.places[id]?.project))].join(", ");
    problems.push(
      `${people(stranded)} ${stranded.length === 1 ? "is" : "are"} in ${gone}, which course.yaml does not name any more; nobody is moved. Put it back into projects`,
    );
  }
  for (const { project, needs } of sums) {
    for (const { what, need, have, source, fits } of needs) {
      if (!fits && source === "limit") problems.push(`${project}: ${need} ${what}, and Google allows ${have}`);
    }
  }
  if (course.secretsProvider === "passphrase" && course.state.startsWith("gs://")) {
    problems.push(
      "secretsProvider: passphrase, and the state is in a bucket: a second instructor could not open it without your passphrase. Leave secretsProvider away for a key of Cloud KMS, or keep the state in a folder",
    );
  }
  return problems;
}

function adviceOf({ course }: OpenCourse, { sums, cost }: Sums, read: boolean, today: string): string[] {
  const advice: string[] = [];
  const short = sums.flatMap(({ project, needs }) =>
    needs.filter(({ fits, source }) => !fits && source !== "limit").map((need) => ({ project, ...need })),
  );
  if (short.length > 0 && !read) {
    advice.push(
      "quotas are those that new projects usually have; your projects' own: mlt course plan --quotas. A class at once needs more of the lines marked SHORT: ask Google for it now, it can take days (mlt course check writes the text)",
    );
  } else if (short.length > 0) {
    advice.push(
      "a class at once needs more of the lines marked SHORT: ask Google for it now, it can take days (mlt course check writes the text); until then students wait for each other's machines",
    );
  }
  if (course.expires < today)
    advice.push(`the course has expired on ${course.expires}: mlt clean removes what is left of it`);
  if (cost.unpriced.length > 0) {
    advice.push(`the catalog has no price for the machines of ${people(cost.unpriced)}; the sums are without them`);
  }
  return advice;
}

/** `s001, s002 and 5 more` */
export function people(ids: readonly string[], most = 4): string {
  if (ids.length <= most) return ids.join(", ");
  return `${ids.slice(0, most - 1).join(", ")} and ${ids.length - most + 1} more`;
}

/** The students of a project, as the table tells them: `s001–s007`, with gaps told. */
export function ranges(students: readonly Pick<Student, "id">[]): string {
  const runs: { from: string; to: string; prefix: string; number: number }[] = [];
  for (const id of students.map((student) => student.id).sort()) {
    const [, prefix = id, digits = ""] = /^(.*?)(\d{1,15})$/.exec(id) ?? [];
    const last = runs.at(-1);
    const number = digits === "" ? Number.NaN : Number(digits);
    if (last && last.prefix === prefix && last.number + 1 === number) Object.assign(last, { to: id, number });
    else runs.push({ from: id, to: id, prefix, number });
  }
  const words = runs.map(({ from, to }) => (from === to ? from : `${from}–${to}`));
  return words.length > 8 ? `${words.slice(0, 7).join(", ")} and ${words.length - 7} more` : words.join(", ");
}
