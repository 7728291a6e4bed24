import assert from "node:assert/strict";
import { test } from "node:test";
import type { Access, Resource } from "../../../localcloud/core/access.ts";
import { GoogleError } from "../../../localcloud/core/errors.ts";
import { type Json, PROJECT, startStorage } from "./server.ts";

const UNIFORM = { iamConfiguration: { uniformBucketLevelAccess: { enabled: true } } };
const OBJECT = "projects/_/buckets/acl-bucket/objects/";

/** Allows everything and writes down what it was asked: permission and the resource's name. */
function recorder(): { access: Access; asked: string[] } {
  const asked: string[] = [];
  const note = (permission: string, resource: Resource): boolean => {
    asked.push(`${permission} ${resource.name}`);
    return true;
  };
  return {
    asked,
    access: {
      allowed: (_principal, permission, resource) => note(permission, resource),
      require: (_principal, permission, resource) => {
        note(permission, resource);
      },
    },
  };
}

test("every method asks for the permissions that Google names", async (t) => {
  const server = await startStorage(t);
  await server.bucket("acl-bucket", { ...UNIFORM, versioning: { enabled: true } });
  const generation = (await server.put("acl-bucket", "x", "one")).json.generation;
  await server.call("DELETE", `/storage/v1/b/acl-bucket/o/x?generation=${generation}`);
  await server.put("acl-bucket", "x", "two");
  const { access, asked } = recorder();
  Object.assign(server.cloud, { access });
  const path = "/storage/v1/b/acl-bucket";
  const upload = "/upload/storage/v1/b/acl-bucket/o?uploadType=";
  const bucket = "projects/_/buckets/acl-bucket";
  const rows: [string, string, unknown, string[]][] = [
    [
      "POST",
      `/storage/v1/b?project=${PROJECT}`,
      { name: "made-bucket" },
      [`storage.buckets.create projects/${PROJECT}`],
    ],
    ["GET", `/storage/v1/b?project=${PROJECT}`, undefined, [`storage.buckets.list projects/${PROJECT}`]],
    ["GET", path, undefined, [`storage.buckets.get ${bucket}`]],
    ["PATCH", path, {}, [`storage.buckets.update ${bucket}`]],
    ["GET", `${path}/iam`, undefined, [`storage.buckets.getIamPolicy ${bucket}`]],
    ["PUT", `${path}/iam`, { bindings: [] }, [`storage.buckets.setIamPolicy ${bucket}`]],
    ["GET", `${path}/o`, undefined, [`storage.objects.list ${bucket}`]],
    ["GET", `${path}/o/x`, undefined, [`storage.objects.get ${OBJECT}x`]],
    ["GET", `/download${path}/o/x?alt=media`, undefined, [`storage.objects.get ${OBJECT}x`]],
    ["PATCH", `${path}/o/x`, {}, [`storage.objects.update ${OBJECT}x`]],
    ["POST", `${upload}media&name=new`, "new", [`storage.objects.create ${OBJECT}new`]],
    [
      "POST",
      `${upload}media&name=x`,
      "over",
      [`storage.objects.create ${OBJECT}x`, `storage.objects.delete ${OBJECT}x`],
    ],
    ["POST", `${upload}resumable&name=n2`, undefined, [`storage.objects.create ${OBJECT}n2`]],
    [
      "POST",
      `${path}/o/c/compose`,
      { sourceObjects: [{ name: "x" }] },
      [`storage.objects.get ${OBJECT}x`, `storage.objects.create ${OBJECT}c`],
    ],
    [
      "POST",
      `${path}/o/x/rewriteTo/b/acl-bucket/o/y`,
      {},
      [`storage.objects.get ${OBJECT}x`, `storage.objects.create ${OBJECT}y`],
    ],
    [
      "POST",
      `${path}/o/x/copyTo/b/acl-bucket/o/c`,
      {},
      [`storage.objects.get ${OBJECT}x`, `storage.objects.create ${OBJECT}c`, `storage.objects.delete ${OBJECT}c`],
    ],
    [
      "POST",
      `${path}/o/x/restore?generation=${generation}`,
      undefined,
      [
        `storage.objects.restore ${OBJECT}x`,
        `storage.objects.create ${OBJECT}x`,
        `storage.objects.get ${OBJECT}x`,
        `storage.objects.delete ${OBJECT}x`,
      ],
    ],
    ["DELETE", `${path}/o/x`, undefined, [`storage.objects.delete ${OBJECT}x`]],
    ["DELETE", "/storage/v1/b/made-bucket", undefined, ["storage.buckets.delete projects/_/buckets/made-bucket"]],
  ];
  for (const [method, target, body, permissions] of rows) {
    asked.length = 0;
    const answer = await server.call(method, target, body);
    assert.ok(answer.status < 300, `${method} ${target}: ${answer.text}`);
    assert.deepEqual([...new Set(asked)], permissions, `${method} ${target}`);
  }
});

