import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Principal } from "../../../localcloud/core/access.ts";
import { type LocalCloud, type LocalCloudOptions, startLocalCloud } from "../../../localcloud/server.ts";

export const PROJECT = "test-project";

export interface Answer<T = Record<string, unknown>> {
  status: number;
  headers: Headers;
  json: T & { error?: GoogleErrorBody };
}

export interface GoogleErrorBody {
  code: number;
  message: string;
  status?: string;
  errors: { reason: string; message: string }[];
  details?: Record<string, unknown>[];
}

/** A local cloud in a folder of its own, with a clock that tests move; gone when the test ends. */
export class TestCloud {
  readonly folder: string;
  readonly clock: { offset: number };
  local: LocalCloud;
  readonly #options: Partial<LocalCloudOptions>;

  constructor(folder: string, clock: { offset: number }, local: LocalCloud, options: Partial<LocalCloudOptions>) {
    this.folder = folder;
    this.clock = clock;
    this.local = local;
    this.#options = options;
  }

  /** A call; without a principal at the operator's door, with one at the closed door. */
  async call<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    principal?: Principal,
  ): Promise<Answer<T>> {
    const { url, operatorUrl, cloud } = this.local;
    const token = principal && cloud.tokens.issue(principal).access_token;
    const response = await fetch(`${principal ? url : operatorUrl}${path}`, {
      method,
      headers: { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, json: text === "" ? {} : JSON.parse(text) };
  }

  /** A service account in the project; returns its e-mail. */
  async account(id: string): Promise<string> {
    const made = await this.call<{ email: string }>("POST", `/iam/v1/projects/${PROJECT}/serviceAccounts`, {
      accountId: id,
    });
    if (made.status !== 200) throw new Error(made.json.error?.message);
    return made.json.email;
  }

  async restart(): Promise<void> {
    await this.local.close();
    this.local = await start(this.folder, this.clock, this.#options);
  }
}

export async function testCloud(t: TestContext, options: Partial<LocalCloudOptions> = {}): Promise<TestCloud> {
  const folder = mkdtempSync(join(tmpdir(), "local-cloud-"));
  const clock = { offset: 0 };
  const test = new TestCloud(folder, clock, await start(folder, clock, options), options);
  t.after(async () => {
    await test.local.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return test;
}

function start(
  stateFolder: string,
  clock: { offset: number },
  options: Partial<LocalCloudOptions>,
): Promise<LocalCloud> {
  return startLocalCloud({
    stateFolder,
    project: PROJECT,
    enabledServices: "all",
    now: () => Date.now() + clock.offset,
    ...options,
  });
}
