import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createAccess } from "../../../localcloud/core/access/decide.ts";
import { acceptPolicy } from "../../../localcloud/core/access/policy.ts";
import { ACCOUNTS, CUSTOM_ROLES, PROJECT_POLICIES } from "../../../localcloud/core/access/records.ts";
import type { Binding, Policy, Principal, Resource } from "../../../localcloud/core/access.ts";
import type { GoogleError } from "../../../localcloud/core/errors.ts";
import { State } from "../../../localcloud/core/state.ts";

const P = "proj-1";
const EMAIL = `trainer@${P}.iam.gserviceaccount.com`;
const OTHER = `other@${P}.iam.gserviceaccount.com`;
const trainer: Principal = { kind: "serviceAccount", email: EMAIL };
const ann: Principal = { kind: "user", email: "ann@example.com" };
const anonymous: Principal = { kind: "anonymous" };
const MEMBER = `serviceAccount:${EMAIL}`;

const object = (name: string, policy: Binding[] = []): Resource => ({
  service: "storage.googleapis.com",
  type: "storage.googleapis.com/Object",
  name: `projects/_/buckets/b/objects/${name}`,
  project: P,
  policies: [{ bindings: policy }],
});

const instance = (name: string): Resource => ({
  service: "compute.googleapis.com",
  type: "compute.googleapis.com/Instance",
  name: `projects/${P}/zones/us-central1-a/instances/${name}`,
  project: P,
});

function setUp(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "access-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const state = new State(folder);
  const account = (email: string, uniqueId: string, disabled = false) =>
    state.collection(ACCOUNTS).set(email, { email, uniqueId, disabled, project: P });
  account(EMAIL, "123");
  account(OTHER, "456");
  const clock = { now: Date.parse("2026-11-21T08:00:00Z") };
  const settings = { iamDelayMs: 0 };
  const now = () => clock.now;
  const access = createAccess({ state, now, settings });
  const bind = (...bindings: Binding[]) => state.collection<Policy>(PROJECT_POLICIES).set(P, { version: 3, bindings });
  return { state, access, bind, clock, settings, now, account };
}

test("the operator may everything, nobody else anything without a binding", (t) => {
  const { access } = setUp(t);
  assert.equal(access.allowed({ kind: "operator" }, "storage.objects.get", object("x")), true);
  for (const principal of [trainer, ann, anonymous]) {
    assert.equal(access.allowed(principal, "storage.objects.get", object("x")), false);
  }
});

test("a permission that the table lacks is an error, not a refusal", (t) => {
  const { access } = setUp(t);
  assert.throws(
    () => access.allowed({ kind: "operator" }, "storage.objects.fold", object("x")),
    /the permission storage\.objects\.fold/,
  );
});

test("members: each kind stands for whom it names", (t) => {
  const { access, state } = setUp(t);
  state.collection<string[]>("iam.groups").set("team@example.com", ["user:ann@example.com"]);
  const may = (principal: Principal, member: string) =>
    access.allowed(
      principal,
      "storage.objects.get",
      object("x", [{ role: "roles/storage.objectViewer", members: [member] }]),
    );
  const everyone: readonly Principal[] = [trainer, ann, anonymous];
  const cases: [member: string, who: Principal[]][] = [
    ["allUsers", [trainer, ann, anonymous]],
    ["allAuthenticatedUsers", [trainer, ann]],
    [MEMBER, [trainer]],
    [`serviceAccount:${OTHER}`, []],
    [`user:${EMAIL}`, []],
    ["user:ann@example.com", [ann]],
    ["serviceAccount:ann@example.com", []],
    ["group:team@example.com", [ann]],
    ["group:none@example.com", []],
    ["domain:example.com", [ann]],
    ["domain:ample.com", []],
    [`principal://iam.googleapis.com/projects/-/serviceAccounts/123`, [trainer]],
    [`principal://iam.googleapis.com/projects/-/serviceAccounts/456`, []],
    [`deleted:${MEMBER}?uid=9`, []],
    [`projectEditor:${P}`, []],
  ];
  for (const [member, who] of cases) {
    for (const principal of everyone) {
      assert.equal(may(principal, member), who.includes(principal), `${member} for ${principal.kind}`);
    }
  }
});

test("basic roles reach a bucket's objects through the bucket's convenience members only", (t) => {
  const { access, bind } = setUp(t);
  bind({ role: "roles/editor", members: ["user:ann@example.com"] });
  assert.equal(access.allowed(ann, "storage.objects.get", object("x")), false);
  const owners: Binding = { role: "roles/storage.legacyObjectOwner", members: [`projectEditor:${P}`] };
  assert.equal(access.allowed(ann, "storage.objects.get", object("x", [owners])), true);
  assert.equal(access.allowed(trainer, "storage.objects.get", object("x", [owners])), false);
  assert.equal(access.allowed(ann, "compute.instances.delete", instance("x")), true);
  assert.equal(access.allowed(ann, "resourcemanager.projects.setIamPolicy", { ...instance(""), name: "" }), false);
});

test("no basic role lets a person become a service account, and only an owner opens tunnels", (t) => {
  const { access, bind } = setUp(t);
  const account = { ...instance(""), service: "iam.googleapis.com", type: "iam.googleapis.com/ServiceAccount" };
  const rights: Record<string, [token: boolean, actAs: boolean, tunnel: boolean]> = {
    "roles/owner": [false, true, true],
    "roles/editor": [false, true, false],
    "roles/viewer": [false, false, false],
  };
  for (const [role, [token, actAs, tunnel]] of Object.entries(rights)) {
    bind({ role, members: ["user:ann@example.com"] });
    assert.equal(access.allowed(ann, "iam.serviceAccounts.getAccessToken", account), token, role);
    assert.equal(access.allowed(ann, "iam.serviceAccounts.actAs", account), actAs, role);
    assert.equal(access.allowed(ann, "iap.tunnelInstances.accessViaIAP", account), tunnel, role);
  }
});

