import type { Instance } from "./types.ts";

export interface CrashRecord {
  /** When the machine crashed lately, in milliseconds since 1970. */
  crashes?: number[];
}

/** A machine that crashes more often than so many times … */
const MOST_RESTARTS = 5;
/** … within so long stays off: it would only heat this host. Google has no such limit. */
const WITHIN_MS = 10 * 60 * 1000;

/** The crashes to note if the machine starts again by itself; `undefined`: it stays off. */
export function restartsAfterCrash({ scheduling }: Instance, record: CrashRecord, now: number): number[] | undefined {
  if (!scheduling.automaticRestart || scheduling.preemptible) return undefined;
  const lately = (record.crashes ?? []).filter((at) => at > now - WITHIN_MS);
  return lately.length < MOST_RESTARTS ? [...lately, now] : undefined;
}
