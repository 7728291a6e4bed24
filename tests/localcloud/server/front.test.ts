import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { request as plainRequest } from "node:http";
import { createServer, request } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { GoogleAuth } from "google-auth-library";
import type { Principal } from "../../../localcloud/core/access.ts";
import { projectNumber } from "../../../localcloud/core/cloud.ts";
import { GOOGLE_HOSTS } from "../../../localcloud/guests/guest.ts";
import { pathForHost } from "../../../localcloud/hosts.ts";
import { startLocalCloud } from "../../../localcloud/server.ts";
import { PROJECT, testCloud } from "./local.ts";

test("without a good token: 401 in Google's shape, except at the operator's door", async (t) => {
  const { local, folder } = await testCloud(t);
  const path = `/storage/v1/b?project=${PROJECT}`;
  const forged = local.cloud.tokens
    .issue({ kind: "operator" })
    .access_token.replace(/.$/, (last) => (last === "A" ? "B" : "A"));
  const old = local.cloud.tokens.issue({ kind: "operator" }, -1).access_token;
  const headers: Record<string, string>[] = [
    {},
    { authorization: "Basic YTpi" },
    { authorization: "Bearer ya29.real" },
    { authorization: `Bearer ${forged}` },
    { authorization: `Bearer ${old}` },
  ];
  for (const each of headers) {
    const response = await fetch(local.url + path, { headers: each });
    const { error } = (await response.json()) as {
      error: { code: number; status: string; errors: { reason: string }[] };
    };
    assert.equal(response.status, 401, JSON.stringify(each));
    assert.equal(error.code, 401);
    assert.equal(error.status, "UNAUTHENTICATED");
    assert.equal(error.errors[0]?.reason, "authError");
    assert.match(response.headers.get("www-authenticate") ?? "", /^Bearer /);
  }
  assert.equal((await fetch(local.operatorUrl + path)).status, 200);
  assert.equal((await fetch(local.operatorUrl + path, { headers: { authorization: "Bearer ya29.real" } })).status, 401);
  assert.equal(statSync(join(folder, "token.key")).mode & 0o077, 0, "the key that signs tokens is for its owner only");
});

test("every door is on the loopback only", async (t) => {
  const { local } = await testCloud(t);
  for (const url of [local.url, local.operatorUrl, local.metadataUrl]) assert.equal(new URL(url).hostname, "127.0.0.1");
});

