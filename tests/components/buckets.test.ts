import assert from "node:assert/strict";
import { test } from "node:test";
import type * as pulumi from "@pulumi/pulumi";
import { BucketAccess, writableCondition } from "../../components/bucketAccess.ts";
import { Buckets, type BucketsArgs } from "../../components/buckets.ts";
import { record } from "../helpers/record.ts";

const args: BucketsArgs = { project: "my-project", location: "us-central1", labels: { app: "ml-training" } };
const BUCKET = "gcp:storage/bucket:Bucket";

const SHARED = {
  project: "my-project",
  location: "us-central1",
  storageClass: "STANDARD",
  uniformBucketLevelAccess: true,
  publicAccessPrevention: "enforced",
  labels: { app: "ml-training" },
};

test("data keeps versions and can be restored; scratch keeps nothing", async () => {
  const { only, ofType } = await record(() => new Buckets("mlt-dev", args));
  assert.equal(ofType(BUCKET).length, 2);
  assert.deepEqual(only(BUCKET, "mlt-dev-data").inputs, {
    ...SHARED,
    versioning: { enabled: true },
    softDeletePolicy: { retentionDurationSeconds: 604_800 },
    lifecycleRules: [
      { action: { type: "Delete" }, condition: { daysSinceNoncurrentTime: 30, withState: "ARCHIVED" } },
      { action: { type: "AbortIncompleteMultipartUpload" }, condition: { age: 7 } },
    ],
    forceDestroy: true,
  });
  assert.deepEqual(only(BUCKET, "mlt-dev-scratch").inputs, {
    ...SHARED,
    versioning: { enabled: false },
    softDeletePolicy: { retentionDurationSeconds: 0 },
    lifecycleRules: [
      { action: { type: "Delete" }, condition: { age: 14 } },
      { action: { type: "AbortIncompleteMultipartUpload" }, condition: { age: 1 } },
    ],
    forceDestroy: true,
  });
});

test("retain spares the data bucket, not the scratch bucket", async () => {
  const { only } = await record(() => new Buckets("mlt-dev", { ...args, retain: true }));
  assert.equal(only(BUCKET, "mlt-dev-data").inputs.forceDestroy, false);
  assert.equal(only(BUCKET, "mlt-dev-data").retainOnDelete, true);
  assert.equal(only(BUCKET, "mlt-dev-scratch").inputs.forceDestroy, true);
  assert.equal(only(BUCKET, "mlt-dev-scratch").retainOnDelete, false);
});

test("impossible settings are refused together, before anything is registered", async () => {
  const { resources } = await record(() => {
    assert.throws(
      () => new Buckets("m".repeat(50), { ...args, softDeleteDays: 3 }),
      (error: pulumi.InputPropertiesError) =>
        error.errors?.map(({ propertyPath }) => propertyPath).join() === "softDeleteDays,name",
    );
  });
  assert.deepEqual(resources, []);
});

test("machines read their data bucket, write runs and outputs in it, and do as they like in scratch", async () => {
  const { ofType } = await record(
    () => new BucketAccess("mlt-dev", { serviceAccount: "m@x.iam.gserviceaccount.com", data: "d-1", scratch: "s-1" }),
  );
  const member = "serviceAccount:m@x.iam.gserviceaccount.com";
  const found = ofType("gcp:storage/bucketIAMMember:BucketIAMMember").sort((a, b) => a.name.localeCompare(b.name));
  assert.deepEqual(
    found.map(({ name, inputs }) => ({ name, ...inputs })),
    [
      { name: "mlt-dev-data-read", bucket: "d-1", role: "roles/storage.objectViewer", member },
      {
        name: "mlt-dev-data-write",
        bucket: "d-1",
        role: "roles/storage.objectUser",
        member,
        condition: {
          title: "runs and outputs only",
          description: "Objects below runs/ and output/",
          expression: writableCondition("d-1"),
        },
      },
      { name: "mlt-dev-scratch", bucket: "s-1", role: "roles/storage.objectUser", member },
    ],
  );
  assert.equal(
    writableCondition("d-1"),
    'resource.name.startsWith("projects/_/buckets/d-1/objects/runs/") || resource.name.startsWith("projects/_/buckets/d-1/objects/output/")',
  );
});
