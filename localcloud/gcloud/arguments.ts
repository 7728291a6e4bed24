/** A mistake of whoever called; the message is all that is shown. */
export class GcloudError extends Error {
  readonly code: number;

  constructor(message: string, code = 1) {
    super(message);
    this.code = code;
  }
}

export interface Arguments {
  /** What is no flag. */
  words: string[];
  values: Record<string, string>;
  switches: Set<string>;
  /** What stands behind `--`. */
  rest: string[];
}

/** Flags with a value, and flags without; every other one is an error with its name. */
export interface Flags {
  values: readonly string[];
  switches: readonly string[];
}

/** Reads gcloud's way of arguments: flags anywhere, `--flag value` or `--flag=value`. */
export function readArguments(command: string, given: readonly string[], flags: Flags): Arguments {
  const end = given.indexOf("--");
  const own = end < 0 ? given : given.slice(0, end);
  const read: Arguments = { words: [], values: {}, switches: new Set(), rest: end < 0 ? [] : given.slice(end + 1) };
  for (let index = 0; index < own.length; index += 1) {
    const word = own[index] as string;
    const [, name, value] = /^--([a-z][a-z0-9-]*)(?:=([\s\S]*))?$/.exec(word) ?? [];
    if (name === undefined) {
      if (word.startsWith("-") && word !== "-") throw unknown(command, word);
      read.words.push(word);
    } else if (flags.switches.includes(name)) {
      if (value !== undefined) throw new GcloudError(`argument --${name}: ignored explicit argument '${value}'`, 2);
      read.switches.add(name);
    } else if (flags.values.includes(name)) {
      index += value === undefined ? 1 : 0;
      const text = value ?? own[index];
      if (text === undefined) throw new GcloudError(`argument --${name}: expected one argument`, 2);
      read.values[name] = text;
    } else throw unknown(command, `--${name}`);
  }
  return read;
}

function unknown(command: string, flag: string): GcloudError {
  return new GcloudError(
    `unrecognized arguments: ${flag}. The local cloud's gcloud has no ${flag} for ${command}; see localcloud/gcloud/README.md.`,
    2,
  );
}
