import type { Phase, RunStatus } from "./contract.ts";
import { ACTIVE } from "./status.ts";

/** What Compute Engine says about a run's machine. */
export type MachineState = "running" | "stopped" | "gone";

/** A machine's heartbeat comes every 10 s; older than this, somebody has to look whether it is still there. */
export const SILENT_AFTER_MS = 60_000;

/** The last that was heard of a run: its heartbeat, else the latest of its times. */
export function lastSign(status: RunStatus): number {
  const times = [status.heartbeat, ...Object.values(status.times)];
  return Math.max(...times.filter((time) => time !== undefined).map((time) => Date.parse(time)));
}

/** Whether a reader has to ask for the machine before it believes the status. */
export function isSilent(status: RunStatus, now: number): boolean {
  return ACTIVE.includes(status.phase) && now - lastSign(status) > SILENT_AFTER_MS;
}

/** What a silent run has become; `undefined`: what its status says still holds. */
export function reconciled(status: RunStatus, machine: MachineState, now: number): RunStatus | undefined {
  if (!isSilent(status, now) || machine === "running") return undefined;
  const ended = new Date(now).toISOString();
  const heard = new Date(lastSign(status)).toISOString();
  const name = status.machine?.name ?? "the machine";
  const what = machine === "gone" ? `${name} is gone` : `${name} is stopped`;
  const [phase, reason]: [Phase, string] = status.cancelRequested
    ? ["cancelled", `cancelled; ${what}`]
    : now >= Date.parse(status.deadline)
      ? ["timedOut", `time limit reached (${status.deadline}); ${what}, last heard of at ${heard}`]
      : ["lost", `${what}, last heard of at ${heard} in phase ${status.phase}`];
  return { ...status, phase, reason, times: { ...status.times, ended } };
}
