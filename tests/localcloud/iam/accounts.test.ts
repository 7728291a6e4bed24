import assert from "node:assert/strict";
import { test } from "node:test";
import type { Policy, Principal } from "../../../localcloud/core/access.ts";
import { type Answer, PROJECT, testCloud } from "../server/local.ts";

const BASE = `/iam/v1/projects/${PROJECT}/serviceAccounts`;
interface Account {
  name: string;
  email: string;
  uniqueId: string;
  displayName?: string;
  description?: string;
  disabled?: boolean;
}

test("the life of a service account, as the provider calls it", async (t) => {
  const cloud = await testCloud(t);
  const made = await cloud.call<Account>("POST", BASE, {
    accountId: "dev-machines",
    serviceAccount: { displayName: "Machines" },
  });
  const email = `dev-machines@${PROJECT}.iam.gserviceaccount.com`;
  assert.equal(made.status, 200);
  assert.equal(made.json.email, email);
  assert.equal(made.json.name, `projects/${PROJECT}/serviceAccounts/${email}`);
  assert.match(made.json.uniqueId, /^1\d{20}$/);
  for (const key of [email, made.json.uniqueId]) {
    assert.deepEqual((await cloud.call("GET", `${BASE}/${key}`)).json, made.json, key);
  }
  assert.equal((await cloud.call("GET", `/iam/v1/projects/-/serviceAccounts/${email}`)).status, 200);
  const body = { serviceAccount: { displayName: "Other", description: "d" }, updateMask: "displayName,description" };
  const patched = await cloud.call<Account>("PATCH", `${BASE}/${email}`, body);
  assert.deepEqual([patched.json.displayName, patched.json.description], ["Other", "d"]);
  assert.equal((await cloud.call("POST", `${BASE}/${email}:disable`, {})).status, 200);
  assert.equal((await cloud.call<Account>("GET", `${BASE}/${email}`)).json.disabled, true);
  assert.equal((await cloud.call("POST", `${BASE}/${email}:enable`, {})).status, 200);
  assert.equal((await cloud.call("DELETE", `${BASE}/${email}`)).status, 200);
  const gone = await cloud.call("GET", `${BASE}/${email}`);
  assert.deepEqual([gone.status, gone.json.error?.status], [404, "NOT_FOUND"]);
  assert.deepEqual((await cloud.call("GET", BASE)).json, {});
});

test("what Google refuses about accounts", async (t) => {
  const cloud = await testCloud(t);
  for (const accountId of ["short", "a".repeat(31), "Upper-case", "1digit-first", "ends-in-", ""]) {
    assert.equal((await cloud.call("POST", BASE, { accountId })).status, 400, accountId);
  }
  await cloud.account("trainer-1");
  const twice = await cloud.call("POST", BASE, { accountId: "trainer-1" });
  assert.deepEqual([twice.status, twice.json.error?.status], [409, "ALREADY_EXISTS"]);
  const long = { accountId: "trainer-2", serviceAccount: { displayName: "x".repeat(101) } };
  assert.equal((await cloud.call("POST", BASE, long)).status, 400);
  const wrong = await cloud.call("POST", "/iam/v1/projects/another-project/serviceAccounts", {
    accountId: "trainer-1",
  });
  assert.equal(wrong.status, 403);
  const keys = await cloud.call("POST", `${BASE}/trainer-1@${PROJECT}.iam.gserviceaccount.com/keys`, {});
  assert.equal(keys.status, 501);
});

test("every method asks for its permission", async (t) => {
  const cloud = await testCloud(t);
  const email = await cloud.account("trainer-1");
  const ann: Principal = { kind: "user", email: "ann@example.com" };
  const calls: [method: string, path: string, body?: unknown][] = [
    ["POST", BASE, { accountId: "trainer-2" }],
    ["GET", BASE],
    ["GET", `${BASE}/${email}`],
    ["PATCH", `${BASE}/${email}`, { serviceAccount: {}, updateMask: "description" }],
    ["POST", `${BASE}/${email}:disable`, {}],
    ["POST", `${BASE}/${email}:getIamPolicy`, {}],
    ["POST", `${BASE}/${email}:setIamPolicy`, { policy: {} }],
    ["DELETE", `${BASE}/${email}`],
    ["GET", `/iam/v1/projects/${PROJECT}/roles`],
    ["POST", `/iam/v1/projects/${PROJECT}/roles`, { roleId: "abc" }],
    ["POST", `/iamcredentials/v1/projects/-/serviceAccounts/${email}:generateAccessToken`, { scope: ["x"] }],
    ["GET", `/su/v1/projects/${PROJECT}/services`],
    ["POST", `/su/v1/projects/${PROJECT}/services/run.googleapis.com:enable`, {}],
    ["POST", `/crm/v1/projects/${PROJECT}:getIamPolicy`, {}],
    ["POST", `/crm/v1/projects/${PROJECT}:setIamPolicy`, { policy: {} }],
  ];
  for (const [method, path, body] of calls) {
    const { status, json }: Answer = await cloud.call(method, path, body, ann);
    assert.deepEqual([status, json.error?.status], [403, "PERMISSION_DENIED"], `${method} ${path}`);
    const info = json.error?.details?.[0] as { reason?: string } | undefined;
    assert.equal(info?.reason, "IAM_PERMISSION_DENIED");
  }
});

