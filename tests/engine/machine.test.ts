import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Instance } from "@pulumi/gcp/compute/instance.js";
import { Network } from "@pulumi/gcp/compute/network.js";
import { Subnetwork } from "@pulumi/gcp/compute/subnetwork.js";
import type { OpenStack } from "../../engine/automation.ts";
import { createWorld, failure, type World } from "./world.ts";

// A machine of its own in the state: what changes in place, what stops it, what makes another one.

let world: World;
let stack: OpenStack;
const wanted = {
  machineType: "e2-standard-2",
  zone: "us-central1-a",
  metadata: { note: "one" } as Record<string, string>,
  labels: { team: "red" } as Record<string, string>,
  allowStoppingForUpdate: true as boolean | undefined,
};

before(async () => {
  world = await createWorld({ enabledServices: "all" });
  const program = async () => {
    const network = new Network("net", { autoCreateSubnetworks: false });
    const subnetwork = new Subnetwork("sub", {
      network: network.id,
      ipCidrRange: "10.1.0.0/20",
      region: "us-central1",
    });
    new Instance("machine", {
      name: "machine",
      ...wanted,
      bootDisk: { initializeParams: { image: "debian-cloud/debian-12", size: 20 } },
      networkInterfaces: [{ subnetwork: subnetwork.selfLink }],
    });
  };
  stack = await world.open("machine", { program, project: { name: "machine" } });
  await stack.up();
});
after(() => world.close());

const PATH = "compute/v1/projects/local-project/zones";

async function machine(zone = wanted.zone): Promise<Record<string, unknown>> {
  const response = await fetch(`${world.cloud.operatorUrl}/${PATH}/${zone}/instances/machine`);
  return { status: response.status, body: (await response.json()) as unknown };
}

async function steps(): Promise<string[]> {
  const up = await stack.up();
  return up.steps.map(({ op, name, diffs }) => `${op} ${name} ${[...diffs].sort()}`.trim());
}

test("up and preview agree that there is nothing to do", async () => {
  await stack.preview({ expectNoChanges: true });
  await stack.preview({ expectNoChanges: true, refresh: true });
});

test("metadata and labels change in place", async () => {
  wanted.metadata = { note: "two" };
  wanted.labels = { team: "blue" };
  assert.deepEqual(await steps(), ["update machine labels.team,metadata.note"]);
  const { body } = await machine();
  const { metadata, labels } = body as { metadata: { items: unknown[] }; labels: Record<string, string> };
  assert.deepEqual(metadata.items, [{ key: "note", value: "two" }]);
  assert.deepEqual(labels, { team: "blue", "goog-pulumi-provisioned": "true" });
});

test("another machine type stops the machine and starts it again, if that is allowed", async () => {
  wanted.allowStoppingForUpdate = undefined;
  wanted.machineType = "e2-standard-4";
  assert.match((await failure(stack.up())).message, /allow_stopping_for_update/);
  wanted.allowStoppingForUpdate = true;
  const [step] = await steps();
  assert.match(step ?? "", /^update machine /);
  const { body } = await machine();
  const { machineType, status } = body as { machineType: string; status: string };
  assert.match(machineType, /\/machineTypes\/e2-standard-4$/);
  assert.equal(status, "RUNNING");
});

test("another zone makes another machine, the old one first: they have one name", async () => {
  wanted.zone = "us-central1-b";
  assert.deepEqual(await steps(), [
    "delete-replaced machine",
    "replace machine zone",
    "create-replacement machine zone",
  ]);
  assert.equal((await machine("us-central1-a")).status, 404);
  assert.equal((await machine("us-central1-b")).status, 200);
});

test("a machine that deleted itself is made again after a refresh, and destroy needs the refresh", async () => {
  const gone = await fetch(`${world.cloud.operatorUrl}/${PATH}/${wanted.zone}/instances/machine`, { method: "DELETE" });
  assert.equal(gone.status, 200);
  for (let tries = 0; tries < 100 && (await machine()).status !== 404; tries++)
    await new Promise((r) => setTimeout(r, 50));
  assert.match((await failure(stack.destroy())).message, /Error 404/);
  await stack.destroy({ refresh: true });
  assert.deepEqual(await world.left(), {});
});
