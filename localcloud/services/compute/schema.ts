import { GoogleError, notModelled } from "../../core/errors.ts";
import { invalid } from "./links.ts";

/** One of these words. */
export class Choice {
  readonly words: readonly string[];

  constructor(words: readonly string[]) {
    this.words = words;
  }
}

export function oneOf(...words: string[]): Choice {
  return new Choice(words);
}

/**
 * What a field holds. `output`: Google sets it and ignores what a caller sends. `unmodelled`: Google has it, the local
 * cloud does nothing with it, so that a value is refused with its name. `map`: names to strings.
 */
export type Field =
  | "string"
  | "bool"
  | "int32"
  | "int64"
  | "number"
  | "map"
  | "output"
  | "unmodelled"
  | Choice
  | readonly [Field]
  | Shape;

export interface Shape {
  readonly [name: string]: Field;
}

export type Json = Record<string, unknown>;

interface Findings {
  unknown: { name: string; at: string }[];
  wrong: { at: string; type: string; value: unknown }[];
}

/** The body without what Google ignores; 400 in Google's words for what it does not know, 501 for what we do not model. */
export function readBody(shape: Shape, body: unknown, root = "resource"): Json {
  const findings: Findings = { unknown: [], wrong: [] };
  const read = readShape(shape, body, root, "", findings) as Json;
  const sentences = [
    ...findings.unknown.map(({ name, at }) => {
      return `Invalid JSON payload received. Unknown name "${name}"${at ? ` at '${root}${at}'` : ""}: Cannot find field.`;
    }),
    ...findings.wrong.map(({ at, type, value }) => {
      return `Invalid value at '${root}${snake(at)}' (${type}), ${JSON.stringify(value)}`;
    }),
  ];
  if (sentences.length === 0) return read;
  const message = sentences.join("\n");
  throw new GoogleError(400, "invalid", message, { status: "INVALID_ARGUMENT" });
}

function readShape(shape: Shape, value: unknown, root: string, at: string, findings: Findings): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    findings.wrong.push({ at, type: "an object", value });
    return {};
  }
  const read: Json = {};
  for (const [name, member] of Object.entries(value)) {
    const field = Object.hasOwn(shape, name) ? shape[name] : undefined;
    if (field === undefined) findings.unknown.push({ name, at });
    else if (field !== "output" && member !== null && !isUnset(field, name, member)) {
      const result = readField(field, member, root, `${at}.${name}`, findings);
      if (result !== undefined) read[name] = result;
    }
  }
  return read;
}

function readField(field: Field, value: unknown, root: string, at: string, findings: Findings): unknown {
  if (field instanceof Choice) {
    if (typeof value === "string" && field.words.includes(value)) return value;
    throw invalid(`${root}${at}`, value, `The value must be one of: ${field.words.join(", ")}.`);
  }
  if (typeof field === "object") {
    if (!isList(field)) return readShape(field, value, root, at, findings);
    if (!Array.isArray(value)) {
      findings.wrong.push({ at, type: "a list", value });
      return undefined;
    }
    return value.map((member, index) => readField(field[0], member, root, `${at}[${index}]`, findings));
  }
  return readScalar(field, value, root, at, findings);
}

function readScalar(field: string, value: unknown, root: string, at: string, findings: Findings): unknown {
  const wrong = (type: string): undefined => {
    findings.wrong.push({ at, type, value });
    return undefined;
  };
  switch (field) {
    case "string":
      return typeof value === "string" ? value : wrong("TYPE_STRING");
    case "bool":
      return typeof value === "boolean" ? value : wrong("TYPE_BOOL");
    case "int32":
    case "int64": {
      const whole = (typeof value === "number" && Number.isSafeInteger(value)) || /^-?\d+$/.test(String(value));
      if (!whole || typeof value === "boolean") return wrong(`TYPE_${field.toUpperCase()}`);
      return field === "int64" ? String(value) : Number(value);
    }
    case "number":
      return typeof value === "number" ? value : wrong("TYPE_DOUBLE");
    case "map":
      return readMap(value) ?? wrong("a map of strings");
    default:
      if (isEmpty(value)) return undefined;
      throw notModelled(`Compute Engine's field ${root}${at}`);
  }
}

function readMap(value: unknown): Record<string, string> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value).filter(([, text]) => text !== null);
  return entries.every(([, text]) => typeof text === "string") ? Object.fromEntries(entries) : undefined;
}

/** An empty text is an unset field, as in every Google API; only what people write may be empty. */
function isUnset(field: Field, name: string, value: unknown): boolean {
  if (value !== "" || (field !== "string" && !(field instanceof Choice))) return false;
  return name !== "value" && name !== "description";
}

/** What a client sends for a field that it does not use; Google's providers also send `[null]`. */
function isEmpty(value: unknown): boolean {
  if (value === false || value === "" || value === 0 || value === null) return true;
  if (Array.isArray(value)) return value.every((member) => member === null);
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

function isList(field: readonly [Field] | Shape): field is readonly [Field] {
  return Array.isArray(field);
}

function snake(at: string): string {
  return at.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** RFC 7396: objects are merged, lists and plain values replaced whole. */
export function mergePatch<T>(target: T, patch: unknown): T {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch as T;
  const merged: Json = typeof target === "object" && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = mergePatch(merged[name], value);
  }
  return merged as T;
}
