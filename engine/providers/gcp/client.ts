import type { Props } from "./values.ts";

/** The products whose REST the provider calls; each has an endpoint of its own, as in the real provider. */
export type Product = "compute" | "storage" | "iam" | "serviceUsage" | "resourceManager" | "iap" | "container";

/** An error that Google answered. Its message is the one that the real provider prints. */
export class ApiError extends Error {
  readonly code: number;
  readonly reason: string;

  constructor(code: number, reason: string, message: string) {
    super(`googleapi: Error ${code}: ${message}${reason ? `, ${reason}` : ""}`);
    this.code = code;
    this.reason = reason;
  }
}

export interface ClientOptions {
  endpoints: Partial<Record<Product, string>>;
  accessToken?: string;
  /** How long one request is tried again; Google's own provider gives up after 90 s. */
  retryMs?: number;
}

export interface RequestOptions {
  body?: unknown;
  /** A body that is no JSON, with its type. */
  content?: { data: Uint8Array; type: string };
  query?: Record<string, string | undefined>;
  headers?: Record<string, string>;
}

const RETRIED = new Set([429, 500, 502, 503]);
const RETRY_MS = 90_000;

/** Sends requests to Google's REST, with the real provider's retries. */
export class Client {
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** Tells clients of different clouds apart. */
  get identity(): string {
    return JSON.stringify(this.#options.endpoints);
  }

  /** The endpoint of a product, ending with a slash. */
  endpoint(product: Product): string {
    const endpoint = this.#options.endpoints[product];
    if (endpoint) return endpoint;
    throw new Error(
      `The attached gcp provider has no endpoint for ${product}: it serves rehearsals and never calls Google. ` +
        `Set gcp:${endpointKey(product)} (or ${endpointVariable(product)}), as \`mlt local start\` prints it.`,
    );
  }

  get(product: Product, path: string, query?: RequestOptions["query"]): Promise<Props> {
    return this.request(product, "GET", path, { query });
  }

  post(product: Product, path: string, body: unknown = {}, query?: RequestOptions["query"]): Promise<Props> {
    return this.request(product, "POST", path, { body, query });
  }

  patch(product: Product, path: string, body: unknown, query?: RequestOptions["query"]): Promise<Props> {
    return this.request(product, "PATCH", path, { body, query });
  }

  delete(product: Product, path: string, query?: RequestOptions["query"]): Promise<Props> {
    return this.request(product, "DELETE", path, { query });
  }

  /** The answer, or `undefined` if there is no such thing. */
  async find(product: Product, path: string, query?: RequestOptions["query"]): Promise<Props | undefined> {
    return unlessGone(this.get(product, path, query));
  }

  /** @param path relative to the product's endpoint; `~/x` is `x` beside the endpoint's last segment. */
  async request(product: Product, method: string, path: string, options: RequestOptions = {}): Promise<Props> {
    const url = new URL(path.replace(/^~\//, "../"), this.endpoint(product));
    for (const [key, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) url.searchParams.set(key, value);
    }
    const deadline = Date.now() + (this.#options.retryMs ?? RETRY_MS);
    let [wait, next] = [500, 500];
    for (;;) {
      try {
        return await this.#once(method, url, options);
      } catch (error) {
        if (!worthRetrying(error) || Date.now() + wait > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, wait));
        [wait, next] = [next, wait + next];
      }
    }
  }

  async #once(method: string, url: URL, options: RequestOptions): Promise<Props> {
    const headers: Record<string, string> = { accept: "application/json", ...options.headers };
    if (this.#options.accessToken) headers.authorization = `Bearer ${this.#options.accessToken}`;
    let body: Uint8Array<ArrayBuffer> | string | undefined;
    if (options.content) {
      headers["content-type"] = options.content.type;
      body = new Uint8Array(options.content.data);
    } else if (options.body !== undefined) {
      headers["content-type"] = "application/json";
      body = JSON.stringify(options.body);
    }
    const response = await fetch(url, { method, headers, body });
    const answer = await response.text();
    if (!response.ok) throw apiError(response.status, answer);
    return answer === "" ? {} : (JSON.parse(answer) as Props);
  }
}

const CONSTANT: Record<Product, string> = {
  compute: "COMPUTE",
  storage: "STORAGE",
  iam: "IAM_BETA",
  serviceUsage: "SERVICE_USAGE",
  resourceManager: "RESOURCE_MANAGER",
  iap: "IAP",
  container: "CONTAINER",
};

/** The provider's setting that names an endpoint. */
export function endpointKey(product: Product): string {
  return `${product === "iam" ? "iamBeta" : product}CustomEndpoint`;
}

/** The variables that name the endpoints, as the real provider reads them. */
export function endpointVariable(product: Product): string {
  return `GOOGLE_${CONSTANT[product]}_CUSTOM_ENDPOINT`;
}

function apiError(status: number, answer: string): ApiError {
  try {
    const { error } = JSON.parse(answer) as { error: { message?: string; errors?: { reason?: string }[] } };
    return new ApiError(status, error.errors?.[0]?.reason ?? "", error.message ?? answer);
  } catch {
    return new ApiError(status, "", answer.slice(0, 500) || "no answer");
  }
}

function worthRetrying(error: unknown): boolean {
  if (error instanceof ApiError) return RETRIED.has(error.code) || error.reason === "operationInProgress";
  // `fetch` throws a TypeError when the network fails: refused, reset, no such host.
  return error instanceof TypeError;
}

/** `undefined` instead of Google's 404. */
export async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ApiError && error.code === 404) return undefined;
    throw error;
  }
}
