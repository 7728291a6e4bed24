import { randomBytes } from "node:crypto";
import { GoogleError } from "./errors.ts";
import type { Fault } from "./faults.ts";
import type { Collection, State } from "./state.ts";

/** A long-running operation in Compute Engine's words. */
export interface Operation {
  kind: "compute#operation";
  id: string;
  name: string;
  operationType: string;
  status: "PENDING" | "RUNNING" | "DONE";
  progress: number;
  user: string;
  targetLink: string;
  targetId: string;
  insertTime: string;
  startTime?: string;
  endTime?: string;
  clientOperationId?: string;
  zone?: string;
  region?: string;
  selfLink: string;
  error?: { errors: { code: string; message: string }[] };
  httpErrorStatusCode?: number;
  httpErrorMessage?: string;
}

/** Thrown by an operation's work to end it with this code (`ZONE_RESOURCE_POOL_EXHAUSTED`, `QUOTA_EXCEEDED`, …). */
export class OperationError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface OperationRequest {
  project: string;
  /** `global`, `zones/Z` or `regions/R`. */
  place: string;
  /** `insert`, `delete`, `setMetadata`, … */
  type: string;
  /** `projects/P/zones/Z/instances/N` */
  target: string;
  targetId: string;
  user: string;
  clientOperationId?: string;
  /** A planned fault: ends the operation with its error, or leaves it running for ever. */
  fault?: Fault;
  /** The work; what it throws becomes the operation's error. */
  run: () => Promise<void> | void;
}

/** An operation is PENDING for so long … */
const PENDING_MS = 10;
/** … and RUNNING at least until so long after it was asked for. */
const SHORTEST_MS = 50;
/** Google's `wait` answers after two minutes, done or not. */
const WAIT_MS = 120_000;
/** Google forgets operations after about two weeks. */
const KEPT_MS = 14 * 24 * 3600 * 1000;

const STATUS_WORDS: Record<number, string> = {
  400: "BAD REQUEST",
  403: "FORBIDDEN",
  404: "NOT FOUND",
  409: "CONFLICT",
  412: "PRECONDITION FAILED",
  500: "INTERNAL ERROR",
  501: "NOT IMPLEMENTED",
  503: "SERVICE UNAVAILABLE",
};

/** Runs operations in the background and remembers them over restarts. */
export class Operations {
  readonly #records: Collection<Operation>;
  readonly #now: () => number;
  readonly #link: (path: string) => string;
  readonly #waiters = new Map<string, Set<() => void>>();
  readonly #running = new Set<Promise<void>>();

  constructor(options: { state: State; collection: string; now: () => number; link: (path: string) => string }) {
    this.#records = options.state.collection<Operation>(options.collection);
    this.#now = options.now;
    this.#link = options.link;
    this.#recover();
  }

