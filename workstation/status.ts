import type { OpenEnvironment } from "../training/environment.ts";
import type { Instance } from "./machine.ts";

/** `workstation/status.json` in the data bucket, as the machine writes it (schemas/workstation.json). */
export interface WorkstationStatus {
  schema: number;
  phase: "installing" | "ready" | "failed" | "stopping";
  machine: string;
  bucket: string;
  step: number;
  steps: number;
  name: string;
  reason?: string;
  problems: { step: string; reason: string }[];
  bootedAt: string;
  readyAt?: string;
  stoppingAt?: string;
  bootId: string;
  heartbeat: string;
  activity?: string;
  idleSince?: string;
  idleMinutes?: number;
  stopsAt?: string;
  jupyter: "running" | "starting" | "stopped";
  tensorboard: "running" | "starting" | "stopped";
  mount: "mounted" | "waiting" | "stopped";
}

export const STATUS_OBJECT = "workstation/status.json";

/** What the machine has said last; `undefined` if it never has. */
export async function readWorkstationStatus({
  objects,
  buckets,
}: OpenEnvironment): Promise<WorkstationStatus | undefined> {
  return (await objects.readJson<WorkstationStatus>(buckets.data, STATUS_OBJECT))?.value;
}

/** How a workstation is: what Compute Engine and the machine itself say, together. */
export type Condition =
  | { state: "gone" }
  | { state: "stopped"; since?: string; why?: string }
  | { state: "stopping"; why?: string }
  /** Google makes or boots it, or its set-up is at a step. */
  | { state: "starting"; step?: { n: number; of: number; name: string; reason?: string } }
  | { state: "ready"; status: WorkstationStatus }
  /** It runs, but not all of it works. */
  | { state: "failed"; status: WorkstationStatus }
  /** It runs, and has not spoken for longer than it should. */
  | { state: "silent"; since?: string };

/** A minute passes between two heartbeats. */
const SILENT_MS = 180_000;
/** From Google's start to the machine's first word: what is longer is no ordinary boot. */
const SPEECHLESS_MS = 300_000;
/** The machine writes whole seconds. Its first word comes long enough after the start for clocks that differ a little. */
const SKEW_MS = 1000;

const OFF = ["TERMINATED", "STOPPED", "SUSPENDED"];
const GOING = ["STOPPING", "SUSPENDING", "PENDING_STOP", "DEPROVISIONING"];

/** A status that is about this boot, and not about the one before. */
export function isOfThisBoot(status: WorkstationStatus, { lastStartTimestamp }: Instance): boolean {
  return !lastStartTimestamp || Date.parse(status.heartbeat) >= Date.parse(lastStartTimestamp) - SKEW_MS;
}

export function conditionOf(
  instance: Instance | undefined,
  status: WorkstationStatus | undefined,
  now: number,
): Condition {
  if (!instance) return { state: "gone" };
  const why = status?.phase === "stopping" && status.reason ? { why: status.reason } : {};
  if (OFF.includes(instance.status)) {
    const since = instance.lastStopTimestamp;
    // Somebody else may have stopped it after a later start.
    const told = status && isOfThisBoot(status, instance) ? why : {};
    return { state: "stopped", ...(since ? { since } : {}), ...told };
  }
  if (GOING.includes(instance.status)) return { state: "stopping", ...why };
  if (instance.status !== "RUNNING") return { state: "starting" };
  if (!status || !isOfThisBoot(status, instance)) {
    const { lastStartTimestamp: since } = instance;
    const isLate = since !== undefined && now - Date.parse(since) > SPEECHLESS_MS;
    return isLate ? { state: "silent", since } : { state: "starting" };
  }
  if (now - Date.parse(status.heartbeat) > SILENT_MS) return { state: "silent", since: status.heartbeat };
  if (status.phase === "installing") {
    const { step: n, steps: of, name, reason } = status;
    return { state: "starting", step: { n, of, name, ...(reason ? { reason } : {}) } };
  }
  return status.phase === "stopping" ? { state: "stopping", ...why } : { state: status.phase, status };
}

/** A condition in a few words. */
export function wordsOf(condition: Condition): string {
  switch (condition.state) {
    case "gone":
      return "gone: no machine of its name is there; `pulumi up --refresh` makes it anew";
    case "stopped": {
      const since = condition.since ? ` since ${condition.since.slice(0, 16).replace("T", " ")}` : "";
      return `stopped${since}${condition.why ? ` (${condition.why})` : ""}`;
    }
    case "stopping":
      return condition.why ? `stopping: ${condition.why}` : "stopping";
    case "starting": {
      const { step } = condition;
      if (!step) return "starting: it boots";
      return `starting: step ${step.n} of ${step.of}, ${step.name}${step.reason ? ` (${step.reason})` : ""}`;
    }
    case "ready":
      return "ready";
    case "failed":
      return `failed: ${problemsOf(condition.status)}`;
    case "silent":
      return `runs, but has said nothing${condition.since ? ` since ${condition.since}` : ""}; see: mlt serial`;
  }
}

/** What does not work, each with its reason. */
export function problemsOf({ problems, reason }: WorkstationStatus): string {
  const all = problems.map(({ step, reason: why }) => `${step}: ${why}`);
  return all.length > 0 ? all.join("; ") : (reason ?? "it does not say why");
}
