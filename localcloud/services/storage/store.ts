import { randomBytes } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Cloud } from "../../core/cloud.ts";
import type { Collection } from "../../core/state.ts";
import { type BucketRecord, bucketId } from "./bucket-record.ts";
import { Contents } from "./contents.ts";
import { runLifecycle } from "./lifecycle-run.ts";

const STORES = new WeakMap<object, Store>();

/** The one store of a local cloud's state. */
export function storeOf(cloud: Cloud): Store {
  const known = STORES.get(cloud.state);
  if (known) return known;
  const store = new Store(cloud);
  STORES.set(cloud.state, store);
  return store;
}

/** Buckets and their contents. Everything here is done in one step; no other call sees it half done. */
export class Store {
  readonly cloud: Cloud;
  /** Uploads that are not finished. */
  readonly incoming: string;
  readonly #buckets: Collection<BucketRecord>;
  readonly #live = new Map<string, string>();
  readonly #contents = new Map<string, Contents>();
  #lastGeneration = 0;

  constructor(cloud: Cloud) {
    this.cloud = cloud;
    this.incoming = cloud.state.directory("storage", "incoming");
    this.#buckets = cloud.state.collection<BucketRecord>("storage/buckets");
    for (const [id, bucket] of this.#buckets.entries()) {
      if (!bucket.softDeleteTime) this.#live.set(bucket.name, id);
      this.#lastGeneration = Math.max(this.#lastGeneration, bucket.generation);
      for (const object of this.contents(bucket)) {
        this.#lastGeneration = Math.max(this.#lastGeneration, object.generation);
      }
    }
    this.#removeOrphans();
  }

  now(): string {
    return new Date(this.cloud.now()).toISOString();
  }

  /** Microseconds since 1970, never twice the same. */
  nextGeneration(): number {
    this.#lastGeneration = Math.max(this.cloud.now() * 1000, this.#lastGeneration + 1);
    return this.#lastGeneration;
  }

  newPayload(): string {
    return randomBytes(12).toString("hex");
  }

  bucket(name: string): BucketRecord | undefined {
    const id = this.#live.get(name);
    return id === undefined ? undefined : this.#buckets.get(id);
  }

  softDeleted(name: string, generation: number): BucketRecord | undefined {
    this.#expireBuckets();
    const bucket = this.#buckets.get(bucketId({ name, generation }));
    return bucket?.softDeleteTime ? bucket : undefined;
  }

  /** Buckets by name; those that are soft-deleted or those that are not. */
  buckets(softDeleted: boolean): BucketRecord[] {
    this.#expireBuckets();
    return this.#buckets.values().filter((bucket) => (bucket.softDeleteTime !== undefined) === softDeleted);
  }

  /** A bucket's objects, less those whose time is over. */
  contents(bucket: BucketRecord): Contents {
    const id = bucketId(bucket);
    let contents = this.#contents.get(id);
    if (!contents) {
      contents = new Contents(this.cloud.state, () => this.#buckets.get(id) ?? bucket);
      this.#contents.set(id, contents);
    }
    contents.expire(this.cloud.now());
    if (!bucket.softDeleteTime) runLifecycle(bucket, contents, this.cloud.now());
    return contents;
  }

  save(bucket: BucketRecord): BucketRecord {
    const id = bucketId(bucket);
    this.#buckets.set(id, bucket);
    if (!bucket.softDeleteTime) this.#live.set(bucket.name, id);
    return bucket;
  }

  /** Deletes an empty bucket: kept as long as its soft delete policy says, else gone. */
  remove(bucket: BucketRecord): void {
    this.#live.delete(bucket.name);
    const { retentionSeconds } = bucket.settings.softDelete;
    if (retentionSeconds === 0) {
      this.#erase(bucket);
      return;
    }
    const now = this.cloud.now();
    this.save({
      ...bucket,
      softDeleteTime: new Date(now).toISOString(),
      hardDeleteTime: new Date(now + retentionSeconds * 1000).toISOString(),
    });
  }

  #erase(bucket: BucketRecord): void {
    const id = bucketId(bucket);
    this.#contents.delete(id);
    this.#buckets.delete(id);
    this.cloud.state.drop(`storage/objects/${id}`);
    rmSync(this.cloud.state.directory("storage", "payloads", id), { recursive: true, force: true });
  }

  #expireBuckets(): void {
    const now = this.cloud.now();
    for (const bucket of this.#buckets.values()) {
      if (bucket.hardDeleteTime && Date.parse(bucket.hardDeleteTime) <= now) this.#erase(bucket);
    }
  }

  /** Files that a process left when it died before it wrote their record. */
  #removeOrphans(): void {
    for (const bucket of this.#buckets.values()) {
      const contents = this.contents(bucket);
      const used = new Set([...contents].map((object) => object.payload));
      for (const file of readdirSync(contents.folder)) {
        if (!used.has(file)) rmSync(join(contents.folder, file), { force: true });
      }
    }
    const sessions = new Set(this.cloud.state.collection("storage/uploads").keys());
    for (const file of readdirSync(this.incoming)) {
      if (!sessions.has(file)) rmSync(join(this.incoming, file), { force: true });
    }
  }
}
