import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { readRequirementsFile } from "../../components/requirementsFile.ts";
import { Workstation, type WorkstationArgs } from "../../components/workstation.ts";
import { readWorkstation, type WorkstationConfig } from "../../components/workstationConfig.ts";
import { IMAGE_CALL, outputValue, type Recorded, type Recording, record } from "../helpers/record.ts";

const LABELS = { app: "ml-training", "mlt-environment": "mlt-dev" };
const mark = (text: string): string => `${text} (ml-training environment mlt-dev)`;

function config(wish: Parameters<typeof readWorkstation>[0] = {}): WorkstationConfig {
  const around = { project: "p1", region: "us-central1", scope: "solo", preset: {}, today: "2026-11-21" };
  const read = readWorkstation(wish, around);
  assert.ok(read.config, read.problems.join("\n"));
  return read.config;
}

function args(wish: Parameters<typeof readWorkstation>[0] = {}, more: Partial<WorkstationArgs> = {}): WorkstationArgs {
  return {
    project: "p1",
    environment: "mlt-dev",
    workstation: config(wish),
    network: "the-network",
    subnetwork: "the-subnetwork",
    serviceAccount: "desk@p1.iam.gserviceaccount.com",
    ownAccount: true,
    bucket: "the-bucket",
    startupScript: "#!/bin/bash\n",
    labels: LABELS,
    ...more,
  };
}

function made(
  wish: Parameters<typeof readWorkstation>[0] = {},
  more: Partial<WorkstationArgs> = {},
): Promise<Recording<Workstation>> {
  return record(() => new Workstation("mlt-dev", args(wish, more)), {
    calls: IMAGE_CALL,
    state: ({ type, inputs }) => {
      if (type === "gcp:compute/address:Address") return { address: "203.0.113.9" };
      if (type !== "gcp:compute/instance:Instance") return undefined;
      return { networkInterfaces: [{ ...(inputs.networkInterfaces as object[])[0], networkIp: "10.10.0.2" }] };
    },
  });
}

const children = ({ resources }: Recording<unknown>): string[] =>
  resources.map(({ type, name }) => `${type.split(":").pop()} ${name}`).sort();
const machine = (recording: Recording<unknown>): Recorded["inputs"] =>
  recording.only("gcp:compute/instance:Instance").inputs;

/** For `JSON.stringify`: members in one order. */
const sorted = (_key: string, value: unknown): unknown =>
  value && typeof value === "object" && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

const METADATA = {
  "startup-script": "#!/bin/bash\n",
  "enable-oslogin": "TRUE",
  "block-project-ssh-keys": "TRUE",
  "serial-port-enable": "FALSE",
  "mlt-bucket": "the-bucket",
  "mlt-environment": "mlt-dev",
  "mlt-region": "us-central1",
  "mlt-idle-minutes": "60",
};

const PLAIN = {
  project: "p1",
  zone: "us-central1-a",
  name: "mlt-dev-ws",
  description: mark("Workstation"),
  machineType: "e2-standard-4",
  canIpForward: false,
  bootDisk: {
    autoDelete: true,
    initializeParams: {
      image: "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64",
      size: 50,
      type: "pd-balanced",
      labels: LABELS,
    },
  },
  networkInterfaces: [{ subnetwork: "the-subnetwork" }],
  serviceAccount: {
    email: "desk@p1.iam.gserviceaccount.com",
    scopes: ["https://www.googleapis.com/auth/cloud-platform"],
  },
  scheduling: {
    provisioningModel: "STANDARD",
    preemptible: false,
    automaticRestart: true,
    onHostMaintenance: "MIGRATE",
  },
  shieldedInstanceConfig: { enableSecureBoot: true, enableVtpm: true, enableIntegrityMonitoring: true },
  resourcePolicies: "https://example.test/gcp:compute/resourcePolicy:ResourcePolicy/mlt-dev-ws-0123abc",
  metadata: METADATA,
  allowStoppingForUpdate: true,
  labels: LABELS,
};

