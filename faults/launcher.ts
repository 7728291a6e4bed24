import { runLauncherSchedules } from "../tests/training/launcherSchedules.ts";
import type { GroupOptions, GroupReport } from "./groups.ts";

const SCHEDULES = 1000;
const AT_ONCE = 50;

/** Launchers with random faults, killed anywhere, two at a time, in front of a Compute Engine that only keeps records. */
export async function runLauncher({ progress, subset }: GroupOptions): Promise<GroupReport> {
  const count = subset ? AT_ONCE : SCHEDULES;
  const sum = { machines: 0, kills: 0, faults: 0, duplicates: 0, leaks: 0 };
  const phases: Record<string, number> = {};
  const problems: string[] = [];
  for (let first = 1; first <= count; first += AT_ONCE) {
    const counts = await runLauncherSchedules(AT_ONCE, first);
    for (const key of ["machines", "kills", "duplicates", "leaks"] as const) sum[key] += counts[key];
    sum.faults += Object.values(counts.faults).reduce((total, times) => total + times, 0);
    for (const [phase, times] of Object.entries(counts.phases)) phases[phase] = (phases[phase] ?? 0) + times;
    for (const { seed, problems: found } of counts.violations)
      problems.push(`schedule ${seed}:\n  ${found.join("\n  ")}`);
    if ((first - 1 + AT_ONCE) % 200 === 0)
      progress(`${first - 1 + AT_ONCE}/${count} schedules, ${problems.length} wrong`);
  }
  const ends = Object.entries(phases).map(([phase, times]) => `${times} ${phase}`);
  const cells = Object.fromEntries(Object.entries(sum).map(([name, number]) => [name, String(number)]));
  const row = { name: "random fault schedules", cases: count, wrong: problems.length };
  return {
    rows: [{ ...row, cells: { ...cells, ends: ends.join(", ") } }],
    problems,
    notRun: [],
    clean: ["leaks: machines that are there when a schedule is over; duplicates: two machines of one attempt"],
  };
}
