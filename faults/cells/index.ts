import type { FaultCase } from "../case.ts";
import { BUCKET_CASES } from "./bucket.ts";
import { MACHINE_CASES } from "./machines.ts";
import { METADATA_CASES } from "./metadata.ts";
import { PROCESS_CASES } from "./processes.ts";
import { RESOURCE_CASES } from "./resources.ts";

/** The whole table: every fault at every step at which it can happen. */
export const CASES: readonly FaultCase[] = [
  ...MACHINE_CASES,
  ...PROCESS_CASES,
  ...RESOURCE_CASES,
  ...METADATA_CASES,
  ...BUCKET_CASES,
];
