import { plain } from "./print.ts";

/** One line on the terminal that is written over again and again; nothing where stderr is no terminal. */
export class Ticker {
  readonly #on: boolean;
  #shown = 0;
  #last = 0;

  constructor(enabled = true) {
    this.#on = enabled && Boolean(process.stderr.isTTY) && process.env.TERM !== "dumb";
  }

  /** At most ten times a second. */
  show(text: string): void {
    if (!this.#on || Date.now() - this.#last < 100) return;
    this.#last = Date.now();
    // The last column stays free: some terminals go to the next line as soon as it is written.
    const { line, width } = fit(plain(text), (process.stderr.columns || 80) - 1);
    process.stderr.write(`\r${line}${" ".repeat(Math.max(0, this.#shown - width))}`);
    this.#shown = width;
  }

  /** Takes the line away, so that something else can be printed. */
  clear(): void {
    if (!this.#on || this.#shown === 0) return;
    // A terminal that was made narrower has wrapped the line; what is left of it is at least not added to.
    process.stderr.write(`\r${" ".repeat(Math.min(this.#shown, (process.stderr.columns || 80) - 1))}\r`);
    this.#shown = 0;
    this.#last = 0;
  }
}

/** As much of a text as fits; the characters of East Asia and emoji take two columns each. */
export function fit(text: string, columns: number): { line: string; width: number } {
  let line = "";
  let width = 0;
  for (const character of text) {
    const wide = character.codePointAt(0)! >= 0x1100 && !/\p{M}/u.test(character);
    const takes = /\p{M}/u.test(character) ? 0 : wide ? 2 : 1;
    if (width + takes > columns) break;
    line += character;
    width += takes;
  }
  return { line, width };
}
