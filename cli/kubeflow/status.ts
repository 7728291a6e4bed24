import type { PipelineRun } from "../../kubeflow/client.ts";
import { readPods, type Trouble, troublesOf } from "../../kubeflow/pods.ts";
import { findRun, hasEnded, type Step, shownState, stepsOf } from "../../kubeflow/runs.ts";
import { readServed, type Served } from "../../kubeflow/served.ts";
import { UserError } from "../../training/errors.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { duration, fields, plain, printJson, table } from "../output/print.ts";
import { clusterFor, runPage, withPipelines } from "./session.ts";

export interface StatusOptions extends CommonOptions {
  limit: number;
}

/** One run with its steps; without a run the cluster: what runs and ran, what is served, what does not start and why. */
export async function status(asked: string | undefined, options: StatusOptions): Promise<number> {
  const { kubectl } = await clusterFor(options);
  if (asked !== undefined) {
    const run = await withPipelines(kubectl, (client) => findRun(client, asked));
    const troubles = hasEnded(run) ? [] : troublesOf(await readPods(kubectl, `pipeline/runid=${run.run_id}`));
    return oneRun(run, troubles, options);
  }
  const [pods, served] = await Promise.all([readPods(kubectl), readServed(kubectl)]);
  // Where its API server does not start, that is what is to be told.
  let silent: string | undefined;
  const runs = await withPipelines(kubectl, (client) => client.list(options.limit)).catch((error: unknown) => {
    if (!(error instanceof UserError)) throw error;
    silent = error.message;
    return [];
  });
  // Pods of runs that have ended are the runs' matter.
  const troubles = troublesOf(pods.filter(({ metadata, status: is }) => !isOfEndedRun(metadata.labels, is?.phase)));
  const { cluster, location, version, pipelineRoot, namespace } = kubectl.access;
  if (options.json) {
    const about = { cluster, location, namespace, version, pipelineRoot };
    printJson({ ...about, runs: runs.map(asJson), served, troubles, ...(silent ? { problem: silent } : {}) });
  } else {
    console.log(`Kubeflow Pipelines ${version} on ${cluster} (${location}); artefacts below ${pipelineRoot}\n`);
    console.log(silent ? `Runs are not to be seen: ${silent}` : runTable(runs));
    console.log(`\n${servedTable(served)}`);
    console.log(`\n${troubleTable(troubles)}`);
  }
  return silent ? 70 : 0;
}

function isOfEndedRun(labels: Readonly<Record<string, string>> = {}, phase = ""): boolean {
  return labels["pipeline/runid"] !== undefined && (phase === "Failed" || phase === "Succeeded");
}

function oneRun(run: PipelineRun, troubles: readonly Trouble[], { json }: StatusOptions): number {
  const steps = stepsOf(run);
  if (json) {
    printJson({ ...asJson(run), steps: steps.map((step) => ({ ...step, state: shownState(step.state) })), troubles });
    return 0;
  }
  const parameters = Object.entries(run.runtime_config?.parameters ?? {}).map(
    ([key, value]) => `${key}=${plain(String(value))}`,
  );
  console.log(
    fields([
      ["run", run.run_id],
      ["name", plain(run.display_name)],
      ["state", shownState(run.state)],
      ["why", run.error?.message && plain(run.error.message)],
      ["started", run.created_at],
      ["ended", ended(run)],
      ["parameters", parameters.join(" ")],
      ["page", `mlt kubeflow open, then ${runPage(run.run_id)}`],
    ]),
  );
  if (steps.length > 0) console.log(`\n${stepTable(steps)}`);
  if (troubles.length > 0) console.log(`\n${troubleTable(troubles)}`);
  return 0;
}

/** The server's zero time stands for none. */
function ended(run: PipelineRun): string | undefined {
  return hasEnded(run) && run.finished_at && !run.finished_at.startsWith("1970") ? run.finished_at : undefined;
}

function asJson(run: PipelineRun) {
  return {
    run: run.run_id,
    name: run.display_name,
    state: shownState(run.state),
    started: run.created_at ?? null,
    ended: ended(run) ?? null,
    reason: run.error?.message ?? null,
    parameters: run.runtime_config?.parameters ?? {},
  };
}

function took(from: string | undefined, to: string | undefined): string {
  return from ? duration((to ? Date.parse(to) : Date.now()) - Date.parse(from)) : "";
}

function runTable(runs: readonly PipelineRun[]): string {
  if (runs.length === 0) return "No runs yet: mlt kubeflow submit PIPELINE.yaml";
  const rows = runs.map((run) => {
    const time = took(run.created_at, ended(run));
    return [run.run_id, shownState(run.state), run.created_at ?? "", time, plain(run.display_name)];
  });
  return table(["RUN", "STATE", "STARTED", "TIME", "NAME"], rows);
}

function stepTable(steps: readonly Step[]): string {
  const rows = steps.map(({ name, state, started, ended: end, reason }) => [
    name,
    shownState(state),
    state === "waiting" ? "" : took(started, end),
    plain(reason ?? ""),
  ]);
  return table(["STEP", "STATE", "TIME", "WHY"], rows);
}

function servedTable(served: readonly Served[]): string {
  if (served.length === 0) return "Nothing is served.";
  const rows = served.map(({ component, name, ready, wanted, since, image }) => [
    component,
    name,
    `${ready}/${wanted}`,
    took(since, undefined),
    plain(image),
  ]);
  return table(["SERVED", "NAME", "READY", "AGE", "IMAGE"], rows);
}

function troubleTable(troubles: readonly Trouble[]): string {
  if (troubles.length === 0) return "Every pod that should run does, or is on its way.";
  return table(
    ["POD", "DOES NOT RUN BECAUSE"],
    troubles.map(({ pod, reason }) => [pod, plain(reason)]),
  );
}
