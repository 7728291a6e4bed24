import assert from "node:assert/strict";
import { appendFileSync, cpSync, mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import type { PulumiFn } from "@pulumi/pulumi/automation/index.js";
import type { OpenStack, Outcome } from "../../engine/automation.ts";
import { createWorld, failure, type World } from "./world.ts";

// The workstation in the real engine, on the local cloud: what a change does to the machine and to what lies on it.

const REPOSITORY = dirname(dirname(import.meta.dirname));
let world: World;
let output = "";
before(async () => {
  world = await createWorld({ enabledServices: "all" });
});
after(() => world.close());

async function open(workstation: unknown, program?: PulumiFn): Promise<OpenStack> {
  output = "";
  const config: Record<string, unknown> = { "mltraining:training": { enabled: false } };
  if (workstation !== undefined) config["mltraining:workstation"] = workstation;
  return world.open("desk", {
    program,
    config,
    onOutput: (text) => {
      output += text;
    },
  });
}

/** The program with a line more in the startup script. */
async function anotherScript(): Promise<PulumiFn> {
  const folder = join(world.folder, "clone");
  mkdirSync(folder);
  for (const part of ["package.json", "node_modules"]) symlinkSync(join(REPOSITORY, part), join(folder, part));
  for (const part of ["catalog", "components", "index.ts", "startup-scripts", "training"]) {
    cpSync(join(REPOSITORY, part), join(folder, part), { recursive: true });
  }
  appendFileSync(join(folder, "startup-scripts", "workstation.sh"), "\n# another line\n");
  return ((await import(pathToFileURL(join(folder, "index.ts")).href)) as { default: PulumiFn }).default;
}

interface Machine {
  id: string;
  status: string;
  disks: { boot: boolean; deviceName: string; source: string; diskSizeGb: string }[];
  resourcePolicies?: string[];
  networkInterfaces: { accessConfigs?: { natIP: string }[] }[];
  metadata: { items: { key: string; value: string }[] };
}

async function machine(): Promise<Machine> {
  const { operatorUrl, project } = world.cloud;
  const path = `projects/${project}/zones/us-central1-a/instances/mlt-desk-ws`;
  const response = await fetch(`${operatorUrl}/compute/v1/${path}`);
  assert.equal(response.status, 200);
  return (await response.json()) as Machine;
}

/** Behind Pulumi's back, and waits for it. */
async function make(collection: string, body: { name: string } & Record<string, string>): Promise<void> {
  const headers = { "content-type": "application/json" };
  const made = await fetch(collection, { method: "POST", headers, body: JSON.stringify(body) });
  assert.equal(made.status, 200, await made.text());
  for (let attempt = 0; attempt < 100; attempt++) {
    const { status } = (await (await fetch(`${collection}/${body.name}`)).json()) as { status: string };
    if (status === "READY") return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`${body.name} is not ready after ten seconds`);
}

const value = ({ metadata }: Machine, key: string): string | undefined =>
  metadata.items.find((item) => item.key === key)?.value;

/** What was done to whom, but for what always goes along. */
const done = ({ steps }: Outcome): string[] =>
  steps
    .filter(({ type }) => !/^mltraining:|BucketObject|^pulumi:/.test(type))
    .map(({ op, type, diffs }) => `${op} ${type.split(":").pop()}${op === "update" ? ` ${diffs.join()}` : ""}`)
    .sort();
const warnings = (): string[] => [
  ...new Set([...output.matchAll(/warning: mltraining:workstation: (.*)/g)].map(([, line]) => line ?? "")),
];

const PEOPLE = ["user:ann@example.org", { member: "group:team@example.org", sudo: false }];
const FIRST = { people: PEOPLE, dataDiskGb: 20 };

test("up makes it, and a second look, and one behind Pulumi's back, find nothing to do", async () => {
  const stack = await open(FIRST);
  const { outputs } = await stack.up();
  const bucket = String(outputs.dataBucketUrl);
  assert.deepEqual(outputs.workstation, {
    name: "mlt-desk-ws",
    zone: "us-central1-a",
    internalIp: "10.10.0.2",
    sshCommand: `npx mlt ssh --environment ${bucket}`,
    jupyterCommand: `npx mlt jupyter --environment ${bucket}`,
    tensorboardCommand: `npx mlt tensorboard --environment ${bucket}`,
  });
  const first = await machine();
  assert.deepEqual(
    first.disks.map(({ boot, deviceName, diskSizeGb }) => `${boot ? "boot" : deviceName} ${diskSizeGb}`),
    ["boot 50", "home 20"],
  );
  assert.equal(first.networkInterfaces[0]?.accessConfigs, undefined);
  assert.equal(first.resourcePolicies?.length, 1);
  const record = `${world.cloud.operatorUrl}/storage/v1/b/${bucket.slice(5)}/o/environment.json?alt=media`;
  assert.deepEqual(((await (await fetch(record)).json()) as { workstation: unknown }).workstation, {
    name: "mlt-desk-ws",
    zone: "us-central1-a",
    machineType: "e2-standard-4",
    spot: false,
    bootDiskGb: 50,
    dataDiskGb: 20,
    idleMinutes: 60,
    schedule: { stop: "0 22 * * *", timeZone: "America/Chicago" },
  });
  const again = await stack.preview({ expectNoChanges: true, refresh: true });
  assert.deepEqual(Object.keys(again.changes), ["same"]);
});

test("the bucket is the workstation's folder but for runs, code and the record; machines keep their narrower rights", async () => {
  const stack = await open(FIRST);
  const bucket = String((await stack.outputs()).dataBucketUrl).slice(5);
  const write = async (account: string, object: string): Promise<number> => {
    const email = `mlt-desk-${account}@${world.cloud.project}.iam.gserviceaccount.com`;
    const { access_token } = world.cloud.cloud.tokens.issue({ kind: "serviceAccount", email });
    const query = `uploadType=media&name=${encodeURIComponent(object)}`;
    const response = await fetch(`${world.cloud.url}/upload/storage/v1/b/${bucket}/o?${query}`, {
      method: "POST",
      headers: { authorization: `Bearer ${access_token}` },
      body: "x",
    });
    await response.arrayBuffer();
    return response.status;
  };
  const rights: [string, number, number][] = [
    ["input/census/adult.data", 200, 403],
    ["output/model/metrics.json", 200, 200],
    ["workstation/status.json", 200, 403],
    ["notebooks/mine.ipynb", 200, 403],
    ["runs/r-1/status.json", 403, 200],
    ["code/abc.tar.gz", 403, 403],
    ["images/b-1/state.json", 403, 403],
    ["environment.json", 403, 403],
  ];
  for (const [object, workstation, machines] of rights) {
    assert.deepEqual(
      [await write("workstation", object), await write("machines", object)],
      [workstation, machines],
      object,
    );
  }
});

test("another startup script changes the machine's metadata, and nothing else", async () => {
  const before = await machine();
  const stack = await open(FIRST, await anotherScript());
  const up = await stack.up();
  assert.deepEqual(done(up), ['update Instance metadata["startup-script"]']);
  const changed = await machine();
  assert.equal(changed.id, before.id);
  assert.match(value(changed, "startup-script") ?? "", /\n# another line\n$/);
  assert.deepEqual(warnings(), []);
});

test("schedule, address, idle time and larger disks change in place", async () => {
  const before = await machine();
  const stack = await open({
    ...FIRST,
    dataDiskGb: 30,
    bootDiskGb: 60,
    idleMinutes: 30,
    schedule: false,
    externalIp: true,
    sshFrom: ["203.0.113.0/24"],
    people: ["user:ann@example.org"],
  });
  const up = await stack.up();
  assert.deepEqual(done(up), [
    "create Address",
    "create Firewall",
    "delete BucketIAMMember",
    "delete IAMCustomRole",
    "delete IAMMember",
    "delete IAMMember",
    "delete IAMMember",
    "delete InstanceIAMMember",
    "delete ResourcePolicy",
    "delete TunnelInstanceIAMMember",
    "update Disk size",
    // The script is this repository's own again.
    'update Instance metadata["mlt-idle-minutes"],metadata["startup-script"],networkInterfaces[0].accessConfigs,bootDisk.initializeParams.size,resourcePolicies',
  ]);
  const after = await machine();
  assert.equal(after.id, before.id);
  assert.equal(after.resourcePolicies?.length ?? 0, 0);
  assert.equal(value(after, "mlt-idle-minutes"), "30");
  const { externalIp } = up.outputs.workstation as { externalIp: string };
  assert.equal(after.networkInterfaces[0]?.accessConfigs?.[0]?.natIP, externalIp);
  assert.deepEqual(warnings(), []);
});

test("what would lose the data disk is refused by the preview, what makes the machine anew is told", async () => {
  const smaller = await open({ ...FIRST, dataDiskGb: 10 });
  assert.match((await failure(smaller.preview())).message, /dataDiskGb must not go from 30 to 10: disks only grow/);
  const moved = await open({ ...FIRST, dataDiskGb: 30, zone: "us-central1-b" });
  assert.match(
    (await failure(moved.preview())).message,
    /zone must not go from us-central1-a to us-central1-b while there is a data disk/,
  );
  assert.equal((await machine()).status, "RUNNING");
});

test("an image that is not there, or is larger than its disk, is named by the preview", async () => {
  const gone = await open({ ...FIRST, dataDiskGb: 30, image: `projects/${world.cloud.project}/global/images/mine-v1` });
  const missing = "there is no projects/local-project/global/images/mine-v1, or you may not see it.";
  assert.equal(
    (await failure(gone.preview())).message,
    `mltraining:workstation.image: ${missing} Those there are: gcloud compute images list --project local-project --no-standard-images`,
  );
  const { operatorUrl, project } = world.cloud;
  const compute = `${operatorUrl}/compute/v1/projects/${project}`;
  const sourceImage = "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64";
  await make(`${compute}/zones/us-central1-a/disks`, { name: "mine", sizeGb: "30", sourceImage });
  const sourceDisk = `projects/${project}/zones/us-central1-a/disks/mine`;
  await make(`${compute}/global/images`, { name: "mine-v1", family: "mine", sourceDisk });
  const small = await open({ ...FIRST, dataDiskGb: 30, bootDiskGb: 10, image: "mine" });
  assert.equal(
    (await failure(small.preview())).message,
    `mltraining:workstation.bootDiskGb must be at least 30, the size of projects/${project}/global/images/family/mine; got 10`,
  );
  for (const made of ["global/images/mine-v1", "zones/us-central1-a/disks/mine"]) {
    const { status } = await fetch(`${compute}/${made}`, { method: "DELETE" });
    assert.equal(status, 200, made);
  }
});

test("Spot makes it anew, and its home comes along", async () => {
  const before = await machine();
  const stack = await open({ ...FIRST, dataDiskGb: 30, bootDiskGb: 60, spot: true });
  await stack.up();
  assert.deepEqual(warnings(), [
    "the workstation will be made anew (spot from false to true): its boot disk goes, the data disk (/home) and the bucket stay",
  ]);
  const after = await machine();
  assert.notEqual(after.id, before.id);
  const home = ({ disks }: Machine) => disks.find(({ deviceName }) => deviceName === "home")?.source;
  assert.equal(home(after), home(before));
});

test("without the setting it goes, with its disks; destroy leaves nothing", async () => {
  const stack = await open(undefined);
  await stack.up();
  const left = await world.left();
  assert.deepEqual(
    Object.keys(left).filter((kind) => /instances|disks|addresses|resourcePolicies/.test(kind)),
    [],
  );
  await stack.destroy();
  assert.deepEqual(await world.left(), {});
});
