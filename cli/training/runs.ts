import { listRuns } from "../../training/runs.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { environmentFor } from "../context.ts";
import { duration, plain, printJson, table } from "../output/print.ts";

export async function runs(options: CommonOptions & { limit: number; all?: boolean }): Promise<number> {
  const environment = await environmentFor(options);
  const limit = options.all ? {} : { limit: options.limit };
  const { runs: found, more } = await listRuns(environment, limit);
  if (options.json) {
    printJson(found);
    return 0;
  }
  if (found.length === 0) {
    console.log(`${environment.environment} has had no run. \`mlt train DIR\` starts one.`);
    return 0;
  }
  const now = Date.now();
  const rows = found.map((run) => [
    run.id,
    run.cancelRequested && !run.times.ended ? `${run.phase} (cancelling)` : run.phase,
    duration(now - Date.parse(run.times.submitted)),
    run.machine ? `${run.machine.type}${run.machine.spot ? " spot" : ""} ${run.machine.zone}` : "-",
    String(run.restarts),
    plain(run.reason ?? ""),
  ]);
  console.log(table(["RUN", "STATE", "AGE", "MACHINE", "RESTARTS", "REASON"], rows));
  if (more > 0) console.log(`(${more} older: mlt runs --all)`);
  return 0;
}
