import assert from "node:assert/strict";
import { test } from "node:test";
import type { Policy, Principal } from "../../../localcloud/core/access.ts";
import { projectNumber } from "../../../localcloud/core/cloud.ts";
import { PROJECT, testCloud } from "../server/local.ts";

const at = (verb: string) => `/crm/v1/projects/${PROJECT}:${verb}`;
const VERSION_3 = { options: { requestedPolicyVersion: 3 } };

test("a member is added as the provider does: read, change, write, read again", async (t) => {
  const cloud = await testCloud(t);
  const email = await cloud.account("trainer-1");
  const read = async () => (await cloud.call<Policy>("POST", at("getIamPolicy"), VERSION_3)).json;
  const before = await read();
  const condition = { title: "own", expression: 'resource.name.extract("/instances/{name}").startsWith("dev-run-")' };
  const binding = { role: "roles/compute.instanceAdmin.v1", members: [`serviceAccount:${email}`], condition };
  const written = await cloud.call<Policy>("POST", at("setIamPolicy"), {
    policy: { version: 3, etag: before.etag, bindings: [binding] },
    updateMask: "bindings,etag,auditConfigs",
  });
  assert.equal(written.status, 200);
  assert.deepEqual(await read(), written.json);
  assert.deepEqual(written.json.bindings, [binding]);
  const late = await cloud.call("POST", at("setIamPolicy"), {
    policy: { version: 3, etag: before.etag, bindings: [] },
  });
  assert.deepEqual([late.status, late.json.error?.status], [409, "ABORTED"]);
});

test("who is not there cannot become a member", async (t) => {
  const cloud = await testCloud(t);
  const policy = {
    bindings: [{ role: "roles/viewer", members: [`serviceAccount:nobody@${PROJECT}.iam.gserviceaccount.com`] }],
  };
  const { status, json } = await cloud.call("POST", at("setIamPolicy"), { policy });
  assert.equal(status, 400);
  assert.equal(json.error?.message, `Service account nobody@${PROJECT}.iam.gserviceaccount.com does not exist.`);
});

test("a project by id and number, in both versions", async (t) => {
  const cloud = await testCloud(t);
  const number = projectNumber(PROJECT);
  for (const key of [PROJECT, number]) {
    const v1 = await cloud.call("GET", `/crm/v1/projects/${key}`);
    assert.deepEqual([v1.json.projectId, v1.json.projectNumber, v1.json.lifecycleState], [PROJECT, number, "ACTIVE"]);
    const v3 = await cloud.call("GET", `/crm/v3/projects/${key}`);
    assert.deepEqual([v3.json.name, v3.json.projectId, v3.json.state], [`projects/${number}`, PROJECT, "ACTIVE"]);
  }
  assert.equal((await cloud.call("GET", "/crm/v1/projects/another-project")).status, 403);
});

test("testIamPermissions answers what the caller holds", async (t) => {
  const cloud = await testCloud(t);
  const ann: Principal = { kind: "user", email: "ann@example.com" };
  const permissions = ["resourcemanager.projects.get", "compute.instances.delete"];
  const ask = async () => (await cloud.call("POST", at("testIamPermissions"), { permissions }, ann)).json;
  assert.deepEqual(await ask(), {});
  await cloud.call("POST", at("setIamPolicy"), {
    policy: { bindings: [{ role: "roles/viewer", members: ["user:ann@example.com"] }] },
  });
  assert.deepEqual(await ask(), { permissions: ["resourcemanager.projects.get"] });
});

test("a new grant is felt after the delay that was asked for", async (t) => {
  const cloud = await testCloud(t, { settings: { iamDelayMs: 120_000 } });
  const ann: Principal = { kind: "user", email: "ann@example.com" };
  await cloud.call("POST", at("setIamPolicy"), {
    policy: { bindings: [{ role: "roles/viewer", members: ["user:ann@example.com"] }] },
  });
  const reads = async () => (await cloud.call("GET", `/crm/v1/projects/${PROJECT}`, undefined, ann)).status;
  assert.equal(await reads(), 403);
  cloud.clock.offset = 119_000;
  assert.equal(await reads(), 403);
  cloud.clock.offset = 121_000;
  assert.equal(await reads(), 200);
});
