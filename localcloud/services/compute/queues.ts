/** Work on one thing waits for what was asked before; different things do not wait for each other. */
export class Queues {
  readonly #waiting = new Map<string, Promise<unknown>>();
  readonly #report: (path: string, error: unknown) => void;

  /** `report` hears of what fails in work that nobody waits for. */
  constructor(report: (path: string, error: unknown) => void) {
    this.#report = report;
  }

  run<T>(path: string, work: () => Promise<T>): Promise<T> {
    const before = this.#waiting.get(path) ?? Promise.resolve();
    const done = before.catch(() => undefined).then(work);
    const settled = done
      .catch(() => undefined)
      .then(() => {
        if (this.#waiting.get(path) === settled) this.#waiting.delete(path);
      });
    this.#waiting.set(path, settled);
    return done;
  }

  /** Work that nobody waits for. */
  later(path: string, work: () => Promise<void>): void {
    this.run(path, work).catch((error: unknown) => this.#report(path, error));
  }

  has(path: string): boolean {
    return this.#waiting.has(path);
  }

  async settled(): Promise<void> {
    while (this.#waiting.size > 0) await Promise.all(this.#waiting.values());
  }
}

/** Who waits for a change of a thing. */
export class Listeners {
  readonly #listeners = new Map<string, Set<() => void>>();

  /** Gives the way to stop. */
  add(path: string, listener: () => void): () => void {
    const listeners = this.#listeners.get(path) ?? new Set();
    this.#listeners.set(path, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  wake(path: string): void {
    for (const listener of [...(this.#listeners.get(path) ?? [])]) listener();
  }

  delete(path: string): void {
    this.#listeners.delete(path);
  }
}
