/** The properties of one resource, as the engine sends them. */
export type Props = Record<string, unknown>;

/** What Pulumi writes where a value is not known before something else has been created. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Marks archives, assets and secrets among a resource's properties. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const ASSET = "c44067f5952c0a294b673a41bacd8c17";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

export function isObject(value: unknown): value is Props {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isAsset(value: unknown): value is Props {
  return isObject(value) && value[SIGNATURE] === ASSET;
}

/** Whether a value, or a part of it, is not known yet. */
export function hasUnknown(value: unknown): boolean {
  if (value === UNKNOWN) return true;
  if (Array.isArray(value)) return value.some(hasUnknown);
  return isObject(value) && Object.values(value).some(hasUnknown);
}

/** The value without the wrapping that marks secrets; the engine keeps track of what is secret. */
export function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (!isObject(value)) return value;
  if (value[SIGNATURE] === SECRET) return withoutSecrets(value.value);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutSecrets(inner)]));
}

/** The value, marked as a secret. */
export function secret(value: unknown): Props {
  return { [SIGNATURE]: SECRET, value };
}

/** The value without members that are `undefined` or `null`: the wire knows neither. */
export function compact<T>(value: T): T {
  if (Array.isArray(value)) return value.filter((item) => item !== undefined).map(compact) as T;
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([, inner]) => inner !== undefined && inner !== null);
  return Object.fromEntries(kept.map(([key, inner]) => [key, compact(inner)])) as T;
}

/** Equality of JSON values; the order of an object's members means nothing. */
export function sameValue(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, index) => sameValue(item, right[index]));
  }
  if (!isObject(left) || !isObject(right)) return false;
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => sameValue(left[key], right[key]));
}

/** The value at a dotted path of a REST body. */
export function getPath(body: Props, path: string): unknown {
  let value: unknown = body;
  for (const part of path.split(".")) value = isObject(value) ? value[part] : undefined;
  return value;
}

/** Sets the value at a dotted path of a REST body. */
export function setPath(body: Props, path: string, value: unknown): void {
  const parts = path.split(".");
  const last = parts.pop() as string;
  let target = body;
  for (const part of parts) {
    if (!isObject(target[part])) target[part] = {};
    target = target[part] as Props;
  }
  target[last] = value;
}

export function text(value: unknown): string {
  return value === undefined || value === null ? "" : String(value);
}
