import type { RunSpec, RunStatus } from "./contract.ts";
import type { Engine } from "./engines/engine.ts";
import type { OpenEnvironment } from "./environment.ts";
import { meant } from "./environment.ts";
import { UserError } from "./errors.ts";
import { quotable } from "./files.ts";
import { isRunId, runMoment } from "./ids.ts";
import { isSilent, reconciled, reconciledWaiting, SILENT_AFTER_MS } from "./reconcile.ts";
import { changeStatus, ENDED, firstStatus, launcherName, readStored, type Stored, statusObject } from "./status.ts";
import { Conflict } from "./storage.ts";

/** The engine of an environment; the module is loaded when a machine has to be asked for. */
export async function engineOf(_environment: OpenEnvironment): Promise<Engine> {
  const { VmEngine } = await import("./engines/vm.ts");
  return new VmEngine();
}

export interface ReadOptions {
  engine?: Engine;
  now?: () => number;
  sleep?: (milliseconds: number) => Promise<void>;
}

/** A run's status as it is: a run whose machine or launcher went without a word is found out first. */
export async function readStatus(
  environment: OpenEnvironment,
  id: string,
  options: ReadOptions = {},
): Promise<RunStatus> {
  const stored = await findStored(environment, id, options);
  if (!stored) throw await unknownRun(environment, id);
  return reconcile(environment, stored.status, options);
}

async function findStored(environment: OpenEnvironment, id: string, options: ReadOptions): Promise<Stored | undefined> {
  const stored = await readStored(environment.objects, environment.buckets.data, id);
  return stored ?? recovered(environment, id, (options.now ?? Date.now)());
}

/** Who died between the spec and the first status left a run that only has to be written down. */
async function recovered(environment: OpenEnvironment, id: string, now: number): Promise<Stored | undefined> {
  const { objects, buckets } = environment;
  const spec = await objects.readJson<RunSpec>(buckets.data, `runs/${id}/spec.json`);
  if (!spec) return undefined;
  const { createdAt } = spec.value;
  const first = firstStatus(spec.value, launcherName(), Date.parse(createdAt));
  // It is being written this moment.
  if (now - Date.parse(createdAt) < SILENT_AFTER_MS) return { status: first, generation: "" };
  const { heartbeat: _heartbeat, launcher: _launcher, ...status } = first;
  const generation = await objects.writeJson(buckets.data, statusObject(id), status, 0).catch((error: unknown) => {
    if (error instanceof Conflict) return undefined;
    throw error;
  });
  return generation === undefined ? readStored(objects, buckets.data, id) : { status, generation };
}

/** Looks whether a run that gives no sign of life still has its machine, and writes what became of it. */
export async function reconcile(
  environment: OpenEnvironment,
  status: RunStatus,
  options: ReadOptions = {},
): Promise<RunStatus> {
  const now = (options.now ?? Date.now)();
  const next = isSilent(status, now)
    ? await lookedAfter(environment, status, now, options)
    : reconciledWaiting(status, now) && (await mayEnd(environment, status))
      ? (current: RunStatus) => reconciledWaiting(current, now)
      : undefined;
  if (!next) return status;
  const { objects, buckets } = environment;
  const change = (current: RunStatus) => (current.attempt === status.attempt ? next(current) : undefined);
  const stored = await changeStatus(objects, buckets.data, status.id, "reconciler", change, options.sleep);
  const { phase, attempt } = stored.status;
  if (ENDED.includes(phase) && phase !== status.phase) {
    // What a launcher that died may have left behind, wherever that is.
    const engine = options.engine ?? (await engineOf(environment));
    await engine.sweep(environment, status.id, attempt + 1).catch(() => undefined);
  }
  return stored.status;
}

/** A preempted run that has used up its restarts has ended as such, long ago. */
async function mayEnd(environment: OpenEnvironment, status: RunStatus): Promise<boolean> {
  if (status.phase !== "preempted") return true;
  const spec = await environment.objects.readJson<RunSpec>(environment.buckets.data, `runs/${status.id}/spec.json`);
  return status.restarts < (spec?.value.maxRestarts ?? 0);
}

