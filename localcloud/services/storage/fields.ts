import { invalid } from "./errors.ts";

/** A selection of a partial response: each name with what is selected inside it; an empty map selects all. */
type Selection = Map<string, Selection>;

/** The part of a reply that the `fields` parameter selects: `items(name,size),nextPageToken`, `a/b`, `*`. */
export function selectFields(value: unknown, fields: string): unknown {
  return pick(value, new Parser(fields).all());
}

function pick(value: unknown, selection: Selection): unknown {
  if (selection.size === 0) return value;
  if (Array.isArray(value)) return value.map((entry) => pick(entry, selection));
  if (value === null || typeof value !== "object") return value;
  const picked: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    const inner = selection.get(name) ?? selection.get("*");
    if (inner) picked[name] = pick(member, inner);
  }
  return picked;
}

class Parser {
  readonly #text: string;
  #position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  all(): Selection {
    const selection = this.#list();
    if (this.#position < this.#text.length) this.#fail();
    return selection;
  }

  #list(): Selection {
    const selection: Selection = new Map();
    do {
      const [name, inner] = this.#path();
      const before = selection.get(name);
      // `a/b,a/c` selects both; a plain `a` selects all of it.
      if (before && before.size > 0 && inner.size > 0) for (const [key, value] of inner) before.set(key, value);
      else selection.set(name, before?.size === 0 ? before : inner);
    } while (this.#take(","));
    return selection;
  }

  #path(): [string, Selection] {
    const found = /^\s*([\w.$-]+|\*)\s*/.exec(this.#text.slice(this.#position));
    if (!found) return this.#fail();
    this.#position += found[0].length;
    const name = found[1] as string;
    if (this.#take("/")) return [name, new Map([this.#path()])];
    if (!this.#take("(")) return [name, new Map()];
    const inner = this.#list();
    if (!this.#take(")")) this.#fail();
    return [name, inner];
  }

  #take(character: string): boolean {
    if (this.#text[this.#position] !== character) return false;
    this.#position += 1;
    return true;
  }

  #fail(): never {
    throw invalid(`Invalid field selection ${this.#text}`);
  }
}
