import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A named set of JSON records that survives the process. Reads are from memory; a write is on disk when it returns. */
export class Collection<T> {
  readonly #folder: string;
  readonly #records = new Map<string, T>();

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
    for (const file of readdirSync(folder)) {
      if (!file.endsWith(".json")) continue;
      const { key, value } = readRecord<T>(join(folder, file));
      this.#records.set(key, value);
    }
  }

  get(key: string): T | undefined {
    return this.#records.get(key);
  }

  has(key: string): boolean {
    return this.#records.has(key);
  }

  /** Keys in lexical order, as Google lists. */
  keys(): string[] {
    return [...this.#records.keys()].sort();
  }

  values(): T[] {
    return this.keys().map((key) => this.#records.get(key) as T);
  }

  entries(): [string, T][] {
    return this.keys().map((key) => [key, this.#records.get(key) as T]);
  }

  set(key: string, value: T): T {
    const file = this.#file(key);
    writeFileSync(`${file}.new`, JSON.stringify({ key, value }));
    renameSync(`${file}.new`, file);
    this.#records.set(key, value);
    return value;
  }

  delete(key: string): boolean {
    rmSync(this.#file(key), { force: true });
    return this.#records.delete(key);
  }

  #file(key: string): string {
    // A file's name holds 255 bytes at most and not every file system tells `A` from `a`: such keys are told apart by
    // their hash (the key is stored inside).
    const name = encodeURIComponent(key);
    const plain = name.length <= 200 && !/[A-Z]/.test(key);
    return join(this.#folder, `${plain ? name : `${name.slice(0, 150)}~${hash(key)}`}.json`);
  }
}

function readRecord<T>(file: string): { key: string; value: T } {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as { key: string; value: T };
  } catch (error) {
    throw new Error(
      `${file} cannot be read as a record (${(error as Error).message}): a full disk or a power cut may have spoilt it. ` +
        "Remove that file to lose that record only, or the whole state folder to begin anew.",
    );
  }
}

function hash(text: string): string {
  let value = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) value = ((value ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return value.toString(16);
}

/** All that the local cloud knows, in one folder: `up`, `train` and `destroy` may be different processes. */
export class State {
  readonly folder: string;
  readonly #collections = new Map<string, Collection<unknown>>();

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  collection<T>(name: string): Collection<T> {
    let found = this.#collections.get(name);
    if (!found) {
      found = new Collection<unknown>(join(this.folder, "records", name));
      this.#collections.set(name, found);
    }
    return found as Collection<T>;
  }

  /** Removes a collection with all its records. */
  drop(name: string): void {
    this.#collections.delete(name);
    rmSync(join(this.folder, "records", name), { recursive: true, force: true });
  }

  /** A folder for what is no record: object contents, disks, logs. */
  directory(...parts: string[]): string {
    const path = join(this.folder, ...parts);
    mkdirSync(path, { recursive: true });
    return path;
  }
}
