import assert from "node:assert/strict";
import { test } from "node:test";
import { startupScript } from "../../../components/startupScript.ts";
import { type Json, PROJECT, type Provider, provider } from "./provider.ts";

const NETWORK = `projects/${PROJECT}/global/networks/net`;
const SUBNET = `projects/${PROJECT}/regions/us-central1/subnetworks/sub`;

async function subnet(gcp: Provider): Promise<void> {
  await gcp.change("POST", "global/networks", { name: "net", autoCreateSubnetworks: false });
  const body = { name: "sub", network: NETWORK, ipCidrRange: "10.10.0.0/20" };
  await gcp.change("POST", "regions/us-central1/subnetworks", body);
}

/** The body of an insert, as it comes out of Google's Go structures and the fields that the provider forces into it. */
function template(image: string, properties: Json = {}): Json & { name: string; properties: Json } {
  return {
    name: "mlt-dev-us-central1-0123abc",
    properties: {
      description: "Training machine: runs once, saves its results, deletes itself (ml-training)",
      disks: [
        {
          autoDelete: true,
          boot: true,
          diskSizeGb: "50",
          initializeParams: {
            diskSizeGb: "50",
            diskType: "pd-balanced",
            labels: { app: "ml-training", environment: "mlt-dev" },
            sourceImage: image,
          },
        },
      ],
      labels: { app: "ml-training", environment: "mlt-dev", "goog-pulumi-provisioned": "true" },
      machineType: "e2-standard-4",
      metadata: {
        items: [
          { key: "block-project-ssh-keys", value: "TRUE" },
          { key: "enable-oslogin", value: "TRUE" },
          { key: "serial-port-enable", value: "FALSE" },
          { key: "startup-script", value: startupScript("trainer.sh") },
        ],
      },
      networkInterfaces: [{ subnetwork: SUBNET }],
      scheduling: {
        automaticRestart: false,
        hostErrorTimeoutSeconds: null,
        instanceTerminationAction: "DELETE",
        maxRunDuration: { seconds: "28800" },
        nodeAffinities: [null],
        onHostMaintenance: "TERMINATE",
        preemptible: true,
        provisioningModel: "SPOT",
        skipGuestOsShutdown: false,
      },
      serviceAccounts: [
        {
          email: `mlt-dev-machines@${PROJECT}.iam.gserviceaccount.com`,
          scopes: ["https://www.googleapis.com/auth/cloud-platform"],
        },
      ],
      shieldedInstanceConfig: { enableIntegrityMonitoring: true, enableSecureBoot: true, enableVtpm: true },
      tags: {},
      ...properties,
    },
  };
}

test("the provider's calls for an instance template", async (t) => {
  const gcp = await provider(t);
  await subnet(gcp);
  const family = "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64";
  const found = await gcp.call("COMPUTE", "GET", family);
  const image = `projects/ubuntu-os-cloud/global/images/${found.name}`;
  assert.equal(found.family, "ubuntu-2404-lts-amd64");
  assert.match(`${found.diskSizeGb} ${found.archiveSizeBytes}`, /^\d+ \d+$/);

  const body = template(image);
  let id = "";
  await t.test("is created, and read by its number", async () => {
    const operation = await gcp.change("POST", "global/instanceTemplates", body);
    id = String(operation.targetId);
    const read = await gcp.read(`global/instanceTemplates/${id}?view=FULL`);
    assert.deepEqual([read.id, read.name, read.description], [id, body.name, undefined]);
    assert.equal(
      read.selfLink,
      `https://www.googleapis.com/compute/v1/projects/${PROJECT}/global/instanceTemplates/${body.name}`,
    );
    compare(read.properties as Json, body.properties);
  });

  await t.test("a changed machine type is a new template before the old one goes", async () => {
    const next = { ...template(image, { machineType: "e2-standard-8" }), name: "mlt-dev-us-central1-4567def" };
    const operation = await gcp.change("POST", "global/instanceTemplates", next);
    compare(
      (await gcp.read(`global/instanceTemplates/${operation.targetId}?view=FULL`)).properties as Json,
      next.properties,
    );
    await gcp.change("DELETE", `global/instanceTemplates/${body.name}`);
    await gcp.read(`global/instanceTemplates/${id}?view=FULL`, 404);
    await gcp.change("DELETE", `global/instanceTemplates/${next.name}`);
  });

  await t.test("without Spot, with GPUs", async () => {
    const scheduling = {
      automaticRestart: true,
      hostErrorTimeoutSeconds: null,
      instanceTerminationAction: "DELETE",
      maxRunDuration: { seconds: "3600" },
      nodeAffinities: [null],
      onHostMaintenance: "TERMINATE",
      preemptible: false,
      provisioningModel: "STANDARD",
      skipGuestOsShutdown: false,
    };
    const guestAccelerators = [{ acceleratorCount: 1, acceleratorType: "nvidia-tesla-t4" }];
    const shieldedInstanceConfig = { enableIntegrityMonitoring: true, enableSecureBoot: false, enableVtpm: true };
    const gpu = template(image, {
      machineType: "n1-standard-4",
      scheduling,
      guestAccelerators,
      shieldedInstanceConfig,
    });
    const operation = await gcp.change("POST", "global/instanceTemplates", gpu);
    const read = await gcp.read(`global/instanceTemplates/${operation.targetId}?view=FULL`);
    compare(read.properties as Json, gpu.properties);
    assert.deepEqual((read.properties as Json).guestAccelerators, guestAccelerators);
  });
});

/** Everything that the provider reads and that it would not take over from Google if the program did not name it. */
function compare(read: Json, sent: Json): void {
  const { disks, metadata, networkInterfaces, scheduling, tags, ...rest } = sent;
  for (const [name, value] of Object.entries(rest)) assert.deepEqual(read[name], value, name);

  const [disk] = read.disks as Json[];
  const [wanted] = disks as [Json];
  assert.deepEqual(disk?.initializeParams, wanted.initializeParams);
  assert.deepEqual([disk?.boot, disk?.autoDelete, disk?.diskSizeGb, disk?.source], [true, true, "50", undefined]);
  assert.equal((read.disks as Json[]).length, 1);

  const items = (from: unknown) =>
    new Map(((from as Json).items as { key: string; value: string }[]).map(({ key, value }) => [key, value]));
  assert.deepEqual(items(read.metadata), items(metadata));
  assert.equal(typeof (read.metadata as Json).fingerprint, "string");

  const [nic] = read.networkInterfaces as Json[];
  assert.equal(nic?.subnetwork, `https://www.googleapis.com/compute/v1/${SUBNET}`);
  assert.deepEqual(
    [nic?.accessConfigs, nic?.aliasIpRanges, nic?.nicType, nic?.networkIP],
    [undefined, undefined, undefined, undefined],
  );

  const { nodeAffinities, hostErrorTimeoutSeconds, skipGuestOsShutdown, ...plan } = scheduling as Json;
  const kept = read.scheduling as Json;
  for (const [name, value] of Object.entries(plan)) assert.deepEqual(kept[name], value, `scheduling.${name}`);
  assert.deepEqual(Object.keys(kept).sort(), Object.keys(plan).sort());
  for (const name of ["minCpuPlatform", "keyRevocationActionType", "confidentialInstanceConfig", "displayDevice"]) {
    assert.equal(read[name], undefined, `${name} would be a change: the program does not set it`);
  }
  assert.deepEqual((read.tags as Json | undefined)?.items ?? [], []);
}