test("by default: a machine, its schedule, SSH through IAP, and nothing else", async () => {
  const recording = await made();
  assert.deepEqual(children(recording), [
    "Firewall mlt-dev-ws-ssh-iap",
    "Instance mlt-dev-ws",
    "ResourcePolicy mlt-dev-ws",
    "Workstation mlt-dev",
    "WorkstationAccess mlt-dev-ws",
  ]);
  assert.deepEqual(machine(recording), PLAIN);
  assert.deepEqual(recording.only("gcp:compute/resourcePolicy:ResourcePolicy").inputs, {
    project: "p1",
    region: "us-central1",
    description: mark("When the workstation stops"),
    instanceSchedulePolicy: { timeZone: "America/Chicago", vmStopSchedule: { schedule: "0 22 * * *" } },
  });
  assert.deepEqual(recording.only("gcp:compute/firewall:Firewall").inputs, {
    project: "p1",
    network: "the-network",
    description: mark("SSH to the workstation through Identity-Aware Proxy"),
    direction: "INGRESS",
    allows: [{ protocol: "tcp", ports: ["22"] }],
    sourceRanges: ["35.235.240.0/20"],
    targetServiceAccounts: ["desk@p1.iam.gserviceaccount.com"],
    logConfig: { metadata: "INCLUDE_ALL_METADATA" },
  });
  // What the preview compares to say what a change costs.
  assert.deepEqual(recording.only("mltraining:index:Workstation").inputs, {
    zone: "us-central1-a",
    machineType: "e2-standard-4",
    spot: false,
    image: "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64",
    bootDiskGb: 50,
    diskType: "pd-balanced",
  });
  assert.equal(await outputValue(recording.result.instanceName), "mlt-dev-ws");
  assert.equal(await outputValue(recording.result.internalIp), "10.10.0.2");
  assert.equal(recording.result.externalIp, undefined);
});

test("a schedule that starts, and none", async () => {
  const starts = await made({ schedule: { start: "0 8 * * 1-5", stop: "0 19 * * *", timeZone: "Europe/Berlin" } });
  assert.deepEqual(starts.only("gcp:compute/resourcePolicy:ResourcePolicy").inputs.instanceSchedulePolicy, {
    timeZone: "Europe/Berlin",
    vmStopSchedule: { schedule: "0 19 * * *" },
    vmStartSchedule: { schedule: "0 8 * * 1-5" },
  });
  const none = await made({ schedule: false });
  assert.deepEqual(none.ofType("gcp:compute/resourcePolicy:ResourcePolicy"), []);
  const { resourcePolicies: _, ...rest } = PLAIN;
  assert.deepEqual(machine(none), rest);
});

test("Spot: taken back means stopped, never deleted", async () => {
  const recording = await made({ spot: true });
  assert.deepEqual(machine(recording), {
    ...PLAIN,
    scheduling: {
      provisioningModel: "SPOT",
      preemptible: true,
      automaticRestart: false,
      onHostMaintenance: "TERMINATE",
      instanceTerminationAction: "STOP",
    },
  });
});

test("a GPU: image with a driver, no secure boot, ends at maintenance", async () => {
  const recording = await made({ gpu: { type: "nvidia-tesla-t4", count: 1 } });
  const { guestAccelerators, machineType, shieldedInstanceConfig, scheduling, bootDisk } = machine(recording);
  assert.deepEqual(
    { guestAccelerators, machineType, shieldedInstanceConfig, scheduling, bootDisk },
    {
      guestAccelerators: [{ type: "nvidia-tesla-t4", count: 1 }],
      machineType: "n1-standard-8",
      shieldedInstanceConfig: { enableSecureBoot: false, enableVtpm: true, enableIntegrityMonitoring: true },
      scheduling: { ...PLAIN.scheduling, onHostMaintenance: "TERMINATE" },
      bootDisk: {
        autoDelete: true,
        initializeParams: {
          ...PLAIN.bootDisk.initializeParams,
          size: 100,
          image: "projects/deeplearning-platform-release/global/images/family/common-cu129-ubuntu-2404-nvidia-580",
        },
      },
    },
  );
});

