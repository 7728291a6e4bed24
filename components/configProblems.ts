import type { z } from "zod";
import { nearest } from "../training/nearest.ts";

/** The configuration is wrong: every problem, each under its key's own name. */
export class ConfigError extends Error {
  readonly problems: string[];

  constructor(problems: string[]) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    super(
      `The configuration has ${count}; nothing was changed.\n${problems.map((problem) => `  ${problem}`).join("\n")}`,
    );
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** Reads the JSON of a structured key and checks it; problems are added under the key's name. */
export function readStructured<T extends z.ZodType>(
  key: string,
  raw: string | undefined,
  schema: T,
  problems: string[],
): z.infer<T> | undefined {
  if (raw === undefined || raw.trim() === "") return undefined;
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    problems.push(
      `${key} must be structured, not the text ${JSON.stringify(raw)}; set a member with: pulumi config set --path '${key}.NAME' VALUE`,
    );
    return undefined;
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const told = new Set<string>();
  for (const issue of result.error.issues) {
    // One problem per member: what is of the wrong type is not also too long.
    const path = issue.code === "unrecognized_keys" ? issue.keys.join() : issue.path.join();
    if (told.has(path)) continue;
    told.add(path);
    problems.push(...describe(key, issue, value, schema));
  }
  return undefined;
}

function describe(key: string, issue: z.core.$ZodIssue, input: unknown, schema: z.ZodType): string[] {
  const path = issue.path.reduce<string>(
    (name, part) => name + (typeof part === "number" ? `[${part}]` : `.${String(part)}`),
    key,
  );
  const got = show(at(input, issue.path));
  if (issue.code === "unrecognized_keys") {
    const known = memberNames(schema, issue.path);
    return issue.keys.map((unknown) => {
      const meant = nearest(unknown, known);
      return `${path}.${unknown} is not a setting; ${meant ? `did you mean ${meant}?` : `those are ${known.join(", ")}`}`;
    });
  }
  if (issue.code === "invalid_type") {
    const hint = quotedHint(issue.expected, at(input, issue.path));
    return [`${path} must be ${article(issue.expected)}; got ${got}${hint}`];
  }
  if (issue.code === "too_small" || issue.code === "too_big") {
    const bound = issue.code === "too_small" ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
    if (issue.origin === "array") return [`${path} must hold ${bound} of them; got ${got}`];
    return [`${path} must be ${bound}; got ${got}`];
  }
  return [`${path} ${issue.message}; got ${got}`];
}

/** `"true"` and `"4"` come from `pulumi config set` without `--path`, or from quotes in the file. */
function quotedHint(expected: string, value: unknown): string {
  if (typeof value !== "string" || !["number", "int", "boolean"].includes(expected)) return "";
  return /^(true|false|[\d.]+)$/.test(value) ? " (leave the quotes away)" : "";
}

function article(expected: string): string {
  const words: Record<string, string> = {
    string: "a text",
    number: "a number",
    int: "a whole number",
    boolean: "true or false",
    array: "a list",
    object: "a structure with members",
    record: "a structure with members",
  };
  return words[expected] ?? `of type ${expected}`;
}

function at(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const part of path) value = value === null || typeof value !== "object" ? undefined : Reflect.get(value, part);
  return value;
}

function show(value: unknown): string {
  return value === undefined ? "nothing" : (JSON.stringify(value) ?? String(value));
}

/** The member names of the object that a path leads to. */
function memberNames(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = schema;
  for (const part of ["", ...path]) {
    if (part !== "") at = shapeOf(at)?.[String(part)];
    while (at && !shapeOf(at)) {
      const inner = (at as { def?: { innerType?: unknown } }).def?.innerType;
      if (!inner) return [];
      at = inner;
    }
  }
  return Object.keys(shapeOf(at) ?? {});
}

function shapeOf(schema: unknown): Record<string, unknown> | undefined {
  return (schema as { shape?: Record<string, unknown> } | undefined)?.shape;
}
