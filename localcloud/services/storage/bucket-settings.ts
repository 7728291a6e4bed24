import type { BucketSettings } from "./bucket-record.ts";
import { checkBody } from "./endpoint.ts";
import { invalid } from "./errors.ts";
import { checkLifecycle, checkStorageClass } from "./lifecycle.ts";
import { locationType } from "./locations.ts";
import { checkLabels } from "./names.ts";

export type Json = Record<string, unknown>;

const DAY = 86_400;
const MODELLED = [
  "name",
  "location",
  "storageClass",
  "labels",
  "versioning",
  "lifecycle",
  "softDeletePolicy",
  "iamConfiguration",
  "rpo",
];
/** Set by Google; accepted back, as in an update with what was read before. */
const OUTPUT = [
  "kind",
  "id",
  "selfLink",
  "projectNumber",
  "generation",
  "metageneration",
  "etag",
  "timeCreated",
  "updated",
  "locationType",
  "owner",
  "satisfiesPZS",
  "satisfiesPZI",
  "softDeleteTime",
  "hardDeleteTime",
];
/** Google has these; asking for one is refused by name. */
const KNOWN = [
  "acl",
  "autoclass",
  "billing",
  "cors",
  "customPlacementConfig",
  "defaultEventBasedHold",
  "defaultObjectAcl",
  "encryption",
  "hierarchicalNamespace",
  "ipFilter",
  "logging",
  "objectRetention",
  "retentionPolicy",
  "website",
];

/** What a new bucket is before anything is asked of it. */
export function defaultSettings(now: string): BucketSettings {
  return {
    location: "US",
    storageClass: "STANDARD",
    labels: {},
    lifecycle: [],
    softDelete: { retentionSeconds: 7 * DAY, effectiveTime: now },
    uniformAccess: { enabled: false },
    publicAccessPrevention: "inherited",
  };
}

/**
 * The settings after a body is applied to them. Only members that the body has are changed; `null` restores the
 * default, and in `labels` removes one label (`merge`, as PATCH does) .
 */
export function applySettings(before: BucketSettings, body: Json, now: string, merge: boolean): BucketSettings {
  checkBody(body, "", MODELLED, OUTPUT, KNOWN);
  const defaults = defaultSettings(now);
  const after: BucketSettings = { ...before };
  if (body.storageClass !== undefined) {
    after.storageClass =
      body.storageClass === null ? defaults.storageClass : checkStorageClass(String(body.storageClass).toUpperCase());
  }
  if (body.labels !== undefined) after.labels = labels(before.labels, body.labels as Json | null, merge);
  if (body.versioning !== undefined) after.versioning = versioning(body.versioning as Json | null);
  if (body.lifecycle !== undefined) after.lifecycle = body.lifecycle === null ? [] : checkLifecycle(body.lifecycle);
  if (body.softDeletePolicy !== undefined) {
    after.softDelete = softDelete(before, body.softDeletePolicy as Json | null, now);
  }
  if (body.iamConfiguration !== undefined) configureAccess(after, (body.iamConfiguration ?? {}) as Json, now);
  if (body.rpo !== undefined && body.rpo !== null) after.rpo = rpo(body.rpo, before.location);
  return after;
}

/** Refuses a location that Google has not; answers it in Google's upper case. */
export function checkLocation(value: unknown): string {
  const location = typeof value === "string" ? value.toUpperCase() : "";
  if (!locationType(location)) throw invalid("The specified location constraint is not valid.");
  return location;
}

function labels(before: Record<string, string>, given: Json | null, merge: boolean): Record<string, string> {
  if (given === null) return {};
  const all: Json = merge ? { ...before, ...given } : given;
  return checkLabels(Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null)));
}

function versioning(given: Json | null): BucketSettings["versioning"] {
  if (given === null) return undefined;
  checkBody(given, "versioning.", ["enabled"], [], []);
  return { enabled: boolean(given.enabled ?? false, "versioning.enabled") };
}

function softDelete(before: BucketSettings, given: Json | null, now: string): BucketSettings["softDelete"] {
  if (given === null) return { retentionSeconds: 7 * DAY, effectiveTime: now };
  checkBody(given, "softDeletePolicy.", ["retentionDurationSeconds"], ["effectiveTime"], []);
  const seconds = Number(given.retentionDurationSeconds ?? before.softDelete.retentionSeconds);
  if (seconds !== 0 && !(Number.isInteger(seconds) && seconds >= 7 * DAY && seconds <= 90 * DAY)) {
    throw invalid(
      "Soft delete policy retention duration must be 0 or between 7 and 90 days, " +
        `not ${String(given.retentionDurationSeconds)} seconds.`,
    );
  }
  return seconds === before.softDelete.retentionSeconds
    ? before.softDelete
    : { retentionSeconds: seconds, effectiveTime: now };
}

function configureAccess(settings: BucketSettings, given: Json, now: string): void {
  const names = ["uniformBucketLevelAccess", "bucketPolicyOnly", "publicAccessPrevention"];
  checkBody(given, "iamConfiguration.", names, [], []);
  const prevention = given.publicAccessPrevention;
  if (prevention !== undefined) {
    const value = prevention === null || prevention === "unspecified" ? "inherited" : prevention;
    if (value !== "inherited" && value !== "enforced") {
      throw invalid(`Invalid value for iamConfiguration.publicAccessPrevention: '${String(prevention)}'.`);
    }
    settings.publicAccessPrevention = value;
  }
  const uniform = (given.uniformBucketLevelAccess ?? given.bucketPolicyOnly) as Json | undefined;
  if (!uniform) return;
  checkBody(uniform, "iamConfiguration.uniformBucketLevelAccess.", ["enabled"], ["lockedTime"], []);
  if (uniform.enabled === undefined) return;
  const enabled = boolean(uniform.enabled, "iamConfiguration.uniformBucketLevelAccess.enabled");
  const before = settings.uniformAccess;
  if (enabled === before.enabled) return;
  if (!enabled && before.lockedTime && before.lockedTime < now) {
    throw invalid("Cannot disable uniform bucket-level access on a bucket after it is locked.");
  }
  const locked = new Date(Date.parse(now) + 90 * DAY * 1000).toISOString();
  settings.uniformAccess = enabled ? { enabled, lockedTime: locked } : { enabled };
}

function rpo(value: unknown, location: string): BucketSettings["rpo"] {
  if (value !== "DEFAULT" && value !== "ASYNC_TURBO") throw invalid(`Invalid value for rpo: '${String(value)}'.`);
  if (locationType(location) === "region" || (value === "ASYNC_TURBO" && locationType(location) !== "dual-region")) {
    throw invalid(`The rpo ${value} is not available for a bucket in ${location}.`);
  }
  return value;
}

function boolean(value: unknown, path: string): boolean {
  if (typeof value !== "boolean") throw invalid(`Invalid value for ${path}: ${JSON.stringify(value)}.`);
  return value;
}
