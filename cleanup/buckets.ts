import { storagePerMonth } from "../catalog/prices.ts";
import { call, each, pages, Refused } from "./rest.ts";

export interface Bucket {
  name: string;
  location: string;
  locationType?: string;
  generation: string;
  timeCreated?: string;
  labels?: Record<string, string>;
  softDeleteTime?: string;
  hardDeleteTime?: string;
  hierarchicalNamespace?: { enabled?: boolean };
}

interface BucketObject {
  name: string;
  generation: string;
  size?: string;
  storageClass?: string;
}

type Page = { items?: BucketObject[]; nextPageToken?: string };

export async function listBuckets(project: string, softDeleted: boolean): Promise<Bucket[]> {
  const found: Bucket[] = [];
  const query = { project, maxResults: "1000", ...(softDeleted ? { softDeleted: "true" } : {}) };
  await pages<{ items?: Bucket[]; nextPageToken?: string }>("storage", "b", { query }, (page) => {
    found.push(...(page.items ?? []));
  });
  return found;
}

/** Google's API tells no bucket's size: it is counted, up to so many pages of 1,000 objects each. */
const COUNTED_PAGES = 10;

/** What a bucket's contents cost per month, old and soft-deleted versions included; `undefined`: they cannot be seen. */
export async function bucketCost(bucket: Bucket): Promise<{ perMonth?: number; atLeast?: true }> {
  const bytes: Record<string, number> = {};
  let whole = true;
  const count = async (which: Record<string, string>) => {
    let left = COUNTED_PAGES;
    const query = { ...which, maxResults: "1000", fields: "items(name,generation,size,storageClass),nextPageToken" };
    await pages<Page>("storage", objectsOf(bucket.name), { query }, (page) => {
      for (const { size, storageClass = "STANDARD" } of page.items ?? []) {
        bytes[storageClass] = (bytes[storageClass] ?? 0) + Number(size ?? 0);
      }
      left -= 1;
      if (left > 0 || !page.nextPageToken) return;
      whole = false;
      return "enough";
    });
  };
  try {
    await Promise.all([count({ versions: "true" }), count({ softDeleted: "true" })]);
  } catch (error) {
    if (error instanceof Refused) return {};
    throw error;
  }
  const perMonth = storagePerMonth(bytes, bucket.locationType !== undefined && bucket.locationType !== "region");
  return { ...(perMonth === undefined ? {} : { perMonth }), ...(whole ? {} : { atLeast: true }) };
}

function objectsOf(bucket: string): string {
  return `b/${encodeURIComponent(bucket)}/o`;
}

/** Many at a time: Google takes thousands of deletions a second from one caller. */
const AT_ONCE = 32;

/** Deletes every version of every object, then the bucket. What soft delete keeps stays restorable until its day. */
export async function deleteBucket(name: string): Promise<void> {
  // Whoever still writes into it gets a second and a third round.
  for (let round = 1; ; round += 1) {
    await deleteObjects(name);
    try {
      await call("storage", `b/${encodeURIComponent(name)}`, { method: "DELETE" });
      return;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status === 404) return;
      if (error.status !== 409 || round >= 3) throw error;
    }
  }
}

async function deleteObjects(name: string): Promise<void> {
  const query = { versions: "true", maxResults: "1000", fields: "items(name,generation),nextPageToken" };
  // What is deleted is gone from the list: its first page is always the next one.
  for (;;) {
    let page: Page;
    try {
      page = await call<Page>("storage", objectsOf(name), { query });
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return;
      throw error;
    }
    const { items = [] } = page;
    await each(items, AT_ONCE, async ({ name: object, generation }) => {
      try {
        const path = `${objectsOf(name)}/${encodeURIComponent(object)}`;
        await call("storage", path, { method: "DELETE", query: { generation } });
      } catch (error) {
        if (!(error instanceof Refused) || error.status !== 404) throw error;
      }
    });
    if (!page.nextPageToken) return;
  }
}
