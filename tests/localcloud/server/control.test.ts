import assert from "node:assert/strict";
import { test } from "node:test";
import { PROJECT, testCloud } from "./local.ts";

test("settings are changed while it runs, by known names and times only", async (t) => {
  const cloud = await testCloud(t);
  assert.deepEqual((await cloud.call("GET", "/local/v1/settings")).json, {
    iamDelayMs: 0,
    serviceEnableDelayMs: 0,
    clockOffsetMs: 0,
  });
  await cloud.call("PATCH", "/local/v1/settings", { iamDelayMs: 60_000 });
  const policy = { bindings: [{ role: "roles/viewer", members: ["user:ann@example.com"] }] };
  await cloud.call("POST", `/crm/v1/projects/${PROJECT}:setIamPolicy`, { policy });
  const reads = async () =>
    (await cloud.call("GET", `/crm/v1/projects/${PROJECT}`, undefined, { kind: "user", email: "ann@example.com" }))
      .status;
  assert.equal(await reads(), 403);
  await cloud.call("PATCH", "/local/v1/settings", { iamDelayMs: 0 });
  assert.equal(await reads(), 200);
  assert.equal((await cloud.call("PATCH", "/local/v1/settings", { iamDelay: 1 })).status, 400);
  assert.equal((await cloud.call("PATCH", "/local/v1/settings", { iamDelayMs: -1 })).status, 400);
  assert.equal((await cloud.call("PATCH", "/local/v1/settings", { iamDelayMs: "60" })).status, 400);
});

test("the operator may have anybody's token, and says who is in a group", async (t) => {
  const cloud = await testCloud(t);
  const { json } = await cloud.call<{ access_token: string }>("POST", "/local/v1/token", { user: "ann@example.com" });
  const reads = async () => {
    const headers = { authorization: `Bearer ${json.access_token}` };
    return (await fetch(`${cloud.local.url}/crm/v1/projects/${PROJECT}`, { headers })).status;
  };
  const policy = { bindings: [{ role: "roles/viewer", members: ["group:Team@example.com"] }] };
  await cloud.call("POST", `/crm/v1/projects/${PROJECT}:setIamPolicy`, { policy });
  assert.equal(await reads(), 403);
  await cloud.call("PUT", "/local/v1/groups/Team@example.com", { members: ["user:ann@example.com"] });
  assert.equal(await reads(), 200);
  await cloud.restart();
  assert.equal(await reads(), 200);
});

test("what cannot be done is said: no such machine, no process of its own", async (t) => {
  const cloud = await testCloud(t);
  const preempted = await cloud.call("POST", "/local/v1/preempt", { zone: "us-central1-a", instance: "none" });
  assert.equal(preempted.status, 404);
  assert.match(
    preempted.json.error?.message ?? "",
    /No machine runs at projects\/test-project\/zones\/us-central1-a\/instances\/none/,
  );
  assert.equal((await cloud.call("POST", "/local/v1/shutdown")).status, 400);
});
