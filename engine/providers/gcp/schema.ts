import { compact, getPath, isObject, type Props, setPath, UNKNOWN } from "./values.ts";

export type Shape = Record<string, Field>;

/** One input of a resource: its type, its name in Google's REST, and what a change of it means. */
export interface Field {
  type: "string" | "number" | "boolean" | "map" | "object" | "list" | "asset";
  /** The members of an object, or of each item of a list. */
  fields?: Shape;
  /** The type of a list's plain items. */
  item?: "string" | "number";
  /** The REST member, dotted where it lies deeper; default: the input's own name. */
  rest?: string;
  /** A change needs a new resource. */
  forceNew?: boolean;
  required?: boolean;
  default?: unknown;
  /** Google fills it in when it is absent, so that taking it out of the program changes nothing. */
  computed?: boolean;
  /** Not part of the REST body (`forceDestroy`). */
  local?: boolean;
  /** A list whose order means nothing. */
  unordered?: boolean;
  /** REST has a list where the input is one object (`serviceAccounts`). */
  listOfOne?: boolean;
  /** Sent along with an object's members (`enable: true` of a log configuration). */
  constant?: Props;
  /** What a link names: its collection, with `{region}` or `{zone}` where it has one. */
  link?: string;
  /** An integer that Google's JSON writes as text. */
  int64?: boolean;
  /** Labels of a resource, to which the provider adds its own. */
  labels?: boolean;
  /** How REST writes the value, and back. */
  encode?: (value: unknown, place: Place) => unknown;
  decode?: (value: unknown) => unknown;
  oneOf?: readonly string[];
  pattern?: RegExp;
  /** Why a value is refused; `undefined` accepts it. */
  refuse?: (value: unknown) => string | undefined;
}

type Options = Omit<Field, "type" | "fields" | "item">;

export const string = (options: Options = {}): Field => ({ type: "string", ...options });
export const number = (options: Options = {}): Field => ({ type: "number", ...options });
export const boolean = (options: Options = {}): Field => ({ type: "boolean", ...options });
export const map = (options: Options = {}): Field => ({ type: "map", ...options });
export const asset = (options: Options = {}): Field => ({ type: "asset", ...options });
export const object = (fields: Shape, options: Options = {}): Field => ({ type: "object", fields, ...options });
export const list = (fields: Shape, options: Options = {}): Field => ({ type: "list", fields, ...options });
export const strings = (options: Options = {}): Field => ({ type: "list", item: "string", ...options });
/** A machine type, disk type or accelerator type: REST has a link to it in the resource's zone. */
export const zonal = (collection: string, options: Options = {}): Field => ({
  type: "string",
  encode: (value, place) => relativeLink(String(value), `zones/{zone}/${collection}`, place),
  decode: lastSegment,
  ...options,
});

export function lastSegment(value: unknown): string {
  return String(value).split("/").pop() as string;
}

/** A reference to another resource: by link, by id or by bare name. */
export const link = (collection: string, options: Options = {}): Field => ({
  type: "string",
  link: collection,
  ...options,
});

/** Where bare names are looked for. */
export interface Place {
  project: string;
  region?: string;
  zone?: string;
  /** Labels that the provider adds to every resource that takes labels. */
  labels?: Record<string, string>;
}

/** `projects/…`, the part of a link that every spelling of it shares; a bare name is completed from its collection. */
export function relativeLink(value: string, collection: string, place: Place): string {
  const found = /(?:^|\/)(projects\/.+)$/.exec(value);
  if (found?.[1]) return found[1];
  if (value === "" || value === UNKNOWN) return value;
  const parts = value.split("/");
  if (parts.length > 1) return `projects/${place.project}/${value}`;
  const path = collection.replace("{region}", place.region ?? "-").replace("{zone}", place.zone ?? "-");
  return `projects/${place.project}/${path}/${value}`;
}

/** The REST body for some inputs. */
export function toRest(shape: Shape, inputs: Props, place: Place): Props {
  const body: Props = {};
  for (const [name, field] of Object.entries(shape)) {
    if (field.local) continue;
    const value = field.labels ? { ...place.labels, ...(inputs[name] as Props) } : (inputs[name] ?? field.default);
    if (value === undefined || value === null) continue;
    setPath(body, field.rest ?? name, valueToRest(field, value, place));
  }
  return body;
}

function valueToRest(field: Field, value: unknown, place: Place): unknown {
  if (field.encode) return field.encode(value, place);
  if (field.int64) return String(value);
  if (field.link) return relativeLink(String(value), field.link, place);
  if (field.type === "object" && isObject(value)) {
    const inner = { ...toRest(field.fields ?? {}, value, place), ...field.constant };
    return field.listOfOne ? [inner] : inner;
  }
  if (field.type === "list" && field.fields && Array.isArray(value)) {
    return value.map((item) => ({
      ...toRest(field.fields ?? {}, isObject(item) ? item : {}, place),
      ...field.constant,
    }));
  }
  return value;
}

/** The inputs that a REST body amounts to. */
export function fromRest(shape: Shape, body: Props): Props {
  const inputs: Props = {};
  for (const [name, field] of Object.entries(shape)) {
    if (field.local) continue;
    const value = getPath(body, field.rest ?? name);
    if (value !== undefined && value !== null) inputs[name] = valueFromRest(field, value);
  }
  return compact(inputs);
}

function valueFromRest(field: Field, value: unknown): unknown {
  if (field.decode) return field.decode(value);
  if (field.type === "number") return Number(value);
  if (field.type === "object") {
    const inner = field.listOfOne ? (value as unknown[])[0] : value;
    return isObject(inner) ? fromRest(field.fields ?? {}, inner) : undefined;
  }
  if (field.type === "list" && field.fields) {
    return (value as unknown[]).map((item) => fromRest(field.fields ?? {}, isObject(item) ? item : {}));
  }
  return value;
}
