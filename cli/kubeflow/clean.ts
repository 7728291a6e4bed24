import type { PipelineRun } from "../../kubeflow/client.ts";
import type { Kubectl } from "../../kubeflow/kubectl.ts";
import { hasEnded, shownState } from "../../kubeflow/runs.ts";
import { readLeft, removeLeft } from "../../kubeflow/served.ts";
import { EXIT } from "../../training/errors.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { plain, printJson } from "../output/print.ts";
import { ask } from "../workstation/ask.ts";
import { clusterFor, say, withPipelines } from "./session.ts";

export interface CleanOptions extends CommonOptions {
  runs?: boolean;
  yes?: boolean;
}

/** As many runs as one call takes away; the next call takes the next. */
const MANY = 1000;

/** Removes what pipelines have left running: served models and pages; with `runs` the records of runs that have ended. */
export async function clean(options: CleanOptions): Promise<number> {
  const { kubectl } = await clusterFor(options);
  const left = await readLeft(kubectl);
  const runs = options.runs ? await withPipelines(kubectl, (client) => client.list(MANY)) : [];
  const past = runs.filter(hasEnded);
  const active = runs.filter((run) => !hasEnded(run));
  for (const run of active) say(`${run.run_id} is ${shownState(run.state)} and stays (${plain(run.display_name)})`);
  if (left.length === 0 && past.length === 0) {
    if (options.json) printJson({ removed: [], runs: [] });
    else console.log(options.runs ? "Nothing is served, and no run has ended." : "Nothing is served.");
    return 0;
  }
  for (const name of left) say(`to be removed: ${name}`);
  for (const run of past) say(`to be removed: run ${run.run_id} (${plain(run.display_name)})`);
  const what = [left.length > 0 && "what is served", past.length > 0 && `${past.length} runs' records`].filter(Boolean);
  const answer = options.yes ? "yes" : await ask(`Remove ${what.join(" and ")}? Artefacts in the bucket stay.`);
  if (answer !== "yes") {
    console.error("Nothing was removed.");
    return answer === "no" ? EXIT.usage : EXIT.interrupted;
  }
  if (left.length > 0) await removeLeft(kubectl, left);
  await removeRuns(kubectl, past);
  if (options.json) printJson({ removed: left, runs: past.map(({ run_id: id }) => id) });
  else console.log(`Removed: ${[...left, ...past.map(({ run_id: id }) => `run ${id}`)].join(", ")}`);
  return 0;
}

async function removeRuns(kubectl: Kubectl, runs: readonly PipelineRun[]): Promise<void> {
  if (runs.length === 0) return;
  await withPipelines(kubectl, async (client) => {
    for (const { run_id: id } of runs) await client.remove(id);
  });
}
