import { type CaseResult, type FaultCase, runCase } from "./case.ts";
import type { CleanAnswer } from "./clean.ts";
import type { GroupOptions, GroupReport, GroupRow } from "./groups.ts";
import { inParallel } from "./pool.ts";
import { createWorld, type World } from "./world.ts";

/** The cases that the command line asks for. */
export function chosen(cases: readonly FaultCase[], options: GroupOptions): FaultCase[] {
  return cases.filter(
    (one) =>
      (!options.fault || one.fault.includes(options.fault)) &&
      (!options.step || one.step === options.step) &&
      (!options.subset || one.subset === true),
  );
}

/**
 * Runs cases side by side in one local cloud, with `mlt clean --check` before its environment is made and after it is
 * taken away.
 *
 * @param cellsOf a row's further cells, from what came of its cases
 */
export async function runTable(
  cases: readonly FaultCase[],
  options: GroupOptions,
  cellsOf: (results: readonly CaseResult[]) => Record<string, string>,
): Promise<GroupReport> {
  const world = await createWorld(options.progress, options.guest);
  try {
    const able = cases.filter(({ level }) => level !== "nspawn" || !world.noGuests);
    const results = await runAll(world, able, options);
    const names = [...new Set(able.map(({ fault }) => fault))];
    const rows = names.map((name): GroupRow => {
      const own = results.filter(({ fault }) => fault === name);
      return { name, cases: own.length, wrong: own.filter(({ ok }) => !ok).length, cells: cellsOf(own) };
    });
    const problems = results.flatMap((result) => (result.ok ? [] : [told(result)]));
    const clean = await cleanUp(world);
    rows.push({ name: "mlt clean --check, before and after", cases: 2, wrong: clean.wrong });
    const passedOver = cases.length - able.length;
    return {
      rows,
      problems,
      notRun: passedOver > 0 ? [`${passedOver} cases need machines with an init system: ${world.noGuests}`] : [],
      clean: clean.lines,
      cases: results,
    };
  } finally {
    await world.close();
  }
}

async function runAll(world: World, cases: readonly FaultCase[], options: GroupOptions): Promise<CaseResult[]> {
  let done = 0;
  const work = async (one: FaultCase) => {
    const result = await runCase(world, one);
    done += 1;
    const time = result.seconds === undefined ? "" : `, machine gone after ${result.seconds} s`;
    const end = `${result.phase ?? "no status"}${result.reason ? ` (${result.reason})` : ""}${time}`;
    options.progress(`${done}/${cases.length} ${result.ok ? "✔" : "✘"} ${one.fault} at ${one.step}: ${end}`);
    for (const problem of result.problems) options.progress(`      ${problem}`);
    return result;
  };
  // Those that wait for a deadline cost nothing but time: they wait beside the others.
  const [waiting, busy] = [true, false].map((waits) =>
    cases.filter(({ deadline }) => (deadline !== undefined) === waits),
  );
  return (await Promise.all([waiting, busy].map((some = []) => inParallel(some, options.jobs, work)))).flat();
}

async function cleanUp(world: World): Promise<{ lines: string[]; wrong: number }> {
  const left = await world.left();
  const { before, after, left: leftovers } = await world.destroy();
  const lines = [
    `mlt clean --check before the environment was made: ${inShort(before)}`,
    `machines and disks after the last case: ${left.join(", ") || "none"}`,
    `mlt clean --check after it was taken away: ${inShort(after)}`,
    ...leftovers.map((each) => `left in the local cloud: ${each}`),
  ];
  const wrong = (before.code === 0 ? 0 : 1) + (after.code === 0 && left.length + leftovers.length === 0 ? 0 : 1);
  return { lines, wrong };
}

/** What it ended with, and the first thing that it said. */
function inShort({ code, said }: CleanAnswer): string {
  return `${code} (${said.split("; ")[0]})`;
}

function told({ fault, step, level, problems, evidence = "" }: CaseResult): string {
  return `${fault} at ${step} (${level}):\n  ${problems.join("\n  ")}\n${evidence.replace(/^/gm, "    ")}`;
}
