import type { RunSpec, RunStatus } from "../training/contract.ts";
import { isTerminal } from "../training/status.ts";
import type { Item } from "./types.ts";

/** What Compute Engine tells about a machine, as far as it is looked at. */
export interface Machine {
  name: string;
  status?: string;
  creationTimestamp?: string;
  lastStopTimestamp?: string;
  labels?: Record<string, string>;
  scheduling?: { instanceTerminationAction?: string; maxRunDuration?: { seconds?: string } };
}

/** What the environment's bucket tells about a machine's run; empty where it cannot be read. */
export interface RunRecord {
  spec?: RunSpec;
  status?: RunStatus;
}

export interface Judgement {
  /** Up, and within its time. */
  live: boolean;
  deadline?: string;
  past?: string;
}

/** A machine that ended its run deletes itself; it gets this long before somebody else does. */
export const GRACE_MS = 2 * 60_000;

const STOPPED = ["TERMINATED", "STOPPED", "SUSPENDED"];

/** Whether a machine is one that runs once and goes, and not a person's own. */
export function isEphemeral({ name, labels, scheduling }: Machine): boolean {
  return (
    labels?.["mlt-run"] !== undefined ||
    labels?.["mlt-build"] !== undefined ||
    scheduling?.instanceTerminationAction === "DELETE" ||
    scheduling?.maxRunDuration !== undefined ||
    EPHEMERAL_NAME.test(name)
  );
}

/** The names of machines that run once, and of their boot disks. */
export const EPHEMERAL_NAME = /-(run|img)-\d{14}-/;

/**
 * Whether a machine that runs once may go. A stopped one may at once: Google has cleared its time limit, so that nothing
 * else would ever remove it, and its disk is billed. The deadline is the run's own record, else the label of an image's
 * build, else Google's limit, counted from the machine's making: a machine that was started again has one that began anew.
 */
export function judgeMachine(machine: Machine, record: RunRecord, now: number): Judgement {
  const { status = "", creationTimestamp, scheduling } = machine;
  const seconds = Number(scheduling?.maxRunDuration?.seconds);
  const byGoogle =
    creationTimestamp && seconds > 0
      ? new Date(Date.parse(creationTimestamp) + seconds * 1000).toISOString()
      : undefined;
  const expires = Number(machine.labels?.["mlt-expires"]);
  const byLabel = expires > 0 ? new Date(expires * 1000).toISOString() : undefined;
  const deadline = record.spec?.deadline ?? byLabel ?? byGoogle;
  const told = deadline === undefined ? {} : { deadline };
  if (STOPPED.includes(status)) {
    const since = machine.lastStopTimestamp ? ` since ${day(machine.lastStopTimestamp)}` : "";
    return { live: false, ...told, past: `stopped${since}: Google's time limit no longer counts` };
  }
  if (deadline !== undefined && now >= Date.parse(deadline)) {
    return { live: false, ...told, past: `past its deadline (${day(deadline)})` };
  }
  const over = runIsOver(machine, record, now);
  return over ? { live: false, ...told, past: over } : { live: true, ...told };
}

function runIsOver({ labels }: Machine, { spec, status }: RunRecord, now: number): string | undefined {
  if (!status) return undefined;
  const attempt = Number(labels?.["mlt-attempt"] ?? status.attempt);
  const heard = Math.max(
    ...[status.heartbeat, ...Object.values(status.times)].map((time) => Date.parse(time ?? "") || 0),
  );
  if (attempt < status.attempt && now - heard > GRACE_MS) return `attempt ${attempt}, its run is at ${status.attempt}`;
  if (attempt !== status.attempt || !isTerminal(status, spec?.maxRestarts ?? Number.POSITIVE_INFINITY))
    return undefined;
  // A failed machine may be kept up for somebody to look at.
  const keep = status.phase === "failed" ? (spec?.keepMinutes ?? 0) * 60_000 : 0;
  return now - heard > keep + GRACE_MS ? `its run has ended (${status.phase})` : undefined;
}

/** Why an environment is past; `undefined`: it is not. `expires` is the last day on which it stands by right. */
export function expired(expires: string | undefined, now: number): string | undefined {
  if (!expires || !/^\d{4}-\d{2}-\d{2}$/.test(expires)) return undefined;
  return new Date(now).toISOString().slice(0, 10) > expires ? `the environment expired on ${expires}` : undefined;
}

/**
 * An environment's day, out of the labels of what stands. Its buckets and templates say it as the last `pulumi up` set
 * it; older machines may say something else. Where they differ, the latest day counts, and one without a day counts as
 * never.
 */
export function environmentExpiry(labelled: readonly { kind: Item["kind"]; expires?: string }[]): string | undefined {
  const telling = (kinds: readonly Item["kind"][]) => labelled.filter(({ kind }) => kinds.includes(kind));
  const holders = [telling(["bucket"]), telling(["template"]), labelled].find((some) => some.length > 0) ?? [];
  if (holders.length === 0 || holders.some(({ expires }) => !expires)) return undefined;
  return holders
    .map(({ expires }) => expires as string)
    .sort()
    .at(-1);
}

/** `2026-11-21 08:00 UTC` */
export function day(time: string): string {
  const parsed = Date.parse(time);
  return Number.isNaN(parsed) ? time : `${new Date(parsed).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
