import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { Conflict, type Objects } from "../training/storage.ts";
import { lockObject } from "./ids.ts";
import type { Limits } from "./limits.ts";

/** Who works on a family: the lock's content. */
export interface Holder {
  /** Random, so that a holder knows its own lock. */
  key: string;
  /** The build under way, or what else is done to the family. */
  build?: string;
  doing: string;
  host: string;
  since: string;
  /** RFC 3339: renewed while the holder lives. */
  renewed: string;
}

/** Somebody else works on the family. */
export class Held extends Error {
  override name = "Held";
  readonly holder: Holder;

  constructor(holder: Holder) {
    super(
      `${holder.doing}${holder.build ? ` ${holder.build}` : ""} is under way (${holder.host}, since ${holder.since})`,
    );
    this.holder = holder;
  }
}

/**
 * The right to work on a family, as an object that only one can create. Its holder renews it; one that was not renewed
 * for `lockMs` belongs to a launcher that is gone and is taken over. Clocks may differ: a lock that was taken too early
 * costs its former holder the next write, and no two write the same state.
 */
export class Lock {
  readonly #objects: Objects;
  readonly #bucket: string;
  readonly #name: string;
  readonly #limits: Limits;
  #holder: Holder;
  #generation: string;
  #timer: NodeJS.Timeout | undefined;
  #renewal: Promise<void> = Promise.resolve();
  /** The dead holder's, whose work may lie half done. */
  readonly found: Holder | undefined;

  private constructor(
    place: { objects: Objects; bucket: string; name: string; limits: Limits },
    holder: Holder,
    generation: string,
    found?: Holder,
  ) {
    this.#objects = place.objects;
    this.#bucket = place.bucket;
    this.#name = place.name;
    this.#limits = place.limits;
    this.#holder = holder;
    this.#generation = generation;
    this.found = found;
    this.#timer = setInterval(() => this.#renew(), limitsOf(place.limits));
    this.#timer.unref();
  }

  /** @throws {Held} with the one who has it */
  static async take(objects: Objects, bucket: string, family: string, doing: string, limits: Limits): Promise<Lock> {
    const place = { objects, bucket, name: lockObject(family), limits };
    for (;;) {
      const now = new Date(limits.now()).toISOString();
      const holder: Holder = { key: randomBytes(8).toString("hex"), doing, host: hostname(), since: now, renewed: now };
      const found = await objects.readJson<Holder>(bucket, place.name);
      const idle = found ? limits.now() - Date.parse(found.value.renewed) : 0;
      if (found && idle < limits.lockMs) throw new Held(found.value);
      try {
        const generation = await objects.writeJson(bucket, place.name, holder, found?.generation ?? 0);
        return new Lock(place, holder, generation, found?.value);
      } catch (error) {
        // Somebody was faster by a moment: the next look says who.
        if (!(error instanceof Conflict)) throw error;
      }
    }
  }

  /** Says which build it is about, for those who find the lock. */
  async name(build: string): Promise<void> {
    this.#holder = { ...this.#holder, build };
    this.#renew();
    await this.#renewal;
  }

  /** Frees the family. A lock that somebody took over is theirs. */
  async release(): Promise<void> {
    this.abandon();
    await this.#renewal;
    await this.#objects.remove(this.#bucket, this.#name, this.#generation);
  }

  /** Stops renewing without freeing: what a killed launcher does. */
  abandon(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #renew(): void {
    this.#renewal = this.#renewal
      .then(async () => {
        this.#holder = { ...this.#holder, renewed: new Date(this.#limits.now()).toISOString() };
        this.#generation = await this.#objects.writeJson(this.#bucket, this.#name, this.#holder, this.#generation);
      })
      .catch((error: unknown) => {
        // Taken over: whoever has it now writes the state, and this launcher's next write is refused.
        if (error instanceof Conflict) this.abandon();
      });
  }
}

function limitsOf({ lockMs }: Limits): number {
  return Math.max(100, Math.round(lockMs / 5));
}
