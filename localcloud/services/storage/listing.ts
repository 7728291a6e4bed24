import type { Call, Reply, Router } from "../../core/http.ts";
import type { Contents, View } from "./contents.ts";
import { endpoint } from "./endpoint.ts";
import { invalid } from "./errors.ts";
import { globFilter } from "./glob.ts";
import { type ObjectRecord, objectJson } from "./object-record.ts";
import { pageSize, pageToken, readPageToken } from "./pages.ts";
import { flag } from "./query.ts";
import { bucketOf, type Service } from "./service.ts";

const QUERY =
  "prefix delimiter pageToken maxResults versions softDeleted startOffset endOffset includeTrailingDelimiter " +
  "includeFoldersAsPrefixes matchGlob";

export function listRoutes(router: Router, service: Service): void {
  endpoint(router, "GET", "/storage/v1/b/{bucket}/o", QUERY, (call) => list(service, call));
}

function list(service: Service, call: Call): Reply {
  const bucket = bucketOf(service, call, call.params.bucket);
  service.permissions.toList(call.principal, bucket, call.query.get("prefix") ?? "");
  const page = listPage(service.store.contents(bucket), call.query);
  return {
    json: {
      kind: "storage#objects",
      ...(page.next ? { nextPageToken: pageToken(page.next) } : {}),
      ...(page.prefixes.length > 0 ? { prefixes: page.prefixes } : {}),
      ...(page.items.length > 0 ? { items: page.items.map((object) => objectJson(object, call.origin)) } : {}),
    },
  };
}

/** Where a page ended: an object's generation, or all that begins with a prefix. */
interface Position {
  name: string;
  generation?: number;
  prefix?: true;
}

interface Page {
  items: ObjectRecord[];
  prefixes: string[];
  next?: Position;
}

function viewOf(query: URLSearchParams): View {
  const softDeleted = flag(query, "softDeleted");
  const versions = flag(query, "versions");
  if (softDeleted && versions) throw invalid("softDeleted and versions cannot be used together.");
  return softDeleted ? "softDeleted" : versions ? "versions" : "live";
}

/** One page, found from its first name on: nothing before it is looked at. */
function listPage(contents: Contents, query: URLSearchParams): Page {
  const view = viewOf(query);
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") ?? "";
  const glob = globFilter(query.get("matchGlob"));
  if (query.get("matchGlob") && delimiter && delimiter !== "/") throw invalid("matchGlob needs the delimiter '/'.");
  if (flag(query, "includeFoldersAsPrefixes") && delimiter !== "/") {
    throw invalid("includeFoldersAsPrefixes needs the delimiter '/'.");
  }
  const endOffset = query.get("endOffset");
  const trailing = flag(query, "includeTrailingDelimiter");
  const most = pageSize(query);
  const names = contents.names(view);
  const after = readPageToken<Position>(query.get("pageToken"));

  const page: Page = { items: [], prefixes: [] };
  let last: Position | undefined;
  const full = (): boolean => page.items.length + page.prefixes.length >= most;
  let index = Math.max(names.from(prefix), names.from(query.get("startOffset") ?? ""));
  if (after) index = after.prefix ? names.after(after.name, names.from(after.name)) : names.from(after.name);

  const end = endOffset ? names.from(endOffset) : names.all.length;
  while (index < end) {
    const name = names.all[index] as string;
    if (!name.startsWith(prefix)) break;
    const cut = delimiter ? name.indexOf(delimiter, prefix.length) : -1;
    const common = cut < 0 ? undefined : name.slice(0, cut + delimiter.length);
    const isItem = common === undefined || (trailing && common === name);
    if (isItem) {
      for (const object of contents.generations(view, name)) {
        if (after?.name === name && object.generation <= (after.generation ?? 0)) continue;
        if (glob && !glob(name)) continue;
        if (full()) return { ...page, next: last };
        page.items.push(object);
        last = { name, generation: object.generation };
      }
    }
    if (common === undefined) {
      index += 1;
      continue;
    }
    const shown = after?.prefix && after.name === common;
    if (!shown && (!glob || glob(common))) {
      if (full()) return { ...page, next: last };
      page.prefixes.push(common);
      last = { name: common, prefix: true };
    }
    index = names.after(common, index);
  }
  return page;
}
