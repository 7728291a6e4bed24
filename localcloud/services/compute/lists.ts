import type { Call } from "../../core/http.ts";
import { matcher } from "./filter.ts";
import { invalid, link, split } from "./links.ts";
import { allRegions, allZones } from "./places.ts";
import type { Json } from "./schema.ts";

const PAGE = 500;
const LIST_PARAMETERS = ["filter", "maxResults", "orderBy", "pageToken", "returnPartialSuccess"];

/** One page of a list: filtered, ordered, cut, with the token of the next page. */
export function page(call: Call, kind: string, id: string, all: Json[]): Json {
  const { items, nextPageToken } = cut(call, all, []);
  const shown = items.length > 0 ? { items } : {};
  return { kind, id, ...shown, ...(nextPageToken ? { nextPageToken } : {}), selfLink: link(id) };
}

export interface Aggregate {
  plural: string;
  singular: string;
  scopes: readonly ("global" | "zones" | "regions")[];
}

/** A list over all places; an empty one says so with a warning, as Google's does. */
export function aggregated(
  call: Call,
  { plural, singular, scopes }: Aggregate,
  project: string,
  all: [string, Json][],
): Json {
  const { items, nextPageToken } = cut(
    call,
    all.map(([path, thing]) => ({ path, thing })),
    ["includeAllScopes", "serviceProjectNumber"],
    ({ thing }) => thing,
  );
  const places = {
    global: () => ["global"],
    zones: () => allZones().map((name) => `zones/${name}`),
    regions: () => allRegions().map((name) => `regions/${name}`),
  };
  const lists: Record<string, Json> = {};
  for (const place of scopes.flatMap((scope) => places[scope]())) {
    const here = items.filter(({ path }) => split(path).place === place).map(({ thing }) => thing);
    lists[place] = here.length > 0 ? { [plural]: here } : { warning: nothingIn(place) };
  }
  const id = `projects/${project}/aggregated/${plural}`;
  const more = nextPageToken ? { nextPageToken } : {};
  return { kind: `compute#${singular}AggregatedList`, id, items: lists, ...more, selfLink: link(id) };
}

function nothingIn(place: string): Json {
  return {
    code: "NO_RESULTS_ON_PAGE",
    message: `There are no results for scope '${place}' on this page.`,
    data: [{ key: "scope", value: place }],
  };
}

interface Cut<T> {
  items: T[];
  nextPageToken?: string;
}

function cut<T>(call: Call, all: T[], more: string[], thingOf: (item: T) => Json = (item) => item as Json): Cut<T> {
  const { query } = call;
  for (const name of query.keys()) {
    if (LIST_PARAMETERS.includes(name) || more.includes(name) || /^(alt|\$alt|prettyPrint|key|quotaUser)$/.test(name))
      continue;
    throw invalid("query", name, `Invalid JSON payload received. Unknown name "${name}": Cannot bind query parameter.`);
  }
  const fits = matcher(query.get("filter") ?? "");
  const fitting = ordered(
    all.filter((item) => fits(thingOf(item))),
    query.get("orderBy") ?? "name",
    thingOf,
  );
  const size = pageSize(query.get("maxResults"));
  const from = offset(query.get("pageToken"));
  const items = fitting.slice(from, from + size);
  const next = from + size < fitting.length ? Buffer.from(`from:${from + size}`).toString("base64url") : undefined;
  return { items, nextPageToken: next };
}

function pageSize(text: string | null): number {
  if (text === null) return PAGE;
  const size = Number(text);
  if (!Number.isInteger(size) || size < 0 || size > PAGE) {
    throw invalid("maxResults", text, "Value should be a whole number from 0 to 500.");
  }
  return size === 0 ? PAGE : size;
}

function offset(token: string | null): number {
  if (!token) return 0;
  const text = /^from:(\d+)$/.exec(Buffer.from(token, "base64url").toString())?.[1];
  if (text === undefined) throw invalid("pageToken", token, "Invalid page token.");
  return Number(text);
}

function ordered<T>(items: T[], orderBy: string, thingOf: (item: T) => Json): T[] {
  const newest = /^creationTimestamp\s+desc$/.test(orderBy);
  if (!newest && orderBy !== "name") {
    throw invalid("orderBy", orderBy, "Lists are ordered by 'name' or by 'creationTimestamp desc'.");
  }
  const key = newest ? "creationTimestamp" : "name";
  const direction = newest ? -1 : 1;
  return [...items].sort((left, right) => {
    const [one, other] = [String(thingOf(left)[key]), String(thingOf(right)[key])];
    return one === other ? 0 : one < other ? -direction : direction;
  });
}
