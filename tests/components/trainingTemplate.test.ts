import assert from "node:assert/strict";
import { test } from "node:test";
import type * as pulumi from "@pulumi/pulumi";
import { parseConfig, type TrainingConfig } from "../../components/config.ts";
import { TrainingTemplate } from "../../components/trainingTemplate.ts";
import { IMAGE_CALL, type Recording, record } from "../helpers/record.ts";

const TEMPLATE = "gcp:compute/instanceTemplate:InstanceTemplate";
const SCRIPT = "#!/usr/bin/env bash\necho hello\n";

function training(more: Record<string, unknown> = {}): TrainingConfig {
  const config = parseConfig(
    { "gcp:project": "my-project", "mltraining:training": JSON.stringify(more) },
    "dev",
  ).training;
  assert.ok(config);
  return config;
}

function make(
  settings: TrainingConfig,
  more: { startupScript?: string; preview?: boolean } = {},
): Promise<Recording<TrainingTemplate>> {
  const subnetworks = Object.fromEntries(settings.regions.map((region) => [region, `subnet-${region}`]));
  return record(
    () =>
      new TrainingTemplate("mlt-dev", {
        project: "my-project",
        training: settings,
        subnetworks,
        serviceAccount: "m@my-project.iam.gserviceaccount.com",
        startupScript: more.startupScript ?? SCRIPT,
        labels: { app: "ml-training", "mlt-environment": "mlt-dev" },
      }),
    { calls: IMAGE_CALL, preview: more.preview },
  );
}

test("a Spot machine that Google deletes when its time is over, without an address, on an exact image", async () => {
  const { only } = await make(training({ maxHours: 2.5 }));
  const labels = { app: "ml-training", "mlt-environment": "mlt-dev" };
  assert.deepEqual(only(TEMPLATE).inputs, {
    project: "my-project",
    instanceDescription: "Training machine: runs once, saves its results, deletes itself (ml-training)",
    machineType: "e2-standard-4",
    canIpForward: false,
    disks: [
      {
        boot: true,
        autoDelete: true,
        sourceImage: "projects/ubuntu-os-cloud/global/images/ubuntu-2404-lts-amd64-v20261101",
        diskSizeGb: 50,
        diskType: "pd-balanced",
        labels,
      },
    ],
    networkInterfaces: [{ subnetwork: "subnet-us-central1" }],
    serviceAccount: {
      email: "m@my-project.iam.gserviceaccount.com",
      scopes: ["https://www.googleapis.com/auth/cloud-platform"],
    },
    scheduling: {
      provisioningModel: "SPOT",
      preemptible: true,
      automaticRestart: false,
      onHostMaintenance: "TERMINATE",
      instanceTerminationAction: "DELETE",
      maxRunDuration: { seconds: 9000 },
    },
    shieldedInstanceConfig: { enableSecureBoot: true, enableVtpm: true, enableIntegrityMonitoring: true },
    metadata: {
      "startup-script": SCRIPT,
      "enable-oslogin": "TRUE",
      "block-project-ssh-keys": "TRUE",
      "serial-port-enable": "FALSE",
    },
    labels,
  });
});

test("a standard machine is moved for maintenance, and has the same end", async () => {
  const { only } = await make(training({ spot: false }));
  assert.deepEqual(only(TEMPLATE).inputs.scheduling, {
    provisioningModel: "STANDARD",
    preemptible: false,
    automaticRestart: true,
    onHostMaintenance: "MIGRATE",
    instanceTerminationAction: "DELETE",
    maxRunDuration: { seconds: 28_800 },
  });
});

test("a GPU machine is stopped for maintenance and boots drivers that are not signed", async () => {
  const { only } = await make(
    training({ machineType: "n1-standard-8", gpu: { type: "nvidia-tesla-t4" }, spot: false }),
  );
  const { inputs } = only(TEMPLATE);
  assert.deepEqual(inputs.guestAccelerators, [{ type: "nvidia-tesla-t4", count: 1 }]);
  assert.equal((inputs.scheduling as { onHostMaintenance: string }).onHostMaintenance, "TERMINATE");
  assert.deepEqual(inputs.shieldedInstanceConfig, {
    enableSecureBoot: false,
    enableVtpm: true,
    enableIntegrityMonitoring: true,
  });
});

test("a family that needs Hyperdisk gets it", async () => {
  const { only } = await make(training({ machineType: "n4-standard-4" }));
  assert.equal((only(TEMPLATE).inputs.disks as { diskType: string }[])[0]?.diskType, "hyperdisk-balanced");
});

test("one template per region, each in its own subnet", async () => {
  const { ofType } = await make(training({ regions: ["us-east1", "us-west1"] }));
  assert.deepEqual(
    ofType(TEMPLATE).map(({ name, inputs }) => [name, inputs.networkInterfaces]),
    [
      ["mlt-dev-us-east1", [{ subnetwork: "subnet-us-east1" }]],
      ["mlt-dev-us-west1", [{ subnetwork: "subnet-us-west1" }]],
    ],
  );
});

test("an exact image is not looked up", async () => {
  const settings = training({ image: "projects/p-12345/global/images/img-7" });
  const { only } = await record(
    () =>
      new TrainingTemplate("mlt-dev", {
        project: "my-project",
        training: settings,
        subnetworks: { "us-central1": "s" },
        serviceAccount: "m@x",
        startupScript: SCRIPT,
        labels: {},
      }),
  );
  assert.equal(
    (only(TEMPLATE).inputs.disks as { sourceImage: string }[])[0]?.sourceImage,
    "projects/p-12345/global/images/img-7",
  );
});

test("no accelerator is asked for where there is none", async () => {
  assert.ok(!("guestAccelerators" in (await make(training())).only(TEMPLATE).inputs));
  assert.ok(!("guestAccelerators" in (await make(training({ machineType: "g2-standard-4" }))).only(TEMPLATE).inputs));
});

test("a script that is none and a time beyond Google's are refused together", async () => {
  const { resources } = await record(() => {
    assert.throws(
      () =>
        new TrainingTemplate("mlt-dev", {
          project: "my-project",
          training: { ...training(), maxHours: 5000 },
          subnetworks: {},
          serviceAccount: "m@x",
          startupScript: "echo",
          labels: {},
        }),
      (error: pulumi.InputPropertiesError) =>
        error.errors?.map(({ propertyPath }) => propertyPath).join() === "training.maxHours,subnetworks,startupScript",
    );
  });
  assert.deepEqual(resources, []);
});
