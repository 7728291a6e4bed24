import { each } from "../cleanup/rest.ts";
import type { Outcome, StackPlan } from "./contract.ts";
import type { RecordKeeper } from "./keeper.ts";
import { SILENT } from "./progress.ts";
import type { Engine } from "./pulumi/engine.ts";
import { atOnceOf, type CourseRunOptions, turn } from "./run.ts";
import { foundationPlans, type Standing } from "./stacks.ts";
import { fingerprint, isUnchanged } from "./unchanged.ts";

/** What a student's stack reads of its foundation. */
export interface Ground {
  project: string;
  /** The foundation's outputs as the student reads them, by the student's environment. */
  of(environment: string): Record<string, unknown>;
}

export interface FoundationsRun {
  outcomes: Outcome[];
  /** By project, of those that stand as they should. */
  grounds: Map<string, Ground>;
  /** `gs://BUCKET` of the course, once its foundation has told it. */
  dataBucket?: string;
}

/** What decides whether a stack's `up` can be left out. */
export interface Judged {
  keeper: RecordKeeper;
  /** `programHash()` */
  program: string;
  /** Runs the engine for every stack, for what only Google changes: the newest image of a family. */
  all?: boolean;
}

/** Brings up the foundations: the first project's last, all others side by side before it. */
export async function foundationsUp(
  engine: Engine,
  standing: Standing,
  options: CourseRunOptions & Judged,
): Promise<FoundationsRun> {
  const plans = foundationPlans(standing);
  const { progress = SILENT } = options;
  progress.phase("Foundations", plans.length);
  const run: FoundationsRun = { outcomes: [], grounds: new Map() };
  const one = async (plan: StackPlan): Promise<Outcome> => {
    let outputs: Record<string, unknown> | undefined;
    const outcome = await turn(plan, options, async () => {
      const done = await upOrUnchanged(engine, plan, options);
      outputs = await engine.outputs(plan.name);
      return done;
    });
    const ground = outputs && groundOf(plan.project, outputs);
    if (ground && outcome.result !== "failed") run.grounds.set(plan.project, ground);
    const bucket = outputs?.courseDataBucketUrl;
    if (typeof bucket === "string") run.dataBucket = bucket;
    return outcome;
  };
  const last = plans.filter(({ config }) => config.courseData !== undefined);
  const others = plans.filter((plan) => !last.includes(plan));
  run.outcomes.push(...(await each(others, atOnceOf(options), one)));
  run.outcomes.push(...(await each(last, 1, one)));
  return run;
}

/** Runs the engine unless it is sure that it would change nothing. */
export async function upOrUnchanged(
  engine: Engine,
  plan: StackPlan,
  options: CourseRunOptions & Judged,
  ground?: Record<string, unknown>,
) {
  const { keeper, program, all, signal, progress = SILENT } = options;
  const of = fingerprint(plan, program, ground);
  if (!all && keeper.record.applied?.[plan.name]?.of === of) {
    const [there, locks] = await Promise.all([engine.states.checkpoint(plan.name), engine.states.locks(plan.name)]);
    const settled = there?.pending.length === 0 && locks.length === 0;
    if (settled && isUnchanged(keeper.record, plan.name, of, there.mark)) return "unchanged" as const;
  }
  const run = await engine.up(plan, { signal, onStep: (step) => progress.step(plan.name, step) });
  const { mark } = run;
  if (mark !== undefined) {
    await keeper.change((record) => ({ ...record, applied: { ...record.applied, [plan.name]: { of, mark } } }));
  }
  return run;
}

/** Each student reads the project's network and the own account: another student's account is no change. */
function groundOf(project: string, outputs: Record<string, unknown>): Ground | undefined {
  const { foundation } = outputs as { foundation?: { students?: Record<string, unknown> } };
  if (!foundation) return undefined;
  const { students = {}, ...shared } = foundation;
  return { project, of: (environment) => ({ ...shared, account: students[environment] }) };
}
