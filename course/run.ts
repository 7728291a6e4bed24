import type { Outcome, StackPlan } from "./contract.ts";
import type { RecordKeeper } from "./keeper.ts";
import type { OpenCourse } from "./open.ts";
import { defaultAtOnce } from "./pool.ts";
import { type Progress, SILENT } from "./progress.ts";
import { Engine, type EngineOptions, type StackRun } from "./pulumi/engine.ts";
import { reasonOf } from "./reasons.ts";
import { counted } from "./words.ts";

/** What every command that works on stacks is given. */
export interface CourseRunOptions {
  /** Students' ids; absent: everybody. */
  only?: readonly string[];
  /** Stacks at the same time. @default two for each processor, as memory allows */
  atOnce?: number;
  signal?: AbortSignal;
  progress?: Progress;
  /** For tests. */
  engine?: Partial<EngineOptions>;
}

/** How a command over many stacks ended. */
export interface CourseRun {
  outcomes: Outcome[];
  /** What is to be known besides, a line each. */
  notes: string[];
}

/** The engine of a course. Close it in the end. */
export function openEngine(
  { course }: Pick<OpenCourse, "course">,
  keeper: RecordKeeper,
  run: CourseRunOptions,
): Promise<Engine> {
  const { progress = SILENT, engine } = run;
  return Engine.open({
    state: course.state,
    secretsProvider: course.secretsProvider,
    secrets: keeper.record.secrets,
    keepSecrets: async (made) => {
      const record = await keeper.change((before) => (before.secrets ? before : { ...before, secrets: made }));
      return record.secrets ?? made;
    },
    say: (line) => progress.say(line),
    ...engine,
  });
}

export function atOnceOf({ atOnce }: CourseRunOptions): number {
  return atOnce ?? defaultAtOnce();
}

/** Does one stack's work and makes an outcome of whatever comes of it; only what nobody can go on after is thrown. */
export async function turn(
  plan: Pick<StackPlan, "name" | "student">,
  { signal, progress = SILENT }: Pick<CourseRunOptions, "signal" | "progress">,
  work: () => Promise<StackRun | "unchanged">,
): Promise<Outcome> {
  const base = { stack: plan.name, ...(plan.student ? { student: plan.student.id } : {}) };
  const started = performance.now();
  const seconds = () => Math.round((performance.now() - started) / 100) / 10;
  let outcome: Outcome;
  if (signal?.aborted) outcome = { ...base, result: "skipped", reason: "stopped", seconds: 0 };
  else {
    progress.start(plan.name);
    try {
      const run = await work();
      outcome =
        run === "unchanged"
          ? { ...base, result: "unchanged", seconds: seconds() }
          : { ...base, ...resultOf(run.changes), seconds: seconds() };
    } catch (error) {
      if (process.env.MLT_DEBUG === "1") console.error(error);
      const reason = signal?.aborted ? "stopped; the same command goes on" : reasonOf(error, plan.student);
      outcome = { ...base, result: "failed", reason, seconds: seconds() };
    }
  }
  progress.end(outcome);
  return outcome;
}

function resultOf(changes: StackRun["changes"]): Pick<Outcome, "result" | "reason"> {
  const done = (["create", "update", "replace", "delete"] as const).flatMap((op) => {
    const count = changes[op] ?? 0;
    return count > 0 ? [`${count} ${PAST[op]}`] : [];
  });
  return done.length === 0 ? { result: "unchanged" } : { result: "done", reason: done.join(", ") };
}

const PAST = { create: "made", update: "changed", replace: "made anew", delete: "removed" } as const;

/** Whom a command leaves out, and what it says for it. */
export function skipped(stack: string, student: string, reason: string): Outcome {
  return { stack, student, result: "skipped", reason, seconds: 0 };
}

export function failedAlready(stack: string, student: string, reason: string): Outcome {
  return { stack, student, result: "failed", reason, seconds: 0 };
}

/** `12 done, 3 unchanged, 1 failed` */
export function summary(outcomes: readonly Outcome[]): string {
  const parts = (["done", "unchanged", "failed", "skipped"] as const).flatMap((result) => {
    const count = outcomes.filter((each) => each.result === result).length;
    return count > 0 ? [`${count} ${result}`] : [];
  });
  return parts.join(", ") || `${counted(0, "stack")}`;
}
