import { randomBytes } from "node:crypto";
import type { Phase, RunSpec, RunStatus } from "./contract.ts";
import { SCHEMA } from "./contract.ts";
import { pausing, UserError } from "./errors.ts";
import { quotable } from "./files.ts";
import { costSoFar } from "./price.ts";
import { Conflict, type Objects } from "./storage.ts";

/** Who writes a status. The reconciler is any reader that finds a machine gone without a word. */
export type Writer = "launcher" | "guest" | "reconciler";

/** Phases in which a machine is, or may be, there for the run. */
export const ACTIVE: readonly Phase[] = ["provisioning", "booting", "installing", "running", "saving"];

export const ENDED: readonly Phase[] = ["succeeded", "failed", "timedOut", "cancelled", "lost"];
// `cancelled` only after `cancelRequested`.
const GUEST_ENDS: readonly Phase[] = ["failed", "preempted", "timedOut", "cancelled"];

/** `preempted`: Google's operations say so, though the machine had no time to. */
const FOUND_OUT: readonly Phase[] = ["timedOut", "lost", "cancelled", "preempted"];

/** Who may write which phase after which; what is not here is refused. The same phase again is a heartbeat. */
export const TRANSITIONS: Readonly<Record<Writer, Readonly<Partial<Record<Phase, readonly Phase[]>>>>> = {
  launcher: {
    submitted: ["queued", "provisioning", "cancelled", "failed", "timedOut"],
    queued: ["queued", "provisioning", "cancelled", "failed", "timedOut"],
    provisioning: ["provisioning", "queued", "cancelled", "failed", "timedOut"],
    booting: ["cancelled"],
    installing: ["cancelled"],
    running: ["cancelled"],
    saving: ["cancelled"],
    preempted: ["provisioning", "cancelled", "timedOut"],
    // `mlt resume`, into the next attempt.
    lost: ["provisioning"],
  },
  guest: {
    // The machine can be faster than the launcher's own next write.
    submitted: ["booting", ...GUEST_ENDS],
    queued: ["booting", ...GUEST_ENDS],
    provisioning: ["booting", ...GUEST_ENDS],
    // A boot that finds its own attempt past `booting` starts over from the checkpoint.
    booting: ["booting", "installing", "saving", ...GUEST_ENDS],
    installing: ["booting", "running", "saving", ...GUEST_ENDS],
    running: ["booting", "saving", ...GUEST_ENDS],
    saving: ["booting", "saving", "succeeded", ...GUEST_ENDS],
  },
  reconciler: {
    // Nobody asks for the machine any more, or the time is over.
    submitted: ["queued", "timedOut", "cancelled"],
    queued: ["queued", "timedOut", "cancelled"],
    provisioning: ["queued", ...FOUND_OUT],
    booting: FOUND_OUT,
    installing: FOUND_OUT,
    running: FOUND_OUT,
    saving: FOUND_OUT,
    preempted: ["timedOut", "cancelled"],
  },
};

export function mayWrite(writer: Writer, from: Phase, to: Phase): boolean {
  return TRANSITIONS[writer][from]?.includes(to) ?? false;
}

/** Whether nothing more happens by itself: `preempted` ends a run only when its restarts are used up. */
export function isTerminal(status: RunStatus, maxRestarts: number): boolean {
  return ENDED.includes(status.phase) || (status.phase === "preempted" && status.restarts >= maxRestarts);
}

/** A name that no two launchers have. */
export function launcherName(): string {
  return randomBytes(8).toString("hex");
}

export function firstStatus(spec: RunSpec, launcher: string, now: number): RunStatus {
  const { id, createdAt, deadline } = spec;
  return {
    schema: SCHEMA,
    id,
    phase: "submitted",
    attempt: 1,
    launcher,
    restarts: 0,
    times: { submitted: createdAt },
    heartbeat: new Date(now).toISOString(),
    deadline,
  };
}

export interface NextAttempt {
  now: number;
  launcher: string;
  /** Whether the last attempt's machine went: that counts as a restart. A launcher that goes on for another does not. */
  restart: boolean;
}

/** The status of the next attempt: what belonged to the last machine is gone, what belongs to the run stays. */
export function nextAttempt(status: RunStatus, { now, launcher, restart }: NextAttempt): RunStatus {
  const { machine: _machine, exitCode: _exitCode, reason: _reason, resumedFrom: _from, cost: _cost, ...rest } = status;
  const costBefore = costSoFar(status, now);
  return {
    ...rest,
    phase: "provisioning",
    attempt: status.attempt + 1,
    launcher,
    restarts: status.restarts + (restart ? 1 : 0),
    times: { submitted: status.times.submitted },
    heartbeat: new Date(now).toISOString(),
    ...(costBefore ? { costBefore } : {}),
  };
}

/** A reason as the contract wants it: one line, not too long. */
export function oneLine(text: string): string {
  return quotable(text.split(/\s*\n\s*/).join(" "), LONGEST_REASON);
}

const LONGEST_REASON = 300;

export interface Stored {
  status: RunStatus;
  generation: string;
}

export const statusObject = (id: string): string => `runs/${id}/status.json`;

export async function readStored(objects: Objects, bucket: string, id: string): Promise<Stored | undefined> {
  const found = await objects.readJson<RunStatus>(bucket, statusObject(id));
  return found && { status: found.value, generation: found.generation };
}

/**
 * Reads, changes and writes a status, again and again until nobody wrote in between. `change` gives the new status or
 * `undefined` to leave the one it was given. Refuses what the table of transitions does not hold.
 */
export async function changeStatus(
  objects: Objects,
  bucket: string,
  id: string,
  writer: Writer,
  change: (status: RunStatus) => RunStatus | undefined,
  sleep: (milliseconds: number) => Promise<void> = pausing,
): Promise<Stored> {
  for (let round = 0; ; round += 1) {
    const stored = await readStored(objects, bucket, id);
    if (!stored) {
      throw new UserError(
        `${id} has no status: it is being recorded this moment, or gs://${bucket}/${statusObject(id)} was deleted. Try again in a minute.`,
      );
    }
    const next = change(structuredClone(stored.status));
    if (!next) return stored;
    const { phase } = stored.status;
    if (next.phase !== phase && !mayWrite(writer, phase, next.phase)) {
      throw new Error(`${writer} may not turn run ${id} from ${phase} to ${next.phase}`);
    }
    try {
      const generation = await objects.writeJson(bucket, statusObject(id), next, stored.generation);
      return { status: next, generation };
    } catch (error) {
      if (!(error instanceof Conflict) || round >= 20) throw error;
      await sleep(50 + Math.random() * 200);
    }
  }
}
