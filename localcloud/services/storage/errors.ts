import type { Principal } from "../../core/access.ts";
import { GoogleError } from "../../core/errors.ts";

export function invalid(message: string): GoogleError {
  return new GoogleError(400, "invalid", message);
}

export function required(parameter: string): GoogleError {
  return new GoogleError(400, "required", `Required parameter: ${parameter}`);
}

export function bucketMissing(): GoogleError {
  return new GoogleError(404, "notFound", "The specified bucket does not exist.");
}

export function objectMissing(bucket: string, name: string): GoogleError {
  return new GoogleError(404, "notFound", `No such object: ${bucket}/${name}`);
}

export function conditionNotMet(
  message = "At least one of the pre-conditions you specified did not hold.",
): GoogleError {
  return new GoogleError(412, "conditionNotMet", message);
}

/** Becomes an answer without a body. */
export function notModified(): GoogleError {
  return new GoogleError(304, "notModified", "Not Modified");
}

export function denied(principal: Principal, permission: string, resource: "object" | "bucket"): GoogleError {
  const who = "email" in principal ? principal.email : "Anonymous caller";
  return new GoogleError(
    principal.kind === "anonymous" ? 401 : 403,
    principal.kind === "anonymous" ? "required" : "forbidden",
    `${who} does not have ${permission} access to the Google Cloud Storage ${resource}. ` +
      `Permission '${permission}' denied on resource (or it may not exist).`,
  );
}
