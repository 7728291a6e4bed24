import { dirname } from "node:path";
import type { BenchCloud } from "./cloud.ts";
import { median, type Row, timed } from "./measure.ts";

// What `mlt` itself takes, from the start of Node to its end: not npx, which adds its own 0.3 s. `status` asks a real
// environment in the local cloud, which runs in another process.

const REPOSITORY = dirname(import.meta.dirname);
const RUNS = 9;

export async function mltRows(world: BenchCloud): Promise<Row[]> {
  const env = { ...process.env, ...world.environment, MLT_ENVIRONMENT: world.bucket };
  const help = await time(["--help"], env);
  const status = await time(["status"], env);
  const row = (measure: string, seconds: number, target: number): Row => ({
    measure,
    value: `${seconds.toFixed(3)} s`,
    target: `< ${target} s`,
    met: seconds < target,
    note: `own time, median of ${RUNS}`,
  });
  return [row("mlt --help", help, 0.15), row("mlt status", status, 0.4)];
}

async function time(args: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const seconds: number[] = [];
  for (let round = 0; round <= RUNS; round++) {
    const run = await timed(process.execPath, ["cli/mlt.js", ...args], { cwd: REPOSITORY, env });
    if (run.code !== 0) throw new Error(`mlt ${args.join(" ")} ended with ${run.code}:\n${run.output}`);
    // The first round fills Node's cache of compiled code.
    if (round > 0) seconds.push(run.seconds);
  }
  return median(seconds);
}
