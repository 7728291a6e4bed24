import assert from "node:assert/strict";
import { test } from "node:test";
import { type Deployment, settlePending } from "../../course/pulumi/pending.ts";

const urn = (type: string, name: string) => `urn:pulumi:ml26-s001::mltraining::${type}::${name}`;
const creating = (type: string, name: string, inputs: Record<string, unknown>) => ({
  type: "creating",
  resource: { urn: urn(type, name), type, inputs },
});

test("what may have been made is looked for under Google's id; the rest is made again", () => {
  const there = { urn: urn("gcp:storage/bucket:Bucket", "there"), type: "gcp:storage/bucket:Bucket", id: "there-1" };
  const deployment: Deployment = {
    manifest: { version: "3.256.0" },
    resources: [there],
    pending_operations: [
      creating("gcp:storage/bucket:Bucket", "data", { name: "ml26-s001-data-1a2b3c4", project: "course-a" }),
      creating("gcp:compute/instance:Instance", "ws", {
        project: "course-a",
        zone: "us-central1-a",
        name: "ml26-s001-ws",
      }),
      creating("gcp:compute/subnetwork:Subnetwork", "net", {
        project: "course-a",
        region: "us-central1",
        name: "net-1",
      }),
      creating("gcp:serviceaccount/account:Account", "acc", { project: "course-a", accountId: "ml26-s001-machines" }),
      creating("gcp:storage/bucketIAMMember:BucketIAMMember", "read", { bucket: "b" }),
      creating("gcp:compute/subnetworkIAMMember:SubnetworkIAMMember", "use", {}),
      creating("gcp:projects/iAMMember:IAMMember", "member", {}),
      creating("gcp:storage/bucketObject:BucketObject", "record", {}),
      creating("gcp:projects/service:Service", "api", {}),
      creating("gcp:container/cluster:Cluster", "cluster", { name: "c" }),
      { type: "updating", resource: there },
      { type: "deleting", resource: there },
      creating("gcp:storage/bucket:Bucket", "there", { name: "there-1" }),
    ],
  };
  const before = structuredClone(deployment);
  const settled = settlePending(deployment);
  assert.deepEqual(deployment, before, "the state that was given is not touched");
  assert.deepEqual(settled.lookedFor, ["Bucket data", "Instance ws", "Subnetwork net", "Account acc"]);
  assert.deepEqual(settled.repeatable, [
    "BucketIAMMember read",
    "SubnetworkIAMMember use",
    "IAMMember member",
    "BucketObject record",
    "Service api",
  ]);
  assert.deepEqual(settled.unknown, ["Cluster cluster"]);
  const { resources = [], ...rest } = settled.deployment;
  assert.deepEqual(rest, { manifest: { version: "3.256.0" } }, "no operation is pending any more");
  assert.deepEqual(
    resources.map(({ id }) => id),
    [
      "there-1",
      "ml26-s001-data-1a2b3c4",
      "projects/course-a/zones/us-central1-a/instances/ml26-s001-ws",
      "projects/course-a/regions/us-central1/subnetworks/net-1",
      "projects/course-a/serviceAccounts/ml26-s001-machines@course-a.iam.gserviceaccount.com",
    ],
  );
});

test("inputs that do not tell the id are not guessed from", () => {
  const { lookedFor, unknown, deployment } = settlePending({
    pending_operations: [creating("gcp:compute/disk:Disk", "disk", { project: "course-a", name: "d" })],
  });
  assert.deepEqual([lookedFor, unknown, deployment.resources], [[], ["Disk disk"], []]);
});

test("nothing pending: the state stays as it is", () => {
  const deployment = { resources: [{ urn: "u", type: "t" }] };
  assert.deepEqual(settlePending(deployment).deployment, deployment);
});