test("no web page gets through the doors that ask for no token", async (t) => {
  const { local } = await testCloud(t);
  const ask = (url: string, headers: Record<string, string>, method = "GET") =>
    new Promise<number>((resolve, reject) => {
      const sent = plainRequest(url, { method, headers }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      sent.on("error", reject).end();
    });
  const flavor = { "metadata-flavor": "Google" };
  const token = `${local.metadataUrl}/computeMetadata/v1/instance/service-accounts/default/token`;
  const health = `${local.operatorUrl}/local/v1/health`;
  assert.equal(await ask(health, {}), 200);
  assert.equal(await ask(health, { host: "localhost:1" }), 200);
  assert.equal(await ask(health, { origin: "http://localhost:3000" }), 200);
  assert.equal(await ask(health, { host: "rebound.example.com" }), 403);
  assert.equal(await ask(health, { origin: "https://example.com" }), 403);
  assert.equal(await ask(`${local.operatorUrl}/local/v1/shutdown`, { origin: "null" }, "POST"), 403);
  assert.equal(await ask(token, flavor), 200);
  assert.equal(await ask(token, { ...flavor, host: "metadata.google.internal" }), 200);
  assert.equal(await ask(token, { ...flavor, host: "rebound.example.com" }), 403);
  assert.equal(await ask(token, { ...flavor, origin: "https://example.com" }), 403);
});

test("a token's principal is who calls, also at the operator's door", async (t) => {
  const cloud = await testCloud(t);
  const email = await cloud.account("trainer-1");
  const robot: Principal = { kind: "serviceAccount", email };
  const path = `/crm/v1/projects/${PROJECT}`;
  assert.equal((await cloud.call("GET", path)).status, 200);
  const refused = await cloud.call("GET", path, undefined, robot);
  assert.equal(refused.status, 403);
  assert.equal(refused.json.error?.status, "PERMISSION_DENIED");
  const token = cloud.local.cloud.tokens.issue(robot).access_token;
  const open = await fetch(cloud.local.operatorUrl + path, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(open.status, 403);
});

test("what nobody models is 501 with its name", async (t) => {
  const cloud = await testCloud(t);
  for (const path of ["/", "/foo/v1/bar", "/iam/v1/nothing", `/su/v1/projects/${PROJECT}/things`]) {
    const { status, json } = await cloud.call("GET", path);
    assert.equal(status, 501, path);
    assert.equal(json.error?.message, `The local cloud does not model GET ${path}.`);
  }
  assert.equal((await cloud.call("GET", "/iam/v1/%ZZ")).status, 400);
});

test("projects that are not there are refused, Google's image projects read only", async (t) => {
  const cloud = await testCloud(t);
  const number = projectNumber(PROJECT);
  const statuses: [method: string, path: string, status: number][] = [
    ["GET", `/compute/v1/projects/${PROJECT}/zones`, 200],
    ["GET", `/compute/v1/projects/${number}/zones`, 200],
    ["GET", "/compute/v1/projects/another-project/zones", 404],
    ["GET", "/compute/v1/projects/debian-cloud/global/images/family/debian-12", 200],
    ["POST", "/compute/v1/projects/debian-cloud/global/images", 404],
    ["GET", "/storage/v1/b?project=another-project", 400],
    ["GET", `/storage/v1/b?project=${number}`, 200],
  ];
  for (const [method, path, status] of statuses) {
    const answer = await cloud.call(method, path, method === "POST" ? {} : undefined);
    assert.equal(answer.status, status, `${method} ${path} ${answer.json.error?.message}`);
  }
  await cloud.call("POST", `/storage/v1/b?project=${number}`, { name: "made-by-number" });
  const { json } = await cloud.call<{ items: { name: string }[] }>("GET", `/storage/v1/b?project=${PROJECT}`);
  assert.deepEqual(
    json.items.map(({ name }) => name),
    ["made-by-number"],
  );
});

test("a body that is no JSON object is 400", async (t) => {
  const { local } = await testCloud(t);
  for (const body of ["{", "[]", "3", "null"]) {
    const address = `${local.operatorUrl}/iam/v1/projects/${PROJECT}/serviceAccounts`;
    const response = await fetch(address, { method: "POST", body });
    assert.equal(response.status, 400, body);
  }
});

test("members that a body must not have, or not so, are 400 and change nothing", async (t) => {
  const cloud = await testCloud(t);
  const policy = { bindings: [{ role: "roles/viewer", members: ["user:ann@example.com"] }] };
  const crm = `/crm/v1/projects/${PROJECT}`;
  assert.equal((await cloud.call("POST", `${crm}:setIamPolicy`, { policy })).status, 200);
  const refused: [path: string, body: unknown][] = [
    [`${crm}:setIamPolicy`, { policy: 5 }],
    [`${crm}:setIamPolicy`, { policy: [] }],
    [`${crm}:setIamPolicy`, { polizy: {} }],
    [`${crm}:setIamPolicy`, { policy: { bindings: {} } }],
    [`${crm}:setIamPolicy`, { policy: { bindings: [null] } }],
    [`${crm}:setIamPolicy`, { policy: { bindings: [{ role: 5, members: [] }] } }],
    [`${crm}:setIamPolicy`, { policy: { bindings: [{ role: "roles/viewer", members: "allUsers" }] } }],
    [`${crm}:setIamPolicy`, { policy: { bindings: [{ role: "roles/viewer", members: [5] }] } }],
    [`${crm}:setIamPolicy`, { policy: { bindings: [{ role: "roles/viewer", members: [], else: 1 }] } }],
    [`${crm}:testIamPermissions`, { permissions: 5 }],
    [`/su/v1/projects/${PROJECT}/services:batchEnable`, { serviceIds: "compute.googleapis.com" }],
    [`/iam/v1/projects/${PROJECT}/serviceAccounts`, { accountId: 5 }],
    [`/iam/v1/projects/${PROJECT}/serviceAccounts`, { accountId: "trainer-1", serviceAccount: { colour: "red" } }],
    [`/iam/v1/projects/${PROJECT}/roles`, { roleId: "role", role: { includedPermissions: "compute.instances.get" } }],
    ["/logging/v2/entries:write", { entries: 5 }],
    ["/local/v1/token", { serviceAccount: 5 }],
    ["/local/v1/preempt", { zone: {} }],
  ];
  for (const [path, body] of refused) {
    assert.equal((await cloud.call("POST", path, body)).status, 400, `${path} ${JSON.stringify(body)}`);
  }
  const kept = await cloud.call("POST", `${crm}:getIamPolicy`, {});
  assert.deepEqual((kept.json as typeof policy).bindings, policy.bindings);
});

test("a query that is no UTF-8 is 400", async (t) => {
  const { local } = await testCloud(t);
  const uploads = `${local.operatorUrl}/upload/storage/v1/b/any-bucket/o?uploadType=media`;
  const response = await fetch(`${uploads}&name=%ed%a0%80`, { method: "POST", body: "x" });
  assert.equal(response.status, 400);
});

test("planned faults strike, count and go", async (t) => {
  const cloud = await testCloud(t);
  const path = `/crm/v1/projects/${PROJECT}`;
  const error = { code: 503, reason: "backendError", message: "Service Unavailable" };
  await cloud.call("POST", "/local/v1/faults", { id: "f", service: "resourcemanager", method: "GET", times: 2, error });
  const seen = [];
  for (let index = 0; index < 3; index += 1) seen.push((await cloud.call("GET", path)).status);
  assert.deepEqual(seen, [503, 503, 200]);

  const from = Date.now() + 60_000;
  await cloud.call("POST", "/local/v1/faults", { id: "later", service: "resourcemanager", from, error });
  assert.equal((await cloud.call("GET", path)).status, 200);
  cloud.clock.offset = 61_000;
  assert.equal((await cloud.call("GET", path)).status, 503);
  assert.equal((await cloud.call("DELETE", "/local/v1/faults/later")).status, 200);
  assert.equal((await cloud.call("DELETE", "/local/v1/faults/later")).status, 404);
  assert.equal((await cloud.call("GET", path)).status, 200);

  await cloud.call("POST", "/local/v1/faults", {
    id: "hang",
    service: "resourcemanager",
    times: 1,
    operationHangs: true,
  });
  assert.equal((await cloud.call("GET", path)).status, 200, "an operation's fault is not for the front to take");
  const { json } = await cloud.call<{ faults: { id: string; times: number }[] }>("GET", "/local/v1/faults");
  assert.deepEqual(
    json.faults.map(({ id, times }) => [id, times]),
    [
      ["f", 0],
      ["hang", 1],
    ],
  );
  assert.equal((await cloud.call("POST", "/local/v1/faults", { id: "x", servise: "iam", error })).status, 400);
  assert.equal((await cloud.call("POST", "/local/v1/faults", { id: "x" })).status, 400);
});

test("a fault strikes only the calls that it names; a broken connection loses the call or only its answer", async (t) => {
  const cloud = await testCloud(t);
  const { faults } = cloud.local.cloud;
  const make = (name: string) => cloud.call("POST", `/storage/v1/b?project=${PROJECT}`, { name });
  const error = { code: 503, reason: "backendError", message: "Service Unavailable" };
  const seen: string[] = [];
  const stop = faults.watch({
    call: async (call) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      seen.push(`${call.method} ${call.service} ${call.path} ${call.query}`);
    },
    answered: (call, status) => seen.push(`${call.method} ${status}`),
  });
  await make("mlt-one");
  stop();
  assert.deepEqual(seen, [`POST storage /storage/v1/b project=${PROJECT}`, "POST 200"]);

  const ann: Principal = { kind: "user", email: "ann@example.com" };
  await cloud.call("POST", "/local/v1/faults", { id: "a", query: "^prefix=x y$", skip: 1, times: 1, error });
  await cloud.call("POST", "/local/v1/faults", { id: "b", caller: ann.email, error });
  await cloud.call("POST", "/local/v1/faults", { id: "m", machine: "other", error });
  const list = (query: string, principal?: Principal) =>
    cloud.call("GET", `/storage/v1/b/mlt-one/o${query}`, undefined, principal).then(({ status }) => status);
  const asked = ["", "?prefix=x%20y", "?prefix=x%20y", "?prefix=x%20y"];
  const statuses = [];
  for (const query of asked) statuses.push(await list(query));
  assert.deepEqual(statuses, [200, 200, 503, 200]);
  assert.equal(await list("", ann), 503);
  faults.clear();

  for (const [drop, there] of [
    ["call", 404],
    ["answer", 200],
  ] as const) {
    await cloud.call("POST", "/local/v1/faults", { id: drop, service: "storage", method: "POST", times: 1, drop });
    await assert.rejects(make(`mlt-${drop}`), /fetch failed/);
    assert.equal((await cloud.call("GET", `/storage/v1/b/mlt-${drop}`)).status, there);
  }
  for (const wrong of [{ drop: "all" }, { path: "(", error }, { query: "(", error }])
    assert.equal((await cloud.call("POST", "/local/v1/faults", { id: "x", ...wrong })).status, 400);
});

test("only the operator controls the local cloud, and only at the operator's door", async (t) => {
  const cloud = await testCloud(t);
  const ann: Principal = { kind: "user", email: "ann@example.com" };
  assert.equal((await cloud.call("GET", "/local/v1/faults", undefined, ann)).status, 501);
  assert.equal((await cloud.call("GET", "/local/v1/faults", undefined, { kind: "operator" })).status, 501);
  const token = cloud.local.cloud.tokens.issue(ann).access_token;
  const headers = { authorization: `Bearer ${token}` };
  assert.equal((await fetch(`${cloud.local.operatorUrl}/local/v1/faults`, { headers })).status, 403);
});

test("the metadata server gives every Google library an operator's token", async (t) => {
  const { local } = await testCloud(t);
  const kept = { ...process.env };
  process.env.GCE_METADATA_HOST = new URL(local.metadataUrl).host;
  process.env.METADATA_SERVER_DETECTION = "assume-present";
  delete process.env.GOOGLE_APPLICATION_CREDENTIALS;
  process.env.CLOUDSDK_CONFIG = local.cloud.state.folder;
  process.env.HOME = local.cloud.state.folder;
  t.after(() => {
    process.env = kept;
  });
  const auth = new GoogleAuth({ scopes: "https://www.googleapis.com/auth/cloud-platform" });
  const token = await auth.getAccessToken();
  assert.deepEqual(local.cloud.tokens.read(token ?? ""), { kind: "operator" });
  assert.equal(await auth.getProjectId(), PROJECT);
});

test("guests reach each API under Google's host name, over TLS that only their session trusts", async (t) => {
  const cloud = await testCloud(t);
  const { local } = cloud;
  const server = createServer({ key: local.certificate.key, cert: local.certificate.certificate }, local.googleApis);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const token = local.cloud.tokens.issue({ kind: "operator" }).access_token;
  const get = (host: string, path: string, ca: string | undefined = local.certificate.authority) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const headers = { host, authorization: `Bearer ${token}` };
      const sent = request(
        { host: "127.0.0.1", port, servername: host, path, ca, headers, agent: false },
        (response) => {
          let text = "";
          response.on("data", (chunk) => {
            text += chunk;
          });
          response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
        },
      );
      sent.on("error", reject).end();
    });
  await cloud.account("trainer-1");
  assert.equal((await get("storage.googleapis.com", `/storage/v1/b?project=${PROJECT}`)).status, 200);
  assert.match((await get("iam.googleapis.com", `/v1/projects/${PROJECT}/serviceAccounts`)).text, /trainer-1@/);
  assert.equal((await get("cloudresourcemanager.googleapis.com", `/v1/projects/${PROJECT}`)).status, 200);
  assert.equal((await get("serviceusage.googleapis.com", `/v1/projects/${PROJECT}/services`)).status, 200);
  assert.equal((await get("www.googleapis.com", `/storage/v1/b?project=${PROJECT}`)).status, 200);
  assert.equal((await get("www.googleapis.com", "/local/v1/faults")).status, 501);
  await assert.rejects(get("storage.googleapis.com", "/", ""), /self-signed|unable to (verify|get)/i);
  await assert.rejects(get("example.com", "/"), /altnames/i);
});

