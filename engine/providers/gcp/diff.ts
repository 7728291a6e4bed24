import type { Change } from "../protocol.ts";
import { type Field, type Place, relativeLink, type Shape } from "./schema.ts";
import { isObject, type Props, sameValue, UNKNOWN } from "./values.ts";

/** Whether two values of a field mean the same to Google. */
export function sameFieldValue(field: Field, left: unknown, right: unknown, place: Place): boolean {
  if (field.link && typeof left === "string" && typeof right === "string") {
    return relativeLink(left, field.link, place) === relativeLink(right, field.link, place);
  }
  if (field.unordered && Array.isArray(left) && Array.isArray(right)) {
    const sort = (items: unknown[]) => items.map((item) => JSON.stringify(item)).sort();
    return sameValue(sort(left), sort(right));
  }
  return sameValue(left, right);
}

/** What changed between two sets of inputs of one shape. */
export function changesOf(shape: Shape, olds: Props, news: Props, place: Place): Change[] {
  return membersOf(shape, olds, news, place, "", false);
}

function membersOf(shape: Shape, olds: Props, news: Props, place: Place, prefix: string, replace: boolean): Change[] {
  const changes: Change[] = [];
  for (const [name, field] of Object.entries(shape)) {
    const path = prefix ? `${prefix}.${name}` : name;
    changes.push(...valueChanges(field, olds[name], news[name], place, path, replace));
  }
  return changes;
}

function valueChanges(
  field: Field,
  left: unknown,
  right: unknown,
  place: Place,
  path: string,
  outer: boolean,
): Change[] {
  const replace = outer || field.forceNew === true;
  if (right === undefined && (left === undefined || field.computed)) return [];
  if (left === undefined) {
    // An input that appears with the value that Google assumes anyway is no change.
    if (field.default !== undefined && sameValue(field.default, right)) return [];
    return [{ path, kind: "add", replace: replace || replacesWithin(field, right) }];
  }
  if (right === undefined && field.default !== undefined && sameValue(field.default, left)) return [];
  if (right === undefined) return [{ path, kind: "delete", replace: replace || replacesWithin(field, left) }];
  if (right === UNKNOWN) return [{ path, kind: "update", replace: replace || replacesWithin(field, left) }];
  if (sameFieldValue(field, left, right, place)) return [];
  if (field.type === "object" && isObject(left) && isObject(right)) {
    return membersOf(field.fields ?? {}, left, right, place, path, replace);
  }
  if (field.type === "map" && isObject(left) && isObject(right)) return keyChanges(left, right, path, replace);
  if (field.type === "list" && field.fields && Array.isArray(left) && Array.isArray(right)) {
    return itemChanges(field, left, right, place, path, replace);
  }
  return [{ path, kind: "update", replace }];
}

function keyChanges(left: Props, right: Props, path: string, replace: boolean): Change[] {
  const changes: Change[] = [];
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
    if (sameValue(left[key], right[key])) continue;
    const kind = left[key] === undefined ? "add" : right[key] === undefined ? "delete" : "update";
    changes.push({ path: /^[A-Za-z_]\w*$/.test(key) ? `${path}.${key}` : `${path}["${key}"]`, kind, replace });
  }
  return changes;
}

function itemChanges(
  field: Field,
  left: unknown[],
  right: unknown[],
  place: Place,
  path: string,
  replace: boolean,
): Change[] {
  const changes: Change[] = [];
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const item: Field = { type: "object", fields: field.fields ?? {} };
    changes.push(...valueChanges(item, left[index], right[index], place, `${path}[${index}]`, replace));
  }
  return changes;
}

/** Whether a value that comes or goes as a whole takes with it a member that cannot change in place. */
function replacesWithin(field: Field, value: unknown): boolean {
  if (!field.fields) return false;
  const items = Array.isArray(value) ? value : [value];
  return items.some(
    (item) =>
      isObject(item) &&
      Object.entries(field.fields ?? {}).some(
        ([name, inner]) => item[name] !== undefined && (inner.forceNew || replacesWithin(inner, item[name])),
      ),
  );
}

/** The names of the top-level inputs among some changes. */
export function changedInputs(changes: Change[]): Set<string> {
  return new Set(changes.map(({ path }) => path.split(/[.[]/)[0] as string));
}