  /** Work does not outlive its process: what was under way is ended with an error, so that nobody waits for ever. */
  #recover(): void {
    for (const [key, operation] of this.#records.entries()) {
      if (operation.status !== "DONE") {
        this.#finish(key, new OperationError("INTERNAL_ERROR", "The local cloud was stopped during this operation."));
      } else if (Date.parse(operation.insertTime) < this.#now() - KEPT_MS) {
        this.#records.delete(key);
      }
    }
  }

  start(request: OperationRequest): Operation {
    const now = this.#now();
    const name = `operation-${now}-${randomBytes(6).toString("hex")}-${randomBytes(4).toString("hex")}`;
    const key = `projects/${request.project}/${request.place}/operations/${name}`;
    const [scope, placeName] = request.place.split("/");
    const placeLink = this.#link(`projects/${request.project}/${request.place}`);
    const operation: Operation = {
      kind: "compute#operation",
      id: numericId(),
      name,
      operationType: request.type,
      status: "PENDING",
      progress: 0,
      user: request.user,
      targetLink: this.#link(request.target),
      targetId: request.targetId,
      insertTime: new Date(now).toISOString(),
      ...(request.clientOperationId ? { clientOperationId: request.clientOperationId } : {}),
      ...(placeName && scope === "zones" ? { zone: placeLink } : {}),
      ...(placeName && scope === "regions" ? { region: placeLink } : {}),
      selfLink: this.#link(key),
    };
    this.#records.set(key, operation);
    const work = this.#work(key, request).finally(() => this.#running.delete(work));
    this.#running.add(work);
    return operation;
  }

  async #work(key: string, request: OperationRequest): Promise<void> {
    const { fault } = request;
    let failure: unknown;
    await pause(PENDING_MS);
    this.#update(key, { status: "RUNNING", startTime: new Date(this.#now()).toISOString() });
    const shortest = pause(SHORTEST_MS - PENDING_MS);
    try {
      if (fault?.operationError) throw new OperationError(fault.operationError.code, fault.operationError.message);
      await request.run();
    } catch (error) {
      failure = error;
    }
    if (fault?.operationHangs) return;
    await shortest;
    this.#finish(key, failure);
  }

  #update(key: string, change: Partial<Operation>): void {
    const operation = this.#records.get(key);
    if (operation) this.#records.set(key, { ...operation, ...change });
  }

  #finish(key: string, failure?: unknown): void {
    const endTime = new Date(this.#now()).toISOString();
    const operation = this.#records.get(key);
    this.#update(key, {
      status: "DONE",
      progress: 100,
      endTime,
      startTime: operation?.startTime ?? endTime,
      ...(failure === undefined ? {} : describe(failure)),
    });
    for (const wake of this.#waiters.get(key) ?? []) wake();
    this.#waiters.delete(key);
  }

  /** The operation at `projects/P/PLACE/operations/NAME`, by name or numeric id. */
  get(path: string): Operation {
    const found = this.#find(path);
    if (!found) throw new GoogleError(404, "notFound", `The resource '${path}' was not found`);
    return found[1];
  }

  #find(path: string): [string, Operation] | undefined {
    const exact = this.#records.get(path);
    if (exact) return [path, exact];
    const [, prefix, id] = /^(.*\/)(\d+)$/.exec(path) ?? [];
    if (!prefix) return undefined;
    return this.#records.entries().find(([key, operation]) => key.startsWith(prefix) && operation.id === id);
  }

  /** The operation once it is DONE, or as it stands after `limitMs`. */
  async wait(path: string, limitMs = WAIT_MS): Promise<Operation> {
    const operation = this.get(path);
    if (operation.status === "DONE") return operation;
    const key = this.#find(path)?.[0] ?? path;
    await new Promise<void>((resolve) => {
      const waiters = this.#waiters.get(key) ?? new Set();
      const timer = setTimeout(done, limitMs);
      timer.unref();
      function done(): void {
        clearTimeout(timer);
        waiters.delete(done);
        resolve();
      }
      waiters.add(done);
      this.#waiters.set(key, waiters);
    });
    return this.get(path);
  }

  /** Operations whose path starts with `prefix`. */
  list(prefix: string): [string, Operation][] {
    return this.#records.entries().filter(([key]) => key.startsWith(prefix));
  }

  delete(path: string): void {
    const found = this.#find(path);
    if (!found) throw new GoogleError(404, "notFound", `The resource '${path}' was not found`);
    this.#records.delete(found[0]);
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}

function describe(failure: unknown): Partial<Operation> {
  const message = failure instanceof Error ? failure.message : String(failure);
  let code = "INTERNAL_ERROR";
  let status = 500;
  if (failure instanceof OperationError) {
    code = failure.code;
    status = /QUOTA|PERMISSION|DENIED/.test(code) ? 403 : /EXHAUSTED|UNAVAILABLE|STOCKOUT/.test(code) ? 503 : 400;
    if (code === "INTERNAL_ERROR") status = 500;
  } else if (failure instanceof GoogleError) {
    code = failure.reason.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
    status = failure.code;
  }
  return {
    error: { errors: [{ code, message }] },
    httpErrorStatusCode: status,
    httpErrorMessage: STATUS_WORDS[status] ?? "BAD REQUEST",
  };
}

/** A number as Google gives its resources: positive, 64 bits. */
export function numericId(): string {
  return String((BigInt(`0x${randomBytes(8).toString("hex")}`) >> 2n) + 10n ** 18n);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
