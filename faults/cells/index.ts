import type { FaultCase } from "../case.ts";
import { BUCKET_CASES } from "./bucket.ts";

/** The whole table: every fault at every step at which it can happen. */
export const CASES: readonly FaultCase[] = [...BUCKET_CASES];
