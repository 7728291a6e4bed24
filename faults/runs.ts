import { CASES } from "./cells/index.ts";
import type { GroupOptions, GroupReport } from "./groups.ts";
import { STEP_NAMES, step } from "./steps.ts";
import { chosen, runTable } from "./table.ts";

/** Runs the table of faults and steps. A cell says how long the machine lived on, and where the end was wrong. */
export function runRuns(options: GroupOptions): Promise<GroupReport> {
  return runTable(chosen(CASES, options), options, (results) => {
    const cells = STEP_NAMES.map((name) => {
      const found = results.filter((result) => result.step === name);
      const text = found.map(({ ok, seconds }) => `${ok ? "" : "✘"}${seconds?.toFixed(0) ?? "?"}`).join("/");
      return [step(name).short, text || "·"];
    });
    const longest = Math.max(...results.map(({ seconds = 0 }) => seconds));
    return {
      level: [...new Set(results.map(({ level }) => (level === "nspawn" ? "guest" : level)))].join("+"),
      ...Object.fromEntries(cells),
      max: `${longest.toFixed(0)} s`,
    };
  });
}