test("every host name that guests resolve has its service", () => {
  for (const host of GOOGLE_HOSTS) assert.notEqual(pathForHost(host, "/x"), undefined, host);
  assert.equal(pathForHost("example.com", "/x"), undefined);
  assert.equal(pathForHost("constructor", "/x"), undefined);
});

test("a restart keeps everything, tokens included; two at once are refused", async (t) => {
  const cloud = await testCloud(t);
  const email = await cloud.account("trainer-1");
  const token = cloud.local.cloud.tokens.issue({ kind: "operator" }).access_token;
  const policy = { version: 1, bindings: [{ role: "roles/viewer", members: [`serviceAccount:${email}`] }] };
  await cloud.call("POST", `/crm/v1/projects/${PROJECT}:setIamPolicy`, { policy });
  await assert.rejects(startLocalCloud({ stateFolder: cloud.folder }), /is in use by process \d+/);
  await cloud.restart();
  const headers = { authorization: `Bearer ${token}` };
  const again = await fetch(`${cloud.local.url}/iam/v1/projects/${PROJECT}/serviceAccounts/${email}`, { headers });
  assert.equal(again.status, 200);
  const kept = await cloud.call("GET", `/crm/v1/projects/${PROJECT}`, undefined, { kind: "serviceAccount", email });
  assert.equal(kept.status, 200);
  await cloud.local.close();
  assert.equal(existsSync(join(cloud.folder, "lock")), false);
  cloud.local = await startLocalCloud({ stateFolder: cloud.folder, project: PROJECT });
});