test("a data disk is a resource of its own, known to the machine by its device's name", async () => {
  const recording = await made({ dataDiskGb: 200 });
  assert.deepEqual(recording.only("gcp:compute/disk:Disk", "mlt-dev-ws-home").inputs, {
    project: "p1",
    zone: "us-central1-a",
    description: mark("The workstation's /home"),
    size: 200,
    type: "pd-balanced",
    labels: LABELS,
  });
  assert.deepEqual(machine(recording), {
    ...PLAIN,
    attachedDisks: [
      {
        source: "https://example.test/gcp:compute/disk:Disk/mlt-dev-ws-home-0123abc",
        deviceName: "home",
        mode: "READ_WRITE",
      },
    ],
    metadata: { ...METADATA, "mlt-data-disk": "home" },
  });
});

test("a public address is reserved, and SSH let in from the named networks alone", async () => {
  const recording = await made({ externalIp: true, sshFrom: ["203.0.113.0/24", "198.51.100.7/32"] });
  assert.deepEqual(recording.only("gcp:compute/address:Address").inputs, {
    project: "p1",
    region: "us-central1",
    description: mark("The workstation's address"),
    labels: LABELS,
  });
  assert.deepEqual(machine(recording), {
    ...PLAIN,
    networkInterfaces: [{ subnetwork: "the-subnetwork", accessConfigs: [{ natIp: "203.0.113.9" }] }],
  });
  const rule = recording.only("gcp:compute/firewall:Firewall", "mlt-dev-ws-ssh-from").inputs;
  assert.deepEqual(rule.sourceRanges, ["203.0.113.0/24", "198.51.100.7/32"]);
  assert.deepEqual(rule.targetServiceAccounts, ["desk@p1.iam.gserviceaccount.com"]);
  assert.equal(await outputValue(recording.result.externalIp ?? pulumi.output("")), "203.0.113.9");
});

test("people get the tunnel, the login and the account on this workstation alone, and read its bucket", async () => {
  const recording = await made({
    people: ["user:ann@example.org", { member: "group:team@example.org", sudo: false }],
  });
  const place = { project: "p1", zone: "us-central1-a" };
  const serviceAccountId = "projects/p1/serviceAccounts/desk@p1.iam.gserviceaccount.com";
  const grants = recording.resources.filter(({ type }) => /IAMMember/.test(type));
  const given = grants.map(({ type, inputs }) => JSON.stringify([type.split(":").pop(), inputs], sorted));
  const wanted = [
    ["user:ann@example.org", "roles/compute.osAdminLogin"],
    ["group:team@example.org", "roles/compute.osLogin"],
  ].flatMap(([member, role]) => [
    ["TunnelInstanceIAMMember", { ...place, instance: "mlt-dev-ws", role: "roles/iap.tunnelResourceAccessor", member }],
    ["InstanceIAMMember", { ...place, instanceName: "mlt-dev-ws", role, member }],
    ["IAMMember", { serviceAccountId, role: "roles/iam.serviceAccountUser", member }],
    ["BucketIAMMember", { bucket: "the-bucket", role: "roles/storage.objectViewer", member }],
  ]);
  assert.deepEqual(given.sort(), wanted.map((grant) => JSON.stringify(grant, sorted)).sort());
  // Keyed by the person, so that taking one out touches no other.
  const [, ...without] = (await made({ people: [{ member: "group:team@example.org", sudo: false }] })).resources
    .filter(({ type }) => /IAMMember/.test(type))
    .map(({ name }) => name);
  assert.ok(without.length > 0 && without.every((name) => grants.some((grant) => grant.name === name)));
});

