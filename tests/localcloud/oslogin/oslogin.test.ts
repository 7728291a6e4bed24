import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Principal } from "../../../localcloud/core/access.ts";
import { type ComputeFixture, fakeDriver, machine, startCompute, ZONE } from "../compute/fixture.ts";

type Json = Record<string, unknown>;
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDsWK2JZqkffbaGk8IFMqn4qoKrDTmRtw5C2FKGaKCkS ann@laptop";
const USERS = "/oslogin/v1/users";

function as(cloud: ComputeFixture, principal: Principal): void {
  cloud.token = cloud.local.cloud.tokens.issue(principal).access_token;
}

async function start(t: TestContext) {
  const clock = { now: Date.parse("2026-11-21T10:00:00Z") };
  const { driver, guests } = fakeDriver();
  const cloud = await startCompute(t, { driver, clock });
  await cloud.network();
  return { cloud, clock, guests };
}

test("keys are imported, shown, expire and are deleted, by their owner only", async (t) => {
  const { cloud, clock } = await start(t);
  as(cloud, { kind: "user", email: "ann.b@example.com" });
  assert.deepEqual(await cloud.ok("GET", `${USERS}/ann.b@example.com/loginProfile`), { name: "ann.b@example.com" });
  const { loginProfile } = (await cloud.ok(
    "POST",
    `${USERS}/ann.b@example.com:importSshPublicKey?projectId=test-project`,
    {
      key: KEY,
    },
  )) as { loginProfile: { name: string; posixAccounts: Json[]; sshPublicKeys: Record<string, Json> } };
  const [account] = loginProfile.posixAccounts;
  assert.match(loginProfile.name, /^\d{18,}$/);
  const { uid, ...rest } = account ?? {};
  assert.deepEqual(rest, {
    primary: true,
    username: "ann_b_example_com",
    gid: uid,
    homeDirectory: "/home/ann_b_example_com",
    shell: "/bin/bash",
    operatingSystemType: "LINUX",
    accountId: "test-project",
    name: `users/${loginProfile.name}/projects/test-project`,
  });
  assert.ok(Number(uid) >= 20_000 && Number(uid) < 60_000, "a number that a container has");
  const [fingerprint = ""] = Object.keys(loginProfile.sshPublicKeys);
  assert.match(fingerprint, /^[0-9a-f]{64}$/);
  assert.equal(loginProfile.sshPublicKeys[fingerprint]?.key, KEY);

  const expirationTimeUsec = String((clock.now + 60_000) * 1000);
  const short = await cloud.ok("POST", `${USERS}/ann.b@example.com/sshPublicKeys`, {
    key: `${KEY}2`,
    expirationTimeUsec,
  });
  const keys = async () => {
    const profile = (await cloud.ok("GET", `${USERS}/ann.b@example.com/loginProfile`)) as { sshPublicKeys?: Json };
    return Object.keys(profile.sshPublicKeys ?? {}).length;
  };
  assert.equal(await keys(), 2);
  clock.now += 61_000;
  as(cloud, { kind: "user", email: "ann.b@example.com" });
  assert.equal(await keys(), 1);
  assert.equal((await cloud.ok("GET", `${USERS}/ann.b@example.com/sshPublicKeys/${fingerprint}`)).key, KEY);
  await cloud.ok("DELETE", `${USERS}/ann.b@example.com/sshPublicKeys/${fingerprint}`);
  assert.equal(await keys(), 0);
  assert.equal((await cloud.call("DELETE", `${USERS}/ann.b@example.com/sshPublicKeys/${fingerprint}`)).status, 404);
  assert.ok(short.fingerprint);

  const wrong = async (body: Json) =>
    (await cloud.call("POST", `${USERS}/ann.b@example.com:importSshPublicKey`, body)).status;
  assert.equal(await wrong({ key: "hello" }), 400);
  assert.equal(await wrong({}), 400);
  assert.equal(await wrong({ key: KEY, expirationTimeUsec: "1" }), 400);
  assert.equal(await wrong({ key: KEY, note: "x" }), 400);
  const others = await cloud.call("POST", `${USERS}/ben@example.com:importSshPublicKey`, { key: KEY });
  assert.equal(others.status, 403);
  assert.equal((await cloud.call("GET", `${USERS}/ben@example.com/loginProfile`)).status, 403);
});

test("a machine hears who there is and who may log in, as roles say", async (t) => {
  const { cloud, guests } = await start(t);
  const accounts = "/iam/v1/projects/test-project/serviceAccounts";
  const { email } = await cloud.ok("POST", accounts, { accountId: "machine-1" });
  const serviceAccounts = [{ email, scopes: ["https://www.googleapis.com/auth/cloud-platform"] }];
  await cloud.done("POST", `zones/${ZONE}/instances`, machine("m", { serviceAccounts }));
  for (const who of ["ann", "ben", "cid"]) {
    await cloud.ok("POST", `${USERS}/${who}@example.com:importSshPublicKey`, { key: `${KEY}-${who}` });
  }
  const bind = (role: string, ...names: string[]) => ({
    role,
    members: names.map((name) => `user:${name}@example.com`),
  });
  const bindings = [bind("roles/compute.osLogin", "ann"), bind("roles/compute.osAdminLogin", "ben")];
  await cloud.ok("POST", `zones/${ZONE}/instances/m/setIamPolicy`, { policy: { bindings } });

  const ask = async (path: string) => JSON.parse((await guests[0]?.metadata(`oslogin/${path}`)) ?? "{}") as Json;
  const users = (await ask("users?pagesize=2048")) as { loginProfiles: Json[]; nextPageToken: string };
  assert.equal(users.nextPageToken, "0");
  assert.deepEqual(
    users.loginProfiles.map(({ name }) => name),
    ["ann@example.com", "ben@example.com", "cid@example.com"],
  );
  const { loginProfiles } = (await ask("users?username=ann_example_com")) as {
    loginProfiles: { name: string; posixAccounts: { uid: string }[]; sshPublicKeys: Record<string, { key: string }> }[];
  };
  const [ann] = loginProfiles;
  assert.deepEqual(
    Object.values(ann?.sshPublicKeys ?? {}).map(({ key }) => key),
    [`${KEY}-ann`],
  );
  const byNumber = (await ask(`users?uid=${ann?.posixAccounts[0]?.uid}`)) as { loginProfiles: Json[] };
  assert.equal(byNumber.loginProfiles[0]?.name, "ann@example.com");
  assert.match((await guests[0]?.metadata("oslogin/users?username=nobody")) ?? "", /404/);

  const may = async (who: string) => {
    const asked = ["login", "adminLogin"].map((policy) => ask(`authorize?email=${who}@example.com&policy=${policy}`));
    return (await Promise.all(asked)).map(({ success }) => success);
  };
  // Whoever logs in can be the machine's account: without the right to act as it nobody may.
  assert.deepEqual(
    [await may("ann"), await may("ben")],
    [
      [false, false],
      [false, false],
    ],
  );
  const use = { policy: { bindings: [bind("roles/iam.serviceAccountUser", "ann", "ben", "cid")] } };
  await cloud.ok("POST", `${accounts}/${email}:setIamPolicy`, use);
  assert.deepEqual(await may("ann"), [true, false]);
  assert.deepEqual(await may("ben"), [true, true]);
  assert.deepEqual(await may("cid"), [false, false]);
  const operator = await Promise.all(
    ["login", "adminLogin"].map((policy) => ask(`authorize?email=operator@local.invalid&policy=${policy}`)),
  );
  assert.deepEqual(
    operator.map(({ success }) => success),
    [true, true],
  );
});