test("what is left is listed by kind, soft-deleted buckets with their date", async (t) => {
  const cloud = await testCloud(t);
  const email = await cloud.account("trainer-1");
  for (const name of ["left-over-bucket", "gone-bucket-1"]) {
    assert.equal((await cloud.call("POST", `/storage/v1/b?project=${PROJECT}`, { name })).status, 200);
  }
  assert.equal((await cloud.call("DELETE", "/storage/v1/b/gone-bucket-1")).status, 204);
  const role = { roleId: "selfDelete", role: { title: "x", includedPermissions: ["compute.instances.delete"] } };
  await cloud.call("POST", `/iam/v1/projects/${PROJECT}/roles`, role);
  const policy = { bindings: [{ role: "roles/logging.logWriter", members: [`serviceAccount:${email}`] }] };
  await cloud.call("POST", `/crm/v1/projects/${PROJECT}:setIamPolicy`, { policy });
  const { json } = await cloud.call<{
    resources: Record<string, string[]>;
    bindings: string[];
    softDeleted: { kind: string; name: string; until: string }[];
  }>("GET", "/local/v1/leftovers");
  assert.deepEqual(json.resources, {
    "storage.buckets": ["left-over-bucket"],
    "iam.serviceAccounts": [email],
    "iam.roles": ["selfDelete"],
  });
  assert.deepEqual(json.bindings, [`roles/logging.logWriter serviceAccount:${email}`]);
  assert.equal(json.softDeleted.length, 1);
  const [gone] = json.softDeleted;
  assert.equal(gone?.name, "gone-bucket-1");
  assert.ok(Date.parse(gone?.until ?? "") > Date.now() + 6 * 24 * 3600_000);
});