test("an account that machines share has its way in already", async () => {
  const recording = await made({}, { ownAccount: false });
  assert.deepEqual(recording.ofType("gcp:compute/firewall:Firewall"), []);
});

test("requirements: a file becomes an object of the bucket, an object is named as it is", async () => {
  const file = await made({ requirements: "r.txt" }, { requirements: "numpy==2.0\n" });
  assert.deepEqual(file.only("gcp:storage/bucketObject:BucketObject").inputs, {
    bucket: "the-bucket",
    name: "workstation/requirements.txt",
    content: "numpy==2.0\n",
    contentType: "text/plain",
    cacheControl: "no-store",
  });
  assert.deepEqual(machine(file).metadata, { ...METADATA, "mlt-requirements": "workstation/requirements.txt" });
  const object = await made({ requirements: "gs://other-1/r.txt" });
  assert.deepEqual(object.ofType("gcp:storage/bucketObject:BucketObject"), []);
  assert.deepEqual(machine(object).metadata, { ...METADATA, "mlt-requirements": "gs://other-1/r.txt" });
});

test("idle time, sizes, machine type, exact image", async () => {
  const recording = await made({
    idleMinutes: 0,
    bootDiskGb: 77,
    machineType: "n2-standard-8",
    image: "projects/p1/global/images/mine-v2",
  });
  assert.deepEqual(machine(recording), {
    ...PLAIN,
    machineType: "n2-standard-8",
    bootDisk: {
      autoDelete: true,
      initializeParams: { ...PLAIN.bootDisk.initializeParams, size: 77, image: "projects/p1/global/images/mine-v2" },
    },
    metadata: { ...METADATA, "mlt-idle-minutes": "0" },
  });
});

test("what cannot be made so is refused before anything is", () => {
  const refused = (more: Partial<WorkstationArgs>): string => {
    try {
      new Workstation("mlt-dev", args({}, more));
    } catch (error) {
      if (!pulumi.InputPropertiesError.isInstance(error)) throw error;
      return error.errors.map(({ propertyPath, reason }) => `${propertyPath}: ${reason}`).join("; ");
    }
    return "";
  };
  assert.equal(refused({ startupScript: "echo" }), "startupScript: must begin with #! and have at most 262144 bytes");
  assert.equal(
    refused({ workstation: { ...config(), externalIp: true } }),
    "workstation.sshFrom: must name ranges if and only if there is externalIp",
  );
  assert.equal(
    refused({ workstation: { ...config(), requirements: { file: "r.txt" } } }),
    "requirements: must hold the file's text",
  );
});

const folder = mkdtempSync(join(tmpdir(), "mlt-requirements-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("a requirements.txt is read before anything is registered", () => {
  writeFileSync(join(folder, "r.txt"), "numpy\r\n");
  writeFileSync(join(folder, "big.txt"), "x".repeat(1024 * 1024 + 1));
  writeFileSync(join(folder, "bin.txt"), Buffer.from([0]));
  mkdirSync(join(folder, "d"));
  const readFile = (file: string) => readRequirementsFile({ ...config(), requirements: { file } }, folder);
  assert.equal(readFile("r.txt"), "numpy\n");
  assert.equal(readRequirementsFile(config(), folder), undefined);
  assert.equal(readRequirementsFile({ ...config(), requirements: { object: "gs://b/o" } }, folder), undefined);
  const told = (file: string, reason: string) =>
    assert.throws(() => readFile(file), {
      message: `mltraining:workstation.requirements ${reason}; nothing was changed. Name a requirements.txt relative to Pulumi.yaml's folder; got ${JSON.stringify(file)}`,
    });
  told("none.txt", "cannot be read");
  told("d", "is a folder");
  told("big.txt", "holds 1048577 bytes, 1048576 is the most");
  told("bin.txt", "is no text");
});
