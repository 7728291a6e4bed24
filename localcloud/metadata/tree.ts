/** One value of the metadata server. A list of texts is one leaf (`scopes`, `tags`); see `INDEXED` for lists of entries. */
export type MetadataValue = string | number | bigint | boolean | MetadataDirectory | readonly MetadataValue[];

export interface MetadataDirectory {
  [name: string]: MetadataValue;
}

/** What `/computeMetadata/v1/` holds: `instance`, `project`, `oslogin`; names in Google's kebab-case. */
export type MetadataTree = MetadataDirectory;

/** Lists that are read as directories with the entries `0/`, `1/`, …, also when they are empty. */
const INDEXED = new Set([
  "access-configs",
  "disks",
  "forwarded-ips",
  "forwarded-ipv6s",
  "gpus",
  "ip-aliases",
  "licenses",
  "network-interfaces",
  "target-instance-ips",
]);

/** Directories whose entries carry names that are not Google's: JSON leaves them as they are. */
const RAW_NAMES = new Set(["attributes", "service-accounts", "guest-attributes"]);

/** A value and the name under which it was found, which decides how it is read. */
export interface Found {
  name: string;
  value: MetadataValue;
}

/** What lies at `path`; `undefined` if nothing does. */
export function lookUp(tree: MetadataTree, path: readonly string[]): Found | undefined {
  let found: Found = { name: "", value: tree };
  for (const part of path) {
    const entry = entries(found)?.find(([name]) => name === part);
    if (!entry) return undefined;
    found = { name: entry[0], value: entry[1] };
  }
  return found;
}

/** The entries of a directory; `undefined` for a leaf. */
export function entries(found: Found): [string, MetadataValue][] | undefined {
  const { name, value } = found;
  if (isList(value)) return INDEXED.has(name) ? value.map((entry, index) => [String(index), entry]) : undefined;
  return typeof value === "object" ? Object.entries(value) : undefined;
}

export function isDirectory(found: Found): boolean {
  return entries(found) !== undefined;
}

/** The listing of a directory: one name a line, directories with a slash. */
export function listing(found: Found): string {
  const lines = (entries(found) ?? []).map(([name, value]) => (isDirectory({ name, value }) ? `${name}/` : name));
  return lines.map((line) => `${line}\n`).join("");
}

/** A leaf as text. `tags` is the one list that Google sends as JSON; the others are one line each. */
export function leafText({ name, value }: Found): string {
  if (!isList(value)) return String(value);
  return name === "tags" ? json({ name, value }) : value.map((line) => `${line}\n`).join("");
}

/** A subtree as JSON: names in camelCase, except those that people chose (attributes, accounts). */
export function json({ name, value }: Found): string {
  if (isList(value)) return `[${value.map((entry) => json({ name: "", value: entry })).join(",")}]`;
  if (typeof value === "object") {
    const members = Object.entries(value).map(([key, entry]) => {
      const shown = RAW_NAMES.has(name) ? key : camelCase(key);
      return `${JSON.stringify(shown)}:${json({ name: key, value: entry })}`;
    });
    return `{${members.join(",")}}`;
  }
  // An instance's id is a number beyond JavaScript's integers, so it is written digit by digit.
  return typeof value === "bigint" ? String(value) : JSON.stringify(value);
}

/** A subtree as text: one line for each leaf, its path and its value (`recursive=true&alt=text`). */
export function recursiveText(found: Found, prefix = ""): string {
  const inside = entries(found);
  if (!inside) return `${prefix} ${leafText(found)}\n`.replace(/\n\n$/, "\n");
  const join = (name: string) => (prefix === "" ? name : `${prefix}/${name}`);
  return inside.map(([name, value]) => recursiveText({ name, value }, join(name))).join("");
}

function isList(value: MetadataValue): value is readonly MetadataValue[] {
  return Array.isArray(value);
}

function camelCase(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
