import type { Phase, RunStatus } from "./contract.ts";
import { ACTIVE, oneLine } from "./status.ts";

/** What Compute Engine says about a run's machine. */
export type MachineState = "running" | "stopped" | "gone";

/** A machine's heartbeat comes every 10 s; older than this, somebody has to look whether it is still there. */
export const SILENT_AFTER_MS = 60_000;
/** A reader whose clock is a little fast ends no waiting run too early. */
const AFTER_DEADLINE_MS = 60_000;

/** Phases before a machine has spoken: a launcher is, or should be, at work. */
export const LAUNCHING: readonly Phase[] = ["submitted", "queued", "provisioning"];

/** The last that was heard of a run: its heartbeat, else the latest of its times. */
export function lastSign(status: RunStatus): number {
  const times = [status.heartbeat, ...Object.values(status.times)];
  return Math.max(...times.filter((time) => time !== undefined).map((time) => Date.parse(time)));
}

/** Whether a reader has to ask for the machine before it believes the status. */
export function isSilent(status: RunStatus, now: number): boolean {
  return ACTIVE.includes(status.phase) && now - lastSign(status) > SILENT_AFTER_MS;
}

/** Whether the run needs a launcher and has none: nobody gave a sign of life for a minute, or said that it leaves. */
export function isUnattended(status: RunStatus, now: number): boolean {
  if (!LAUNCHING.includes(status.phase)) return false;
  const sign = status.heartbeat ?? (status.phase === "submitted" ? status.times.submitted : undefined);
  return sign === undefined || now - Date.parse(sign) > SILENT_AFTER_MS;
}

/** What a silent run has become; `undefined`: what its status says still holds. */
export function reconciled(
  status: RunStatus,
  machine: MachineState,
  now: number,
  takenBack = false,
): RunStatus | undefined {
  if (!isSilent(status, now) || machine === "running") return undefined;
  const ended = new Date(now).toISOString();
  const heard = new Date(lastSign(status)).toISOString();
  const name = status.machine?.name ?? "the machine";
  const what = machine === "gone" ? `${name} is gone` : `${name} is stopped`;
  const end = (phase: Phase, reason: string) => ({ ...status, phase, reason, times: { ...status.times, ended } });
  if (status.cancelRequested) return end("cancelled", `cancelled; ${what}`);
  if (now >= Date.parse(status.deadline)) {
    return end("timedOut", `time limit reached (${status.deadline}); ${what}, last heard of at ${heard}`);
  }
  if (takenBack) return end("preempted", `Google took ${name} back without notice, last heard of at ${heard}`);
  if (status.phase === "provisioning" && machine === "gone" && !status.times.provisioned) {
    return unattended(status, "the command that asked for its machine ended before there was one");
  }
  return end("lost", `${what}, last heard of at ${heard} in phase ${status.phase}`);
}

/** What a run that waits for a machine has become; `undefined`: what its status says still holds. */
export function reconciledWaiting(status: RunStatus, now: number): RunStatus | undefined {
  const { phase, deadline, cancelRequested } = status;
  if (!["submitted", "queued", "preempted"].includes(phase)) return undefined;
  const ended = new Date(now).toISOString();
  const end = (next: Phase, reason: string) => {
    const { heartbeat: _heartbeat, ...rest } = status;
    return { ...rest, phase: next, reason: oneLine(reason), times: { ...status.times, ended } };
  };
  const alone = phase === "preempted" || isUnattended(status, now);
  if (cancelRequested && alone) return end("cancelled", "cancelled on request");
  if (now > Date.parse(deadline) + AFTER_DEADLINE_MS) {
    const waited = phase === "preempted" ? "after a preemption, nobody had restarted it" : (status.reason ?? phase);
    return end("timedOut", `time limit reached (${deadline}); ${waited}`);
  }
  // Said once: the heartbeat goes with it.
  if (!alone || phase === "preempted" || (phase === "queued" && !status.heartbeat)) return undefined;
  return unattended(
    status,
    phase === "queued" ? status.reason : "the command that started it ended before its machine",
  );
}

/** The same run, waiting, with the word that nobody asks for its machine. */
export function unattended(status: RunStatus, why: string | undefined): RunStatus {
  const { machine: _machine, heartbeat: _heartbeat, ...rest } = status;
  return { ...rest, phase: "queued", reason: oneLine(`${why ? `${why}; ` : ""}${GO_ON} mlt resume ${status.id}`) };
}

const GO_ON = "nobody asks for its machine now:";
