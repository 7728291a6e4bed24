import { conditionNotMet, notModified } from "./errors.ts";
import { integer } from "./query.ts";

export const OBJECT_CONDITIONS =
  "ifGenerationMatch ifGenerationNotMatch ifMetagenerationMatch ifMetagenerationNotMatch";
export const BUCKET_CONDITIONS = "ifMetagenerationMatch ifMetagenerationNotMatch";
export const SOURCE_CONDITIONS =
  "ifSourceGenerationMatch ifSourceGenerationNotMatch ifSourceMetagenerationMatch ifSourceMetagenerationNotMatch";

export interface Preconditions {
  generationMatch?: number;
  generationNotMatch?: number;
  metagenerationMatch?: number;
  metagenerationNotMatch?: number;
}

interface Versioned {
  generation: number;
  metageneration: number;
}

/** Reads the `if…` parameters; with `prefix` "Source" those of a copy's source. */
export function preconditions(query: URLSearchParams, prefix: "" | "Source" = ""): Preconditions {
  return {
    generationMatch: integer(query, `if${prefix}GenerationMatch`),
    generationNotMatch: integer(query, `if${prefix}GenerationNotMatch`),
    metagenerationMatch: integer(query, `if${prefix}MetagenerationMatch`),
    metagenerationNotMatch: integer(query, `if${prefix}MetagenerationNotMatch`),
  };
}

/**
 * Throws 412, or 304 when a read finds what it has already. Generation 0 stands for "there is none"; an object that
 * is absent has metageneration 0 and so fits no metageneration.
 */
export function checkPreconditions(wanted: Preconditions, current: Versioned | undefined, reading = false): void {
  const { generation, metageneration } = current ?? { generation: 0, metageneration: 0 };
  if (wanted.generationMatch !== undefined && wanted.generationMatch !== generation) throw conditionNotMet();
  if (wanted.metagenerationMatch !== undefined && wanted.metagenerationMatch !== metageneration) {
    throw conditionNotMet();
  }
  if (wanted.generationNotMatch === generation || wanted.metagenerationNotMatch === metageneration) {
    throw reading ? notModified() : conditionNotMet();
  }
}
