import { each } from "../../cleanup/rest.ts";
import { byProject, roomOf } from "../arithmetic.ts";
import type { OpenCourse } from "../open.ts";
import { assign } from "../places.ts";
import { people } from "../plan.ts";
import type { CheckItem } from "./checkItem.ts";
import { checkPolicies } from "./checkPolicies.ts";
import { checkProject } from "./checkProject.ts";
import { checkQuotas, type QuotaRequest } from "./checkQuotas.ts";
import { checkState } from "./checkState.ts";

export interface CourseCheck {
  course: string;
  items: CheckItem[];
  /** What to send to Google, a text for each project whose quotas are too small. */
  requests: QuotaRequest[];
}

/** Looks at everything that a course needs, without changing anything. The canary is `checkCanary`. */
export async function checkCourse(opened: OpenCourse, today: string): Promise<CourseCheck> {
  const { course, students, record } = opened;
  const width = students[0]?.id.length ?? 1;
  const assignment = assign(course, students, record, (project) => roomOf(course, project, width).students);
  const held = byProject(students, assignment.places);
  const requests: QuotaRequest[] = [];
  const [general, ...projects] = await Promise.all([
    checkState(course),
    ...(await each(course.projects, 4, async (project): Promise<CheckItem[]> => {
      const here = held.get(project) ?? [];
      const items = await checkProject(project, here, course);
      if (items[0]?.state === "missing") return items;
      const [policies, quotas] = await Promise.all([
        checkPolicies(course, project, here),
        checkQuotas(course, project, here),
      ]);
      if (quotas.request) requests.push(quotas.request);
      return [...items, ...policies, ...quotas.items];
    })),
  ]);
  const own: CheckItem[] = [];
  if (course.expires < today) {
    own.push({
      name: "expiry",
      state: "missing",
      detail: `the course has expired on ${course.expires}`,
      fix: "expires in course.yaml",
    });
  }
  if (assignment.unplaced.length > 0) {
    const detail = `no project has room for ${people(assignment.unplaced)}`;
    own.push({ name: "room", state: "missing", detail, fix: "another project in course.yaml (mlt course plan)" });
  }
  requests.sort((a, b) => course.projects.indexOf(a.project) - course.projects.indexOf(b.project));
  return { course: course.name, items: [...own, ...(general ?? []), ...projects.flat()], requests };
}

/** 0: nothing is in the way; 1: something is; 2: nothing that was seen is, but not everything could be seen. */
export function checkCode(items: readonly CheckItem[]): 0 | 1 | 2 {
  if (items.some(({ state }) => state === "missing")) return 1;
  return items.some(({ state }) => state === "unknown") ? 2 : 0;
}
