import { ApiUnreachable, type PipelineRun } from "../../kubeflow/client.ts";
import type { Kubectl } from "../../kubeflow/kubectl.ts";
import { openPortForward, type PortForward } from "../../kubeflow/portForward.ts";
import { hasEnded, shownState, stepsOf } from "../../kubeflow/runs.ts";
import { pausing } from "../../training/errors.ts";
import { duration, plain } from "../output/print.ts";
import { API, clientBy, say } from "./session.ts";

const EVERY_MS = 3000;

/** Tells each change of a run's steps until it has ended or the signal comes; returns the run as it was last seen. */
export async function followRun(kubectl: Kubectl, first: PipelineRun, signal: AbortSignal): Promise<PipelineRun> {
  let run = first;
  let way: PortForward | undefined;
  let isAway = false;
  const shown = new Map<string, string>();
  try {
    for (;;) {
      try {
        way ??= await openPortForward(kubectl, API);
        run = await clientBy(way).get(first.run_id);
        if (isAway) say("Kubeflow Pipelines answers again");
        isAway = false;
        tell(run, shown);
        if (hasEnded(run)) return run;
      } catch (error) {
        if (!(error instanceof ApiUnreachable) && (error as { exitCode?: number }).exitCode !== 69) throw error;
        if (!isAway) say(`${plain((error as Error).message.split("\n")[0]!)} Waiting; the run goes on.`);
        isAway = true;
        await way?.close();
        way = undefined;
      }
      if (signal.aborted) return run;
      await pausing(EVERY_MS, signal);
      if (signal.aborted) return run;
    }
  } finally {
    await way?.close();
  }
}

function tell(run: PipelineRun, shown: Map<string, string>): void {
  for (const { name, state, started, ended, reason } of stepsOf(run)) {
    if (state === "waiting" || shown.get(name) === state) continue;
    shown.set(name, state);
    const took = started && ended ? ` (${duration(Date.parse(ended) - Date.parse(started))})` : "";
    say(`${name}: ${shownState(state)}${took}${reason ? `: ${plain(reason)}` : ""}`);
  }
}
