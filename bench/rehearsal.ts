import { dirname } from "node:path";
import { type Row, timed } from "./measure.ts";

const REPOSITORY = dirname(import.meta.dirname);
const TARGET_SECONDS = 90;

interface Report {
  ok: boolean;
  level: string;
  seconds: number;
  phases: { name: string; seconds: number }[];
}

/** One rehearsal of the census example, phase by phase. */
export async function rehearsalRows(progress: (line: string) => void): Promise<Row[]> {
  progress("a rehearsal of examples/census");
  const run = await timed(process.execPath, ["cli/mlt.js", "rehearse", "--json"], {
    cwd: REPOSITORY,
    env: process.env,
  });
  const report = JSON.parse(run.output.trim().split("\n").at(-1) ?? "") as Report;
  if (!report.ok) throw new Error(`The rehearsal failed:\n${run.output.slice(-2000)}`);
  const whole: Row = {
    measure: "rehearsal, whole",
    value: `${report.seconds.toFixed(1)} s`,
    target: `< ${TARGET_SECONDS} s (nspawn)`,
    met: report.level === "nspawn" ? report.seconds < TARGET_SECONDS : undefined,
    note: `examples/census, guest ${report.level}`,
  };
  const phases = report.phases.map(
    ({ name, seconds }): Row => ({
      measure: `rehearsal, ${name}`,
      value: `${seconds.toFixed(1)} s`,
      target: "-",
      note: "",
    }),
  );
  return [whole, ...phases];
}
