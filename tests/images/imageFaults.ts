import type { GroupOptions, GroupReport, GroupRow } from "../../faults/groups.ts";
import { inParallel } from "../../faults/pool.ts";
import { buildImage, cleanBuilds, type Limits, type OpenBuildEnvironment } from "../../images/index.ts";
import { CASES, type ImageCase } from "./faultCases.ts";
import { baseline, judge, type Verdict } from "./judge.ts";
import { type KillCase, killCases } from "./killCases.ts";
import { createImageWorld, GOOD, type ImageWorld } from "./world.ts";

// Image builds in which something goes wrong: in the recipe, on a machine, in the cloud, with the launcher itself. The
// real library, the real startup script and the real local cloud; machines are processes. After each case: what does
// the family name, what is in it, what is left.

const KINDS: Readonly<Record<ImageCase["kind"] | KillCase["kind"], string>> = {
  recipe: "the recipe fails on the builder",
  machine: "a machine goes wrong",
  test: "the smoke test fails",
  cloud: "the cloud refuses, is late or away",
  promotion: "the promotion goes wrong",
  "killed, built again": "the launcher is killed, then mlt image build",
  "killed, cleaned": "the launcher is killed, then mlt image clean",
};

/** For `npm run faults -- --only images`; with `subset` a handful, as `npm test` runs them. */
export async function runImages(options: GroupOptions): Promise<GroupReport> {
  const wanted = ({ name, quick }: { name: string; quick?: boolean }) =>
    (!options.subset || quick === true) && (options.fault === undefined || name.includes(options.fault));
  const verdicts: (Verdict & { kind: keyof typeof KINDS })[] = [];
  // A cloud's faults hit whoever calls next, so those cases have a cloud each, one after the other.
  for (const each of CASES.filter(wanted)) {
    options.progress(each.name);
    const world = await createImageWorld();
    try {
      verdicts.push({ ...(await runCase(world, each)), kind: each.kind });
    } finally {
      await world.close();
    }
  }
  const kills = killCases().filter(wanted);
  if (kills.length > 0) {
    const world = await createImageWorld();
    try {
      const ran = await inParallel(kills, options.jobs, async (each) => {
        options.progress(each.name);
        return { ...(await runKill(world, each)), kind: each.kind };
      });
      verdicts.push(...ran);
    } finally {
      await world.close();
    }
  }
  const rows: GroupRow[] = Object.entries(KINDS).flatMap(([kind, name]) => {
    const of = verdicts.filter((verdict) => verdict.kind === kind);
    const wrong = of.filter(({ problems }) => problems.length > 0).length;
    const count = (key: "bad" | "left") => String(of.reduce((sum, verdict) => sum + verdict[key], 0));
    const cells = { "bad images in the family": count("bad"), "machines and disks left": count("left") };
    return of.length === 0 ? [] : [{ name, cases: of.length, wrong, cells }];
  });
  return {
    rows,
    problems: verdicts.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`)),
    notRun: [],
    clean: [],
    cases: verdicts,
  };
}

/** One build with one fault. */
async function runCase(world: ImageWorld, each: ImageCase): Promise<Verdict> {
  const environment = withSettings(world.family("fam"), each);
  const limits: Limits = { ...world.limits, ...each.limits };
  world.machines.usual = each.plan ?? {};
  await baseline(world, environment);
  for (const [index, fault] of (each.faults ?? []).entries()) {
    world.cloud.cloud.faults.plan({ id: `fault-${index}`, ...fault });
  }
  const stop = new AbortController();
  const log: string[] = [];
  const building = buildImage(environment, world.recipe("case", { "image.yaml": GOOD, ...each.files }), {
    limits,
    progress: (line) => log.push(line),
    onLog: (text) => log.push(text),
    signal: stop.signal,
  }).then(
    (result) => result,
    (error: Error) => error,
  );
  const acted = each.act?.({ world, environment, log, stop: () => stop.abort() });
  const outcome = await building;
  await acted;
  if (each.cleanAfter) {
    world.cloud.cloud.faults.clear();
    await cleanBuilds(environment, { limits });
  }
  return judge(world, environment, { name: each.name, ends: each.ends, keeps: each.keeps ?? false, outcome, log });
}

/** A launcher that ends without a word at a point, and what comes after it. */
async function runKill(world: ImageWorld, each: KillCase): Promise<Verdict> {
  const environment = world.family(each.family);
  const { limits } = world;
  await baseline(world, environment);
  const folder = world.recipe(each.family);
  const log: string[] = [];
  await new Promise<void>((resolve, reject) => {
    buildImage(environment, folder, {
      limits,
      progress: (line) => log.push(line),
      reached: (point, lock) => {
        if (point !== each.point) return Promise.resolve();
        // From here on this launcher does nothing any more, not even the tidying up of one that fails.
        lock.abandon();
        resolve();
        return new Promise(() => undefined);
      },
    }).then(() => reject(new Error(`the launcher was never at "${each.point}":\n${log.join("\n")}`)), reject);
  });
  log.push(`killed at ${each.point}`);
  await new Promise((resolve) => setTimeout(resolve, limits.lockMs + 200));
  const progress = (line: string) => log.push(line);
  const outcome = await (each.kind === "killed, cleaned"
    ? cleanBuilds(environment, { limits, progress })
    : buildImage(environment, folder, { limits, progress })
  ).then(
    (result) => ("outcome" in result ? result : undefined),
    (error: Error) => error,
  );
  return judge(world, environment, { ...each, outcome, log });
}

function withSettings(environment: OpenBuildEnvironment, { settings }: ImageCase): OpenBuildEnvironment {
  return { ...environment, imageFamily: { ...environment.imageFamily, ...settings } };
}
