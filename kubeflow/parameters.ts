import { nearest } from "../training/nearest.ts";
import type { Parameter, PipelineFile } from "./pipelineFile.ts";

export interface ReadParameters {
  /** By the pipeline's own names, of its own types. */
  values: Record<string, unknown>;
  /** All that is wrong, in the user's words. */
  problems: string[];
}

/** `key=value` words as a pipeline's parameters. `train-steps` and `train_steps` are the same: Python has no hyphens in names. */
export function readParameters(
  words: readonly string[],
  { parameters }: Pick<PipelineFile, "parameters">,
): ReadParameters {
  const problems: string[] = [];
  const given = new Map<string, unknown>();
  const names = Object.keys(parameters);
  const seen = new Set<string>();
  for (const word of words) {
    const at = word.indexOf("=");
    if (at < 1) {
      problems.push(`a parameter is given as key=value; got ${JSON.stringify(word)}`);
      continue;
    }
    const key = word.slice(0, at).replace(/^--/, "");
    const name = names.includes(key) ? key : names.find((known) => shownName(known) === shownName(key));
    if (name === undefined) {
      const near = nearest(shownName(key), names.map(shownName));
      const all = names.length > 0 ? names.map(shownName).join(", ") : "none";
      problems.push(`there is no parameter ${key}; this pipeline has ${all}.${near ? ` Did you mean ${near}?` : ""}`);
      continue;
    }
    if (seen.has(name)) {
      problems.push(`${shownName(name)} is given twice`);
      continue;
    }
    seen.add(name);
    const read = readValue(word.slice(at + 1), parameters[name]!);
    if ("problem" in read) problems.push(`${shownName(name)} ${read.problem}`);
    else given.set(name, read.value);
  }
  for (const [name, { type, defaultValue, isOptional }] of Object.entries(parameters)) {
    if (!seen.has(name) && defaultValue === undefined && !isOptional) {
      problems.push(`${shownName(name)} is missing, and has no default; it is ${KINDS[type] ?? type}`);
    }
  }
  return { values: Object.fromEntries(given), problems };
}

/** As people write it. */
export function shownName(name: string): string {
  return name.replaceAll("_", "-");
}

const KINDS: Readonly<Record<string, string>> = {
  NUMBER_INTEGER: "a whole number",
  NUMBER_DOUBLE: "a number",
  STRING: "text",
  BOOLEAN: "true or false",
  LIST: "a JSON list",
  STRUCT: "a JSON object",
};

type Read = { value: unknown } | { problem: string };

function readValue(text: string, { type, literals }: Parameter): Read {
  const wrong = (): Read => ({ problem: `must be ${KINDS[type]}; got ${JSON.stringify(text)}` });
  const value = convert(text, type);
  if (value === undefined) {
    return type in KINDS ? wrong() : { problem: `has the type ${type}, which cannot be given on a command line` };
  }
  if (literals && !literals.some((literal) => literal === value)) {
    return {
      problem: `must be one of ${literals.map((literal) => JSON.stringify(literal)).join(", ")}; got ${JSON.stringify(text)}`,
    };
  }
  return { value };
}

/** `undefined`: it is no such thing. */
function convert(text: string, type: string): unknown {
  switch (type) {
    case "STRING":
      return text;
    case "NUMBER_INTEGER":
      return /^[+-]?\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
    case "NUMBER_DOUBLE":
      return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i.test(text) && Number.isFinite(Number(text))
        ? Number(text)
        : undefined;
    case "BOOLEAN":
      return /^true$/i.test(text) ? true : /^false$/i.test(text) ? false : undefined;
    case "LIST":
    case "STRUCT":
      return json(text, type === "LIST");
    default:
      return undefined;
  }
}

function json(text: string, isList: boolean): unknown {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === "object" && value !== null && Array.isArray(value) === isList ? value : undefined;
  } catch {
    return undefined;
  }
}
