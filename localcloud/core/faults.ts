import type { ServerResponse } from "node:http";
import { GoogleError } from "./errors.ts";

/** One call as those see it who plan faults or watch: every service's, and a machine's calls of its metadata server. */
export interface SeenCall {
  /** `storage`, `compute`, `iam`, …, or `metadata`. */
  service: string;
  method: string;
  /** Decoded; of the metadata server below `/computeMetadata/v1/`. */
  path: string;
  /** Decoded, without the question mark; empty if there is none. */
  query?: string;
  /** The caller's e-mail; absent: the operator, or a machine that asks for its metadata. */
  caller?: string;
  /** The machine whose metadata server is called. */
  machine?: string;
}

/**
 * One fault on demand. It hits calls that fit in everything it names, at most `times` times, after the first `skip` of
 * them, not before `from` and not after `until` (milliseconds since 1970).
 */
export interface Fault {
  id: string;
  /** `storage`, `compute`, `iam`, …, `metadata`; absent: any. */
  service?: string;
  /** HTTP method; absent: any. */
  method?: string;
  /** A regular expression over the decoded path; absent: any. */
  path?: string;
  /** A regular expression over the decoded query, where uploads have their object's name; absent: any. */
  query?: string;
  /** The e-mail of the account that calls; absent: any. */
  caller?: string;
  /** The machine that asks for its metadata; absent: any. */
  machine?: string;
  skip?: number;
  times?: number;
  from?: number;
  until?: number;
  /** Answer with this HTTP error … */
  error?: { code: number; reason: string; message: string };
  /** … or wait so many milliseconds first … */
  delayMs?: number;
  /** … or break the connection: before anything is done (`call`), or when it is done, instead of the answer … */
  drop?: "call" | "answer";
  /** … or make the operation that the call starts end so (`ZONE_RESOURCE_POOL_EXHAUSTED`, `QUOTA_EXCEEDED`, …) … */
  operationError?: { code: string; message: string };
  /** … or never end. */
  operationHangs?: boolean;
}

/** Is told of every call; the call waits until `call` has settled, so that something can happen exactly then. */
export interface Watcher {
  call?: (call: SeenCall) => Promise<void> | void;
  /** After the answer was sent. */
  answered?: (call: SeenCall, status: number) => void;
}

/** The faults that are planned in one local cloud; empty unless a test or a rehearsal asks. */
export class Faults {
  readonly #planned: Fault[] = [];
  readonly #watchers = new Set<Watcher>();
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

  /** Gives the way to stop. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /**
   * What happens to a call before any service sees it: watchers are told, then a planned fault strikes. Throws its
   * error; returns how the connection is to be broken, if it is.
   */
  async meet(call: SeenCall): Promise<Fault["drop"]> {
    for (const watcher of [...this.#watchers]) await watcher.call?.(call);
    const fault = this.take(call.service, call.method, call.path, "call", call);
    if (!fault) return undefined;
    await Faults.strike(fault);
    return fault.drop;
  }

  answered(call: SeenCall, status: number): void {
    for (const watcher of [...this.#watchers]) watcher.answered?.(call, status);
  }

  /**
   * The next fault for this call, counted as used; `undefined` if there is none. `call`: faults that strike before any
   * service sees the call (the server takes them); `operation`: faults of the operation that the call starts (the
   * service takes them).
   */
  take(
    service: string,
    method: string,
    path: string,
    kind?: "call" | "operation",
    more: Partial<SeenCall> = {},
  ): Fault | undefined {
    const now = this.#now();
    for (const fault of this.#planned) {
      const ofOperation = fault.operationError !== undefined || fault.operationHangs === true;
      if (kind !== undefined && ofOperation !== (kind === "operation")) continue;
      if (fault.service && fault.service !== service) continue;
      if (fault.method && fault.method !== method) continue;
      if (fault.path && !new RegExp(fault.path).test(path)) continue;
      if (fault.query && !new RegExp(fault.query).test(more.query ?? "")) continue;
      if (fault.caller && fault.caller !== more.caller) continue;
      if (fault.machine && fault.machine !== more.machine) continue;
      if ((fault.from ?? 0) > now || (fault.until ?? Number.POSITIVE_INFINITY) < now) continue;
      if (fault.skip !== undefined && fault.skip > 0) {
        fault.skip -= 1;
        continue;
      }
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

/** From here on the call is done as ever, and its caller never hears of it. */
export function breakAnswer(response: ServerResponse): void {
  const gone = () => {
    response.destroy();
    return response;
  };
  Object.assign(response, { writeHead: gone, write: () => !gone(), end: gone });
}
