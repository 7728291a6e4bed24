import { byProject, type Need } from "../../course/arithmetic.ts";
import type { Student } from "../../course/contract.ts";
import { openCourse } from "../../course/open.ts";
import { type CoursePlan, people, planCourse, ranges } from "../../course/plan.ts";
import type { CourseOptions } from "../commands/course.ts";
import { plain, printJson, table } from "../output/print.ts";

/**
 * `mlt course plan`. Ends with 0, or with 1 where `up` could not do it as it is, or a quota that was read is too small.
 */
export async function action(options: CourseOptions & { quotas?: boolean }): Promise<number> {
  const open = await openCourse(options.course, { early: true });
  const quotas = options.quotas
    ? await (await import("../../course/quotas.ts")).readQuotas(open.course, open.students)
    : undefined;
  const plan = planCourse(open, quotas, new Date().toISOString().slice(0, 10));
  if (options.json) printJson(plan);
  else console.log(planText(plan, open.students));
  const short = plan.sums.some(({ needs }) => needs.some(({ fits, source }) => !fits && source !== "usual"));
  return plan.problems.length > 0 || short ? 1 : 0;
}

/** The plan as a person reads it. */
export function planText(plan: CoursePlan, students: readonly Student[]): string {
  const parts: string[] = [];
  const held = byProject(students, plan.places);
  for (const { project, students: count, needs } of plan.sums) {
    const who = count > 0 ? `: ${ranges(held.get(project) ?? [])}` : "";
    parts.push(`${project}: ${counted(count, "student")}${who}\n${indented(needsTable(needs))}`);
  }
  parts.push(
    `Everybody at once is a workstation, where there is one, and one run each, on ${plan.students === 1 ? "the" : "everybody's"} default machine.`,
  );
  parts.push(projectsText(plan));
  parts.push(costText(plan));
  parts.push(changesText(plan));
  for (const [word, lines] of [
    ["In the way", plan.problems],
    ["To do", plan.advice],
  ] as const) {
    if (lines.length > 0) parts.push(`${word}:\n${lines.map((line) => `  - ${plain(line)}`).join("\n")}`);
  }
  return parts.join("\n\n");
}

const SOURCES = { limit: "Google's limit", quota: "quota", usual: "usual quota" } as const;

function needsTable(needs: readonly Need[]): string {
  const rows = needs.map(({ what, region, need, have, used, source, fits }) => [
    fits ? "ok" : "SHORT",
    region ? `${what}, ${region}` : what,
    String(need),
    String(have),
    `${SOURCES[source]}${used ? `, ${used} in use now` : ""}`,
  ]);
  return table(["", "for everybody at once", "needed", "there is", ""], rows);
}

function projectsText({ projects, students }: CoursePlan): string {
  const { have, byLimits, byQuotas, bounds } = projects;
  const fixed = Number.isFinite(byLimits)
    ? `${counted(students, "student")} need ${counted(byLimits, "project")} (what is full first: ${bounds.limit}); course.yaml has ${have}.`
    : `no project holds a student (what is full first: ${bounds.limit}).`;
  if (byQuotas !== undefined && byQuotas <= have) return fixed;
  const instead =
    byQuotas === undefined
      ? `There is none of ${bounds.quota} at all: no number of projects is enough without asking for it.`
      : `If no quota were raised, it would take ${counted(byQuotas, "project")} (${bounds.quota}).`;
  return `${fixed} ${instead}`;
}

function costText({ cost }: CoursePlan): string {
  const dollars = (amount: number) => `${amount.toLocaleString("en-US", { maximumFractionDigits: 0 })} USD`;
  return [
    `Cost, estimated, without what students store: at most ${dollars(cost.mostPerWeek)} a week (everybody's hours used up on the dearest machine allowed), about ${dollars(cost.usualPerWeek)} with the default one;`,
    `for the ${counted(cost.weeks, "week")} that are left: at most ${dollars(cost.mostInAll)}, about ${dollars(cost.usualInAll)}.`,
  ].join("\n");
}

function changesText({ changes }: CoursePlan): string {
  const lines: [string, readonly string[]][] = [
    ["new", changes.added],
    ["back again, to the old place", changes.returning],
    ["not in the roster any more (up asks, exports them, then takes them down)", changes.leaving],
  ];
  const told = lines.filter(([, ids]) => ids.length > 0).map(([word, ids]) => `${word}: ${people(ids, 8)}`);
  return told.length > 0
    ? `Against the course's record: ${told.join("; ")}.`
    : "Against the course's record: everybody has a place already.";
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

function indented(text: string): string {
  return text.replace(/^/gm, "  ");
}