test("a role grants its permissions and no other", (t) => {
  const { access, bind } = setUp(t);
  const permissions = ["get", "list", "create", "delete", "update", "setIamPolicy"].map(
    (verb) => `storage.objects.${verb}`,
  );
  const granted: Record<string, string[]> = {
    "roles/storage.objectViewer": ["get", "list"],
    "roles/storage.objectCreator": ["create"],
    "roles/storage.objectUser": ["get", "list", "create", "delete", "update"],
    "roles/storage.objectAdmin": ["get", "list", "create", "delete", "update", "setIamPolicy"],
    "roles/storage.legacyBucketReader": ["list"],
    "roles/storage.legacyObjectReader": ["get"],
    "roles/compute.instanceAdmin.v1": [],
    "roles/viewer": [],
  };
  for (const [role, verbs] of Object.entries(granted)) {
    bind({ role, members: [MEMBER] });
    const held: string[] = permissions.filter((each) => access.allowed(trainer, each, object("x")));
    assert.deepEqual(
      held,
      permissions.filter((each) => verbs.includes(each.split(".").at(-1) ?? "")),
      role,
    );
  }
});

test("a custom role under a condition: own machines only, and never an operation", (t) => {
  const { access, bind, state } = setUp(t);
  const role = `projects/${P}/roles/selfDelete`;
  const roles = state.collection(CUSTOM_ROLES);
  roles.set(role, {
    name: role,
    deleted: false,
    includedPermissions: ["compute.instances.delete", "compute.zoneOperations.get"],
  });
  const expression = 'resource.name.extract("/instances/{name}").startsWith("dev-run-")';
  bind({ role, members: [MEMBER], condition: { title: "own", expression } });
  const may = (permission: string, resource: Resource) => access.allowed(trainer, permission, resource);
  assert.equal(may("compute.instances.delete", instance("dev-run-1")), true);
  assert.equal(may("compute.instances.delete", instance("dev2-run-1")), false);
  assert.equal(may("compute.instances.get", instance("dev-run-1")), false);
  const operation = { ...instance(""), type: "compute.googleapis.com/ZoneOperation", name: "" };
  assert.equal(may("compute.zoneOperations.get", operation), false);
  roles.set(role, { name: role, deleted: true, includedPermissions: ["compute.instances.delete"] });
  assert.equal(may("compute.instances.delete", instance("dev-run-1")), false, "a deleted role grants nothing");
});

test("an account that is disabled or gone may nothing, not even what all may", (t) => {
  const { access, state, account } = setUp(t);
  const open = object("x", [{ role: "roles/storage.objectViewer", members: ["allUsers", MEMBER] }]);
  assert.equal(access.allowed(trainer, "storage.objects.get", open), true);
  account(EMAIL, "123", true);
  assert.equal(access.allowed(trainer, "storage.objects.get", open), false);
  state.collection(ACCOUNTS).delete(EMAIL);
  assert.equal(access.allowed(trainer, "storage.objects.get", open), false);
});

test("a grant takes effect after the delay, on the project and on a bucket", (t) => {
  const { access, state, now, clock, settings } = setUp(t);
  settings.iamDelayMs = 120_000;
  const next: Policy = { bindings: [{ role: "roles/storage.objectViewer", members: [MEMBER] }] };
  const bucket = acceptPolicy({ state, now, project: P, resource: "projects/_/buckets/b", current: {}, next });
  const own = { ...object("x"), policies: [bucket] };
  assert.equal(access.allowed(trainer, "storage.objects.get", own), false);
  clock.now += 60_000;
  const again = acceptPolicy({ state, now, project: P, resource: "projects/_/buckets/b", current: bucket, next });
  clock.now += 59_999;
  assert.equal(access.allowed(trainer, "storage.objects.get", { ...own, policies: [again] }), false);
  clock.now += 1;
  assert.equal(access.allowed(trainer, "storage.objects.get", { ...own, policies: [again] }), true);
});

test("refusals in each service's words", (t) => {
  const { access } = setUp(t);
  const refused = (principal: Principal, permission: string, resource: Resource): GoogleError => {
    try {
      access.require(principal, permission, resource);
    } catch (error) {
      return error as GoogleError;
    }
    return assert.fail("was allowed");
  };
  assert.equal(refused(anonymous, "storage.objects.get", object("x")).code, 401);
  const storage = refused(trainer, "storage.objects.get", object("x"));
  assert.equal(storage.code, 403);
  assert.match(
    storage.message,
    /^trainer@proj-1\.iam\.gserviceaccount\.com does not have storage\.objects\.get access to the Google Cloud Storage object\./,
  );
  const compute = refused(trainer, "compute.instances.delete", instance("a"));
  assert.equal(
    compute.message,
    `Required 'compute.instances.delete' permission for 'projects/${P}/zones/us-central1-a/instances/a'`,
  );
  const project: Resource = {
    service: "cloudresourcemanager.googleapis.com",
    type: "x",
    name: "projects/1",
    project: P,
  };
  assert.equal(refused(trainer, "resourcemanager.projects.get", project).details.status, "PERMISSION_DENIED");
});
