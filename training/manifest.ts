import { isMap, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { legalName } from "./ids.ts";
import { nearest } from "./nearest.ts";

/** `training.yaml`, read. */
export interface Manifest {
  /** From the file, else the folder's name; legal in ids. */
  name: string;
  /** Program and arguments; run without a shell. */
  command: string[];
  inputs: string[];
  python?: string;
  machineType?: string;
  spot?: boolean;
  maxHours?: number;
  maxRestarts?: number;
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

const command = z
  .union([z.string(), z.array(z.string())], "must be a command line, or a list of program and arguments")
  .transform((value, context) => {
    try {
      const list = typeof value === "string" ? words(value) : value;
      if (list.length === 0 || list[0] === "") context.addIssue({ code: "custom", message: "must name a program" });
      return list;
    } catch (error) {
      context.addIssue({ code: "custom", message: (error as Error).message });
      return z.NEVER;
    }
  });

const input = z
  .string("must be text")
  .transform((value) => value.replace(/^input\//, "").replace(/\/+$/, ""))
  .refine(
    (value) =>
      /^[A-Za-z0-9._=+@ -]+(\/[A-Za-z0-9._=+@ -]+)*$/.test(value) &&
      !value.split("/").some((part) => part === "." || part === ".."),
    "must be a folder below input/ in the data bucket, such as census",
  );

const duration = z
  .union([z.string(), z.number()], "must be a time such as 30m or 2h")
  .transform(minutesOf)
  .refine((value) => value !== undefined && value >= 0, "must be a time such as 30m or 2h");

const SCHEMA = z.strictObject({
  name: z.string("must be text").optional(),
  command,
  inputs: z.array(input, "must be a list").default([]),
  python: z
    .union([z.string(), z.number()], 'must be a version in quotes, such as "3.11"')
    .transform(String)
    .refine((value) => /^3\.\d{1,2}$/.test(value), 'must be a Python version in quotes, such as "3.11"')
    .optional(),
  machineType: z.string("must be the name of a machine type, such as e2-standard-4").optional(),
  spot: z.boolean("must be true or false").optional(),
  maxHours: z.number("must be a number of hours").positive("must be over 0").optional(),
  maxRestarts: z.int("must be a whole number").min(0, "must be 0 or more").optional(),
  keep: duration.optional(),
  sample: z
    .strictObject({
      arguments: z.array(z.union([z.string(), z.number()]).transform(String), "must be a list").default([]),
      inputs: z.array(input, "must be a list").default([]),
    })
    .optional(),
});

export const KEYS = Object.keys(SCHEMA.shape);
const SAMPLE_KEYS = ["arguments", "inputs"];

/** The schema that editors load for training.yaml. */
export function manifestJsonSchema(): unknown {
  return z.toJSONSchema(SCHEMA, { io: "input" });
}

/** Reads training.yaml: the manifest, or every problem with its line. */
export function parseManifest(text: string, folderName: string): { manifest?: Manifest; problems: string[] } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const at = (offset: number | undefined) =>
    offset === undefined ? "training.yaml" : `training.yaml line ${lines.linePos(offset).line}`;
  if (document.errors.length > 0) {
    const told = document.errors.map(
      (error) => `${at(error.pos[0])}: ${error.message.split("\n")[0]!.replace(/ at line .*$/, "")}`,
    );
    return { problems: told };
  }
  if (!isMap(document.contents)) {
    return {
      problems: [
        `training.yaml must be a list of keys and values, with \`command\` at least; keys: ${KEYS.join(", ")}`,
      ],
    };
  }
  const parsed = SCHEMA.safeParse(document.toJS());
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
      : `${at(offsetOf(document.contents, path))}: ${name} ${message}; got ${JSON.stringify(value)}`;
  });
  return { problems };
}

/** Where a key (or the nearest parent that has a place) begins in the text. */
function offsetOf(node: unknown, path: readonly (string | number)[]): number | undefined {
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
