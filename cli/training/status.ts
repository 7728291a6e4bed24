import type { RunSpec, RunStatus } from "../../training/contract.ts";
import type { OpenEnvironment } from "../../training/environment.ts";
import { costSoFar } from "../../training/price.ts";
import { whyNot } from "../../training/resume.ts";
import { listRuns, readSpec, readStatus, resolveRun } from "../../training/runs.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { environmentFor } from "../context.ts";
import { duration, fields, money, plain, printJson, size } from "../output/print.ts";

export async function status(id: string | undefined, options: CommonOptions): Promise<number> {
  const environment = await environmentFor(options);
  if (id === undefined) return summary(environment, options);
  const name = await resolveRun(environment, id);
  const run = await readStatus(environment, name);
  const cost = costSoFar(run, Date.now());
  if (options.json) printJson(cost ? { ...run, cost } : run);
  else {
    const spec = await readSpec(environment, name);
    console.log(describe(run, cost, Date.now(), spec));
  }
  return 0;
}

/** A run on one screen. */
export function describe(run: RunStatus, cost: RunStatus["cost"], now: number, spec?: RunSpec): string {
  const { machine, times, checkpoint } = run;
  const end = times.ended ? Date.parse(times.ended) : now;
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

/** The environment, and what runs in it now. */
async function summary(environment: OpenEnvironment, options: CommonOptions): Promise<number> {
  const { runs } = await listRuns(environment, { limit: 20 });
  const running = runs.filter((run) => !run.times.ended);
  const { buckets, project, region, training, environment: name } = environment;
  if (options.json) {
    const machine = training && { machineType: training.machineType, spot: training.spot, maxHours: training.maxHours };
    printJson({ environment: name, project, region, buckets, ...(machine ? { training: machine } : {}), running });
    return 0;
  }
  console.log(
    fields([
      ["environment", `${name} (project ${project}, region ${region})`],
      ["data", `gs://${buckets.data}`],
      ["scratch", `gs://${buckets.scratch}`],
      [
        "training",
        training && `${training.machineType}${training.spot ? " (Spot)" : ""}, at most ${training.maxHours} h`,
      ],
      ["running", running.length === 0 ? "nothing" : running.map((run) => `${run.id} (${run.phase})`).join(", ")],
    ]),
  );
  return 0;
}
