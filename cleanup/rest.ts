import { loginHeaders } from "../training/auth.ts";
import {
  billingRoot,
  computeRoot,
  containerRoot,
  iamRoot,
  kmsRoot,
  orgPolicyRoot,
  resourceManagerRoot,
  serviceUsageRoot,
  storageRoot,
} from "../training/endpoints.ts";
import { explained, messageOf, retrying, UserError } from "../training/errors.ts";

export type Service =
  | "compute"
  | "storage"
  | "iam"
  | "resourceManager"
  | "serviceUsage"
  | "billing"
  | "orgPolicy"
  | "kms"
  | "container";

/** The API that has to be enabled for each service. */
export const APIS: Readonly<Record<Service, string>> = {
  compute: "compute.googleapis.com",
  storage: "storage.googleapis.com",
  iam: "iam.googleapis.com",
  resourceManager: "cloudresourcemanager.googleapis.com",
  serviceUsage: "serviceusage.googleapis.com",
  billing: "cloudbilling.googleapis.com",
  orgPolicy: "orgpolicy.googleapis.com",
  kms: "cloudkms.googleapis.com",
  container: "container.googleapis.com",
};

const ROOTS: Readonly<Record<Service, () => string>> = {
  compute: () => `${computeRoot() ?? "https://compute.googleapis.com/"}compute/v1/`,
  storage: () => `${storageRoot()}/storage/v1/`,
  iam: () => `${iamRoot()}v1/`,
  resourceManager: () => `${resourceManagerRoot()}v1/`,
  serviceUsage: () => `${serviceUsageRoot()}v1/`,
  billing: () => `${billingRoot()}v1/`,
  orgPolicy: () => `${orgPolicyRoot()}v2/`,
  kms: () => `${kmsRoot()}v1/`,
  container: () => `${containerRoot()}v1/`,
};

const PATIENCE_MS = 60_000;

/** An answer of Google's that is an error: its status, its word for the reason, its sentence. */
export class Refused extends Error {
  override name = "Refused";
  readonly status: number;
  /** `notFound`, `resourceInUseByAnotherResource`, `SERVICE_DISABLED`, … */
  readonly reasons: readonly string[];

  constructor(status: number, reasons: readonly string[], message: string) {
    super(message);
    this.status = status;
    this.reasons = reasons;
  }

  /** The API is not enabled, so that nothing can be said about what it holds. */
  get disabled(): boolean {
    return this.reasons.some((reason) => ["SERVICE_DISABLED", "accessNotConfigured"].includes(reason));
  }
}

export interface CallOptions {
  method?: "GET" | "POST" | "DELETE";
  query?: Readonly<Record<string, string | readonly string[] | undefined>>;
  body?: unknown;
  /** The project whose quota the call counts to; services that hold no project's things ask a person's login for one. */
  quotaProject?: string;
}

/**
 * One call, again for half a minute while Google is busy. `path` is below the service's version
 * (`projects/P/global/networks`, `b/BUCKET`). Throws `Refused` for an answer that is an error, `UserError` where there is
 * no login or no way to Google.
 */
export async function call<T>(service: Service, path: string, options: CallOptions = {}): Promise<T> {
  const url = new URL(`${ROOTS[service]()}${path}`);
  for (const [name, value] of Object.entries(options.query ?? {})) {
    for (const each of [value ?? []].flat()) url.searchParams.append(name, each);
  }
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  try {
    return await retrying(async () => {
      const headers = await loginHeaders(url.href);
      if (body !== undefined) headers.set("content-type", "application/json");
      if (options.quotaProject) headers.set("x-goog-user-project", options.quotaProject);
      const { method = "GET" } = options;
      const response = await fetch(url, { method, headers, body, signal: AbortSignal.timeout(PATIENCE_MS) });
      const text = await response.text();
      if (!response.ok) throw refusal(response.status, text);
      return (text === "" ? {} : JSON.parse(text)) as T;
    });
  } catch (error) {
    if (error instanceof Refused && error.status !== 401) throw error;
    if ((error as Error).name === "TimeoutError") {
      throw new UserError(`${url.host} did not answer within ${PATIENCE_MS / 1000} s. Try again later.`);
    }
    throw explained(error, `Asking ${url.host}`);
  }
}

interface ErrorBody {
  error?: { errors?: { reason?: string }[]; details?: { reason?: string }[]; status?: string };
}

function refusal(status: number, text: string): Refused {
  let body: ErrorBody = {};
  try {
    body = JSON.parse(text) as ErrorBody;
  } catch {
    // Front ends answer in HTML at times; the status says enough.
  }
  const { errors = [], details = [], status: word } = body.error ?? {};
  const reasons = [...errors, ...details].map(({ reason }) => reason).filter((reason) => reason !== undefined);
  return new Refused(status, word ? [...reasons, word] : reasons, messageOf(new Error(text.slice(0, 4000))));
}

/** All pages of a list, one after the other. `read` takes each; its answer "enough" ends the reading. */
export async function pages<T extends { nextPageToken?: string }>(
  service: Service,
  path: string,
  options: CallOptions,
  read: (page: T) => unknown,
): Promise<void> {
  for (let pageToken: string | undefined; ; ) {
    const page: T = await call<T>(service, path, { ...options, query: { ...options.query, pageToken } });
    if (read(page) === "enough" || !page.nextPageToken) return;
    pageToken = page.nextPageToken;
  }
}

/** Does `work` for each, some at a time; the order of the results is that of the items. */
export async function each<T, R>(items: readonly T[], atOnce: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next;
      next += 1;
      results[index] = await work(items[index] as T);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}
