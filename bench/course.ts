import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { placeOf } from "../course/names.ts";
import { openCourse } from "../course/open.ts";
import { foundationPlan, studentPlan } from "../course/stacks.ts";
import { findPulumi } from "../engine/cli.ts";
import { startLanguageHost } from "../engine/languagehost/server.ts";
import { type CourseWorld, createCourseWorld, students } from "../tests/course/world.ts";
import { type Row, timed } from "./measure.ts";

// `mlt course up` of a class against as many plain `pulumi up`, one after the other: the same stacks, the same program,
// the same provider, two local clouds.

const REPOSITORY = dirname(import.meta.dirname);
const CLASS = 20;
/** Plain ones take long and are all alike: so many are measured, and reckoned up. */
const PLAIN = 6;
const TARGET = 3;

export async function courseRows(progress: (line: string) => void): Promise<Row[]> {
  progress(`mlt course up of ${CLASS} students`);
  const course = await courseUp();
  progress(`${PLAIN} plain pulumi up, one after the other`);
  const plain = await plainUps();
  const ratio = (plain.seconds * CLASS) / course.seconds;
  const busy = course.processor / (course.seconds * cpus().length);
  const atLimit = busy > 0.9;
  return [
    {
      measure: `mlt course up, ${CLASS} students`,
      value: `${course.seconds.toFixed(1)} s, ${ratio.toFixed(1)} × faster than plain`,
      target: `≥ ${TARGET} ×, or at the processors' limit`,
      met: ratio >= TARGET || atLimit,
      note: `plain pulumi stack init and up: ${plain.seconds.toFixed(2)} s and ${plain.processor.toFixed(2)} s of processor each (${PLAIN} measured); course: ${(course.processor / CLASS).toFixed(2)} s of processor each (${course.profile}); ${cpus().length} processors ${(busy * 100).toFixed(0)} % busy; largest memory of all processes ${course.peakMb?.toFixed(0) ?? "?"} MB`,
    },
    {
      measure: `mlt course up again, nothing changed`,
      value: `${course.again.toFixed(1)} s`,
      target: "-",
      note: "no engine is started",
    },
  ];
}

interface CourseUp {
  seconds: number;
  /** Seconds of all processes that took part. */
  processor: number;
  /** Where they went. */
  profile: string;
  peakMb: number | undefined;
  again: number;
}

async function courseUp(): Promise<CourseUp> {
  const world = await createCourseWorld();
  try {
    world.writeCourse({ projects: [world.projects[0]] });
    // The foundation comes first in both cases, and is not measured.
    world.writeRoster(students(CLASS));
    const first = await command(world, "up", "--only", "s001");
    if (first.code !== 0) throw new Error(first.output);
    const before = used();
    const run = await command(world, "up");
    if (run.code !== 0) throw new Error(run.output);
    const after = used();
    const [own, below] = [after.own - before.own, after.below - before.below];
    const again = await command(world, "up");
    const share = CLASS / (CLASS - 1);
    return {
      seconds: run.seconds * share,
      processor: (own + below) * share,
      profile: `${(own / (CLASS - 1)).toFixed(2)} local cloud and provider, ${(below / (CLASS - 1)).toFixed(2)} mlt and Pulumi`,
      peakMb: run.peakMb,
      again: again.seconds,
    };
  } finally {
    await world.close();
  }
}

function command(world: CourseWorld, ...args: string[]) {
  const all = [join(REPOSITORY, "cli", "mlt.js"), "course", args[0] ?? "", "--course", world.course, ...args.slice(1)];
  return timed(process.execPath, all, { cwd: world.folder, env: world.variables, memory: true });
}

/** As an instructor without `mlt course` would do it: a stack, its settings, `pulumi up`. */
async function plainUps(): Promise<{ seconds: number; processor: number }> {
  const world = await createCourseWorld();
  const host = await startLanguageHost();
  try {
    world.writeCourse({ projects: [world.projects[0]] });
    world.writeRoster(students(PLAIN));
    const { course, students: all } = await openCourse(world.course);
    const project = world.projects[0];
    const places = Object.fromEntries(all.map(({ id }) => [id, placeOf(course, id, project)]));
    const folder = join(world.folder, "plain");
    mkdirSync(join(folder, "state"), { recursive: true });
    copyFileSync(join(REPOSITORY, "Pulumi.yaml"), join(folder, "Pulumi.yaml"));
    for (const name of readdirSync(REPOSITORY)) {
      if (/^(package\.json|index\.ts|cli|node_modules)$/.test(name))
        symlinkSync(join(REPOSITORY, name), join(folder, name));
    }
    const env = {
      ...world.variables,
      PULUMI_BACKEND_URL: `file://${join(folder, "state")}`,
      PULUMI_CONFIG_PASSPHRASE: "bench",
      PULUMI_DEBUG_LANGUAGES: host.attach,
    };
    const { path } = await findPulumi();
    const up = async (name: string, of: string, config: Record<string, unknown>) => {
      const options = ["--non-interactive", "--color", "never", "--stack", name];
      await promisify(execFile)(path, ["stack", "init", ...options], { cwd: folder, env });
      const file = join(folder, `Pulumi.${name}.yaml`);
      const settings = Object.entries({ "gcp:project": of, ...config }).map(([key, value]) => [
        key.includes(":") ? key : `mltraining:${key}`,
        value,
      ]);
      const text = stringify({ config: Object.fromEntries(settings) }, { defaultStringType: "QUOTE_DOUBLE" });
      writeFileSync(file, `${readFileSync(file, "utf8")}${text}`);
      const done = await timed(path, ["up", "--yes", "--skip-preview", ...options], { cwd: folder, env });
      if (done.code !== 0) throw new Error(done.output);
    };
    const foundation = foundationPlan({ course, record: {}, places }, project);
    await up(foundation.name, project, foundation.config);
    const before = used();
    const started = performance.now();
    for (const student of all) {
      const plan = studentPlan({ course, record: {} }, student, places[student.id]!);
      await up(plan.name, project, plan.config);
    }
    const after = used();
    const seconds = (performance.now() - started) / 1000 / PLAIN;
    return { seconds, processor: (after.own - before.own + after.below - before.below) / PLAIN };
  } finally {
    await host.close();
    await world.close();
  }
}

/** Processor seconds of this process, and of all that it has started and that have ended; 0 where there is no /proc. */
function used(): { own: number; below: number } {
  const { user, system } = process.cpuUsage();
  let below = 0;
  try {
    const stat = readFileSync("/proc/self/stat", "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // Ticks are hundredths of a second on Linux.
    below = (Number(fields[13]) + Number(fields[14])) / 100;
  } catch {
    // No /proc: the profile says what this process took.
  }
  return { own: (user + system) / 1e6, below };
}
