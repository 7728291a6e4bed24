/** A pseudo-random sequence (mulberry32): the same for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Somebody who takes steps; killed, it takes no further one, and nothing of its own code runs any more. */
export class Actor {
  readonly name: string;
  /** Killed before its n-th step. */
  readonly killAt: number;
  /** Before which step a laptop is closed, and for how long. */
  sleepsAt = Number.POSITIVE_INFINITY;
  sleepsFor = 0;
  steps = 0;
  dead = false;

  constructor(name: string, killAt = Number.POSITIVE_INFINITY) {
    this.name = name;
    this.killAt = killAt;
  }
}

const NEVER = new Promise<never>(() => {});

/** Time passes only where everybody waits; of those who could go on, the seed picks one. */
export class World {
  readonly random: () => number;
  now: number;
  steps = 0;
  readonly #ready: (() => void)[] = [];
  readonly #timers: { at: number; wake: () => void }[] = [];
  readonly errors: unknown[] = [];

  constructor(seed: number, now: number) {
    this.random = randomOf(seed);
    this.now = now;
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  between(least: number, most: number): number {
    return least + this.random() * (most - least);
  }

  pick<T>(weighted: readonly (readonly [T, number])[]): T {
    let left = this.random() * weighted.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [value, weight] of weighted) {
      left -= weight;
      if (left < 0) return value;
    }
    return weighted[0]![0];
  }

  /** Every await of an actor passes here: others may come first, and this may be where it dies. */
  async step(actor: Actor): Promise<void> {
    actor.steps += 1;
    if (actor.steps >= actor.killAt) actor.dead = true;
    if (actor.dead) return NEVER;
    if (actor.steps === actor.sleepsAt) {
      await new Promise<void>((wake) => this.#timers.push({ at: this.now + actor.sleepsFor, wake }));
    }
    await new Promise<void>((resolve) => this.#ready.push(resolve));
    if (actor.dead) return NEVER;
  }

  async sleep(actor: Actor, milliseconds: number): Promise<void> {
    await this.step(actor);
    await new Promise<void>((wake) => this.#timers.push({ at: this.now + Math.max(0, milliseconds), wake }));
    if (actor.dead) return NEVER;
  }

  /** Something that happens by itself. */
  later(milliseconds: number, happen: () => void): void {
    this.#timers.push({ at: this.now + milliseconds, wake: happen });
  }

  /** Starts an actor; an error that nobody expects is kept. */
  start(work: () => Promise<void>): void {
    work().catch((error: unknown) => this.errors.push(error));
  }

  /** Runs until nothing happens any more, until a moment, or until it is over. */
  async run(until: number, over = () => false): Promise<void> {
    for (;;) {
      await new Promise(setImmediate);
      if (over()) return;
      if (this.#ready.length > 0) {
        this.steps += 1;
        const index = Math.floor(this.random() * this.#ready.length);
        const [go] = this.#ready.splice(index, 1);
        go!();
        continue;
      }
      let next = -1;
      for (let index = 0; index < this.#timers.length; index += 1) {
        if (next < 0 || this.#timers[index]!.at < this.#timers[next]!.at) next = index;
      }
      if (next < 0 || this.#timers[next]!.at > until) return;
      const [{ at, wake }] = this.#timers.splice(next, 1) as [{ at: number; wake: () => void }];
      this.now = Math.max(this.now, at);
      wake();
    }
  }
}
