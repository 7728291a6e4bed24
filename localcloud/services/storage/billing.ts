import type { Cloud } from "../../core/cloud.ts";
import { storeOf } from "./store.ts";

/** Bytes that Google would bill, by what they are kept as. */
export interface BilledBytes {
  live: number;
  noncurrent: number;
  softDeleted: number;
}

/** What every bucket holds now, soft-deleted buckets included. */
export function billedBytes(cloud: Cloud): Record<string, BilledBytes> {
  const store = storeOf(cloud);
  const sums: Record<string, BilledBytes> = {};
  for (const bucket of [...store.buckets(false), ...store.buckets(true)]) {
    sums[bucket.name] ??= { live: 0, noncurrent: 0, softDeleted: 0 };
    const sum = sums[bucket.name] as BilledBytes;
    for (const object of store.contents(bucket)) sum[object.state] += object.size;
  }
  return sums;
}
