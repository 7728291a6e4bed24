import type { RunSpec, RunStatus } from "./contract.ts";
import type { Engine } from "./engines/engine.ts";
import type { OpenEnvironment } from "./environment.ts";
import { UserError } from "./errors.ts";
import type { LaunchContext } from "./launch.ts";
import { estimate } from "./price.ts";
import { isUnattended, LAUNCHING, lastSign } from "./reconcile.ts";
import { engineOf, readSpec, readStatus } from "./runs.ts";
import { takeUp } from "./takeUp.ts";

export type ResumeOptions = Omit<LaunchContext, "engine"> & { engine?: Engine };

/**
 * Goes on with a run that was preempted or lost, or that waits without anybody who asks for its machine: its next
 * attempt starts from the newest checkpoint, within the deadline and the restarts that it has. The deadline itself is
 * in spec.json and in its machines' own limits, so it cannot be moved: more time is a new run.
 *
 * @throws UserError for every other run, with the rule, the reason and what to do
 */
export async function resumeRun(
  environment: OpenEnvironment,
  id: string,
  options: ResumeOptions = {},
): Promise<RunStatus> {
  const engine = options.engine ?? (await engineOf(environment));
  const context = { ...options, engine };
  const [status, spec] = await Promise.all([readStatus(environment, id, context), readSpec(environment, id)]);
  const now = (options.now ?? Date.now)();
  const problem = whyNot(status, spec, now);
  if (problem) throw new UserError(problem);
  const { perHour } = estimate(spec.machineType, spec.spot, 0);
  const price = perHour === undefined ? "" : `, at about ${perHour.toFixed(3)} USD/h`;
  options.progress?.(`${id} goes on, until ${spec.deadline} at most${price}`);
  return takeUp(environment, spec, status, context);
}

const ANOTHER = "Start another: mlt train DIR";

/** Why a run cannot be resumed; `undefined` if it can. */
export function whyNot(status: RunStatus, spec: RunSpec, now: number): string | undefined {
  const { id, phase, attempt } = status;
  const because = status.reason ? ` (${status.reason})` : "";
  const ago = Math.max(0, Math.round((now - lastSign(status)) / 1000));
  if (status.cancelRequested || phase === "cancelled") return `${id} was cancelled: that is final. ${ANOTHER}`;
  if (phase === "succeeded") return `${id} has succeeded: a run trains once. Its results: mlt fetch ${id}. ${ANOTHER}`;
  if (phase === "failed") {
    return `${id} has failed${because}: what failed would fail again, so only runs whose machine went are resumed. Put the cause right, then start another: mlt train DIR`;
  }
  if (phase === "timedOut" || now >= Date.parse(spec.deadline)) {
    return `${id} is past its time limit (${spec.deadline}), which its machines have built in: it cannot be moved. More time is a new run: mlt train DIR --max-hours HOURS`;
  }
  if (LAUNCHING.includes(phase)) {
    if (isUnattended(status, now)) {
      return phase === "provisioning"
        ? `${id} has its machine (${status.machine?.name}), which has not spoken yet: there is nothing to resume. See it: mlt status ${id}, mlt logs ${id}`
        : undefined;
    }
    return `${id} is ${phase}: another mlt asks for its machine (its last sign of life was ${ago} s ago). See it: mlt status ${id}; if that mlt is gone, try again in a minute`;
  }
  if (phase !== "preempted" && phase !== "lost") {
    return `${id} is ${phase} (attempt ${attempt}, last sign of life ${ago} s ago): there is nothing to resume. Follow it: mlt logs ${id} --follow`;
  }
  if (status.restarts >= spec.maxRestarts) {
    return `${id} has used up its restarts (${status.restarts} of ${spec.maxRestarts}). Start another, with more of them: mlt train DIR --max-restarts COUNT`;
  }
  return undefined;
}