test("a denied call changes nothing", async (t) => {
  const server = await startStorage(t);
  await server.bucket("acl-bucket");
  await server.put("acl-bucket", "x", "one");
  const allow = server.cloud.access;
  const refuse = (): never => {
    throw new GoogleError(403, "forbidden", "no");
  };
  Object.assign(server.cloud, { access: { allowed: () => false, require: refuse } });
  const path = "/storage/v1/b/acl-bucket";
  for (const [method, target, body] of [
    ["PATCH", path, { labels: { a: "1" } }],
    ["DELETE", path, undefined],
    ["PUT", `${path}/iam`, { bindings: [] }],
    ["POST", "/upload/storage/v1/b/acl-bucket/o?uploadType=media&name=x", "two"],
    ["DELETE", `${path}/o/x`, undefined],
    ["PATCH", `${path}/o/x`, { contentType: "a/b" }],
    ["POST", `${path}/o/y/compose`, { sourceObjects: [{ name: "x" }] }],
  ] as const) {
    assert.equal((await server.call(method, target, body)).status, 403, `${method} ${target}`);
  }
  Object.assign(server.cloud, { access: allow });
  const object = (await server.call("GET", `${path}/o/x`)).json;
  assert.deepEqual(
    [object.metageneration, object.size, (await server.call("GET", path)).json.metageneration],
    ["1", "3", "1"],
  );
});

test("grants on a bucket, with conditions, decide who may do what", async (t) => {
  const server = await startStorage(t);
  await server.bucket("grant-bucket", UNIFORM);
  await server.put("grant-bucket", "in/x", "one");
  await server.put("grant-bucket", "out/x", "one");
  const student = server.token({ kind: "user", email: "student@example.org" });
  const path = "/storage/v1/b/grant-bucket";
  const policy = (await server.call("GET", `${path}/iam?optionsRequestedPolicyVersion=3`)).json;
  assert.deepEqual(
    policy.bindings?.map(({ role, members }) => [role, members]),
    [
      ["roles/storage.legacyBucketOwner", [`projectEditor:${PROJECT}`, `projectOwner:${PROJECT}`]],
      ["roles/storage.legacyBucketReader", [`projectViewer:${PROJECT}`]],
      ["roles/storage.legacyObjectOwner", [`projectEditor:${PROJECT}`, `projectOwner:${PROJECT}`]],
      ["roles/storage.legacyObjectReader", [`projectViewer:${PROJECT}`]],
    ],
  );
  const condition = {
    title: "own",
    expression:
      "resource.name.startsWith('projects/_/buckets/grant-bucket/objects/in/') || " +
      "api.getAttribute('storage.googleapis.com/objectListPrefix', '').startsWith('in/')",
  };
  const bindings = [{ role: "roles/storage.objectViewer", members: ["user:student@example.org"], condition }];
  assert.equal((await server.call("PUT", `${path}/iam`, { version: 1, bindings })).status, 400);
  const set = await server.call("PUT", `${path}/iam`, { version: 3, etag: policy.etag, bindings });
  assert.equal(set.status, 200, set.text);
  assert.equal((await server.call("PUT", `${path}/iam`, { version: 3, etag: policy.etag, bindings })).status, 412);
  const old = (await server.call("GET", `${path}/iam`)).json;
  assert.match(old.bindings?.[0]?.role ?? "", /^roles\/storage\.objectViewer_withcond_[0-9a-f]{20}$/);

  const as = async (method: string, target: string, body?: unknown) =>
    (await server.call(method, target, body, student)).status;
  assert.equal(await as("GET", `${path}/o/in%2Fx`), 200);
  assert.equal(await as("GET", `${path}/o/out%2Fx`), 403);
  assert.equal(await as("GET", `${path}/o?prefix=in/`), 200);
  assert.equal(await as("GET", `${path}/o`), 403);
  assert.equal(await as("DELETE", `${path}/o/in%2Fx`), 403);
  assert.equal(await as("GET", path), 403);
  assert.equal(await as("GET", "/storage/v1/b/absent-bucket"), 404);
  // Who may not list the bucket is not told what is absent.
  assert.equal(await as("GET", `${path}/o/in%2Fabsent`), 403);
  assert.equal((await server.call("GET", path, undefined, { authorization: "Bearer forged" })).status, 401);
});

