import { checkBody } from "./endpoint.ts";
import { invalid } from "./errors.ts";

export const STORAGE_CLASSES = ["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"];
/** Accepted for old buckets and objects. */
const OLD_CLASSES = ["MULTI_REGIONAL", "REGIONAL", "DURABLE_REDUCED_AVAILABILITY"];

export interface LifecycleCondition {
  age?: number;
  createdBefore?: string;
  customTimeBefore?: string;
  daysSinceCustomTime?: number;
  daysSinceNoncurrentTime?: number;
  isLive?: boolean;
  matchesPrefix?: string[];
  matchesStorageClass?: string[];
  matchesSuffix?: string[];
  noncurrentTimeBefore?: string;
  numNewerVersions?: number;
}

export interface LifecycleRule {
  action: { type: "Delete" | "SetStorageClass" | "AbortIncompleteMultipartUpload"; storageClass?: string };
  condition: LifecycleCondition;
}

const COUNTS = ["age", "daysSinceCustomTime", "daysSinceNoncurrentTime", "numNewerVersions"];
const DATES = ["createdBefore", "customTimeBefore", "noncurrentTimeBefore"];
const LISTS = ["matchesPrefix", "matchesStorageClass", "matchesSuffix"];

export function checkStorageClass(value: unknown): string {
  if (typeof value === "string" && [...STORAGE_CLASSES, ...OLD_CLASSES].includes(value)) return value;
  throw invalid(`Invalid storage class: '${String(value)}'.`);
}

/** The rules of a bucket's `lifecycle`, or Google's refusal. */
export function checkLifecycle(lifecycle: unknown): LifecycleRule[] {
  const body = object(lifecycle, "lifecycle");
  checkBody(body, "lifecycle.", ["rule"], [], []);
  const rules = body.rule ?? [];
  if (!Array.isArray(rules)) throw invalid("Invalid value for lifecycle.rule: a list is needed.");
  if (rules.length > 100) throw invalid(`A bucket has 100 lifecycle rules at most, not ${rules.length}.`);
  return rules.map((rule, index) => checkRule(rule, `lifecycle.rule[${index}].`));
}

function checkRule(given: unknown, path: string): LifecycleRule {
  const rule = object(given, path);
  checkBody(rule, path, ["action", "condition"], [], []);
  const action = object(rule.action, `${path}action`);
  const condition = object(rule.condition, `${path}condition`);
  checkBody(action, `${path}action.`, ["type", "storageClass"], [], []);
  checkBody(condition, `${path}condition.`, [...COUNTS, ...DATES, ...LISTS, "isLive"], [], ["matchesPattern"]);

  if (!["Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"].includes(String(action.type))) {
    throw invalid(`Invalid value for ${path}action.type: '${String(action.type)}'.`);
  }
  if (action.type === "SetStorageClass") checkStorageClass(action.storageClass);
  else if (action.storageClass !== undefined) {
    throw invalid(`${path}action.storageClass is only for the action SetStorageClass.`);
  }
  for (const [name, value] of Object.entries(condition)) checkCondition(name, value, `${path}condition.${name}`);
  const names = Object.keys(condition);
  if (names.length === 0) throw invalid(`${path}condition needs at least one condition.`);
  const foreign = names.find((name) => !["age", "matchesPrefix", "matchesSuffix"].includes(name));
  if (action.type === "AbortIncompleteMultipartUpload" && foreign) {
    throw invalid(`The condition ${foreign} is not for the action AbortIncompleteMultipartUpload.`);
  }
  return { action, condition } as unknown as LifecycleRule;
}

function checkCondition(name: string, value: unknown, path: string): void {
  const refuse = (): never => {
    throw invalid(`Invalid value for ${path}: ${JSON.stringify(value)}.`);
  };
  if (COUNTS.includes(name) && !(Number.isInteger(value) && (value as number) >= 0)) refuse();
  if (name === "isLive" && typeof value !== "boolean") refuse();
  if (DATES.includes(name) && !(/^\d{4}-\d{2}-\d{2}$/.test(String(value)) && Date.parse(String(value)) > 0)) refuse();
  if (LISTS.includes(name)) {
    if (!Array.isArray(value) || value.some((entry) => typeof entry !== "string")) refuse();
    const limit = name === "matchesStorageClass" ? 7 : 50;
    if ((value as string[]).length > limit) throw invalid(`${path} has ${limit} entries at most.`);
    if (name === "matchesStorageClass") for (const entry of value as string[]) checkStorageClass(entry);
  }
}

function object(value: unknown, path: string): Record<string, unknown> {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw invalid(`Invalid value for ${path}: an object is needed.`);
  }
  return value as Record<string, unknown>;
}
