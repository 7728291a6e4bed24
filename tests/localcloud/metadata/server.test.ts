import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { GoogleError } from "../../../localcloud/core/errors.ts";
import { type InstanceFacts, instanceTree } from "../../../localcloud/metadata/instance.ts";
import { createMetadataServer } from "../../../localcloud/metadata/server.ts";

const facts: InstanceFacts = {
  projectId: "demo",
  projectNumber: "123456789012",
  id: "4815162342481516234",
  name: "vm",
  zone: "us-central1-a",
  machineType: "e2-small",
  attributes: { "startup-script": "#!/bin/bash\necho hi\n", "mlt-run": "r1", "enable-guest-attributes": "TRUE" },
  projectAttributes: { "mlt-x": "y" },
  tags: ["a", "b"],
  serviceAccounts: [{ email: "t@demo.iam.gserviceaccount.com", scopes: ["https://www.googleapis.com/auth/a", "b"] }],
  networkInterfaces: [{ network: "projects/123456789012/networks/n", ip: "10.1.0.2" }],
  disks: [{ name: "boot" }],
  scheduling: { automaticRestart: false, onHostMaintenance: "TERMINATE", preemptible: true },
};

let current = facts;
const listeners = new Set<() => void>();
const stored: string[][] = [];
let accountGone = false;

function change(next: Partial<InstanceFacts>): void {
  current = { ...current, ...next };
  for (const listener of listeners) listener();
}

const server = createServer(
  createMetadataServer({
    tree: () => instanceTree(current),
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    issueToken: (account) => {
      if (accountGone) throw new GoogleError(404, "notFound", `${account} is gone`);
      return { access_token: `token-of-${account}`, expires_in: 3599, token_type: "Bearer" };
    },
    identityToken: (audience) => `identity-for-${audience}`,
    putGuestAttribute: (...values) => stored.push(values),
  }),
);

