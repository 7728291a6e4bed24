import { createHash } from "node:crypto";

// Names of objects are any text: students choose them. As files they must stay in their folder, be legal on every system,
// and stay apart where systems take "Model" and "model" for one name. The manifest says which file is which object.

/** Illegal on some system, or with a meaning here: `%` begins an escape, `~` a hash. Controls and line ends besides. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be in a file's name.
const ILLEGAL = /[<>:"\\|?*%~\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;
/** Names of devices on Windows, whatever follows a dot. */
const DEVICE = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\.|$)/i;
/** Every file system takes a part of so many bytes, with a hash and the ending of a part file. */
const PART_BYTES = 180;
const KEY_BYTES = 1024;

/**
 * A relative path for each object, legal on every system, unlike every other's also where case or Unicode form do not
 * count. Depends on the set of names only. Parts are joined with `/`.
 */
export function fileNames(names: readonly string[]): Map<string, string> {
  const plain = new Map(names.map((name) => [name, safePath(name)]));
  const holders = new Map<string, number>();
  const folders = new Set<string>();
  for (const path of plain.values()) {
    const key = folded(path);
    holders.set(key, (holders.get(key) ?? 0) + 1);
    const parts = key.split("/");
    for (let length = 1; length < parts.length; length += 1) folders.add(parts.slice(0, length).join("/"));
  }
  return new Map(
    [...plain].map(([name, path]) => {
      const key = folded(path);
      const alone = holders.get(key) === 1 && !folders.has(key);
      return [name, alone ? path : withHash(path, name)];
    }),
  );
}

/** Below `prefix` in an archive bucket; what would be too long for Google is cut and told apart by a hash. */
export function objectKey(prefix: string, name: string): string {
  const key = `${prefix}${name}`;
  if (Buffer.byteLength(key) <= KEY_BYTES) return key;
  const hash = `~${digest(name, 16)}`;
  return `${cut(key, KEY_BYTES - hash.length)}${hash}`;
}

/** What a file system that counts neither case nor Unicode form takes for the same name. */
function folded(path: string): string {
  return path.normalize("NFC").toUpperCase().toLowerCase();
}

function safePath(name: string): string {
  const parts = name.split("/");
  return parts.map((part, index) => safePart(part, parts.slice(0, index + 1).join("/"))).join("/");
}

/** @param whole the name up to and with this part: what a part that is cut is told apart by */
function safePart(part: string, whole: string): string {
  // No escape is a lone percent sign.
  if (part === "") return "%";
  if (part === "." || part === "..") return part.replaceAll(".", "%2E");
  let safe = part.replace(ILLEGAL, escaped);
  if (DEVICE.test(safe)) safe = escaped(safe[0]!) + safe.slice(1);
  // Windows drops them at the end of a name.
  safe = safe.replace(/[. ]$/, escaped);
  if (Buffer.byteLength(safe) <= PART_BYTES) return safe;
  return `${cut(safe, PART_BYTES - 13)}~${digest(whole, 12)}`;
}

function escaped(text: string): string {
  return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join("");
}

/** `model.bin` → `model~1f2e3d4c5b6a.bin` */
function withHash(path: string, name: string): string {
  const hash = `~${digest(name, 12)}`;
  const ending = /(?<=[^/])\.[A-Za-z0-9]{1,8}$/.exec(path)?.[0] ?? "";
  return `${path.slice(0, path.length - ending.length)}${hash}${ending}`;
}

function digest(text: string, length: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, length);
}

/** As many whole characters as fit into so many bytes. */
function cut(text: string, bytes: number): string {
  let room = bytes;
  let kept = "";
  for (const character of text) {
    room -= Buffer.byteLength(character);
    if (room < 0) break;
    kept += character;
  }
  return kept;
}
