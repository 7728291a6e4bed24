import { createHash } from "node:crypto";
import type { RunStatus } from "./contract.ts";
import { SCHEMA } from "./contract.ts";
import type { OpenEnvironment } from "./environment.ts";
import { UserError } from "./errors.ts";
import { quotable } from "./files.ts";
import { readStatus } from "./runs.ts";
import { Conflict } from "./storage.ts";
import { type Plan, planRun, recordRun, type SubmitOptions, startRun } from "./submit.ts";

/** `gs://DATA/runs/once/<sha256 of the key>.json`: which run a key stands for. Written once, never changed. */
export interface OnceRecord {
  schema: number;
  key: string;
  /** The run's id. */
  run: string;
  package: { name: string; sha256: string };
  arguments: string[];
  createdAt: string;
}

/** What a key led to. */
export interface OnceStart {
  status: RunStatus;
  /** Whether this call started the run; false: the key's run was there, on whatever computer it was started. */
  started: boolean;
}

const LONGEST_KEY = 200;

/** Where the record of a key is, below the data bucket. */
export function onceObject(key: string): string {
  return `runs/once/${createHash("sha256").update(key).digest("hex")}.json`;
}

/** Throws for a key that a person could not read back: empty, longer than 200 characters, or with control characters. */
export function checkKey(key: string): void {
  if (key.length === 0 || key.length > LONGEST_KEY || quotable(key, LONGEST_KEY) !== key) {
    throw new UserError(
      `A key of a run (--once) is 1 to ${LONGEST_KEY} characters on one line; got "${quotable(key)}" (${key.length} characters).`,
    );
  }
}

/** The record of a key; `undefined` if it was never used. */
export async function readOnce(environment: OpenEnvironment, key: string): Promise<OnceRecord | undefined> {
  const { objects, buckets } = environment;
  return (await objects.readJson<OnceRecord>(buckets.data, onceObject(key)))?.value;
}

/**
 * Starts the plan's run if its key was never used, else returns the run that the key stands for, whoever started it.
 * Two calls at the same moment start one run. A caller that died before its run was recorded is taken over from.
 *
 * @throws UserError when the key stands for another package or other arguments
 */
export async function startOnce(
  environment: OpenEnvironment,
  plan: Plan,
  key: string,
  options: SubmitOptions = {},
): Promise<OnceStart> {
  checkKey(key);
  const { spec } = plan;
  const mine: OnceRecord = {
    schema: SCHEMA,
    key,
    run: spec.id,
    package: { name: spec.package.name, sha256: spec.package.sha256 },
    arguments: spec.arguments,
    createdAt: spec.createdAt,
  };
  const record = (await readOnce(environment, key)) ?? (await claim(environment, mine));
  if (record.run === mine.run) return { status: await startRun(environment, plan, options), started: true };
  const difference = differenceOf(record, mine);
  if (difference) {
    throw new UserError(
      `The key "${quotable(key, LONGEST_KEY)}" stands for the run ${record.run} since ${record.createdAt}, and that has ${difference}. A key starts one run only: take another key for another training. See that run: mlt status ${record.run}`,
    );
  }
  // Whoever took the key may have died before the run was on record, or may be writing it this moment.
  const recorded = await recordRun(environment, { ...plan, spec: { ...spec, id: record.run } }, options);
  if (recorded.mine) return { status: await recorded.launch(), started: true };
  return { status: await readStatus(environment, record.run, options), started: false };
}

/** Checks and starts in one, or finds what the key started; what a program without a person in front uses. */
export async function submitOnce(
  environment: OpenEnvironment,
  directory: string,
  args: readonly string[],
  key: string,
  options: SubmitOptions = {},
): Promise<OnceStart> {
  checkKey(key);
  return startOnce(environment, await planRun(environment, directory, args, options), key, options);
}

async function claim(environment: OpenEnvironment, mine: OnceRecord): Promise<OnceRecord> {
  const { objects, buckets } = environment;
  try {
    await objects.writeJson(buckets.data, onceObject(mine.key), mine, 0);
    return mine;
  } catch (error) {
    const theirs = error instanceof Conflict ? await readOnce(environment, mine.key) : undefined;
    if (!theirs) throw error;
    return theirs;
  }
}

function differenceOf(theirs: OnceRecord, mine: OnceRecord): string | undefined {
  if (theirs.package.sha256 !== mine.package.sha256) {
    return `another package (${theirs.package.name}, ${theirs.package.sha256.slice(0, 12)}; this one: ${mine.package.name}, ${mine.package.sha256.slice(0, 12)})`;
  }
  if (JSON.stringify(theirs.arguments) !== JSON.stringify(mine.arguments)) {
    return `other arguments (${quotable(JSON.stringify(theirs.arguments), 120)}; these: ${quotable(JSON.stringify(mine.arguments), 120)})`;
  }
  return undefined;
}
