import { type Outcome, runSchedule } from "./schedules/schedule.ts";

/** What many schedules came to. */
export interface ScheduleCounts {
  schedules: number;
  /** Schedules by the phase in which their run ended. */
  phases: Record<string, number>;
  /** What the cloud did to requests, and how often. */
  faults: Record<string, number>;
  machines: number;
  /** Launchers that were killed between two of their steps. */
  kills: number;
  /** Moments when two machines of one attempt were there. */
  duplicates: number;
  /** Machines that were there when everything was over. */
  leaks: number;
  /** Everything that must not be, with the seed that shows it. */
  violations: { seed: number; problems: string[] }[];
  steps: number;
}

/** Runs schedules with the seeds `first`, `first + 1`, …: launchers with faults, killed anywhere, two at a time. */
export async function runLauncherSchedules(count: number, first = 1): Promise<ScheduleCounts> {
  const counts: ScheduleCounts = {
    schedules: count,
    phases: {},
    faults: {},
    machines: 0,
    kills: 0,
    duplicates: 0,
    leaks: 0,
    violations: [],
    steps: 0,
  };
  for (let seed = first; seed < first + count; seed += 1) add(counts, seed, await runSchedule(seed));
  return counts;
}

function add(counts: ScheduleCounts, seed: number, outcome: Outcome): void {
  const { phase, faults, violations } = outcome;
  counts.phases[phase] = (counts.phases[phase] ?? 0) + 1;
  for (const [name, times] of faults) counts.faults[name] = (counts.faults[name] ?? 0) + times;
  counts.machines += outcome.machines;
  counts.kills += outcome.kills;
  counts.steps += outcome.steps;
  counts.duplicates += violations.filter((problem) => problem.startsWith("two machines")).length;
  counts.leaks += violations.filter((problem) => problem.startsWith("left:")).length;
  if (violations.length > 0) counts.violations.push({ seed, problems: violations });
}
