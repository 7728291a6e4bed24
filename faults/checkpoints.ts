import { join } from "node:path";
import { run } from "../localcloud/guests/command.ts";
import type { GroupOptions, GroupReport, GroupRow } from "./groups.ts";

const PROGRAM = join(import.meta.dirname, "..", "tests", "startup-scripts", "killpoints.py");
const KILLS = Array.from({ length: 20 }, (_, index) => index + 1);

/** Machines killed at every point of a checkpoint's life, and trainings killed k times, in front of a bucket in memory. */
export async function runCheckpoints({ progress, subset }: GroupOptions): Promise<GroupReport> {
  const points = subset ? 60 : 1000;
  const kills = subset ? [1, 3] : KILLS;
  const parts = [
    { name: "kill points of a checkpoint's life", cases: points, args: ["points", "--count", String(points)] },
    { name: "training killed k = 1 … 20 times", cases: kills.length, args: ["trainer", "--kills", kills.join(",")] },
  ];
  const rows: GroupRow[] = [];
  const problems: string[] = [];
  for (const { name, cases, args } of parts) {
    const { code, stdout, stderr } = await run("python3", [PROGRAM, ...args], { timeoutMs: 15 * 60_000 });
    const result = parsed(stdout);
    const found = result ? result.problems : [`${PROGRAM} ended with ${code}: ${stderr.trim().slice(-2000)}`];
    progress(`${name}: ${cases} cases, ${found.length} wrong`);
    rows.push({ name, cases, wrong: Math.min(cases, found.length), cells: { counts: result ? numbers(result) : "" } });
    problems.push(...found.map((problem) => `${name}: ${problem}`));
  }
  return { rows, problems, notRun: [], clean: [] };
}

function parsed(text: string): ({ problems: string[] } & Record<string, unknown>) | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function numbers(result: Record<string, unknown>): string {
  return Object.entries(result)
    .filter(([, value]) => typeof value === "number")
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
}
