import type { RunSpec, RunStatus } from "../training/contract.ts";
import { ACTIVE, changeStatus, readStored } from "../training/status.ts";
import { Objects } from "../training/storage.ts";
import type { RunRecord } from "./past.ts";
import type { Item } from "./types.ts";

/** What the bucket says of a run; nothing where it is gone or may not be read: Google's own limit counts then. */
export async function readRun(objects: Objects, bucket: string, id: string): Promise<RunRecord> {
  const quiet = () => undefined;
  const [spec, stored] = await Promise.all([
    objects.readJson<RunSpec>(bucket, `runs/${id}/spec.json`).catch(quiet),
    readStored(objects, bucket, id).catch(quiet),
  ]);
  const status = stored?.status;
  return {
    ...(isSpec(spec?.value) ? { spec: spec.value } : {}),
    ...(isStatus(status) ? { status } : {}),
  };
}

/** People can write into the bucket: what is not of the contract's shape says nothing. */
function isSpec(value: unknown): value is RunSpec {
  return !Number.isNaN(Date.parse(String((value as RunSpec | undefined)?.deadline)));
}

function isStatus(value: unknown): value is RunStatus {
  const { phase, attempt, times } = (value ?? {}) as Partial<RunStatus>;
  return typeof phase === "string" && typeof attempt === "number" && typeof times === "object" && times !== null;
}

/**
 * Writes what became of a run whose machine was removed here, so that nobody waits for it: the same words as any reader
 * would find, without its waiting for a minute's silence. Says nothing where the bucket is gone.
 */
export async function endRun(item: Item, now: number): Promise<void> {
  const { run, name } = item;
  if (!run?.bucket) return;
  const ended = new Date(now).toISOString();
  await changeStatus(new Objects(), run.bucket, run.id, "reconciler", (status) => {
    if (status.attempt !== run.attempt || !ACTIVE.includes(status.phase)) return undefined;
    const over = now >= Date.parse(status.deadline);
    const phase = status.cancelRequested ? "cancelled" : over ? "timedOut" : "lost";
    const what = `${name} was removed by mlt clean`;
    const reason = over ? `time limit reached (${status.deadline}); ${what}` : `${what} (${item.past ?? "asked for"})`;
    return { ...status, phase, reason, times: { ...status.times, ended } };
  }).catch(() => undefined);
}
