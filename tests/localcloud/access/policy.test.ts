import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { acceptPolicy, policyFor } from "../../../localcloud/core/access/policy.ts";
import { ACCOUNTS, CUSTOM_ROLES } from "../../../localcloud/core/access/records.ts";
import type { Binding, Policy } from "../../../localcloud/core/access.ts";
import { GoogleError } from "../../../localcloud/core/errors.ts";
import { State } from "../../../localcloud/core/state.ts";

const TRAINER = "trainer@proj-1.iam.gserviceaccount.com";
const VIEW = "roles/storage.objectViewer";
const CONDITION = { title: "own", expression: 'resource.name.startsWith("projects/_/buckets/b/objects/x/")' };

function setUp(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "policy-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const state = new State(folder);
  state.collection(ACCOUNTS).set(TRAINER, { email: TRAINER, uniqueId: "1" });
  state
    .collection(CUSTOM_ROLES)
    .set("projects/proj-1/roles/own", { name: "projects/proj-1/roles/own", deleted: false });
  state
    .collection(CUSTOM_ROLES)
    .set("projects/proj-1/roles/gone", { name: "projects/proj-1/roles/gone", deleted: true });
  return (next: Policy, current: Policy = { version: 1, etag: "AAAA" }, conflict?: number) =>
    acceptPolicy({ state, now: Date.now, project: "proj-1", resource: "projects/proj-1", current, next, conflict });
}

const one = (binding: Partial<Binding>, version = 1): Policy => ({
  version,
  bindings: [{ role: VIEW, members: ["user:a@example.com"], ...binding }],
});

test("bindings are merged, members kept once and in small letters, empty ones dropped", (t) => {
  const accept = setUp(t);
  const accepted = accept({
    bindings: [
      { role: VIEW, members: ["user:A@Example.com"] },
      { role: VIEW, members: ["user:a@example.com", `serviceAccount:${TRAINER}`] },
      { role: "roles/storage.admin", members: [] },
    ],
  });
  assert.deepEqual(accepted.bindings, [{ role: VIEW, members: ["user:a@example.com", `serviceAccount:${TRAINER}`] }]);
  assert.equal(accepted.version, 1);
  assert.ok(Buffer.from(accepted.etag ?? "", "base64").length === 8);
});

test("what Google refuses is refused", (t) => {
  const accept = setUp(t);
  const cases: [policy: Policy, code: number, message: RegExp][] = [
    [one({ members: ["a@example.com"] }), 400, /unknown type/],
    [one({ members: ["robot:a@example.com"] }), 400, /unknown type/],
    [one({ members: ["user:nobody"] }), 400, /Invalid member/],
    [
      one({ members: ["serviceAccount:missing@proj-1.iam.gserviceaccount.com"] }),
      400,
      /Service account missing@.* does not exist\./,
    ],
    [one({ role: "storage.admin" }), 400, /not valid/],
    [one({ role: "roles/nobody.knows" }), 501, /the role roles\/nobody\.knows/],
    [one({ role: "projects/proj-1/roles/none" }), 400, /does not exist in the resource's hierarchy/],
    [one({ role: "projects/proj-1/roles/gone" }), 400, /does not exist in the resource's hierarchy/],
    [one({ condition: CONDITION }, 1), 400, /version 3/],
    [one({ condition: { expression: "true" } }, 3), 400, /title/],
    [one({ condition: { title: "x", expression: "" } }, 3), 400, /expression/],
    [one({ condition: CONDITION, role: "roles/viewer" }, 3), 400, /basic role/],
    [one({ condition: CONDITION, members: ["allUsers"] }, 3), 400, /public principals/],
    [one({ condition: { title: "x", expression: "resource.name.size() > 1" } }, 3), 501, /size\(\)/],
    [{ version: 2, bindings: [] }, 400, /policy version: 2/],
    [{ bindings: [], etags: "x" }, 400, /Unknown name "etags"/],
    [{ etag: "BBBB", bindings: [] }, 409, /concurrent policy changes/],
  ];
  for (const [policy, code, message] of cases) {
    assert.throws(
      () => accept(policy),
      (error) => error instanceof GoogleError && error.code === code && message.test(error.message),
      JSON.stringify(policy),
    );
  }
  assert.equal(accept(one({ condition: CONDITION }, 3)).version, 3);
  assert.equal(accept(one({ role: "projects/proj-1/roles/own" })).version, 1);
});

test("storage answers 412 to an old etag", (t) => {
  const accept = setUp(t);
  assert.throws(
    () => accept({ etag: "BBBB", bindings: [] }, { etag: "AAAA" }, 412),
    (error) => error instanceof GoogleError && error.code === 412 && error.reason === "conditionNotMet",
  );
});

test("limits: 1,500 members, 20 conditions of one role and member", (t) => {
  const accept = setUp(t);
  const members = Array.from({ length: 1501 }, (_, index) => `user:u${index}@example.com`);
  assert.equal(accept(one({ members: members.slice(1) })).bindings?.[0]?.members.length, 1500);
  assert.throws(() => accept(one({ members })), /larger than the maximum allowed size 1500/);
  const conditional = (count: number): Policy => ({
    version: 3,
    bindings: Array.from({ length: count }, (_, index) => ({
      role: VIEW,
      members: ["user:a@example.com"],
      condition: { title: `c${index}`, expression: `resource.name == "${index}"` },
    })),
  });
  assert.equal(accept(conditional(20)).bindings?.length, 20);
  assert.throws(() => accept(conditional(21)), /More than 20 conditional bindings/);
});

test("a policy with conditions is not overwritten by a caller who cannot have seen them", (t) => {
  const accept = setUp(t);
  const current = accept(one({ condition: CONDITION }, 3));
  assert.throws(() => accept(one({}), current), /needs its etag or version 3/);
  assert.equal(accept({ ...one({}), etag: current.etag }, current).version, 1);
});

test("who asks for version 1 sees that a binding is conditional, but not how", (t) => {
  const policy = setUp(t)(one({ condition: CONDITION }, 3));
  const shown = policyFor(policy, 1).bindings?.[0];
  assert.match(shown?.role ?? "", /^roles\/storage\.objectViewer_withcond_[0-9a-f]{20}$/);
  assert.equal(shown?.condition, undefined);
  assert.deepEqual(policyFor(policy, 3), policy);
  assert.throws(() => policyFor(policy, 2), /requested policy version: 2/);
});
