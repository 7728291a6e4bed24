import { cancelRun } from "../../training/cancel.ts";
import { resolveRun } from "../../training/runs.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { environmentFor } from "../context.ts";
import { printJson } from "../output/print.ts";

export async function cancel(run: string, options: CommonOptions): Promise<number> {
  const environment = await environmentFor(options);
  const id = await resolveRun(environment, run);
  const say = options.json ? {} : { progress: (line: string) => console.error(line) };
  const status = await cancelRun(environment, id, say);
  if (options.json) printJson(status);
  else if (status.phase === "cancelled") console.log(`${id} is cancelled.`);
  else console.log(`${id} had ended already: ${status.phase}${status.reason ? ` (${status.reason})` : ""}`);
  return 0;
}
