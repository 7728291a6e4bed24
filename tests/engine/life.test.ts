import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Outcome } from "../../engine/automation.ts";
import { createWorld, type World } from "./world.ts";

// The whole program in the real engine, on the local cloud: what a user's `pulumi up` does over an environment's life.

let world: World;
before(async () => {
  world = await createWorld();
});
after(() => world.close());

/** The types that were replaced, and which of their inputs forced it. */
function replaced({ steps }: Outcome): string[] {
  const found = steps.filter(({ op }) => op === "replace");
  return found.map(({ type, replaceKeys }) => `${type.split(":").pop()}: ${replaceKeys.join(", ")}`).sort();
}

const buckets = (left: Record<string, string[]>) => left["storage.buckets"]?.length;

test("up makes everything, and a second preview has nothing to do", async () => {
  const stack = await world.open("life");
  const up = await stack.up();
  assert.deepEqual(Object.keys(up.changes), ["create"]);
  const left = await world.left();
  assert.equal(buckets(left), 2);
  assert.equal(left["compute.networks"]?.length, 1);
  assert.equal(left["compute.instanceTemplates"]?.length, 1);
  assert.match(String(up.outputs.dataBucketUrl), /^gs:\/\/mlt-life-data-[0-9a-f]{7}$/);

  const again = await stack.preview({ expectNoChanges: true });
  assert.deepEqual(Object.keys(again.changes), ["same"]);
  const looked = await stack.preview({ expectNoChanges: true, refresh: true });
  assert.deepEqual(Object.keys(looked.changes), ["same"]);
});

test("another machine type replaces the template and nothing else", async () => {
  const stack = await world.open("life", { config: { "mltraining:training": { machineType: "e2-standard-8" } } });
  const planned = await stack.preview();
  const up = await stack.up();
  assert.deepEqual(planned.changes, up.changes, "the preview says what up does");
  assert.deepEqual(replaced(up), ["InstanceTemplate: machineType"]);
  assert.equal((await world.left())["compute.instanceTemplates"]?.length, 1);
});

test("another region moves the buckets, the subnet and the template", async () => {
  const stack = await world.open("life", { config: { "gcp:region": "europe-west1" } });
  const up = await stack.up();
  const moved = replaced(up);
  assert.equal(moved.filter((line) => line === "Bucket: location").length, 2);
  const left = await world.left();
  assert.match(left["compute.subnetworks"]?.join() ?? "", /^europe-west1\/[^,]+$/);
  assert.match(left["compute.instanceTemplates"]?.join() ?? "", /^mlt-life-europe-west1-[^,]+$/);
  assert.equal(buckets(left), 2);
});

test("what changed behind Pulumi's back is found by a refresh and put right by up", async () => {
  const stack = await world.open("life", { config: { "gcp:region": "europe-west1" } });
  const { outputs } = await stack.up();
  const name = String(outputs.dataBucketUrl).replace("gs://", "");
  const response = await fetch(`${world.cloud.operatorUrl}/storage/v1/b/${name}`, {
    method: "PATCH",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ versioning: { enabled: false } }),
  });
  assert.equal(response.status, 200);
  const up = await stack.up({ refresh: true });
  assert.deepEqual(
    up.steps.map(({ op, type, diffs }) => `${op} ${type} ${diffs}`),
    ["update gcp:storage/bucket:Bucket versioning.enabled"],
  );
});

test("destroy leaves nothing, and up, destroy, up under one name works though deleted roles block their ids", async () => {
  const stack = await world.open("life");
  await stack.up();
  const first = (await world.left())["iam.roles"] ?? [];
  assert.equal(first.length, 2);
  await stack.destroy();
  assert.deepEqual(await world.left(), {});
  assert.equal(await stack.resources(), 0);

  const blocked = await fetch(`${world.cloud.operatorUrl}/iam/v1/projects/${world.cloud.project}/roles`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      roleId: first[0],
      role: { title: "again", includedPermissions: ["compute.instances.get"] },
    }),
  });
  assert.notEqual(blocked.status, 200, "the id of a deleted role is taken");

  await stack.up();
  const second = (await world.left())["iam.roles"] ?? [];
  assert.equal(second.length, 2);
  assert.deepEqual(
    second.filter((role) => first.includes(role)),
    [],
  );
  await stack.destroy();
  assert.deepEqual(await world.left(), {});
});
