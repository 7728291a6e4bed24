import { notModelled } from "../../core/errors.ts";
import type { Call, Handler, Reply, Router } from "../../core/http.ts";
import { type Compute, fingerprint, requireFingerprint, type Thing, type Where, where } from "./context.ts";
import { invalid } from "./links.ts";
import { aggregated, page } from "./lists.ts";
import { requireLabels, requireName } from "./rules.ts";
import { type Json, readBody, type Shape } from "./schema.ts";

export type Scope = "global" | "zones" | "regions";

/** One collection of resources, with what is special about it. The rest is the same for all of Compute Engine. */
export interface Definition {
  /** `networks` */
  plural: string;
  /** `network`, as in `compute#network` */
  singular: string;
  scope: Scope;
  shape: Shape;
  /** The permissions' group; `plural` unless Google names it otherwise. */
  permissions?: string;
  /** Checks a body that fits the shape and gives the members that the new resource has besides the common ones. */
  make: (body: Json, at: Where & { path: string; call: Call }) => Json;
  /** Refuses a deletion, or tidies up before it. */
  removing?: (thing: Thing, path: string, call: Call) => void;
  /** Gives the resource after a PATCH; absent: it has no PATCH. */
  patch?: (thing: Thing, body: Json, at: Where & { path: string; call: Call }) => Thing;
  /** What is answered, when it is not what is stored. */
  show?: (thing: Thing, path: string) => unknown;
  /** Removes the record and what belongs to it; absent: the record alone. */
  remove?: (path: string) => void;
  labels?: boolean;
  /** Further query parameters of insert. */
  query?: string[];
}

const STANDARD_PARAMETERS = [
  "alt",
  "$alt",
  "prettyPrint",
  "key",
  "quotaUser",
  "userIp",
  "access_token",
  "$.xgafv",
  "$prettyPrint",
];

/** 400 for a query parameter that Google's method does not have. */
export function allowQuery(call: Call, ...names: string[]): void {
  for (const name of call.query.keys()) {
    if (name === "fields") throw notModelled("partial answers (the query parameter fields)");
    if (STANDARD_PARAMETERS.includes(name) || names.includes(name)) continue;
    throw invalid("query", name, `Invalid JSON payload received. Unknown name "${name}": Cannot bind query parameter.`);
  }
}

export function base(scope: Scope): string {
  const place = { global: "global", zones: "zones/{zone}", regions: "regions/{region}" }[scope];
  return `/compute/{version}/projects/{project}/${place}`;
}

export type Readable = Pick<Definition, "plural" | "singular" | "scope" | "permissions" | "show">;

/** Adds list, aggregated list and get. */
export function addReading(router: Router, compute: Compute, definition: Readable): void {
  const { plural, scope } = definition;
  const group = permissionGroup(definition);
  const root = `${base(scope)}/${plural}`;
  const one = `${root}/{name}`;
  const show = (thing: Thing, path: string) => definition.show?.(thing, path) ?? thing;

  router.on("GET", root, (call) => {
    const at = where(call);
    compute.requireOnProject(call, `compute.${group}.list`, at.project);
    const prefix = `projects/${at.project}/${at.place}/`;
    const items = compute.list(plural, prefix).map(([path, thing]) => show(thing, path) as Json);
    return { json: page(call, `compute#${definition.singular}List`, `${prefix}${plural}`, items) };
  });
  if (scope !== "global") {
    // What is global (templates, addresses) is listed with what is regional.
    const scopes = scope === "regions" ? (["global", scope] as const) : ([scope] as const);
    router.on("GET", `/compute/{version}/projects/{project}/aggregated/${plural}`, (call) => {
      const at = where(call);
      compute.requireOnProject(call, `compute.${group}.list`, at.project);
      const items = compute.list(plural, `projects/${at.project}/`);
      const shown = items.map(([path, thing]): [string, Json] => [path, show(thing, path) as Json]);
      return { json: aggregated(call, { ...definition, scopes }, at.project, shown) };
    });
  }
  router.on("GET", one, (call) => {
    const path = pathIn(call, plural);
    allowQuery(call, "view");
    compute.requireOn(call, `compute.${group}.get`, path);
    return { json: show(compute.get(path), storedPath(compute, path)) };
  });
}

/** Adds the routes of a collection: list, aggregated list, insert, get, delete, patch and labels. */
export function addCollection(router: Router, compute: Compute, definition: Definition): void {
  const root = `${base(definition.scope)}/${definition.plural}`;
  const one = `${root}/{name}`;
  addReading(router, compute, definition);
  router.on("POST", root, (call) => insert(compute, definition, call));
  router.on("DELETE", one, (call) => removeOne(compute, definition, call));
  const { patch } = definition;
  if (patch) router.on("PATCH", one, (call) => change(compute, definition, call, patch));
  if (definition.labels) router.on("POST", `${one}/setLabels`, (call) => setLabels(compute, definition, call));
}

