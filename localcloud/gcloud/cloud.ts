import { readFileSync } from "node:fs";
import { GcloudError } from "./arguments.ts";

export interface Instance {
  id: string;
  name: string;
  status: string;
  metadata: { items?: { key: string; value: string }[] };
}

export interface Place {
  project: string;
  zone: string;
  instance: string;
}

/** The local cloud as this shell's variables name it. */
export class LocalCloud {
  /** `http://127.0.0.1:PORT`: the door that asks for a token. */
  readonly url: string;
  readonly #environment: NodeJS.ProcessEnv;
  /** The account that calls are made as, and its token; absent: the one who is logged in. */
  #as: { account: string; token: string } | undefined;

  constructor(environment: NodeJS.ProcessEnv) {
    this.#environment = environment;
    const compute = environment.CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE;
    if (!compute) {
      throw new GcloudError(
        'This gcloud belongs to a local cloud, and the variables that say where that is are not set. Set them: eval "$(npx mlt local start)"',
      );
    }
    this.url = new URL(compute).origin;
  }

  get impersonated(): string | undefined {
    return this.#as?.account;
  }

  /** From now on every call is made as a service account (`--impersonate-service-account`). */
  async actAs(account: string): Promise<void> {
    const path = `/iamcredentials/v1/projects/-/serviceAccounts/${encodeURIComponent(account)}:generateAccessToken`;
    const scope = ["https://www.googleapis.com/auth/cloud-platform"];
    const { accessToken } = await this.call<{ accessToken: string }>("POST", path, { scope }).catch((error: Error) => {
      throw new GcloudError(
        `Failed to impersonate [${account}]. Make sure the account that's trying to impersonate it has access to the service account itself and the "roles/iam.serviceAccountTokenCreator" role.\n${error.message}`,
      );
    });
    this.#as = { account, token: accessToken };
  }

  get token(): string {
    if (this.#as) return this.#as.token;
    const { CLOUDSDK_AUTH_ACCESS_TOKEN: token, CLOUDSDK_AUTH_ACCESS_TOKEN_FILE: file } = this.#environment;
    if (token) return token;
    if (!file) throw new GcloudError("There is no token: CLOUDSDK_AUTH_ACCESS_TOKEN_FILE names no file.");
    try {
      return readFileSync(file, "utf8").trim();
    } catch {
      throw new GcloudError(`There is no token in ${file} (CLOUDSDK_AUTH_ACCESS_TOKEN_FILE).`);
    }
  }

  get project(): string | undefined {
    return this.#environment.CLOUDSDK_CORE_PROJECT;
  }

  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers = { authorization: `Bearer ${this.token}`, "content-type": "application/json" };
    const request = { method, headers, body: body === undefined ? undefined : JSON.stringify(body) };
    const answer = await fetch(`${this.url}${path}`, request).catch(() => {
      throw new GcloudError(`The local cloud does not answer at ${this.url}. Start it: eval "$(npx mlt local start)"`);
    });
    const text = await answer.text();
    if (answer.ok) return JSON.parse(text || "{}") as T;
    let message = text;
    try {
      message = (JSON.parse(text) as { error: { message: string } }).error.message;
    } catch {
      // Not from one of Google's APIs: shown as it is.
    }
    throw new GcloudError(`Could not fetch resource:\n - ${message}`);
  }

  instance({ project, zone, instance }: Place): Promise<Instance> {
    return this.call("GET", `/compute/v1/projects/${project}/zones/${zone}/instances/${instance}`);
  }

  /** The caller's e-mail. The operator has one for machines, too. */
  async email(): Promise<string> {
    const { email } = await this.call<{ email: string }>("GET", "/oauth2/tokeninfo");
    return email.includes("@") ? email : "operator@local.invalid";
  }
}
