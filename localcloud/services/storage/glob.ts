import { invalid } from "./errors.ts";

type Test = (character: string) => boolean;

/** A state of the matcher: it takes a character that fits `test`, or none without one, and goes on to `next`. */
interface Step {
  test?: Test;
  next: number[];
}

const inSegment: Test = (character) => character !== "/";
const any: Test = () => true;

/**
 * Whether a name fits a `matchGlob`: `*` within a segment, `**` across them, `?`, `[a-z]`, `{one,two}`. All ways to read
 * the name are followed at once, so that no pattern takes longer than its length times the name's.
 */
export function globFilter(glob: string | null): ((name: string) => boolean) | undefined {
  if (!glob) return undefined;
  const { steps, end } = new Compiler(glob).all();
  return (name) => {
    let here = closure(steps, [0]);
    for (const character of name) {
      const there = [...here].flatMap((index) => {
        const { test, next } = steps[index] as Step;
        return test?.(character) ? next : [];
      });
      if (there.length === 0) return false;
      here = closure(steps, there);
    }
    return here.has(end);
  };
}

/** The states reached from some without taking a character. */
function closure(steps: Step[], from: number[]): Set<number> {
  const found = new Set<number>();
  const open = [...from];
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    if (found.has(index)) continue;
    found.add(index);
    const step = steps[index] as Step;
    if (!step.test) open.push(...step.next);
  }
  return found;
}

class Compiler {
  readonly #glob: string;
  readonly #characters: string[];
  readonly #steps: Step[] = [];
  #position = 0;

  constructor(glob: string) {
    this.#glob = glob;
    this.#characters = [...glob];
  }

  all(): { steps: Step[]; end: number } {
    const end = this.#sequence(this.#step(), false);
    return { steps: this.#steps, end };
  }

  /** Adds what follows after `last`, inside braces up to a comma or the closing one. Returns the state at its end. */
  #sequence(last: number, inBraces: boolean): number {
    while (this.#position < this.#characters.length) {
      const character = this.#characters[this.#position] as string;
      if (inBraces && (character === "," || character === "}")) return last;
      this.#position += 1;
      if (character === "*") last = this.#star(last);
      else if (character === "?") last = this.#one(last, inSegment);
      else if (character === "[") last = this.#one(last, this.#set());
      else if (character === "{") last = this.#choice(last);
      else last = this.#one(last, (other) => other === character);
    }
    if (inBraces) this.#fail();
    return last;
  }

  #star(last: number): number {
    const across = this.#take("*");
    // `**/` also fits no folder at all.
    if (across && this.#take("/")) {
      const folders = this.#repeated(last, any);
      const after = this.#one(folders, (other) => other === "/");
      (this.#steps[last] as Step).next.push(after);
      return after;
    }
    return this.#repeated(last, across ? any : inSegment);
  }

  #choice(last: number): number {
    const after = this.#step();
    do {
      const start = this.#step();
      this.#join(last, start);
      this.#join(this.#sequence(start, true), after);
    } while (this.#take(","));
    if (!this.#take("}")) this.#fail();
    return after;
  }

  /** The inside of `[…]`: characters and ranges; `!` or `^` in front turns it round. */
  #set(): Test {
    const end = this.#characters.indexOf("]", this.#position + 1);
    if (end < 0) this.#fail();
    const inside = this.#characters.slice(this.#position, end);
    this.#position = end + 1;
    const not = inside[0] === "!" || inside[0] === "^";
    if (not) inside.shift();
    const ranges: [string, string][] = [];
    while (inside.length > 0) {
      const from = inside.shift() as string;
      const range = inside[0] === "-" && inside.length > 1;
      const to = range ? (inside.splice(0, 2)[1] as string) : from;
      if (to < from) this.#fail();
      ranges.push([from, to]);
    }
    return (character) => not !== ranges.some(([from, to]) => from <= character && character <= to);
  }

  #take(character: string): boolean {
    if (this.#characters[this.#position] !== character) return false;
    this.#position += 1;
    return true;
  }

  #repeated(last: number, test: Test): number {
    const hub = this.#step();
    this.#join(last, hub);
    this.#join(hub, this.#step(test, hub));
    const after = this.#step();
    this.#join(hub, after);
    return after;
  }

  #one(last: number, test: Test): number {
    const after = this.#step();
    this.#join(last, this.#step(test, after));
    return after;
  }

  #step(test?: Test, next?: number): number {
    return this.#steps.push({ test, next: next === undefined ? [] : [next] }) - 1;
  }

  #join(from: number, to: number): void {
    (this.#steps[from] as Step).next.push(to);
  }

  #fail(): never {
    throw invalid(`Invalid matchGlob: '${this.#glob}'.`);
  }
}
