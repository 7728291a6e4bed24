import type { Call } from "../../core/http.ts";
import { invalid } from "./errors.ts";

/** An integer of the query; `undefined` when it is absent. */
export function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  const value = Number(text);
  if (!/^-?\d{1,19}$/.test(text) || !Number.isSafeInteger(value)) {
    throw invalid(`Invalid value for query parameter ${name}: '${text}' is not an integer.`);
  }
  return value;
}

export function flag(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  if (text === null || text === "") return false;
  if (/^(true|1)$/i.test(text)) return true;
  if (/^(false|0)$/i.test(text)) return false;
  throw invalid(`Invalid value for query parameter ${name}: '${text}' is not a boolean.`);
}

/** One value of the query out of a list; the first is the default. */
export function choice<const T extends string>(query: URLSearchParams, name: string, values: readonly T[]): T {
  const text = query.get(name);
  if (text === null || text === "") return values[0] as T;
  const found = values.find((value) => value === text);
  if (found === undefined) throw invalid(`Invalid value for query parameter ${name}: '${text}'.`);
  return found;
}

/** A request header as one string. */
export function header(call: Call, name: string): string | undefined {
  const value = call.raw.headers[name];
  return Array.isArray(value) ? value.join(",") : value;
}
