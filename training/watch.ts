import type { RunStatus } from "./contract.ts";
import type { OpenEnvironment } from "./environment.ts";
import { isRunId, runMoment } from "./ids.ts";
import { costSoFar } from "./price.ts";
import { isSilent, LAUNCHING, reconciledWaiting } from "./reconcile.ts";
import { type ReadOptions, reconcile } from "./runs.ts";
import { ACTIVE, ENDED, readStored, type Stored } from "./status.ts";

/** A run as a watcher sees it. */
export interface Sight {
  status: RunStatus;
  cost: RunStatus["cost"];
  /** The newest line of the machine's log; absent: none yet, or the run has ended. */
  line?: string;
  /** Whether anything may still happen by itself. */
  goesOn: boolean;
}

export interface WatchOptions extends ReadOptions {
  /** How many of the newest runs; older ones that still go on are there, too. */
  limit?: number;
}

/** A silent run's machine is asked after so often at most. */
const LOOK_MS = 60_000;
/** An older run whose status was written so lately still goes on. */
const LATELY_MS = 5 * 60_000;
const AT_ONCE = 10;

interface Known extends Stored {
  /** The generation that the listing named; another one means: read again. */
  looked: number;
  tail: Tail;
}

/**
 * Watches all runs at little cost: each look is one listing, one read of each status that has changed since, and, of
 * each run whose machine has spoken meanwhile, one read of the next piece of its log.
 */
export class Watcher {
  readonly #environment: OpenEnvironment;
  readonly #options: WatchOptions;
  readonly #known = new Map<string, Known>();

  constructor(environment: OpenEnvironment, options: WatchOptions = {}) {
    this.#environment = environment;
    this.#options = options;
  }

  /** All runs as they are now, newest first. */
  async look(): Promise<Sight[]> {
    const now = (this.#options.now ?? Date.now)();
    const listed = await this.#list(now);
    for (let start = 0; start < listed.length; start += AT_ONCE) {
      await Promise.all(
        listed.slice(start, start + AT_ONCE).map(({ id, generation }) => this.#refresh(id, generation)),
      );
    }
    return listed.flatMap(({ id }) => {
      const known = this.#known.get(id);
      if (!known) return [];
      const { status, tail } = known;
      const goesOn = !ENDED.includes(status.phase);
      const cost = costSoFar(status, now);
      return [{ status, cost, goesOn, ...(tail.line && goesOn ? { line: tail.line } : {}) }];
    });
  }

  async #list(now: number): Promise<{ id: string; generation: string }[]> {
    const { objects, buckets } = this.#environment;
    const { objects: found } = await objects.list(buckets.data, { prefix: "runs/", matchGlob: "runs/*/status.json" });
    const runs = found
      .map(({ name, generation, updated }) => ({ id: name.split("/")[1]!, generation, updated: Date.parse(updated) }))
      .filter(({ id }) => isRunId(id))
      .sort((a, b) => (runMoment(a.id) < runMoment(b.id) ? 1 : -1));
    const limit = this.#options.limit ?? runs.length;
    return runs.filter(({ id, updated }, index) => {
      const status = this.#known.get(id)?.status;
      return index < limit || now - updated < LATELY_MS || (status && !ENDED.includes(status.phase));
    });
  }

  async #refresh(id: string, generation: string): Promise<void> {
    const { objects, buckets } = this.#environment;
    let known = this.#known.get(id);
    if (known?.generation !== generation) {
      const stored = await readStored(objects, buckets.data, id);
      if (!stored) return;
      known = { ...stored, looked: known?.looked ?? 0, tail: known?.tail ?? new Tail(this.#environment, id) };
      this.#known.set(id, known);
      if (ACTIVE.includes(known.status.phase) && !LAUNCHING.includes(known.status.phase)) {
        await known.tail.read(known.status.attempt);
      }
    }
    const now = (this.#options.now ?? Date.now)();
    const doubtful = isSilent(known.status, now) || reconciledWaiting(known.status, now) !== undefined;
    if (!doubtful || now - known.looked < LOOK_MS) return;
    known.looked = now;
    known.status = await reconcile(this.#environment, known.status, this.#options);
  }
}

/** The last line of a log that grows in numbered pieces. */
class Tail {
  readonly #environment: OpenEnvironment;
  readonly #id: string;
  #attempt = 0;
  /** The number of the newest piece that was read. */
  #piece = 0;
  line = "";

  constructor(environment: OpenEnvironment, id: string) {
    this.#environment = environment;
    this.#id = id;
  }

  async read(attempt: number): Promise<void> {
    const { objects, buckets } = this.#environment;
    const prefix = `runs/${this.#id}/attempt-${attempt}/log/`;
    if (attempt !== this.#attempt) {
      this.#attempt = attempt;
      // Where the log is now; from here on the next piece is asked for by its name, which costs a tenth of a listing.
      const { objects: pieces } = await objects.list(buckets.scratch, { prefix });
      this.#piece = Math.max(0, pieces.length - 1);
    }
    for (;;) {
      const next = `${prefix}${String(this.#piece + 1).padStart(6, "0")}.txt`;
      const found = await objects.read(buckets.scratch, next);
      if (!found) return;
      this.#piece += 1;
      const lines = found.data.toString("utf8").split("\n");
      this.line = lines.findLast((line) => line.trim() !== "") ?? this.line;
    }
  }
}
