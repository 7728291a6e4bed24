import { EXIT, UserError } from "../training/errors.ts";
import type { PipelineRun, PipelinesClient, RunState, TaskDetail } from "./client.ts";

/** A step of a run. */
export interface Step {
  name: string;
  /** `waiting`: nothing of it has begun. */
  state: RunState | "waiting";
  started?: string;
  ended?: string;
  reason?: string;
}

const ENDED: readonly RunState[] = ["SUCCEEDED", "SKIPPED", "FAILED", "CANCELED"];

export function hasEnded({ state }: Pick<PipelineRun, "state">): boolean {
  return state !== undefined && ENDED.includes(state);
}

/** `running`, as people are shown it. */
export function shownState(state: Step["state"] | undefined): string {
  if (state === undefined || state === "RUNTIME_STATE_UNSPECIFIED" || state === "PENDING") return "pending";
  return state.toLowerCase().replace("canceling", "stopping").replace("canceled", "cancelled");
}

/** What a command ends with that has followed a run to its end. */
export function runExitCode({ state }: Pick<PipelineRun, "state">): number {
  if (state === "SUCCEEDED" || state === "SKIPPED") return 0;
  return state === "CANCELED" ? EXIT.cancelled : 1;
}

interface SpecTask {
  dependentTasks?: string[];
}

/** The pipeline's steps in the order in which they can run, each with what the server says of it. */
export function stepsOf({ pipeline_spec: sent, run_details: details }: PipelineRun): Step[] {
  const spec = (sent?.pipeline_spec ?? sent) as { root?: { dag?: { tasks?: Record<string, SpecTask> } } } | undefined;
  const found = details?.task_details ?? [];
  const tasks = spec?.root?.dag?.tasks;
  // Without the pipeline, what is left when the engine's own nodes are left out: a driver and an executor for each step.
  const names = tasks
    ? ordered(tasks)
    : [...new Set(found.map(({ display_name: name }) => name))].filter(
        (name) => !/-driver$|^(root|entrypoint|executor)(\(\d+\))?$/.test(name),
      );
  return names.map((name) => step(name, found));
}

function step(name: string, found: readonly TaskDetail[]): Step {
  const [task] = found.filter(({ display_name: shown }) => shown === name).slice(-1);
  const [driver] = found.filter(({ display_name: shown }) => shown === `${name}-driver`).slice(-1);
  // A driver that fails leaves its step without any trace of its own.
  const isDriver = driver?.state === "FAILED" && task?.state !== "RUNNING";
  const told = isDriver ? driver : task;
  if (!told) return { name, state: driver ? "PENDING" : "waiting" };
  const reason =
    told.error?.message ?? (isDriver ? `its driver failed: mlt kubeflow logs RUN ${name}-driver` : undefined);
  return {
    name,
    state: told.state ?? "RUNTIME_STATE_UNSPECIFIED",
    ...(told.start_time ? { started: told.start_time } : {}),
    ...(told.end_time && told.state !== "RUNNING" ? { ended: told.end_time } : {}),
    ...(reason ? { reason } : {}),
  };
}

/** What a step needs comes before it; else as they are named. */
function ordered(tasks: Readonly<Record<string, SpecTask>>): string[] {
  const left = new Set(Object.keys(tasks).sort());
  const done: string[] = [];
  while (left.size > 0) {
    const free = [...left].filter((name) => (tasks[name]?.dependentTasks ?? []).every((other) => !left.has(other)));
    // A circle cannot be compiled; if there is one, it is not waited for.
    for (const name of free.length > 0 ? free : [...left]) {
      left.delete(name);
      done.push(name);
    }
  }
  return done;
}

/** How many of the newest runs are searched for the beginning of an id. */
const SEARCHED = 200;

/**
 * The run that is meant: its id, `latest`, or as much of an id's beginning as fits no other.
 * @throws UserError where none or several are
 */
export async function findRun(client: PipelinesClient, asked: string): Promise<PipelineRun> {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(asked)) {
    try {
      return await client.get(asked);
    } catch (error) {
      if ((error as { status?: number }).status !== 404) throw error;
      throw new UserError(`There is no run ${asked}. mlt kubeflow status lists them.`);
    }
  }
  const runs = await client.list(asked === "latest" ? 1 : SEARCHED);
  const meant = asked === "latest" ? runs : runs.filter(({ run_id: id }) => id.startsWith(asked));
  const [first, second] = meant;
  if (!first) {
    const all = runs.slice(0, 3).map(({ run_id: id }) => id.slice(0, 8));
    const known =
      all.length > 0 ? ` The latest: ${all.join(", ")}` : " There is none yet: mlt kubeflow submit PIPELINE.yaml";
    throw new UserError(asked === "latest" ? `There is no run.${known}` : `There is no run ${asked}.${known}`);
  }
  if (second) {
    const some = meant.slice(0, 3).map(({ run_id: id }) => id);
    throw new UserError(`${asked} is the beginning of ${meant.length} runs: ${some.join(", ")}. Give more of it.`);
  }
  return client.get(first.run_id);
}
