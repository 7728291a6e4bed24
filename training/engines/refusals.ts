import { isTransient, messageOf, statusOf } from "../errors.ts";

/** What Google's answer to "make a machine" means for the next step. */
export type Refusal = { message: string } & (
  | /** This zone has none now: the next zone may. */ { kind: "stockOut" }
  /** The machine was taken back before it had started; what is left of it keeps its name. */
  | { kind: "preempted" }
  /** The project may not have more of this here: another region may. */
  | { kind: "quota"; quota: Quota }
  /** Not yet allowed: rights and enabled services take minutes to be known everywhere. */
  | { kind: "forbidden" }
  /** The same call again, a little later. `lost`: this one may have been taken all the same. */
  | { kind: "transient"; lost: boolean }
  /** A machine of this name is there. */
  | { kind: "exists" }
  /** This zone does not have machines of this kind at all: another zone may. */
  | { kind: "notHere" }
  /** No other try would help. */
  | { kind: "bad" }
);

/** A quota that was exceeded, as far as Google's answer tells. */
export interface Quota {
  /** Google's name of the metric, such as `CPUS`; `unknown` if the answer does not tell. */
  name: string;
  limit?: number;
  /** The project's, in all regions together: no other region has more. */
  global: boolean;
}

interface Told {
  code?: string | null;
  message?: string | null;
  errorDetails?: { quotaInfo?: { metricName?: string | null; limitName?: string | null; limit?: number | null } }[];
}

const STOCK_OUT = [
  "ZONE_RESOURCE_POOL_EXHAUSTED",
  "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
  "RESOURCE_POOL_EXHAUSTED",
  "STOCKOUT",
];
const QUOTA = ["QUOTA_EXCEEDED", "quotaExceeded", "RESOURCE_QUOTA_EXCEEDED", "LIMIT_EXCEEDED"];
const RATE = ["rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "RESOURCE_OPERATION_RATE_EXCEEDED"];
const BUSY = ["INTERNAL_ERROR", "SERVICE_UNAVAILABLE", "RESOURCE_NOT_READY", "TIMEOUT"];
/** What Google says of a Spot machine that it took back before it ran (as other tools have met it). */
const TAKEN_BACK = /preempt/i;
/** A machine or GPU type that only other zones have. */
const NOT_HERE =
  /(?:machine ?types?|accelerator ?types?)\b.*(?:does not exist|not (?:found|available|supported)|unavailable)|does not exist in zone|not (?:available|supported) in (?:the )?zone/i;

/** Reads the error of an HTTP call. */
export function refusalOf(error: unknown): Refusal {
  const message = messageOf(error);
  const status = statusOf(error);
  const reasons = reasonsOf(error);
  const has = (known: readonly string[]) => reasons.some((reason) => known.includes(reason));
  if (has(STOCK_OUT) || /ZONE_RESOURCE_POOL_EXHAUSTED/.test(message)) return { kind: "stockOut", message };
  if (has(RATE)) return { kind: "transient", message, lost: false };
  if (has(QUOTA) || /^Quota '/.test(message)) return { kind: "quota", message, quota: quotaOf(message) };
  // What the network or the front ends swallowed may have arrived behind them; a 429 has not.
  if (isTransient(error)) return { kind: "transient", message, lost: status !== 429 };
  if (status === 403) return { kind: "forbidden", message };
  if (status === 409) return { kind: "exists", message };
  if ((status === 400 || status === 404) && NOT_HERE.test(message)) return { kind: "notHere", message };
  return { kind: "bad", message };
}

/** Reads the error of an operation that ended. */
export function operationRefusal(errors: readonly Told[]): Refusal {
  const message = errors.map((error) => error.message ?? error.code ?? "unknown error").join("; ");
  const codes = errors.map((error) => error.code ?? "");
  const has = (known: readonly string[]) => codes.some((code) => known.includes(code));
  if (has(STOCK_OUT)) return { kind: "stockOut", message };
  if (has(["PREEMPTED"]) || (has(["UNSUPPORTED_OPERATION"]) && TAKEN_BACK.test(message))) {
    return { kind: "preempted", message };
  }
  if (has(QUOTA)) return { kind: "quota", message, quota: quotaOf(message, errors) };
  if (has(["RESOURCE_ALREADY_EXISTS", "alreadyExists"])) return { kind: "exists", message };
  if (has(["PERMISSIONS_ERROR", "FORBIDDEN"])) return { kind: "forbidden", message };
  // Google has ended this request: it makes no machine any more.
  if (has(BUSY) || has(RATE)) return { kind: "transient", message, lost: false };
  if (NOT_HERE.test(message)) return { kind: "notHere", message };
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

/** The quota's name and limit, out of the details or of Google's sentence (`Quota 'CPUS' exceeded.  Limit: 24.0 in region us-east1.`). */
export function quotaOf(message: string, errors: readonly Told[] = []): Quota {
  const parts = /Quota '([^']+)' exceeded\.?\s*(?:Limit:\s*([\d.]*\d))?/.exec(message);
  const info = errors.flatMap(({ errorDetails = [] }) => errorDetails).find(({ quotaInfo }) => quotaInfo)?.quotaInfo;
  const name = parts?.[1] ?? info?.limitName ?? info?.metricName ?? "unknown";
  const limit = parts?.[2] === undefined ? info?.limit : Number(parts[2]);
  return {
    name,
    ...(typeof limit === "number" ? { limit } : {}),
    global: /ALL[-_]REGIONS/i.test(name) || /Limit:\s*[\d.]+ globally/i.test(message),
  };
}