before(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
after(() => server.close());

interface Got {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

// fetch() would collapse double slashes and follow redirects; the agent's requests are sent here as they are.
function call(path: string, options: { method?: string; headers?: Record<string, string>; body?: string } = {}) {
  return new Promise<Got>((resolve, reject) => {
    const { port } = server.address() as AddressInfo;
    const headers = { "Metadata-Flavor": "Google", ...options.headers };
    if (headers["Metadata-Flavor"] === "") delete (headers as Record<string, string>)["Metadata-Flavor"];
    const sent = request({ port, host: "127.0.0.1", path, method: options.method ?? "GET", headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    sent.on("error", reject);
    sent.end(options.body);
  });
}

const V1 = "/computeMetadata/v1";

test("a probe of / needs no header and is answered with Google's", async () => {
  const { status, headers } = await call("/", { headers: { "Metadata-Flavor": "" } });
  assert.equal(status, 200);
  assert.equal(headers["metadata-flavor"], "Google");
  assert.equal(headers.server, "Metadata Server for VM");
});

test("everything else needs the header and refuses forwarded requests", async () => {
  assert.equal((await call(`${V1}/instance/name`, { headers: { "Metadata-Flavor": "" } })).status, 403);
  assert.equal((await call(`${V1}/instance/name`, { headers: { "X-Forwarded-For": "10.0.0.1" } })).status, 403);
  const put = `${V1}/instance/guest-attributes/a/b`;
  assert.equal((await call(put, { method: "PUT", body: "x", headers: { "Metadata-Flavor": "" } })).status, 403);
  assert.equal((await call(`${V1}/instance/name`, { method: "POST" })).status, 405);
});

test("a leaf is text, or JSON with alt=json", async () => {
  const text = await call(`${V1}/instance/zone`);
  assert.equal(text.body, "projects/123456789012/zones/us-central1-a");
  assert.equal(text.headers["content-type"], "application/text");
  const json = await call(`${V1}/instance/zone?alt=json`);
  assert.equal(json.body, '"projects/123456789012/zones/us-central1-a"');
  assert.equal((await call(`${V1}/instance/id`)).body, facts.id);
  assert.equal((await call(`${V1}/instance/id?alt=json`)).body, facts.id);
  assert.equal((await call(`${V1}/instance/attributes/absent`)).status, 404);
  assert.equal((await call(`${V1}/instance/attributes/toString`)).status, 404);
});

test("lists: scopes are lines, tags are JSON, interfaces and disks are directories", async () => {
  const account = `${V1}/instance/service-accounts/default`;
  assert.equal((await call(`${account}/scopes`)).body, "https://www.googleapis.com/auth/a\nb\n");
  assert.equal((await call(`${account}/scopes?alt=json`)).body, '["https://www.googleapis.com/auth/a","b"]');
  assert.equal((await call(`${V1}/instance/tags`)).body, '["a","b"]');
  assert.equal((await call(`${V1}/instance/network-interfaces/`)).body, "0/\n");
  assert.equal((await call(`${V1}/instance/network-interfaces/0/ip`)).body, "10.1.0.2");
  assert.equal((await call(`${V1}/instance/network-interfaces/0/access-configs/`)).body, "");
});

test("a directory is listed with slashes; without its own slash it is a redirect", async () => {
  const listed = await call(`${V1}/instance/service-accounts/default/`);
  assert.deepEqual(listed.body.trim().split("\n"), ["aliases", "email", "scopes", "identity", "token"]);
  assert.match((await call(`${V1}/`)).body, /^instance\/$/m);
  const moved = await call(`${V1}/instance?recursive=true`);
  assert.equal(moved.status, 301);
  assert.equal(moved.headers.location, `${V1}/instance/?recursive=true`);
});

test("recursive JSON is in camelCase, save the names of attributes and accounts; double slashes collapse", async () => {
  const { body, headers } = await call(`${V1}//?recursive=true&alt=json&last_etag=NONE`);
  assert.equal(headers["content-type"], "application/json");
  assert.ok(body.includes(`"id":${facts.id},`), "the id is a number with all its digits");
  const tree = JSON.parse(body);
  assert.equal(tree.instance.attributes["mlt-run"], "r1");
  assert.equal(tree.instance.machineType, "projects/123456789012/machineTypes/e2-small");
  assert.equal(tree.instance.scheduling.onHostMaintenance, "TERMINATE");
  assert.equal(tree.instance.networkInterfaces[0].dnsServers[0], "169.254.169.254");
  assert.deepEqual(Object.keys(tree.instance.serviceAccounts), ["default", "t@demo.iam.gserviceaccount.com"]);
  assert.equal(tree.project.numericProjectId, 123456789012);
  assert.equal(tree.universe.universeDomain, "googleapis.com");
  const text = await call(`${V1}/instance/scheduling/?recursive=true&alt=text`);
  assert.match(text.body, /^on-host-maintenance TERMINATE$/m);
});

test("tokens: by account, for accounts that the machine has", async () => {
  const token = await call(`${V1}/instance/service-accounts/default/token`);
  assert.deepEqual(JSON.parse(token.body), {
    access_token: "token-of-default",
    expires_in: 3599,
    token_type: "Bearer",
  });
  assert.equal((await call(`${V1}/instance/service-accounts/other@x/token`)).status, 404);
  const identity = `${V1}/instance/service-accounts/default/identity`;
  assert.equal((await call(`${identity}?audience=https%3A%2F%2Fa`)).body, "identity-for-https://a");
  assert.equal((await call(identity)).status, 400);
  accountGone = true;
  const refused = await call(`${V1}/instance/service-accounts/default/token`);
  accountGone = false;
  assert.equal(refused.status, 404);
});

test("the universe's domain is what the client libraries ask for", async () => {
  assert.equal((await call(`${V1}/universe/universe-domain`)).body, "googleapis.com");
});

test("guest attributes are taken when the machine allows them", async () => {
  const path = `${V1}/instance/guest-attributes/guest-agent/sshable`;
  assert.equal((await call(path, { method: "PUT", body: "1" })).status, 200);
  assert.deepEqual(stored, [["guest-agent", "sshable", "1"]]);
  change({ attributes: { ...facts.attributes, "enable-guest-attributes": "FALSE" } });
  assert.equal((await call(path, { method: "PUT", body: "2" })).status, 403);
  assert.equal(stored.length, 1);
  change({ attributes: facts.attributes });
});

test("wait_for_change answers at once to a stale ETag and else when the subtree changes", async () => {
  const path = `${V1}/instance/preempted`;
  const { headers, body } = await call(path);
  assert.equal(body, "FALSE");
  const etag = headers.etag as string;
  for (const stale of ["NONE", "0", "feedfacefeedface"]) {
    assert.equal((await call(`${path}?wait_for_change=true&last_etag=${stale}`)).body, "FALSE");
  }
  const waiting = call(`${path}?wait_for_change=true&timeout_sec=60&last_etag=${etag}`);
  await until(() => listeners.size === 1);
  change({ description: "another subtree" });
  assert.equal(listeners.size, 1, "a change elsewhere wakes nobody");
  change({ preempted: true });
  const woken = await waiting;
  assert.equal(woken.body, "TRUE");
  assert.notEqual(woken.headers.etag, etag);
  assert.equal(listeners.size, 0);
});

test("wait_for_change ends after timeout_sec with the value of now, and when the client leaves", async () => {
  const path = `${V1}/instance/name`;
  const { headers } = await call(path);
  const timed = await call(`${path}?wait_for_change=true&timeout_sec=1&last_etag=${headers.etag}`);
  assert.equal(timed.status, 200);
  assert.equal(timed.body, "vm");
  const { port } = server.address() as AddressInfo;
  const left = request({
    port,
    host: "127.0.0.1",
    path: `${path}?wait_for_change=true`,
    headers: { "Metadata-Flavor": "Google" },
  });
  left.on("error", () => {});
  left.end();
  await until(() => listeners.size === 1);
  left.destroy();
  await until(() => listeners.size === 0);
});

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 10_000;
  while (!condition()) {
    assert.ok(Date.now() < end, "waited ten seconds");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
