import type { RunSpec, RunStatus } from "../../training/contract.ts";
import type { OpenEnvironment } from "../../training/environment.ts";
import { notices } from "../../training/notice.ts";
import { costSoFar, endOf } from "../../training/price.ts";
import { whyNot } from "../../training/resume.ts";
import { readSpec, readStatus, resolveRun } from "../../training/runs.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { environmentFor } from "../context.ts";
import { duration, fields, money, plain, printJson, size } from "../output/print.ts";

export async function status(id: string | undefined, options: CommonOptions): Promise<number> {
  const environment = await environmentFor(options);
  if (id === undefined) {
    const code = await (await import("../workstation/summary.ts")).summary(environment, options);
    if (!options.json) await tell(environment);
    return code;
  }
  const name = await resolveRun(environment, id);
  const run = await readStatus(environment, name);
  const cost = costSoFar(run, Date.now());
  if (options.json) printJson(cost ? { ...run, cost } : run);
  else {
    const spec = await readSpec(environment, name);
    console.log(describe(run, cost, Date.now(), spec));
    await tell(environment);
  }
  return 0;
}

/** What the course has told this week. */
async function tell(environment: OpenEnvironment): Promise<void> {
  for (const line of await notices(environment, Date.now())) console.log(`course: ${plain(line)}`);
}

/** A run on one screen. */
export function describe(run: RunStatus, cost: RunStatus["cost"], now: number, spec?: RunSpec): string {
  const { machine, times, checkpoint } = run;
  const end = endOf(run, now);
  const trained = times.running
    ? duration((times.saving ? Date.parse(times.saving) : end) - Date.parse(times.running))
    : undefined;
  return fields([
    ["run", run.id],
    ["state", run.cancelRequested && !times.ended ? `${run.phase} (cancel requested)` : run.phase],
    ["reason", run.reason && plain(run.reason)],
    ["exit code", run.exitCode === undefined ? undefined : String(run.exitCode)],
    ["machine", machine && `${machine.name} (${machine.type}${machine.spot ? ", Spot" : ""}) in ${machine.zone}`],
    ["image", machine?.image],
    ["attempt", `${run.attempt}, restarts ${run.restarts}${spec ? ` of ${spec.maxRestarts}` : ""}`],
    [
      "checkpoint",
      checkpoint &&
        `${checkpoint.n}, ${duration(now - Date.parse(checkpoint.at))} ago: ${checkpoint.files} files, ${size(checkpoint.bytes)}`,
    ],
    ["resumed from", run.resumedFrom === undefined ? undefined : `checkpoint ${run.resumedFrom}`],
    ["submitted", times.submitted],
    ["ended", times.ended],
    ["trained for", trained],
    ["heartbeat", times.ended || !run.heartbeat ? undefined : `${duration(now - Date.parse(run.heartbeat))} ago`],
    ["deadline", times.ended ? undefined : run.deadline],
    ["cost", cost && `${money(cost)} (list prices of ${cost.asOf})`],
    ["metrics", run.metrics && plain(JSON.stringify(run.metrics))],
    ["go on", spec && whyNot(run, spec, now) === undefined ? `mlt resume ${run.id}` : undefined],
  ]);
}
