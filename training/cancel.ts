import type { RunStatus } from "./contract.ts";
import type { Engine } from "./engines/engine.ts";
import type { OpenEnvironment } from "./environment.ts";
import { engineOf, readSpec, readStatus } from "./runs.ts";
import { ACTIVE, changeStatus, isTerminal } from "./status.ts";

export interface CancelOptions {
  engine?: Engine;
  now?: () => number;
  sleep?: (milliseconds: number) => Promise<void>;
  /** How long the machine may take to end by itself. */
  graceMs?: number;
  progress?: (line: string) => void;
}

/** The guest looks at its status every 10 s; stopping the trainer and saving what is there takes the rest. */
const GRACE_MS = 60_000;

/**
 * Asks the run to end, waits, and takes its machine away if it does not. Returns the last status; a run that had
 * already ended comes back as it was.
 */
export async function cancelRun(
  environment: OpenEnvironment,
  id: string,
  options: CancelOptions = {},
): Promise<RunStatus> {
  const now = options.now ?? Date.now;
  const sleep =
    options.sleep ?? ((milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds)));
  const say = options.progress ?? (() => undefined);
  const { objects, buckets } = environment;
  const before = await readStatus(environment, id, options);
  const { maxRestarts } = await readSpec(environment, id);
  if (isTerminal(before, maxRestarts)) return before;

  let { status } = await changeStatus(objects, buckets.data, id, "launcher", (current) =>
    isTerminal(current, maxRestarts) ? undefined : { ...current, cancelRequested: true },
  );
  const guestRuns = ACTIVE.includes(status.phase) && status.phase !== "provisioning";
  if (guestRuns) say(`asked ${status.machine?.name ?? "the machine"} to stop`);
  const until = now() + (guestRuns ? (options.graceMs ?? GRACE_MS) : 0);
  while (!isTerminal(status, maxRestarts) && now() < until) {
    await sleep(1000);
    status = await readStatus(environment, id, options);
  }
  if (!isTerminal(status, maxRestarts)) {
    const engine = options.engine ?? (await engineOf(environment));
    if (status.machine) {
      say(`deleting the machine ${status.machine.name}`);
      await engine.remove(environment, status.machine);
    }
    // A launcher that died may have left one that no status names.
    if (!guestRuns) await engine.sweep(environment, id, status.attempt + 1).catch(() => undefined);
    const ended = new Date(now()).toISOString();
    const reason = guestRuns ? "cancelled on request; the machine was deleted" : "cancelled on request";
    ({ status } = await changeStatus(objects, buckets.data, id, "launcher", (current) =>
      isTerminal(current, maxRestarts)
        ? undefined
        : { ...current, phase: "cancelled", reason, times: { ...current.times, ended } },
    ));
  }
  return status;
}
