import assert from "node:assert/strict";
import { test } from "node:test";
import { PROJECT, testCloud } from "../server/local.ts";

const BASE = `/iam/v1/projects/${PROJECT}/roles`;
const DAY = 24 * 3_600_000;
interface Role {
  name: string;
  title?: string;
  includedPermissions?: string[];
  deleted?: boolean;
  etag: string;
}

test("the life of a custom role, and its id that stays blocked", async (t) => {
  const cloud = await testCloud(t);
  const role = {
    title: "own",
    includedPermissions: ["compute.instances.get", "compute.instances.delete"],
    stage: "GA",
  };
  const body = { roleId: "dev_selfDelete_1a2b", role };
  const path = `${BASE}/${body.roleId}`;
  assert.equal((await cloud.call("GET", path)).status, 404);
  const made = await cloud.call<Role>("POST", BASE, body);
  assert.equal(made.status, 200);
  assert.equal(made.json.name, `projects/${PROJECT}/roles/dev_selfDelete_1a2b`);
  assert.deepEqual(made.json.includedPermissions, ["compute.instances.delete", "compute.instances.get"]);
  assert.equal((await cloud.call("POST", BASE, body)).status, 409);
  const patched = await cloud.call<Role>("PATCH", `${path}?updateMask=title`, {
    title: "new",
    includedPermissions: [],
  });
  assert.deepEqual([patched.json.title, patched.json.includedPermissions?.length], ["new", 2]);
  assert.equal((await cloud.call("PATCH", path, { title: "x", etag: made.json.etag })).status, 409);

  const deleted = await cloud.call<Role>("DELETE", path);
  assert.equal(deleted.json.deleted, true);
  assert.equal((await cloud.call<Role>("GET", path)).json.deleted, true);
  assert.deepEqual((await cloud.call("GET", BASE)).json, {});
  assert.equal((await cloud.call<{ roles: Role[] }>("GET", `${BASE}?showDeleted=true`)).json.roles.length, 1);
  const again = await cloud.call("POST", BASE, body);
  assert.deepEqual([again.status, again.json.error?.status], [400, "FAILED_PRECONDITION"]);
  assert.match(again.json.error?.message ?? "", /marked for deletion/);

  cloud.clock.offset = 6 * DAY;
  assert.equal((await cloud.call<Role>("POST", `${path}:undelete`, {})).json.deleted, undefined);
  await cloud.call("DELETE", path);
  cloud.clock.offset = 14 * DAY;
  assert.equal((await cloud.call("POST", `${path}:undelete`, {})).status, 400);
  cloud.clock.offset = 42 * DAY;
  assert.equal((await cloud.call("POST", BASE, body)).status, 400);
  cloud.clock.offset = 44 * DAY;
  assert.equal((await cloud.call("GET", path)).status, 404);
  assert.equal((await cloud.call("POST", BASE, body)).status, 200);
});

test("what Google refuses about roles", async (t) => {
  const cloud = await testCloud(t);
  const make = (roleId: string, role: Record<string, unknown> = {}) => cloud.call("POST", BASE, { roleId, role });
  for (const id of ["ab", "has-hyphen", "a".repeat(65), ""]) assert.equal((await make(id)).status, 400, id);
  assert.equal((await make("one", { title: "x".repeat(101) })).status, 400);
  assert.equal((await make("one", { stage: "NEW" })).status, 400);
  assert.equal((await make("one", { includedPermissions: ["nonsense"] })).status, 400);
  assert.equal((await make("one", { includedPermissions: ["resourcemanager.projects.list"] })).status, 400);
  const unknown = await make("one", { includedPermissions: ["compute.instances.fly"] });
  assert.equal(unknown.status, 501);
  assert.match(unknown.json.error?.message ?? "", /compute\.instances\.fly/);
});

test("predefined roles can be read", async (t) => {
  const cloud = await testCloud(t);
  const { json } = await cloud.call<Role>("GET", "/iam/v1/roles/storage.objectViewer");
  assert.ok(json.includedPermissions?.includes("storage.objects.get"));
  assert.equal((await cloud.call("GET", "/iam/v1/roles/no.such")).status, 501);
  const { roles } = (await cloud.call<{ roles: Role[] }>("GET", "/iam/v1/roles")).json;
  for (const { name } of roles) {
    const one = await cloud.call<Role>("GET", `/iam/v1/${name}`);
    assert.ok((one.json.includedPermissions?.length ?? 0) > 0, name);
  }
});
