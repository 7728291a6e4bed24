// Where Google's APIs are. Google's own variables move them (`gcloud` reads the same ones), so that one setting serves
// every tool.
import { UserError } from "./errors.ts";

function override(service: string): string | undefined {
  const name = `CLOUDSDK_API_ENDPOINT_OVERRIDES_${service}`;
  const value = process.env[name]?.trim();
  if (!value) return undefined;
  if (!/^https?:\/\//.test(value) || !URL.canParse(value)) {
    throw new UserError(
      `${name} must be the address of a service, http://… or https://…; got "${value}". Set it right, or take it away: unset ${name}`,
    );
  }
  return value;
}

/** The storage service's root without a path. */
export function storageRoot(): string {
  return override("STORAGE")?.replace(/\/(storage\/v1\/?)?$/, "") ?? "https://storage.googleapis.com";
}

/** An object's contents, of exactly this generation if one is given. */
export function mediaUrl(bucket: string, name: string, generation?: string): string {
  const object = `${encodeURIComponent(bucket)}/o/${encodeURIComponent(name)}`;
  const exactly = generation === undefined ? "" : `&generation=${encodeURIComponent(generation)}`;
  return `${storageRoot()}/storage/v1/b/${object}?alt=media${exactly}`;
}

/** The compute service's root, ending in a slash; `undefined`: Google's own. */
export function computeRoot(): string | undefined {
  return override("COMPUTE")?.replace(/\/?(compute\/v1\/?)?$/, "/");
}

/** The service that knows which APIs are on, ending in a slash. */
export function serviceUsageRoot(): string {
  return override("SERVICEUSAGE")?.replace(/\/*$/, "/") ?? "https://serviceusage.googleapis.com/";
}

/** The service that knows service accounts and custom roles, ending in a slash. */
export function iamRoot(): string {
  return override("IAM")?.replace(/\/*$/, "/") ?? "https://iam.googleapis.com/";
}

/** The service that makes tokens of service accounts, without a slash at its end. */
export function iamCredentialsRoot(): string {
  return override("IAMCREDENTIALS")?.replace(/\/*$/, "") ?? "https://iamcredentials.googleapis.com";
}

/** The service that knows a project's policy, ending in a slash. */
export function resourceManagerRoot(): string {
  return override("CLOUDRESOURCEMANAGER")?.replace(/\/*$/, "/") ?? "https://cloudresourcemanager.googleapis.com/";
}

/** The service that knows whether a project is billed, ending in a slash. */
export function billingRoot(): string {
  return override("CLOUDBILLING")?.replace(/\/*$/, "/") ?? "https://cloudbilling.googleapis.com/";
}

/** The service that knows an organization's policies, ending in a slash. */
export function orgPolicyRoot(): string {
  return override("ORGPOLICY")?.replace(/\/*$/, "/") ?? "https://orgpolicy.googleapis.com/";
}

/**
 * The service that knows clusters, ending in a slash. A shell that names another place for Compute Engine alone means
 * that place's clusters as well.
 */
export function containerRoot(): string {
  const compute = override("COMPUTE");
  const beside = compute?.replace(/\/?(compute\/v1\/?)?$/, "/container/");
  return override("CONTAINER")?.replace(/\/*$/, "/") ?? beside ?? "https://container.googleapis.com/";
}

/** The service that encrypts, ending in a slash. */
export function kmsRoot(): string {
  return override("CLOUDKMS")?.replace(/\/*$/, "/") ?? "https://cloudkms.googleapis.com/";
}
