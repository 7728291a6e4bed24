import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { clientVariables } from "../../../cli/local/variables.ts";
import { PROJECT, type TestCloud, testCloud } from "../server/local.ts";

export { PROJECT };

export type Json = Record<string, unknown>;

type Api = "COMPUTE" | "STORAGE" | "IAM_BETA" | "SERVICE_USAGE" | "RESOURCE_MANAGER";

/**
 * Calls as Google's Pulumi provider makes them: to the addresses that `mlt local start` prints, put together by its
 * rules, with its headers. What it sends was read in its source (terraform-provider-google-beta 7.46).
 */
export class Provider {
  readonly cloud: TestCloud;
  readonly #variables: Record<string, string>;
  readonly #headers: Record<string, string>;

  constructor(cloud: TestCloud, variables: Record<string, string>, headers: Record<string, string>) {
    this.cloud = cloud;
    this.#variables = variables;
    this.#headers = headers;
  }

  /** Where an API is found. Of two APIs the provider takes the version off and writes its own. */
  base(api: Api): string {
    const address = this.#variables[`GOOGLE_${api}_CUSTOM_ENDPOINT`] ?? "";
    assert.match(address, /.*\/[^/]+\/$/, `the provider takes such an address only for ${api}`);
    if (api === "SERVICE_USAGE" || api === "RESOURCE_MANAGER" || api === "IAM_BETA") {
      return `${address.replace(/[^/]+\/$/, "")}v1/`;
    }
    return address;
  }

  /** One call; its answer must have this status. */
  async call<T = Json>(api: Api, method: string, path: string, body?: unknown, status = 200): Promise<T> {
    const generated = api !== "COMPUTE";
    const url = new URL(`${this.base(api)}${path}`);
    url.searchParams.set("alt", "json");
    if (generated) url.searchParams.set("prettyPrint", "false");
    const response = await fetch(url, {
      method,
      headers: { ...this.#headers, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    assert.equal(response.status, status, `${method} ${path}: ${response.status} ${text}`);
    // The provider parses every answer but 204.
    return (response.status === 204 ? undefined : JSON.parse(text)) as T;
  }

  /** A small file, in one multipart request, as Google's Go library sends it. */
  async upload(bucket: string, name: string, metadata: Json, content: string): Promise<Json> {
    const boundary = "8c2e6e1e0a3d4b0d9f3a";
    const url = new URL(`/upload/storage/v1/b/${bucket}/o`, this.base("STORAGE"));
    url.search = new URLSearchParams({ alt: "json", name, prettyPrint: "false", uploadType: "multipart" }).toString();
    const response = await fetch(url, {
      method: "POST",
      headers: { ...this.#headers, "content-type": `multipart/related; boundary=${boundary}` },
      body: [
        `--${boundary}\r\nContent-Type: application/json\r\n\r\n${JSON.stringify({ bucket, ...metadata })}\n\r\n`,
        `--${boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${content}\r\n`,
        `--${boundary}--\r\n`,
      ].join(""),
    });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return JSON.parse(text) as Json;
  }

  /** A change in Compute Engine and the wait for its operation, whose address the provider makes itself. */
  async change(method: string, path: string, body?: unknown): Promise<Json> {
    let operation = await this.call("COMPUTE", method, `projects/${PROJECT}/${path}`, body);
    const scope = ["zone", "region"].find((place) => operation[place]);
    const place = scope ? `${scope}s/${String(operation[scope]).split("/").at(-1)}` : "global";
    if (operation.status !== "DONE") {
      assert.match(String(operation.status), /^(PENDING|RUNNING)$/);
      // It looks once, then waits ten seconds before it looks again.
      operation = await this.call("COMPUTE", "GET", `projects/${PROJECT}/${place}/operations/${operation.name}`);
      assert.equal(operation.status, "DONE", "every resource of the program would take ten seconds");
    }
    assert.equal(operation.error, undefined);
    assert.match(String(operation.targetId), /^\d+$/);
    return operation;
  }

  read(path: string, status = 200): Promise<Json> {
    return this.call("COMPUTE", "GET", `projects/${PROJECT}/${path}`, undefined, status);
  }
}

/** A fresh local cloud and the provider's calls to it, with `more` headers. */
export async function provider(t: TestContext, more: Record<string, string> = {}): Promise<Provider> {
  const cloud = await testCloud(t);
  const token = cloud.local.cloud.tokens.issue({ kind: "operator" }).access_token;
  const folder = mkdtempSync(join(tmpdir(), "provider-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { url, operatorUrl, metadataUrl, project } = cloud.local;
  const daemon = { pid: 0, startedAt: "", guest: "process" as const, url, operatorUrl, metadataUrl, project, token };
  const variables = clientVariables(daemon, { stateFolder: folder, present: {} });
  return new Provider(cloud, variables, {
    authorization: `Bearer ${variables.GOOGLE_OAUTH_ACCESS_TOKEN}`,
    "user-agent": "Pulumi/3.0 (GPN:Pulumi; https://www.pulumi.com) pulumi-gcp/9.37.0",
    "accept-encoding": "gzip",
    ...more,
  });
}
