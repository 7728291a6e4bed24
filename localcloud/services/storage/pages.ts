import { invalid } from "./errors.ts";
import { integer } from "./query.ts";

const MOST = 1000;

/** How many entries the caller takes; Google gives 1,000 at most. */
export function pageSize(query: URLSearchParams): number {
  const asked = integer(query, "maxResults");
  if (asked === undefined) return MOST;
  if (asked < 0) throw invalid(`Invalid value for maxResults: ${asked}.`);
  return asked === 0 ? MOST : Math.min(asked, MOST);
}

export function pageToken(position: unknown): string {
  return Buffer.from(JSON.stringify(position)).toString("base64url");
}

/** The position that a token of ours names. */
export function readPageToken<T>(token: string | null): T | undefined {
  if (!token) return undefined;
  try {
    return JSON.parse(Buffer.from(token, "base64url").toString()) as T;
  } catch {
    throw invalid(`Invalid page token: '${token}'.`);
  }
}

/** One page of a short list, whose `key` grows along it. */
export function pageOf<T>(
  query: URLSearchParams,
  all: T[],
  key: (entry: T) => string,
): { items: T[]; nextPageToken?: string } {
  const after = readPageToken<string>(query.get("pageToken"));
  const start = after === undefined ? 0 : all.findIndex((entry) => key(entry) > after);
  const rest = start < 0 ? [] : all.slice(start);
  const items = rest.slice(0, pageSize(query));
  const last = items.at(-1);
  return rest.length > items.length && last ? { items, nextPageToken: pageToken(key(last)) } : { items };
}
