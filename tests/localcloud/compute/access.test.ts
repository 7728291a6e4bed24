import assert from "node:assert/strict";
import { test } from "node:test";
import { type ComputeFixture, fakeDriver, machine, REGION, startCompute, ZONE } from "./fixture.ts";

const INSTANCES = `zones/${ZONE}/instances`;
const SCOPES = ["https://www.googleapis.com/auth/cloud-platform"];

interface Grant {
  role: string;
  members: string[];
  condition?: { title: string; expression: string };
}

async function account(cloud: ComputeFixture, accountId: string): Promise<string> {
  const made = await cloud.ok("POST", `/iam/v1/projects/${cloud.project}/serviceAccounts`, { accountId });
  return String(made.email);
}

async function role(cloud: ComputeFixture, roleId: string, includedPermissions: string[]): Promise<string> {
  const body = { roleId, role: { includedPermissions, stage: "GA" } };
  const made = await cloud.ok("POST", `/iam/v1/projects/${cloud.project}/roles`, body);
  return String(made.name);
}

async function grant(cloud: ComputeFixture, bindings: Grant[]): Promise<void> {
  const policy = { version: 3, bindings };
  await cloud.ok("POST", `/crm/v1/projects/${cloud.project}:setIamPolicy`, { policy });
}

/** Calls as a service account from here on. */
function act(cloud: ComputeFixture, email: string | undefined): void {
  cloud.token = email && cloud.local.cloud.tokens.issue({ kind: "serviceAccount", email }).access_token;
}

test("a machine deletes itself by a right that a condition on its name gives", async (t) => {
  const { driver } = fakeDriver();
  const cloud = await startCompute(t, { driver });
  await cloud.network();
  const email = await account(cloud, "worker");
  const remove = await role(cloud, "removeMachine", ["compute.instances.delete"]);
  const watch = await role(cloud, "watchOperations", ["compute.zoneOperations.get"]);
  const member = `serviceAccount:${email}`;
  const prefix = `projects/${cloud.project}/zones/${ZONE}/instances/env-run-`;
  const expression = `resource.type == "compute.googleapis.com/Instance" && resource.name.startsWith("${prefix}")`;
  const own = { role: remove, members: [member], condition: { title: "own", expression } };
  await cloud.done("POST", INSTANCES, machine("env-run-1"));
  await cloud.done("POST", INSTANCES, machine("env-run-2"));
  await cloud.done("POST", INSTANCES, machine("other"));

  await grant(cloud, [own, { role: watch, members: [member], condition: { title: "named", expression } }]);
  act(cloud, email);
  const message = await cloud.refused(403, "forbidden", "DELETE", `${INSTANCES}/other`);
  assert.match(message, /compute\.instances\.delete/);
  const { selfLink } = await cloud.ok("DELETE", `${INSTANCES}/env-run-1`);
  const operation = new URL(String(selfLink)).pathname;
  await cloud.refused(403, "forbidden", "GET", operation);
  act(cloud, undefined);
  await cloud.until("env-run-1", "gone");

  await grant(cloud, [own, { role: watch, members: [member] }]);
  act(cloud, email);
  assert.equal((await cloud.ok("GET", operation)).user, email);
  await cloud.done("DELETE", `${INSTANCES}/env-run-2`);
});

