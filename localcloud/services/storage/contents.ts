import { linkSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Collection, State } from "../../core/state.ts";
import { type BucketRecord, bucketId } from "./bucket-record.ts";
import type { ObjectRecord } from "./object-record.ts";
import { SortedNames } from "./sorted-names.ts";

/** Which objects a look-up or a list is about. */
export type View = "live" | "versions" | "softDeleted";

/** Objects by name, each name with its generations in ascending order. */
class Shelf {
  readonly names = new SortedNames();
  readonly generations = new Map<string, ObjectRecord[]>();

  put(object: ObjectRecord): void {
    const known = this.generations.get(object.name);
    if (!known) {
      this.generations.set(object.name, [object]);
      this.names.add(object.name);
      return;
    }
    const index = known.findIndex((other) => other.generation >= object.generation);
    if (index < 0) known.push(object);
    else known.splice(index, known[index]?.generation === object.generation ? 1 : 0, object);
  }

  remove(object: ObjectRecord): void {
    const left = (this.generations.get(object.name) ?? []).filter((other) => other.generation !== object.generation);
    if (left.length > 0) this.generations.set(object.name, left);
    else if (this.generations.delete(object.name)) this.names.remove(object.name);
  }
}

/** The objects of one bucket: records, their order, and what happens to an object that is replaced or deleted. */
export class Contents {
  readonly folder: string;
  readonly #bucket: () => BucketRecord;
  readonly #records: Collection<ObjectRecord>;
  readonly #shelves: Record<View, Shelf> = { live: new Shelf(), versions: new Shelf(), softDeleted: new Shelf() };
  #nextExpiry = Number.POSITIVE_INFINITY;

  /** @param bucket the bucket as it is now: its settings change */
  constructor(state: State, bucket: () => BucketRecord) {
    const id = bucketId(bucket());
    this.#bucket = bucket;
    this.folder = state.directory("storage", "payloads", id);
    this.#records = state.collection<ObjectRecord>(`storage/objects/${id}`);
    const objects = this.#records.values().sort((a, b) => a.generation - b.generation);
    for (const view of ["live", "versions", "softDeleted"] as const) {
      const inView = objects.filter((object) => views(object).includes(view));
      const shelf = this.#shelves[view];
      for (const object of inView) shelf.generations.set(object.name, []);
      for (const object of inView) shelf.generations.get(object.name)?.push(object);
      shelf.names.load(shelf.generations.keys());
    }
    for (const object of objects) this.#expectExpiry(object);
    // A process that died between writing a new object and retiring the old one left two live.
    for (const generations of [...this.#shelves.live.generations.values()]) {
      for (const old of generations.slice(0, -1)) this.retire(old, new Date().toISOString());
    }
  }

  names(view: View): SortedNames {
    return this.#shelves[view].names;
  }

  generations(view: View, name: string): readonly ObjectRecord[] {
    return this.#shelves[view].generations.get(name) ?? [];
  }

  live(name: string): ObjectRecord | undefined {
    return this.#shelves.live.generations.get(name)?.at(-1);
  }

  /** One generation of an object, live or noncurrent; without a generation the live one. */
  find(name: string, generation?: number): ObjectRecord | undefined {
    if (generation === undefined) return this.live(name);
    return this.generations("versions", name).find((object) => object.generation === generation);
  }

  get isEmpty(): boolean {
    return this.#shelves.versions.names.all.length === 0;
  }

  file(object: ObjectRecord): string {
    return join(this.folder, object.payload);
  }

  /** Adds an object whose content lies in `file`, which is moved in; what was live is replaced. */
  add(object: ObjectRecord, file: string): ObjectRecord {
    renameSync(file, this.file(object));
    return this.#insert(object);
  }

  /** Adds an object that shares its content with another. Contents never change, so one file serves both. */
  addCopy(object: ObjectRecord, source: string): ObjectRecord {
    linkSync(source, this.file(object));
    return this.#insert(object);
  }

  #insert(object: ObjectRecord): ObjectRecord {
    const replaced = this.live(object.name);
    this.save(object);
    if (replaced) this.retire(replaced, object.timeCreated);
    return object;
  }

  /** Writes a record, on disk before in memory. */
  save(object: ObjectRecord): ObjectRecord {
    this.#records.set(`${object.name}#${object.generation}`, object);
    for (const [view, shelf] of Object.entries(this.#shelves) as [View, Shelf][]) {
      if (views(object).includes(view)) shelf.put(object);
      else shelf.remove(object);
    }
    this.#expectExpiry(object);
    return object;
  }

  /** What becomes of a live object that is deleted or replaced. */
  retire(object: ObjectRecord, now: string): void {
    if (this.#bucket().settings.versioning?.enabled) this.save({ ...object, state: "noncurrent", timeDeleted: now });
    else this.discard(object, now);
  }

  /** Deletes one generation: kept as long as the soft delete policy says, else gone. */
  discard(object: ObjectRecord, now: string): void {
    const { retentionSeconds } = this.#bucket().settings.softDelete;
    if (retentionSeconds === 0) {
      this.erase(object);
      return;
    }
    const hardDeleteTime = new Date(Date.parse(now) + retentionSeconds * 1000).toISOString();
    this.save({ ...object, state: "softDeleted", softDeleteTime: now, hardDeleteTime });
  }

  erase(object: ObjectRecord): void {
    for (const shelf of Object.values(this.#shelves)) shelf.remove(object);
    this.#records.delete(`${object.name}#${object.generation}`);
    rmSync(this.file(object), { force: true });
  }

  /** Removes what is soft-deleted for long enough. */
  expire(now: number): void {
    if (now < this.#nextExpiry) return;
    this.#nextExpiry = Number.POSITIVE_INFINITY;
    for (const object of [...this.#shelves.softDeleted.generations.values()].flat()) {
      if (Date.parse(object.hardDeleteTime as string) <= now) this.erase(object);
      else this.#expectExpiry(object);
    }
  }

  *[Symbol.iterator](): Iterator<ObjectRecord> {
    for (const view of ["versions", "softDeleted"] as const) {
      for (const generations of this.#shelves[view].generations.values()) yield* generations;
    }
  }

  #expectExpiry(object: ObjectRecord): void {
    if (object.hardDeleteTime) this.#nextExpiry = Math.min(this.#nextExpiry, Date.parse(object.hardDeleteTime));
  }
}

function views(object: ObjectRecord): View[] {
  if (object.state === "softDeleted") return ["softDeleted"];
  return object.state === "live" ? ["live", "versions"] : ["versions"];
}