test("public access prevention takes effect on grants that are there and refuses new ones", async (t) => {
  const server = await startStorage(t);
  await server.bucket("public-bucket", UNIFORM);
  await server.put("public-bucket", "x", "one");
  const path = "/storage/v1/b/public-bucket";
  const stranger = server.token({ kind: "user", email: "stranger@example.org" });
  const bindings = [{ role: "roles/storage.objectViewer", members: ["allUsers"] }];
  assert.equal((await server.call("PUT", `${path}/iam`, { bindings })).status, 200);
  assert.equal((await server.call("GET", `${path}/o/x`, undefined, stranger)).status, 200);
  await server.call("PATCH", path, { iamConfiguration: { publicAccessPrevention: "enforced" } });
  assert.equal((await server.call("GET", `${path}/o/x`, undefined, stranger)).status, 403);
  const refused = await server.call("PUT", `${path}/iam`, { bindings });
  assert.equal(refused.status, 412);
  assert.match((refused.json.error as Json).message as string, /public access prevention/);
});

test("policies that Google refuses are refused", async (t) => {
  const server = await startStorage(t);
  await server.bucket("policy-bucket", UNIFORM);
  await server.bucket("fine-bucket");
  const condition = { title: "t", expression: "true" };
  const role = "roles/storage.objectViewer";
  const rows: [string, string, object, number][] = [
    ["a member without a type", "policy-bucket", { role, members: ["a@example.org"] }, 400],
    [
      "a service account that is not there",
      "policy-bucket",
      { role, members: ["serviceAccount:a@p.iam.gserviceaccount.com"] },
      400,
    ],
    [
      "a role of another service",
      "policy-bucket",
      { role: "roles/compute.viewer", members: ["user:a@example.org"] },
      400,
    ],
    ["a basic role", "policy-bucket", { role: "roles/editor", members: ["user:a@example.org"] }, 400],
    [
      "a condition that is no CEL",
      "policy-bucket",
      { role, members: ["user:a@example.org"], condition: { title: "t", expression: "(" } },
      400,
    ],
    ["a condition without uniform access", "fine-bucket", { role, members: ["user:a@example.org"], condition }, 400],
    [
      "a condition on a legacy role",
      "policy-bucket",
      { role: "roles/storage.legacyBucketReader", members: ["user:a@example.org"], condition },
      400,
    ],
  ];
  for (const [what, bucket, binding, status] of rows) {
    const answer = await server.call("PUT", `/storage/v1/b/${bucket}/iam`, { version: 3, bindings: [binding] });
    assert.equal(answer.status, status, `${what}: ${answer.text}`);
  }
});
