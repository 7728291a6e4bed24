import type { BucketRecord } from "./bucket-record.ts";
import type { Contents } from "./contents.ts";
import { type LifecycleCondition, type LifecycleRule, STORAGE_CLASSES } from "./lifecycle.ts";
import type { ObjectRecord } from "./object-record.ts";

const DAY = 86_400_000;
const HOUR = 3_600_000;

const LAST_RUN = new WeakMap<Contents, number>();

/** Does what the bucket's lifecycle rules say. Google takes up to a day; here it is done once an hour, when asked. */
export function runLifecycle(bucket: BucketRecord, contents: Contents, now: number): void {
  const rules = bucket.settings.lifecycle;
  if (rules.length === 0 || now - (LAST_RUN.get(contents) ?? 0) < HOUR) return;
  LAST_RUN.set(contents, now);
  for (const object of [...contents]) {
    if (object.state === "softDeleted" || object.metadata.eventBasedHold || object.metadata.temporaryHold) continue;
    const matching = rules.filter((rule) => matches(rule.condition, object, contents, now));
    apply(matching, object, contents, new Date(now).toISOString());
  }
}

/** Deletion wins over a class; of several classes the cheapest to keep wins. */
function apply(rules: LifecycleRule[], object: ObjectRecord, contents: Contents, now: string): void {
  if (rules.some((rule) => rule.action.type === "Delete")) {
    if (object.state === "live") contents.retire(object, now);
    else contents.discard(object, now);
    return;
  }
  const classes = rules.flatMap((rule) => rule.action.storageClass ?? []);
  const coldest = Math.max(...classes.map((name) => STORAGE_CLASSES.indexOf(name)));
  const storageClass = STORAGE_CLASSES[coldest];
  if (storageClass && coldest > STORAGE_CLASSES.indexOf(object.storageClass)) {
    contents.save({ ...object, storageClass, timeStorageClassUpdated: now });
  }
}

function matches(condition: LifecycleCondition, object: ObjectRecord, contents: Contents, now: number): boolean {
  const { customTime } = object.metadata;
  const daysSince = (time: string | undefined): number =>
    time === undefined ? -1 : Math.floor((now - Date.parse(time)) / DAY);
  const before = (time: string | undefined, date: string): boolean =>
    time !== undefined && Date.parse(time) < Date.parse(date);
  const checks: Record<keyof LifecycleCondition, () => boolean> = {
    age: () => daysSince(object.timeCreated) >= (condition.age as number),
    createdBefore: () => before(object.timeCreated, condition.createdBefore as string),
    customTimeBefore: () => before(customTime, condition.customTimeBefore as string),
    daysSinceCustomTime: () =>
      customTime !== undefined && daysSince(customTime) >= Number(condition.daysSinceCustomTime),
    daysSinceNoncurrentTime: () =>
      object.timeDeleted !== undefined && daysSince(object.timeDeleted) >= Number(condition.daysSinceNoncurrentTime),
    isLive: () => (object.state === "live") === condition.isLive,
    matchesPrefix: () => (condition.matchesPrefix ?? []).some((prefix) => object.name.startsWith(prefix)),
    matchesStorageClass: () => (condition.matchesStorageClass ?? []).includes(object.storageClass),
    matchesSuffix: () => (condition.matchesSuffix ?? []).some((suffix) => object.name.endsWith(suffix)),
    noncurrentTimeBefore: () => before(object.timeDeleted, condition.noncurrentTimeBefore as string),
    numNewerVersions: () => newerVersions(object, contents) >= Number(condition.numNewerVersions),
  };
  return (Object.keys(condition) as (keyof LifecycleCondition)[]).every((name) => checks[name]());
}

function newerVersions(object: ObjectRecord, contents: Contents): number {
  return contents.generations("versions", object.name).filter((other) => other.generation > object.generation).length;
}
