import { UserError } from "../training/errors.ts";
import { type Bucket, listBuckets } from "./buckets.ts";
import { day } from "./past.ts";
import { call, each, pages, Refused } from "./rest.ts";

export interface RestoreOptions {
  /** Which of several deleted buckets of this name; absent: the newest. */
  generation?: string;
  progress?: (line: string) => void;
}

export interface Restored {
  bucket: string;
  generation: string;
  /** Objects that are live again, and their bytes. */
  objects: number;
  bytes: number;
  /** Objects that were live already: an earlier restoring got so far. */
  there: number;
  /** Objects that had been deleted while the bucket still stood; their last versions stay deleted. */
  deletedBefore: number;
  failed: { object: string; why: string }[];
}

interface Version {
  name: string;
  generation: string;
  size?: string;
  /** When this version stopped being the live one. */
  timeDeleted?: string;
  softDeleteTime?: string;
}

/**
 * A version that was replaced or deleted so long before it was soft-deleted was not live when its bucket was emptied. What
 * went within this time is restored: emptying a large bucket takes about as long, and too much is better than too little.
 */
const EMPTYING_MS = 3_600_000;

function wasGone({ timeDeleted, softDeleteTime }: Version): boolean {
  return Date.parse(softDeleteTime ?? "") - Date.parse(timeDeleted ?? "") > EMPTYING_MS;
}

const AT_ONCE = 32;

/**
 * Brings a soft-deleted bucket back, and of each object in it the version that was live. Google restores the bucket
 * alone; its objects stay soft-deleted until each is restored. A bucket that is live already is gone through again: what
 * is still missing comes back, what is there stays as it is.
 */
export async function restore(project: string, name: string, options: RestoreOptions = {}): Promise<Restored> {
  const say = options.progress ?? (() => undefined);
  const path = `b/${encodeURIComponent(name)}`;
  const deleted = (await listBuckets(project, true)).filter((bucket) => bucket.name === name);
  const live = await call<Bucket>("storage", path).catch((error: unknown) => {
    if (error instanceof Refused && [403, 404].includes(error.status)) return undefined;
    throw error;
  });
  let { generation } = options;
  if (live && (generation === undefined || generation === live.generation)) {
    generation = live.generation;
    say(`gs://${name} stands; looking for objects that are missing in it`);
  } else {
    const found = choose(project, name, deleted, live, options);
    generation = found.generation;
    await call("storage", `${path}/restore`, { method: "POST", query: { generation } });
    say(`gs://${name} is back; its objects follow`);
  }
  const result = { bucket: name, generation, objects: 0, bytes: 0, there: 0, deletedBefore: 0, failed: [] };
  await restoreObjects(path, result, say);
  return result;
}

function choose(
  project: string,
  name: string,
  deleted: readonly Bucket[],
  live: Bucket | undefined,
  { generation }: RestoreOptions,
): Bucket {
  if (live) {
    throw new UserError(
      `A bucket gs://${name} stands (generation ${live.generation}); Google restores none under a name that is taken. Rename or delete that one first.`,
    );
  }
  const found =
    generation === undefined
      ? [...deleted].sort((one, other) => Number(BigInt(other.generation) - BigInt(one.generation)))[0]
      : deleted.find((bucket) => bucket.generation === generation);
  if (!found) {
    const others = deleted.map((bucket) => bucket.generation).join(", ");
    throw new UserError(
      generation !== undefined && deleted.length > 0
        ? `No deleted gs://${name} has the generation ${generation}; there is ${others}.`
        : `There is no soft-deleted bucket gs://${name} in ${project}. \`mlt clean --project ${project}\` lists those that there are; after its day a bucket is gone for good.`,
    );
  }
  if (found.hierarchicalNamespace?.enabled) {
    throw new UserError(
      `gs://${name} has a hierarchical namespace; Google restores no such bucket. It goes for good on ${day(found.hardDeleteTime ?? "")}.`,
    );
  }
  return found;
}

/** Goes through the deleted versions, which come sorted by name and age; the newest of each name is the last. */
async function restoreObjects(path: string, result: Restored, say: (line: string) => void): Promise<void> {
  const live = new Set<string>();
  type Page = { items?: Version[]; nextPageToken?: string };
  const query = { maxResults: "1000", fields: "items(name,generation,size,timeDeleted,softDeleteTime),nextPageToken" };
  await pages<Page>("storage", `${path}/o`, { query }, ({ items = [] }) => {
    for (const { name } of items) live.add(name);
  });
  const newest = new Map<string, Version>();
  await pages<Page>("storage", `${path}/o`, { query: { ...query, softDeleted: "true" } }, ({ items = [] }) => {
    for (const version of items) {
      const known = newest.get(version.name);
      if (!known || BigInt(version.generation) > BigInt(known.generation)) newest.set(version.name, version);
    }
  });
  let done = 0;
  await each([...newest.values()], AT_ONCE, async (version) => {
    const { name, generation, size } = version;
    if (live.has(name)) result.there += 1;
    else if (wasGone(version)) result.deletedBefore += 1;
    else {
      const object = `${path}/o/${encodeURIComponent(name)}/restore`;
      try {
        // Nobody's newer object is overwritten.
        await call("storage", object, { method: "POST", query: { generation, ifGenerationMatch: "0" } });
        result.objects += 1;
        result.bytes += Number(size ?? 0);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (error.status === 412) result.there += 1;
        else result.failed.push({ object: name, why: error.message });
      }
    }
    done += 1;
    if (done % 1000 === 0) say(`${done} of ${newest.size} objects`);
  });
}
