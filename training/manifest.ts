import { isMap, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { LONGEST_CHECKPOINT_SECONDS, SHORTEST_CHECKPOINT_SECONDS } from "./contract.ts";
import { quotable } from "./files.ts";
import { legalName } from "./ids.ts";
import { nearest } from "./nearest.ts";

/** `training.yaml`, read. */
export interface Manifest {
  /** From the file, else the folder's name; legal in ids. */
  name: string;
  /** Program and arguments; run without a shell. */
  command: string[];
  /** Those that end in a question mark may be missing. */
  inputs: string[];
  python?: string;
  machineType?: string;
  spot?: boolean;
  maxHours?: number;
  maxRestarts?: number;
  checkpointSeconds?: number;
  fallbackToStandard?: boolean;
  keepMinutes?: number;
  /** What `mlt train DIR --local` adds, so that a run on a sample ends soon. */
  sample?: { arguments: string[]; inputs: string[] };
}

const DURATION = /^(\d+)\s*(m|min|h)$/;

/** `30m`, `2h` or a number of minutes → minutes; `undefined` if it is none of these. */
export function minutesOf(text: string | number): number | undefined {
  if (typeof text === "number") return text;
  const parts = DURATION.exec(text.trim());
  if (!parts) return undefined;
  return Number(parts[1]) * (parts[2] === "h" ? 60 : 1);
}

/** Splits a command line into words as a shell would, quotes and backslashes included, and nothing else of a shell. */
export function words(line: string): string[] {
  const found: string[] = [];
  let word: string | undefined;
  let quote = "";
  let escaped = false;
  for (const character of line) {
    if (escaped) {
      word = (word ?? "") + character;
      escaped = false;
    } else if (character === "\\" && quote !== "'") {
      escaped = true;
    } else if (quote) {
      if (character === quote) quote = "";
      else word += character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= "";
    } else if (/\s/.test(character)) {
      if (word !== undefined) found.push(word);
      word = undefined;
    } else word = (word ?? "") + character;
  }
  if (quote) throw new Error(`has a ${quote} that is not closed`);
  if (word !== undefined) found.push(word);
  return found;
}

/** What means something to a shell, and to a program is an argument like any other. */
const SHELL = /^(&&|\|\|?|;|&|<|>>?|\d>(&\d)?)$/;

/** Why a command line needs a shell; `undefined` if it does not. */
function shellProblem(list: readonly string[]): string | undefined {
  const bash = "a command runs without a shell; for one, write [bash, -c, '…']";
  const operator =
    list.find((word) => SHELL.test(word)) ?? (list.some((word) => /^[^'"]+;$/.test(word)) ? ";" : undefined);
  if (operator) return `has ${operator}: ${bash}`;
  if (/^[A-Za-z_]\w*=/.test(list[0] ?? "")) return `begins with a variable: write env ${list[0]} … instead`;
  if (list[0] === "cd") return `begins with cd: ${bash}, or let the program change its folder`;
  return undefined;
}

const command = z
  .union([z.string(), z.array(z.string())], {
    error: ({ input }) => {
      const odd = Array.isArray(input) ? input.find((word) => typeof word !== "string") : undefined;
      return odd === undefined || (typeof odd === "object" && odd !== null)
        ? "must be a command line, or a list of program and arguments"
        : `must hold only text: put ${odd} into quotes`;
    },
  })
  .transform((value, context) => {
    try {
      const list = typeof value === "string" ? words(value) : value;
      if (list.length === 0 || list[0]!.trim() === "") {
        context.addIssue({ code: "custom", message: "must name a program" });
      }
      const problem = typeof value === "string" ? shellProblem(list) : undefined;
      if (problem) context.addIssue({ code: "custom", message: problem });
      return list;
    } catch (error) {
      context.addIssue({ code: "custom", message: (error as Error).message });
      return z.NEVER;
    }
  });

/** A question mark at the end: the package goes on without it where the bucket has none. */
const input = z
  .string("must be text")
  .transform((value) => value.replace(/^input\//, "").replace(/\/+(\?)?$/, "$1"))
  .refine(
    (value) =>
      /^(course:\/\/)?[A-Za-z0-9._=+@ -]+(\/[A-Za-z0-9._=+@ -]+)*\??$/.test(value) &&
      !value.split("/").some((part) => part === "." || part === ".."),
    "must be a folder below input/ in the data bucket, such as census, or course://NAME in a course",
  );

const duration = z
  .union([z.string(), z.number()], "must be a time such as 30m or 2h")
  .transform(minutesOf)
  .refine((value) => value !== undefined && value >= 0, "must be a time such as 30m or 2h");

const PYTHON = 'must be a version of Python in quotes, such as "3.11"';
const MACHINE_TYPE = "must be the name of a machine type, such as e2-standard-4";

const CHECKPOINTS = `must be a whole number of seconds from ${SHORTEST_CHECKPOINT_SECONDS} to ${LONGEST_CHECKPOINT_SECONDS}`;

const SCHEMA = z.strictObject({
  name: z.string("must be text").optional(),
  command,
  inputs: z.array(input, "must be a list").default([]),
  // Without quotes YAML reads 3.10 as the number 3.1.
  python: z
    .string(PYTHON)
    .refine((value) => /^3\.\d{1,2}$/.test(value), PYTHON)
    .optional(),
  machineType: z.string(MACHINE_TYPE).min(1, MACHINE_TYPE).optional(),
  spot: z.boolean("must be true or false, without quotes").optional(),
  maxHours: z.number("must be a number of hours, without quotes").positive("must be over 0").optional(),
  maxRestarts: z.int("must be a whole number, without quotes").min(0, "must be 0 or more").optional(),
  checkpointSeconds: z
    .int(CHECKPOINTS)
    .min(SHORTEST_CHECKPOINT_SECONDS, CHECKPOINTS)
    .max(LONGEST_CHECKPOINT_SECONDS, CHECKPOINTS)
    .optional(),
  fallbackToStandard: z.boolean("must be true or false, without quotes").optional(),
  keep: duration.optional(),
  sample: z
    .strictObject(
      {
        arguments: z.array(z.union([z.string(), z.number()]).transform(String), "must be a list").default([]),
        inputs: z.array(input, "must be a list").default([]),
      },
      { error: ({ code }) => (code === "invalid_type" ? "must hold arguments: […] and inputs: […]" : undefined) },
    )
    .optional(),
});

export const KEYS = Object.keys(SCHEMA.shape);
const SAMPLE_KEYS = ["arguments", "inputs"];

/** The schema that editors load for training.yaml. */
export function manifestJsonSchema(): unknown {
  return z.toJSONSchema(SCHEMA, { io: "input" });
}

/** Reads training.yaml: the manifest, or every problem with its line. */
export function parseManifest(data: Buffer | string, folderName: string): { manifest?: Manifest; problems: string[] } {
  const text = decoded(data);
  if (text === undefined) {
    return { problems: ["training.yaml is no UTF-8 text; save it as UTF-8 (an editor calls it Encoding)"] };
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const at = (offset: number | undefined) =>
    offset === undefined ? "training.yaml" : `training.yaml line ${lines.linePos(offset).line}`;
  // A tag that is not known makes a warning only, and would make text of what was meant to be something else.
  const wrong = [...document.errors, ...document.warnings];
  if (wrong.length > 0) return { problems: wrong.map((error) => `${at(error.pos[0])}: ${yamlProblem(error, text)}`) };
  if (!isMap(document.contents)) {
    const is = document.contents === null ? "is empty; it must hold" : "must hold";
    return { problems: [`training.yaml ${is} keys with values, \`command: …\` at least; keys: ${KEYS.join(", ")}`] };
  }
  let content: unknown;
  try {
    content = document.toJS();
  } catch (error) {
    // Aliases are looked up only now: one without its anchor, or a handful that would fill the memory.
    return { problems: [`training.yaml: ${(error as Error).message.split("\n")[0]}; write the value out`] };
  }
  const parsed = SCHEMA.safeParse(content);
  if (parsed.success) {
    const { keep, name, ...rest } = parsed.data;
    const manifest = {
      ...rest,
      name: legalName(name ?? folderName),
      ...(keep === undefined ? {} : { keepMinutes: keep }),
    };
    return { manifest, problems: [] };
  }
  const problems = parsed.error.issues.flatMap((issue) => {
    const path = issue.path.map((part) => (typeof part === "symbol" ? String(part) : part));
    if (issue.code === "unrecognized_keys") {
      const known = path[0] === "sample" ? SAMPLE_KEYS : KEYS;
      return issue.keys.map((key) => {
        const near = nearest(key, known);
        const offset = offsetOf(document.contents, [...path, key]);
        return `${at(offset)}: unknown key "${[...path, key].join(".")}"; ${near ? `did you mean ${near}? ` : ""}Keys: ${known.join(", ")}`;
      });
    }
    const value = document.getIn(path);
    const missing = value === undefined;
    const name = path.join(".") || "training.yaml";
    const message = issue.message.replace(/^Invalid input.*$/, "has a value of the wrong kind");
    return missing
      ? `training.yaml: \`${name}\` is missing: the command that trains, such as [python, train.py]`
      : `${at(offsetOf(document.contents, path))}: ${name} ${message}; got ${shown(value)}`;
  });
  return { problems };
}

/** A file's text; `undefined` where it is no UTF-8. */
export function decoded(data: Buffer | string): string | undefined {
  if (typeof data === "string") return data;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(data);
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}

/** What the YAML library found, in words for people who write three keys. */
export function yamlProblem(error: { code: string; message: string; pos: [number, number] }, text: string): string {
  if (error.code === "DUPLICATE_KEY") {
    const key = /^[^\s:]*/.exec(text.slice(error.pos[0]))?.[0];
    return `the key ${key ? `"${quotable(key)}" ` : ""}is there twice; remove one`;
  }
  if (error.code === "MULTIPLE_DOCS") return "a second document begins (---); one is all there can be";
  if (error.code === "TAB_AS_INDENT") return "a tab stands at the beginning of the line; YAML takes only spaces there";
  return quotable(error.message.split("\n")[0]!.replace(/ at line .*$/, ""), 200);
}

function shown(value: unknown): string {
  const text = typeof value === "number" ? String(value) : JSON.stringify(value);
  return quotable(String(text));
}

/** Where a key (or the nearest parent that has a place) begins in the text. */
export function offsetOf(node: unknown, path: readonly (string | number)[]): number | undefined {
  let offset = (node as { range?: [number, number, number] })?.range?.[0];
  let current: unknown = node;
  for (const part of path) {
    if (isMap(current)) {
      const pair = current.items.find(
        (item) => String((item.key as { value?: unknown })?.value ?? item.key) === String(part),
      );
      offset = (pair?.key as { range?: [number, number, number] } | undefined)?.range?.[0] ?? offset;
      current = pair?.value;
    } else {
      current = (current as { items?: unknown[] })?.items?.[Number(part)];
      offset = (current as { range?: [number, number, number] } | undefined)?.range?.[0] ?? offset;
    }
  }
  return offset;
}
