import { invalid } from "./links.ts";
import type { Json } from "./schema.ts";

type Test = (thing: Json) => boolean;
interface Token {
  text: string;
  quoted: boolean;
}

const COMPARERS = ["!=", "<=", ">=", "=", "<", ">", ":"];

/**
 * Reads a list filter: `name = x`, `labels.owner:*`, `(status = RUNNING) AND NOT (name = a OR name = b)`, and the older
 * `name eq REGEX`, of whose patterns we take what tools write (letters, `.*`, `|`, groups, anchors, `\b`).
 */
export function matcher(filter: string): Test {
  if (filter.trim() === "") return () => true;
  return new Parser(filter).whole();
}

class Parser {
  readonly #filter: string;
  readonly #tokens: Token[];
  #next = 0;

  constructor(filter: string) {
    this.#filter = filter;
    this.#tokens = this.#read();
  }

  #refuse(reason: string): never {
    throw invalid("filter", this.#filter, `Invalid list filter expression. ${reason}`);
  }

  #read(): Token[] {
    const tokens: Token[] = [];
    const pattern = /\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(!=|<=|>=|[()=<>:])|([^\s()=<>:!"']+))/y;
    let rest = 0;
    while (this.#filter.slice(rest).trim() !== "") {
      pattern.lastIndex = rest;
      const found = pattern.exec(this.#filter);
      if (!found) this.#refuse(`It cannot be read from '${this.#filter.slice(rest)}' on.`);
      const quoted = found[1] ?? found[2];
      const text = quoted === undefined ? ((found[3] ?? found[4]) as string) : quoted.replace(/\\(["'\\])/g, "$1");
      tokens.push({ text, quoted: quoted !== undefined });
      rest = pattern.lastIndex;
    }
    return tokens;
  }

  #peek(): string | undefined {
    const token = this.#tokens[this.#next];
    return token && !token.quoted ? token.text : token && "";
  }

  #take(): Token {
    const token = this.#tokens[this.#next];
    if (!token) this.#refuse("It ends too early.");
    this.#next += 1;
    return token;
  }

  whole(): Test {
    const test = this.#either();
    if (this.#next < this.#tokens.length) this.#refuse(`'${this.#take().text}' is not expected there.`);
    return test;
  }

  #either(): Test {
    let test = this.#both();
    while (this.#peek() === "OR") {
      this.#take();
      const [left, right] = [test, this.#both()];
      test = (thing) => left(thing) || right(thing);
    }
    return test;
  }

  #both(): Test {
    let test = this.#single();
    for (;;) {
      const next = this.#peek();
      if (next === undefined || next === ")" || next === "OR") return test;
      if (next === "AND") this.#take();
      const [left, right] = [test, this.#single()];
      test = (thing) => left(thing) && right(thing);
    }
  }

  #single(): Test {
    const next = this.#peek();
    if (next === "NOT") {
      this.#take();
      const test = this.#single();
      return (thing) => !test(thing);
    }
    if (next === "(") {
      this.#take();
      const test = this.#either();
      if (this.#take().text !== ")") this.#refuse("A bracket is not closed.");
      return test;
    }
    return this.#comparison();
  }

  #comparison(): Test {
    const field = this.#take().text;
    const comparer = this.#take().text;
    if (comparer !== "eq" && comparer !== "ne" && !COMPARERS.includes(comparer)) {
      this.#refuse(`'${comparer}' is no comparison.`);
    }
    const value = this.#take().text;
    const fits = this.#compare(comparer, value);
    const steps = field.split(".");
    return (thing) => fits(valuesAt(thing, steps));
  }

  #compare(comparer: string, value: string): (values: unknown[]) => boolean {
    if (comparer === "eq" || comparer === "ne") {
      const pattern = this.#pattern(value);
      const some = (values: unknown[]) => values.some((found) => pattern.test(String(found)));
      return comparer === "eq" ? some : (values) => !some(values);
    }
    if (comparer === ":") {
      if (value === "*") return (values) => values.length > 0;
      const plain = value.replace(/\*$/, "");
      const starts = value.endsWith("*");
      return (values) =>
        values.some((found) => (starts ? String(found).startsWith(plain) : String(found).includes(plain)));
    }
    if (comparer === "=") return (values) => values.some((found) => String(found) === value);
    if (comparer === "!=") return (values) => values.every((found) => String(found) !== value);
    return (values) =>
      values.some((found) => {
        const order = ordering(found, value);
        return comparer === "<"
          ? order < 0
          : comparer === "<="
            ? order <= 0
            : comparer === ">"
              ? order > 0
              : order >= 0;
      });
  }

  #pattern(text: string): RegExp {
    if (!/^(?:[\w\-/ ]|\\[.b\-/]|\.\*|\.|[()|^$])*$/.test(text)) {
      this.#refuse(`The local cloud does not model the pattern '${text}'; compare with '=' instead.`);
    }
    try {
      return new RegExp(`^(?:${text})$`);
    } catch {
      return this.#refuse(`'${text}' is no regular expression.`);
    }
  }
}

/** Numbers and times by size, texts by letters. */
function ordering(found: unknown, value: string): number {
  const [one, other] = [Number(found), Number(value)];
  if (!Number.isNaN(one) && !Number.isNaN(other)) return one - other;
  const [time, limit] = [Date.parse(String(found)), Date.parse(value)];
  if (!Number.isNaN(time) && !Number.isNaN(limit)) return time - limit;
  return String(found) < value ? -1 : String(found) > value ? 1 : 0;
}

/** All values at a path; a list's members count one by one. */
function valuesAt(value: unknown, steps: string[]): unknown[] {
  if (Array.isArray(value)) return value.flatMap((member) => valuesAt(member, steps));
  const [step, ...rest] = steps;
  if (step === undefined) return value === undefined ? [] : [value];
  if (typeof value !== "object" || value === null) return [];
  return valuesAt((value as Json)[step], rest);
}
