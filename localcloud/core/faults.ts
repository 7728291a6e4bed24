import { GoogleError } from "./errors.ts";

/**
 * One fault on demand. It hits calls whose service and path fit, at most `times` times, not before `from` and not
 * after `until` (milliseconds since 1970).
 */
export interface Fault {
  id: string;
  /** `storage`, `compute`, `iam`, …; absent: any. */
  service?: string;
  /** HTTP method; absent: any. */
  method?: string;
  /** A regular expression over the decoded path; absent: any. */
  path?: string;
  times?: number;
  from?: number;
  until?: number;
  /** Answer with this HTTP error … */
  error?: { code: number; reason: string; message: string };
  /** … or wait so many milliseconds first … */
  delayMs?: number;
  /** … or make the operation that the call starts end so (`ZONE_RESOURCE_POOL_EXHAUSTED`, `QUOTA_EXCEEDED`, …) … */
  operationError?: { code: string; message: string };
  /** … or never end. */
  operationHangs?: boolean;
}

/** The faults that are planned in one local cloud; empty unless a test or a rehearsal asks. */
export class Faults {
  readonly #planned: Fault[] = [];
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  plan(fault: Fault): void {
    this.#planned.push({ ...fault });
  }

  clear(): void {
    this.#planned.length = 0;
  }

  list(): readonly Fault[] {
    return this.#planned;
  }

  /** Removes one planned fault; false if there is none of this id. */
  remove(id: string): boolean {
    const index = this.#planned.findIndex((fault) => fault.id === id);
    if (index >= 0) this.#planned.splice(index, 1);
    return index >= 0;
  }

  /**
   * The next fault for this call, counted as used; `undefined` if there is none. `call`: faults that strike before any
   * service sees the call (the server takes them); `operation`: faults of the operation that the call starts (the
   * service takes them).
   */
  take(service: string, method: string, path: string, kind?: "call" | "operation"): Fault | undefined {
    const now = this.#now();
    for (const fault of this.#planned) {
      const ofOperation = fault.operationError !== undefined || fault.operationHangs === true;
      if (kind !== undefined && ofOperation !== (kind === "operation")) continue;
      if (fault.service && fault.service !== service) continue;
      if (fault.method && fault.method !== method) continue;
      if (fault.path && !new RegExp(fault.path).test(path)) continue;
      if ((fault.from ?? 0) > now || (fault.until ?? Number.POSITIVE_INFINITY) < now) continue;
      if (fault.times !== undefined && fault.times <= 0) continue;
      if (fault.times !== undefined) fault.times -= 1;
      return fault;
    }
    return undefined;
  }

  /** Waits and throws as the fault says; operation faults are left to the service that starts the operation. */
  static async strike(fault: Fault): Promise<void> {
    if (fault.delayMs) await new Promise((resolve) => setTimeout(resolve, fault.delayMs));
    if (fault.error) throw new GoogleError(fault.error.code, fault.error.reason, fault.error.message);
  }
}