function permissionGroup(definition: Pick<Definition, "plural" | "permissions">): string {
  return definition.permissions ?? definition.plural;
}

/** The path of the resource that a call names, as it is stored (a call may name it by id). */
export function pathIn(call: Call, plural: string): string {
  const { project, place } = where(call);
  return `projects/${project}/${place}/${plural}/${call.params.name}`;
}

/** The same, with a numeric id turned into the name. */
export function storedPath(compute: Compute, path: string): string {
  const thing = compute.find(path);
  return thing ? path.replace(/[^/]+$/, thing.name) : path;
}

async function insert(compute: Compute, definition: Definition, call: Call): Promise<Reply> {
  allowQuery(call, "requestId", ...(definition.query ?? []));
  const at = where(call);
  const raw = await call.json();
  const repeated = compute.repeated(call, at.project);
  if (repeated) return repeated;
  const body = readBody(definition.shape, raw);
  const name = requireName(body.name);
  const path = `projects/${at.project}/${at.place}/${definition.plural}/${name}`;
  compute.requireOn(call, `compute.${permissionGroup(definition)}.create`, path);
  requireLabels(body.labels);
  compute.absent(path);
  const thing = {
    ...compute.stamp(path, definition.singular),
    ...definition.make(body, { ...at, path, call }),
  } as Thing;
  if (definition.labels) thing.labelFingerprint = fingerprint(thing.labels ?? {});
  return compute.insert(call, path, thing);
}

type Removable = Pick<Definition, "plural" | "permissions" | "removing" | "remove">;

/** Deletes what a call names, once nothing keeps it. */
export function removeOne(compute: Compute, definition: Removable, call: Call): Reply {
  allowQuery(call, "requestId");
  const { project } = where(call);
  const repeated = compute.repeated(call, project);
  if (repeated) return repeated;
  const path = storedPath(compute, pathIn(call, definition.plural));
  compute.requireOn(call, `compute.${permissionGroup(definition)}.delete`, path);
  const thing = compute.get(path);
  definition.removing?.(thing, path, call);
  return compute.begin(call, {
    type: "delete",
    target: path,
    targetId: thing.id,
    run: () => {
      if (compute.find(path)?.id !== thing.id) return;
      definition.removing?.(thing, path, call);
      if (definition.remove) definition.remove(path);
      else compute.remove(path);
    },
  });
}

async function change(
  compute: Compute,
  definition: Definition,
  call: Call,
  patch: NonNullable<Definition["patch"]>,
): Promise<Reply> {
  allowQuery(call, "requestId", "paths", "drainTimeoutSeconds", "updateMask");
  const at = where(call);
  const raw = await call.json();
  const repeated = compute.repeated(call, at.project);
  if (repeated) return repeated;
  const path = storedPath(compute, pathIn(call, definition.plural));
  compute.requireOn(call, `compute.${permissionGroup(definition)}.update`, path);
  const thing = compute.get(path);
  const next = patch(thing, readBody(definition.shape, raw), { ...at, path, call });
  return compute.begin(call, {
    type: "patch",
    target: path,
    targetId: thing.id,
    run: () => {
      compute.save(path, next);
    },
  });
}

async function setLabels(compute: Compute, definition: Definition, call: Call): Promise<Reply> {
  allowQuery(call, "requestId");
  const body = readBody({ labels: "map", labelFingerprint: "string" }, await call.json());
  const path = storedPath(compute, pathIn(call, definition.plural));
  compute.requireOn(call, `compute.${permissionGroup(definition)}.setLabels`, path);
  return relabel(compute, call, path, body);
}

/** Replaces the labels of a resource whose fingerprint the caller knows. */
export function relabel(compute: Compute, call: Call, path: string, body: Json): Reply {
  const thing = compute.get(path);
  requireLabels(body.labels);
  const sentence = "Labels fingerprint either invalid or resource labels have changed";
  requireFingerprint(thing.labelFingerprint, body.labelFingerprint, sentence);
  const labels = body.labels ?? {};
  return compute.begin(call, {
    type: "setLabels",
    target: path,
    targetId: thing.id,
    run: () => {
      const now = compute.get(path);
      compute.save(path, { ...now, labels, labelFingerprint: fingerprint(labels) });
    },
  });
}

/** A handler for a method of one resource, `POST …/{name}/VERB`. */
export function onOne(
  router: Router,
  scope: Scope,
  plural: string,
  method: string,
  verb: string,
  handler: Handler,
): void {
  router.on(method, `${base(scope)}/${plural}/{name}/${verb}`, handler);
}