test("creating a machine needs the rights on each of its parts, and on its service account", async (t) => {
  const cloud = await startCompute(t);
  await cloud.network();
  const launcher = await account(cloud, "launcher");
  const worker = await account(cloud, "worker");
  const member = `serviceAccount:${launcher}`;
  const body = machine("m", {
    serviceAccounts: [{ email: worker, scopes: SCOPES }],
    metadata: { items: [{ key: "a", value: "b" }] },
    labels: { a: "b" },
    tags: { items: ["t"] },
  });
  const needed = [
    "compute.instances.create",
    "compute.instances.setMetadata",
    "compute.instances.setTags",
    "compute.instances.setLabels",
    "compute.instances.setServiceAccount",
    "compute.subnetworks.use",
    "compute.disks.create",
  ];
  const create = await role(cloud, "createMachines", needed);
  await grant(cloud, [{ role: create, members: [member] }]);
  for (const permission of needed) {
    act(cloud, undefined);
    const includedPermissions = needed.filter((one) => one !== permission);
    await cloud.ok("PATCH", `/iam/v1/${create}`, { includedPermissions });
    act(cloud, launcher);
    const message = await cloud.refused(403, "forbidden", "POST", INSTANCES, body);
    assert.match(message, new RegExp(permission.replaceAll(".", "\\.")));
  }
  act(cloud, undefined);
  await cloud.ok("PATCH", `/iam/v1/${create}`, { includedPermissions: [...needed, "compute.zoneOperations.get"] });
  act(cloud, launcher);
  const denied = await cloud.refused(400, "SERVICE_ACCOUNT_ACCESS_DENIED", "POST", INSTANCES, body);
  assert.match(denied, new RegExp(`does not have access to service account '${worker}'. User: '${launcher}'`));
  act(cloud, undefined);
  const policy = { bindings: [{ role: "roles/iam.serviceAccountUser", members: [member] }] };
  await cloud.ok("POST", `/iam/v1/projects/${cloud.project}/serviceAccounts/${worker}:setIamPolicy`, { policy });
  act(cloud, launcher);
  await cloud.done("POST", INSTANCES, body);

  const outside = machine("n", {
    networkInterfaces: [{ subnetwork: `regions/${REGION}/subnetworks/sub`, accessConfigs: [{}] }],
  });
  assert.match(
    await cloud.refused(403, "forbidden", "POST", INSTANCES, outside),
    /compute\.subnetworks\.useExternalIp/,
  );
});

test("a policy on a single resource counts, and stale policies are refused", async (t) => {
  const cloud = await startCompute(t);
  await cloud.network();
  const reader = await account(cloud, "reader");
  await cloud.done("POST", INSTANCES, machine("m"));
  await cloud.done("POST", INSTANCES, machine("n"));
  act(cloud, reader);
  await cloud.refused(403, "forbidden", "GET", `${INSTANCES}/m`);
  act(cloud, undefined);
  const bindings = [{ role: "roles/compute.viewer", members: [`serviceAccount:${reader}`] }];
  const { etag } = await cloud.ok("GET", `${INSTANCES}/m/getIamPolicy`);
  await cloud.ok("POST", `${INSTANCES}/m/setIamPolicy`, { policy: { etag, bindings } });
  await cloud.refused(409, "aborted", "POST", `${INSTANCES}/m/setIamPolicy`, { policy: { etag, bindings: [] } });
  act(cloud, reader);
  await cloud.ok("GET", `${INSTANCES}/m`);
  await cloud.refused(403, "forbidden", "GET", `${INSTANCES}/n`);
  const permissions = ["compute.instances.get", "compute.instances.delete"];
  const tested = await cloud.ok("POST", `${INSTANCES}/m/testIamPermissions`, { permissions });
  assert.deepEqual(tested.permissions, ["compute.instances.get"]);
});

test("the API answers only once it is enabled", async (t) => {
  const cloud = await startCompute(t);
  const path = `/su/v1/projects/${cloud.project}/services/compute.googleapis.com:disable`;
  const { status, body } = await cloud.call("POST", path, { disableDependentServices: true });
  assert.equal(status, 200, JSON.stringify(body));
  const refusal = await cloud.call("GET", "global/networks");
  assert.equal(refusal.status, 403);
  assert.match(JSON.stringify(refusal.body), /SERVICE_DISABLED/);
  const batch = await cloud.call("POST", "/batch/compute/v1", {});
  assert.match(JSON.stringify(batch.body), /SERVICE_DISABLED/);
});

test("a policy on one machine is checked as every policy is", async (t) => {
  const cloud = await startCompute(t);
  await cloud.network();
  await cloud.done("POST", INSTANCES, machine("m"));
  const set = `${INSTANCES}/m/setIamPolicy`;
  const policy = { bindings: [{ role: "roles/compute.osLogin", members: ["user:ann@example.com"] }] };
  const { etag } = await cloud.ok("POST", set, { policy });
  const ann = policy.bindings[0]?.members;
  const invented = { bindings: [{ role: "roles/compute.invented", members: ann }] };
  for (const [status, reason, wrong] of [
    [501, "notImplemented", invented],
    [400, "badRequest", { bindings: [{ role: "roles/compute.osLogin", members: ["ann"] }] }],
    [400, "badRequest", { bindings: 5 }],
    [409, "aborted", { ...policy, etag: "BwAAAAAAAAA=" }],
  ] as const) {
    await cloud.refused(status, reason, "POST", set, { policy: wrong });
  }
  const kept = await cloud.ok("GET", `${INSTANCES}/m/getIamPolicy`);
  assert.deepEqual([kept.etag, kept.bindings], [etag, policy.bindings]);
});
