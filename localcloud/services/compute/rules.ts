import { GoogleError } from "../../core/errors.ts";
import { invalid } from "./links.ts";

const NAME = "(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)";

/** Every resource's name is a label of a host name. */
export function requireName(name: unknown, field = "resource.name"): string {
  if (name === undefined || name === "")
    throw new GoogleError(400, "required", `Required field '${field}' not specified`);
  if (typeof name === "string" && new RegExp(`^${NAME}$`).test(name)) return name;
  throw invalid(field, name, `Must be a match of regex '${NAME}'`);
}

const LABEL_KEY = /^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$/u;
const LABEL_VALUE = /^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$/u;

export function requireLabels(labels: unknown, field = "resource.labels"): void {
  const entries = Object.entries((labels ?? {}) as Record<string, string>);
  if (entries.length > 64)
    throw invalid(field, "", `A resource can have at most 64 labels; ${entries.length} were given.`);
  for (const [key, value] of entries) {
    if (!LABEL_KEY.test(key)) {
      throw invalid(
        field,
        "",
        `Label key '${key}' violates format constraints. The key must start with a lowercase character, can only contain lowercase letters, numeric characters, underscores and dashes. The key can be at most 63 characters long. International characters are allowed.`,
      );
    }
    if (!LABEL_VALUE.test(value)) {
      throw invalid(
        field,
        "",
        `Label value '${value}' violates format constraints. The value can only contain lowercase letters, numeric characters, underscores and dashes. The value can be at most 63 characters long. International characters are allowed.`,
      );
    }
  }
}

const MAX_VALUE_BYTES = 256 * 1024;
const MAX_METADATA_BYTES = 512 * 1024;

/** Metadata as Google limits it; two scripts (`startup-script` and `startup-script-url`) are fine. */
export function requireMetadata(items: unknown, field = "resource.metadata"): void {
  const list = (items ?? []) as { key?: string; value?: string }[];
  const seen = new Set<string>();
  let total = 0;
  for (const [index, { key = "", value = "" }] of list.entries()) {
    const at = `${field}.items[${index}]`;
    if (!/^[a-zA-Z0-9_-]{1,128}$/.test(key)) {
      throw invalid(`${at}.key`, key, "Must be a match of regex '[a-zA-Z0-9-_]{1,128}'");
    }
    if (seen.has(key)) throw invalid(field, key, `Metadata has duplicate key: ${key}`);
    seen.add(key);
    const size = Buffer.byteLength(value);
    total += size + Buffer.byteLength(key);
    if (size > MAX_VALUE_BYTES) {
      throw invalid(
        `${at}.value`,
        key,
        `Metadata value is too large: ${size} bytes, at most ${MAX_VALUE_BYTES} are allowed.`,
      );
    }
  }
  if (total > MAX_METADATA_BYTES) {
    throw invalid(field, "", `Metadata is too large: ${total} bytes, at most ${MAX_METADATA_BYTES} are allowed.`);
  }
}

export function requireTags(items: unknown, field = "resource.tags.items"): void {
  const tags = (items ?? []) as string[];
  if (tags.length > 64) throw invalid(field, "", `At most 64 tags are allowed; ${tags.length} were given.`);
  for (const [index, tag] of tags.entries()) requireName(tag, `${field}[${index}]`);
}