test("impersonation needs the right on the account, and gives a token that is the account", async (t) => {
  const cloud = await testCloud(t);
  const email = await cloud.account("trainer-1");
  const ann: Principal = { kind: "user", email: "ann@example.com" };
  const path = `/iamcredentials/v1/projects/-/serviceAccounts/${email}:generateAccessToken`;
  const body = { scope: ["https://www.googleapis.com/auth/cloud-platform"], lifetime: "600s" };
  const policy: Policy = {
    bindings: [{ role: "roles/iam.serviceAccountTokenCreator", members: ["user:ann@example.com"] }],
  };
  assert.equal((await cloud.call("POST", `${BASE}/${email}:setIamPolicy`, { policy })).status, 200);
  const { status, json } = await cloud.call<{ accessToken: string; expireTime: string }>("POST", path, body, ann);
  assert.equal(status, 200);
  const { uniqueId } = (await cloud.call<Account>("GET", `${BASE}/${email}`)).json;
  assert.deepEqual(cloud.local.cloud.tokens.read(json.accessToken), { kind: "serviceAccount", email, uniqueId });
  const left = Date.parse(json.expireTime) - Date.now();
  assert.ok(left > 500_000 && left <= 600_000);
  assert.equal((await cloud.call("POST", path, { ...body, lifetime: "7200s" }, ann)).status, 400);
  assert.equal((await cloud.call("POST", path, {}, ann)).status, 400);
  const refused = await cloud.call("POST", `${BASE}/${email}:setIamPolicy`, {
    policy: { bindings: [{ role: "roles/storage.admin", members: ["user:ann@example.com"] }] },
  });
  assert.equal(refused.status, 400, "a storage role is none for a service account");
});

test("a deleted account's name keeps none of its rights, wherever they were", async (t) => {
  const cloud = await testCloud(t);
  const email = await cloud.account("trainer-1");
  const robot: Principal = { kind: "serviceAccount", email };
  const member = `serviceAccount:${email}`;
  const { uniqueId } = (await cloud.call<Account>("GET", `${BASE}/${email}`)).json;
  const bindings = (role: string): Policy => ({ bindings: [{ role, members: [member] }] });
  await cloud.call("POST", `/storage/v1/b?project=${PROJECT}`, {
    name: "own-bucket-1",
    iamConfiguration: { uniformBucketLevelAccess: { enabled: true } },
  });
  assert.equal(
    (await cloud.call("PUT", "/storage/v1/b/own-bucket-1/iam", bindings("roles/storage.objectViewer"))).status,
    200,
  );
  await cloud.call("POST", `/crm/v1/projects/${PROJECT}:setIamPolicy`, { policy: bindings("roles/browser") });
  const reads = async () =>
    Promise.all(
      ["/storage/v1/b/own-bucket-1/o", `/crm/v1/projects/${PROJECT}`].map(
        async (path) => (await cloud.call("GET", path, undefined, robot)).status,
      ),
    );
  assert.deepEqual(await reads(), [200, 200]);
  await cloud.call("DELETE", `${BASE}/${email}`);
  await cloud.account("trainer-1");
  assert.deepEqual(await reads(), [403, 403]);
  const { json } = await cloud.call<Policy>("POST", `/crm/v1/projects/${PROJECT}:getIamPolicy`, {});
  assert.deepEqual(json.bindings?.[0]?.members, [`deleted:${member}?uid=${uniqueId}`]);
  const bucket = await cloud.call<Policy>("GET", "/storage/v1/b/own-bucket-1/iam");
  assert.deepEqual(bucket.json.bindings?.[0]?.members, [`deleted:${member}?uid=${uniqueId}`]);
  await cloud.restart();
  assert.deepEqual(await reads(), [403, 403]);
});

test("a token ends with its account, also when a new one gets the e-mail and the rights", async (t) => {
  const cloud = await testCloud(t, { enabledServices: "all" });
  const email = await cloud.account("trainer-1");
  const policy = { bindings: [{ role: "roles/browser", members: [`serviceAccount:${email}`] }] };
  const project = `/crm/v1/projects/${PROJECT}`;
  const account = `/iam/v1/projects/${PROJECT}/serviceAccounts/${email}`;
  await cloud.call("POST", `${project}:setIamPolicy`, { policy });
  const wanted = { scope: ["https://www.googleapis.com/auth/cloud-platform"] };
  const path = `/iamcredentials/v1/projects/-/serviceAccounts/${email}:generateAccessToken`;
  const { accessToken } = (await cloud.call("POST", path, wanted)).json as { accessToken: string };
  const seen = async () =>
    (await fetch(cloud.local.url + project, { headers: { authorization: `Bearer ${accessToken}` } })).status;
  assert.equal(await seen(), 200);
  await cloud.call("POST", `${account}:disable`);
  assert.equal(await seen(), 403);
  await cloud.call("POST", `${account}:enable`);
  assert.equal(await seen(), 200);
  await cloud.call("DELETE", account);
  assert.equal(await seen(), 403);
  await cloud.account("trainer-1");
  await cloud.call("POST", `${project}:setIamPolicy`, { policy });
  assert.equal(await seen(), 403);
});
