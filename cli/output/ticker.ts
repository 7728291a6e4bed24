/** One line on the terminal that is written over again and again; nothing where stderr is no terminal. */
export class Ticker {
  readonly #on: boolean;
  #shown = 0;
  #last = 0;

  constructor(enabled = true) {
    this.#on = enabled && Boolean(process.stderr.isTTY);
  }

  /** At most ten times a second. */
  show(text: string): void {
    if (!this.#on || Date.now() - this.#last < 100) return;
    this.#last = Date.now();
    const line = text.slice(0, (process.stderr.columns ?? 80) - 1);
    process.stderr.write(`\r${line.padEnd(this.#shown)}`);
    this.#shown = line.length;
  }

  /** Takes the line away, so that something else can be printed. */
  clear(): void {
    if (!this.#on || this.#shown === 0) return;
    process.stderr.write(`\r${" ".repeat(this.#shown)}\r`);
    this.#shown = 0;
    this.#last = 0;
  }
}
