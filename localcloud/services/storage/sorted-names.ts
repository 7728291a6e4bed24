import { compareNames } from "./names.ts";

/** Names in the order in which Google lists them. */
export class SortedNames {
  #names: string[] = [];

  get all(): readonly string[] {
    return this.#names;
  }

  /** Takes many names at once, as when a bucket is read from disk. */
  load(names: Iterable<string>): void {
    this.#names = [...names].sort(compareNames);
  }

  add(name: string): void {
    const index = this.from(name);
    if (this.#names[index] !== name) this.#names.splice(index, 0, name);
  }

  remove(name: string): void {
    const index = this.from(name);
    if (this.#names[index] === name) this.#names.splice(index, 1);
  }

  /** The index of the first name that is `name` or follows it. */
  from(name: string): number {
    return this.#search((candidate) => compareNames(candidate, name) >= 0, 0);
  }

  /** The index of the first name at or after `start` that does not begin with `prefix`, which `start` does. */
  after(prefix: string, start: number): number {
    return this.#search((candidate) => !candidate.startsWith(prefix), start);
  }

  #search(found: (candidate: string) => boolean, start: number): number {
    let low = start;
    let high = this.#names.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (found(this.#names[middle] as string)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
