import { UserError } from "../../training/errors.ts";
import { type Need, projectSum, type Quotas } from "../arithmetic.ts";
import type { Course, Student } from "../contract.ts";
import { readProject, regionsOf } from "../quotas.ts";
import { counted } from "../words.ts";
import type { CheckItem } from "./checkItem.ts";
import { quotaPage } from "./checkProject.ts";

/** A project's quotas against its students, and the text that asks for more; absent where they are enough. */
export interface QuotaCheck {
  items: CheckItem[];
  request?: QuotaRequest;
}

/** What to send to Google. */
export interface QuotaRequest {
  project: string;
  page: string;
  text: string;
}

/** Compares the quotas of a project with what its students need at once. A quota that is not there is not granted. */
export async function checkQuotas(course: Course, project: string, students: readonly Student[]): Promise<QuotaCheck> {
  let quotas: Quotas[string];
  try {
    quotas = await readProject(project, regionsOf(course, students));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { items: [{ project, name: "quotas", state: "unknown", detail: error.message }] };
  }
  const { needs } = projectSum(course, project, students, quotas);
  const asked = needs.filter(({ source }) => source === "quota");
  const short = asked.filter(({ fits }) => !fits);
  if (short.length === 0) {
    const busy = asked.filter(({ need, have, used = 0 }) => need + used > have);
    const detail = `enough for ${counted(students.length, "student")} at once`;
    if (busy.length === 0) return { items: [{ project, name: "quotas", state: "ok", detail }] };
    const now = busy.map(({ what, region, used }) => `${used} ${what}${region ? ` in ${region}` : ""}`).join(", ");
    return {
      items: [
        { project, name: "quotas", state: "warn", detail: `${detail}, if what is in use now is free then: ${now}` },
      ],
    };
  }
  const items = short.map(({ what, region, need, have, used }): CheckItem => {
    const place = region ? ` in ${region}` : "";
    const granted = have === 0 ? "there are none" : `there are ${have}`;
    const inUse = used ? `, ${used} in use now` : "";
    return {
      project,
      name: "quotas",
      state: have === 0 ? "missing" : "warn",
      detail: `${need} ${what}${place} for everybody at once, ${granted}${inUse}`,
      fix: quotaPage(project),
    };
  });
  return { items, request: requestOf(course, project, students, short) };
}

/** In the words of the form behind the page, and of a letter to support. */
function requestOf(
  course: Course,
  project: string,
  students: readonly Student[],
  short: readonly Need[],
): QuotaRequest {
  const lines = short.map(
    ({ key, region, need, have }) =>
      `- ${key}${region ? `, region ${region}` : ", all regions"}: from ${have} to ${need}`,
  );
  const text = [
    `Project ${project}: request to raise quotas of the Compute Engine API.`,
    ...lines,
    `Reason: a course, "${course.title}", with ${counted(students.length, "student")} in this project until ${course.expires}.`,
    "Each student trains on one machine at a time, which deletes itself after the training; machines have a time limit of",
    `${course.limits.maxHours} hours. In class everybody works at the same time, which the figures above are for.`,
  ].join("\n");
  return { project, page: quotaPage(project), text };
}
