import { isTransient, messageOf, statusOf } from "../errors.ts";

/** What Google's answer to "make a machine" means for the next step. */
export type Refusal =
  /** This zone has none now: the next zone may. */
  | { kind: "stockOut"; message: string }
  /** The project may not have more of this here: another region may. */
  | { kind: "quota"; message: string }
  /** Not yet allowed: rights and enabled services take minutes to be known everywhere. */
  | { kind: "forbidden"; message: string }
  /** The same call again, a little later. */
  | { kind: "transient"; message: string }
  /** A machine of this name is there. */
  | { kind: "exists"; message: string }
  /** No other try would help. */
  | { kind: "bad"; message: string };

const STOCK_OUT = [
  "ZONE_RESOURCE_POOL_EXHAUSTED",
  "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
  "RESOURCE_POOL_EXHAUSTED",
  "STOCKOUT",
];
const QUOTA = ["QUOTA_EXCEEDED", "quotaExceeded", "RESOURCE_QUOTA_EXCEEDED"];
const RATE = ["rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"];

/** Reads the error of an HTTP call. */
export function refusalOf(error: unknown): Refusal {
  const message = messageOf(error);
  const status = statusOf(error);
  const reasons = reasonsOf(error);
  if (reasons.some((reason) => STOCK_OUT.includes(reason)) || /ZONE_RESOURCE_POOL_EXHAUSTED/.test(message)) {
    return { kind: "stockOut", message };
  }
  if (reasons.some((reason) => RATE.includes(reason))) return { kind: "transient", message };
  if (reasons.some((reason) => QUOTA.includes(reason)) || /^Quota '/.test(message)) return { kind: "quota", message };
  if (isTransient(error)) return { kind: "transient", message };
  if (status === 403) return { kind: "forbidden", message };
  if (status === 409) return { kind: "exists", message };
  return { kind: "bad", message };
}

/** Reads the error of an operation that ended. */
export function operationRefusal(errors: readonly { code?: string | null; message?: string | null }[]): Refusal {
  const message = errors.map((error) => error.message ?? error.code ?? "unknown error").join("; ");
  const codes = errors.map((error) => error.code ?? "");
  if (codes.some((code) => STOCK_OUT.includes(code))) return { kind: "stockOut", message };
  // Google took the machine back before it had started; the next zone is as good as any.
  if (codes.includes("UNSUPPORTED_OPERATION") && /preempt/i.test(message)) return { kind: "stockOut", message };
  if (codes.some((code) => QUOTA.includes(code))) return { kind: "quota", message };
  if (codes.some((code) => ["RESOURCE_ALREADY_EXISTS", "alreadyExists"].includes(code)))
    return { kind: "exists", message };
  if (codes.some((code) => ["PERMISSIONS_ERROR", "FORBIDDEN"].includes(code))) return { kind: "forbidden", message };
  if (
    codes.some((code) => ["INTERNAL_ERROR", "SERVICE_UNAVAILABLE", "RESOURCE_OPERATION_RATE_EXCEEDED"].includes(code))
  ) {
    return { kind: "transient", message };
  }
  return { kind: "bad", message };
}

function reasonsOf(error: unknown): string[] {
  const { errors, response } = error as {
    errors?: { reason?: string }[];
    response?: { data?: { error?: { errors?: { reason?: string }[] } } };
  };
  const all = [...(Array.isArray(errors) ? errors : []), ...(response?.data?.error?.errors ?? [])];
  return all.map((item) => String(item.reason ?? ""));
}

/** The quota's name and limit out of Google's sentence (`Quota 'CPUS' exceeded.  Limit: 24.0 in region us-east1.`). */
export function quotaOf(message: string): { name: string; limit: string } | undefined {
  const parts = /Quota '([^']+)' exceeded\.?\s*(?:Limit:\s*([\d.]+))?/.exec(message);
  return parts ? { name: parts[1]!, limit: parts[2] ?? "unknown" } : undefined;
}