/** What a silent run's machine makes of it; `undefined`: the machine runs. */
async function lookedAfter(
  environment: OpenEnvironment,
  status: RunStatus,
  now: number,
  options: ReadOptions,
): Promise<((current: RunStatus) => RunStatus | undefined) | undefined> {
  const engine = options.engine ?? (await engineOf(environment));
  const { machine } = status;
  const state = machine ? await engine.state(environment, machine) : "gone";
  if (state === "running") return undefined;
  const takenBack = machine !== undefined && (await engine.preempted(environment, machine));
  // A machine of a run never starts again, and its disk costs: whoever may, takes it away.
  if (state === "stopped" && machine) await engine.remove(environment, machine).catch(() => undefined);
  return (current) => reconciled(current, state, now, takenBack);
}

export async function readSpec(environment: OpenEnvironment, id: string): Promise<RunSpec> {
  const found = await environment.objects.readJson<RunSpec>(environment.buckets.data, `runs/${id}/spec.json`);
  if (!found) throw await unknownRun(environment, id);
  return found.value;
}

/** Run ids, newest first. */
export async function listIds(environment: OpenEnvironment): Promise<string[]> {
  const { prefixes } = await environment.objects.list(environment.buckets.data, { prefix: "runs/", delimiter: "/" });
  const ids = prefixes.map((prefix) => prefix.slice("runs/".length, -1)).filter(isRunId);
  return ids.sort((a, b) => (runMoment(a) < runMoment(b) ? 1 : -1));
}

/** The newest runs, newest first, each reconciled. */
export async function listRuns(
  environment: OpenEnvironment,
  options: ReadOptions & { limit?: number } = {},
): Promise<{ runs: RunStatus[]; more: number }> {
  const ids = await listIds(environment);
  const wanted = ids.slice(0, options.limit ?? ids.length);
  const runs: RunStatus[] = [];
  // Ten at a time: fast enough for hundreds of runs, and no burst that Google would slow down.
  for (let start = 0; start < wanted.length; start += 10) {
    const read = wanted.slice(start, start + 10).map(async (id) => {
      const stored = await findStored(environment, id, options);
      return stored && reconcile(environment, stored.status, options);
    });
    for (const run of await Promise.all(read)) if (run) runs.push(run);
  }
  return { runs, more: ids.length - wanted.length };
}

/** The word for the newest run, wherever a run is asked for. */
export const LATEST = "latest";

/** The id that is meant by what somebody typed: an id, `latest`, or the beginning or end of one id alone. */
export async function resolveRun(environment: OpenEnvironment, text: string): Promise<string> {
  if (isRunId(text)) return text;
  const ids = await listIds(environment);
  const [newest] = ids;
  if (text === LATEST && newest) return newest;
  const fitting = text === "" ? [] : ids.filter((id) => id.startsWith(text) || id.endsWith(`-${text}`));
  if (fitting.length === 1) return fitting[0]!;
  if (fitting.length === 0) throw await unknownRun(environment, text, ids);
  const shown = fitting.slice(0, 5).join(", ");
  const more = fitting.length > 5 ? `, and ${fitting.length - 5} more` : "";
  throw new UserError(`"${quotable(text)}" fits ${fitting.length} runs: ${shown}${more}. Name one of them.`);
}

async function unknownRun(environment: OpenEnvironment, id: string, known?: readonly string[]): Promise<UserError> {
  const ids = known ?? (await listIds(environment));
  const name = quotable(id, 60);
  if (ids.length === 0) {
    return new UserError(
      `There is no run ${name || '""'}: the environment ${environment.environment} has had none. \`mlt train DIR\` starts one.`,
    );
  }
  const latest = ids.slice(0, 3).join(", ");
  return new UserError(
    `There is no run ${name || '""'} in ${environment.environment}.${meant(name, ids)} The latest: ${latest}`,
  );
}
