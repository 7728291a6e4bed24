import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { projectsNeeded } from "../course/arithmetic.ts";
import type { Course, StackPlan, Student } from "../course/contract.ts";
import { parseCourse } from "../course/courseFile.ts";
import { planCourse } from "../course/plan.ts";
import { emptyRecord } from "../course/record.ts";
import { foundationPlans, studentPlan } from "../course/stacks.ts";
import program from "../index.ts";
import { IMAGE_CALL, record } from "../tests/helpers/record.ts";
import type { Row } from "./measure.ts";

// The plan of a course of 200 students over the projects that the limits of one project make necessary, and the program
// of every stack of it, one after the other, against mocks: what a course costs to plan, and whether anything of a stack
// stays in memory.

const STUDENTS = 200;
const TARGET_SECONDS = 60;
/** Heap that all the stacks together may leave behind: noise of the collector, not a stack's contents. */
const FLAT_MB = 20;

function courseOf(projects: number): Course {
  const text = JSON.stringify({
    name: "bench",
    expires: "2099-01-31",
    projects: Array.from({ length: projects }, (_, index) => `bench-project-${index + 1}`),
    contact: "bench",
    instructors: ["user:bench@example.com"],
    state: "file:///nowhere",
  });
  const { course, problems } = parseCourse(text, "/");
  if (!course) throw new Error(problems.join("\n"));
  return course;
}

const STUDENTS_OF_COURSE: Student[] = Array.from({ length: STUDENTS }, (_, index) => {
  const id = `s${String(index + 1).padStart(3, "0")}`;
  return { id, name: id, member: `user:${id}@example.com`, overrides: {}, line: index + 2 };
});

export async function studentRows(progress: (line: string) => void): Promise<Row[]> {
  const started = performance.now();
  const before = process.cpuUsage();
  const { byLimits, bounds } = projectsNeeded(courseOf(1), STUDENTS_OF_COURSE, undefined);
  const course = courseOf(byLimits);
  const plan = planCourse(
    { course, students: STUDENTS_OF_COURSE, record: emptyRecord(course) },
    undefined,
    "2098-01-01",
  );
  if (plan.problems.length > 0) throw new Error(plan.problems.join("\n"));
  const sums = (performance.now() - started) / 1000;

  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const memory: number[] = [];
  const foundations = foundationPlans({ course, record: {}, places: plan.places });
  const stacks = STUDENTS_OF_COURSE.map((student) =>
    studentPlan({ course, record: {} }, student, plan.places[student.id]!),
  );
  const outputs: Record<string, unknown> = {};
  let resources = 0;
  for (const foundation of foundations) {
    const recording = await run(foundation, outputs);
    outputs[foundation.name] = recording.result.foundation;
    resources += recording.resources.length;
  }
  for (const [index, stack] of stacks.entries()) {
    resources += (await run(stack, outputs)).resources.length;
    if (index % 20 === 19) {
      collect();
      memory.push(process.memoryUsage().heapUsed / 2 ** 20);
      progress(`${index + 1} stacks, ${memory.at(-1)?.toFixed(0)} MB on the heap`);
    }
  }
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(before);
  const growth = (memory.at(-1) ?? 0) - (memory[0] ?? 0);
  return [
    {
      measure: `course of ${STUDENTS} students planned (mocks)`,
      value: `${seconds.toFixed(1)} s`,
      target: `< ${TARGET_SECONDS} s`,
      met: seconds < TARGET_SECONDS && growth < FLAT_MB,
      note: `${byLimits} projects (${bounds.limit}), ${foundations.length} foundations, ${stacks.length} stacks, ${resources} resources; ${((user + system) / 1e6).toFixed(0)} s of processor time, ${(sums * 1000).toFixed(0)} ms of it assignment and sums; heap from stack 20 to ${STUDENTS}: ${growth >= 0 ? "+" : ""}${growth.toFixed(0)} MB`,
    },
  ];
}

/** The program of one stack; students read what their foundation told. */
async function run({ name, project, config }: StackPlan, outputs: Readonly<Record<string, unknown>>) {
  const raw = Object.entries({ "gcp:project": project, ...config }).map(([key, value]) => [
    key.includes(":") ? key : `mltraining:${key}`,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  const of = String(config.foundation ?? "");
  return record(program, {
    stack: name,
    config: Object.fromEntries(raw) as Record<string, string>,
    calls: IMAGE_CALL,
    state: ({ type, name: made }) => {
      if (type === "pulumi:pulumi:StackReference") return { outputs: { foundation: outputs[of] } };
      return type === "gcp:compute/network:Network" ? { name: `${made}-1a2b3c4` } : undefined;
    },
  });
}
