import { inventory } from "../cleanup/inventory.ts";
import { each } from "../cleanup/rest.ts";
import type { Inventory, Item, SoftDeleted } from "../cleanup/types.ts";
import { CHECK } from "../cleanup/verdict.ts";
import type { Outcome, Place } from "./contract.ts";
import { standingPlaces } from "./freeze.ts";
import { RecordKeeper } from "./keeper.ts";
import { environmentOf, foundationEnvironmentOf, foundationStackOf } from "./names.ts";
import { chosen } from "./only.ts";
import type { OpenCourse } from "./open.ts";
import { SILENT } from "./progress.ts";
import type { Engine } from "./pulumi/engine.ts";
import { atOnceOf, type CourseRun, type CourseRunOptions, openEngine, turn } from "./run.ts";
import { stopMachines } from "./stopMachines.ts";
import { withoutApplied } from "./up.ts";

export interface DownOptions extends CourseRunOptions {
  /** Exports these students' results and verifies the copy; throws if it is not whole. Absent: nothing is exported. */
  exportFirst?: (ids: readonly string[]) => Promise<void>;
}

export interface DownRun extends CourseRun {
  /** What is left of the course in its projects; absent where something failed before, or only some were to go. */
  proof?: Proof;
}

/** What `mlt clean --check` says, for all projects of a course together. */
export interface Proof {
  /** `CHECK`: 0 nothing is left, 1 something is, 2 not everything was seen. */
  code: (typeof CHECK)[keyof typeof CHECK];
  left: Item[];
  /** Google keeps them until their day; nobody can end it earlier. */
  softDeleted: SoftDeleted[];
  gaps: string[];
}

/** Takes a course down: results first, then machines, students' stacks, foundations; then it proves that nothing is left. */
export async function down(opened: OpenCourse, options: DownOptions): Promise<DownRun> {
  const { course } = opened;
  const { only, exportFirst, progress = SILENT, signal } = options;
  const keeper = await RecordKeeper.open(course);
  const standing = standingPlaces(keeper.record);
  const those = chosen(standing, only);
  // Before the first deletion: an export that fails ends everything here, with everything still there.
  if (exportFirst && those.length > 0) await exportFirst(those.map(({ id }) => id));
  const run: DownRun = { outcomes: [], notes: [] };
  const engine = await openEngine(opened, keeper, options);
  try {
    if (those.length > 0) {
      const machines = await stopMachines(those, (line) => progress.say(line));
      run.notes.push(...machines.failed.map((line) => `still there: ${line}`));
    }
    progress.phase("Students", those.length);
    run.outcomes.push(
      ...(await each(those, atOnceOf(options), (place) => destroyStudent(engine, keeper, place, options))),
    );
    if (only === undefined && run.outcomes.every(({ result }) => result === "done" || result === "unchanged")) {
      run.outcomes.push(...(await destroyRest(engine, keeper, opened, options)));
    }
  } finally {
    engine.close();
  }
  const whole = run.outcomes.every(({ result }) => result === "done" || result === "unchanged");
  if (only === undefined && whole && !signal?.aborted) run.proof = await prove(opened, keeper);
  return run;
}

async function destroyStudent(
  engine: Engine,
  keeper: RecordKeeper,
  { id, stack }: Place,
  options: DownOptions,
): Promise<Outcome> {
  const outcome = await turn({ name: stack }, options, async () => {
    const done = await destroyed(engine, stack, options);
    const at = new Date().toISOString();
    await keeper.change((record) => {
      const left = { ...record.left, [id]: { ...record.left[id], destroyed: at } };
      return withoutApplied({ ...record, left }, [stack]);
    });
    return done;
  });
  return { ...outcome, student: id };
}

function destroyed(engine: Engine, stack: string, { signal, progress = SILENT }: CourseRunOptions) {
  // What machines deleted themselves, and what was removed by hand, is found out first.
  return engine.destroy(stack, { signal, refresh: true, onStep: (step) => progress.step(stack, step) });
}

/** The foundations, and stacks of the course that the record does not know, such as a canary's that was broken off. */
async function destroyRest(
  engine: Engine,
  keeper: RecordKeeper,
  { course }: OpenCourse,
  options: DownOptions,
): Promise<Outcome[]> {
  const { progress = SILENT } = options;
  const prefix = foundationStackOf(course, "");
  const known = new Set(Object.values(keeper.record.places).map(({ stack }) => stack));
  const all = await engine.states.stacks(`${course.name}-`);
  const strays = all.filter((name) => !name.startsWith(prefix) && !known.has(name) && isStudents(name));
  const first = foundationStackOf(course, course.projects[0] ?? "");
  const foundations = all.filter((name) => name.startsWith(prefix) && name !== first);
  progress.phase("Foundations", strays.length + foundations.length + (all.includes(first) ? 1 : 0));
  const outcomes: Outcome[] = [];
  // The first project's foundation holds the bucket whose policy names the other projects' accounts.
  for (const group of [strays, all.includes(first) ? [first] : [], foundations]) {
    const one = (name: string) => turn({ name }, options, () => destroyed(engine, name, options));
    outcomes.push(...(await each(group, atOnceOf(options), one)));
    if (outcomes.some(({ result }) => result === "failed" || result === "skipped")) return outcomes;
  }
  await keeper.change((record) => {
    const { dataBucket: _, frozen: __, frozenStudents: ___, applied: ____, ...rest } = record;
    return rest;
  });
  return outcomes;

  function isStudents(name: string): boolean {
    // Another course's name may begin with this one's: `ml26` and `ml26-evening`. Ids hold no hyphen.
    return !name.slice(course.name.length + 1).includes("-");
  }
}

/** Looks into every project that the course ever used. */
export async function prove({ course }: OpenCourse, keeper: RecordKeeper): Promise<Proof> {
  const used = new Set(Object.values(keeper.record.places).map(({ project }) => project));
  if (used.size > 0) used.add(course.projects[0] ?? "");
  const projects = [...new Set([...course.projects, ...used])].sort();
  const found = await Promise.all(projects.map((project) => inventory(project)));
  // Where the course never was, an API that is off hides nothing of it.
  const seen = found.map((one) => (used.has(one.project) ? one : { ...one, gaps: one.gaps.filter(({ api }) => !api) }));
  return proofOf(course.name, foundationEnvironmentOf(course), seen);
}

/** Of what was found in the projects, what is the course's. Pure. */
export function proofOf(name: string, foundation: string, found: readonly Inventory[]): Proof {
  const ours = ({ environment }: { environment: string }) => {
    const id = environment.slice(name.length + 1);
    return environment === foundation || (environment === environmentOf({ name }, id) && /^[a-z0-9]+$/.test(id));
  };
  const left = found.flatMap(({ items }) => items.filter(ours));
  const gaps = found.flatMap(({ project, gaps: some }) => some.map(({ what, why }) => `${project}, ${what}: ${why}`));
  const softDeleted = found.flatMap(({ softDeleted: some }) => some.filter(ours));
  const code = left.length > 0 ? CHECK.left : gaps.length > 0 ? CHECK.incomplete : CHECK.clean;
  return { code, left, softDeleted, gaps };
}
