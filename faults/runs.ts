import { type CaseResult, type FaultCase, runCase } from "./case.ts";
import { CASES } from "./cells/index.ts";
import type { GroupOptions, GroupReport, GroupRow } from "./groups.ts";
import { inParallel } from "./pool.ts";
import { STEP_NAMES, step } from "./steps.ts";
import { createWorld } from "./world.ts";

/** Runs the table of faults and steps in one local cloud. */
export async function runRuns(options: GroupOptions): Promise<GroupReport> {
  const wanted = CASES.filter(
    (one) =>
      (!options.fault || one.fault.includes(options.fault)) &&
      (!options.step || one.step === options.step) &&
      (!options.subset || one.subset === true),
  );
  const world = await createWorld(options.progress, options.guest);
  try {
    const able = wanted.filter(({ level }) => level !== "nspawn" || !world.noGuests);
    const clean = [`before: ${words(await world.left())}`];
    let done = 0;
    const work = async (one: FaultCase) => {
      const result = await runCase(world, one);
      done += 1;
      const time = result.seconds === undefined ? "" : `, machine gone after ${result.seconds} s`;
      const end = `${result.phase ?? "no status"}${result.reason ? ` (${result.reason})` : ""}${time}`;
      options.progress(`${done}/${able.length} ${result.ok ? "✔" : "✘"} ${one.fault} at ${one.step}: ${end}`);
      for (const problem of result.problems) options.progress(`      ${problem}`);
      return result;
    };
    // Those that wait for a deadline cost nothing but time: they wait beside the others.
    const [waiting, busy] = [true, false].map((waits) =>
      able.filter(({ deadline }) => (deadline !== undefined) === waits),
    );
    const results = (
      await Promise.all([waiting, busy].map((cases = []) => inParallel(cases, options.jobs, work)))
    ).flat();
    clean.push(`after: ${words(await world.left())}`);
    const passedOver = wanted.length - able.length;
    return {
      rows: rowsOf(able, results),
      problems: results.flatMap((result) => (result.ok ? [] : [told(result)])),
      notRun: passedOver > 0 ? [`${passedOver} cases need machines with an init system: ${world.noGuests}`] : [],
      clean,
      cases: results,
    };
  } finally {
    await world.close();
  }
}

const words = (left: string[]) => (left.length === 0 ? "no machine, no disk" : left.join(", "));

function told({ fault, step: name, level, problems, evidence = "" }: CaseResult): string {
  return `${fault} at ${name} (${level}):\n  ${problems.join("\n  ")}\n${evidence.replace(/^/gm, "    ")}`;
}

/** One row for each fault; a cell says how long the machine lived on, and where the end was wrong. */
function rowsOf(cases: readonly FaultCase[], results: readonly CaseResult[]): GroupRow[] {
  const names = [...new Set(CASES.filter((one) => cases.includes(one)).map(({ fault }) => fault))];
  return names.map((name) => {
    const own = results.filter(({ fault }) => fault === name);
    const slowest = Math.max(...own.map(({ seconds = 0 }) => seconds));
    const cells = STEP_NAMES.map((each) => {
      const found = own.filter((result) => result.step === each);
      const text = found.map(({ ok, seconds }) => `${ok ? "" : "✘"}${seconds?.toFixed(0) ?? "?"}`).join("/");
      return [step(each).short, text || "·"];
    });
    return {
      name,
      cases: own.length,
      wrong: own.filter(({ ok }) => !ok).length,
      cells: {
        level: [...new Set(own.map(({ level }) => level))].join("+"),
        ...Object.fromEntries(cells),
        max: `${slowest.toFixed(0)} s`,
      },
    };
  });
}
