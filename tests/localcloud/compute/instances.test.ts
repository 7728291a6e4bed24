import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeDriver, IMAGE, machine, REGION, startCompute, ZONE } from "./fixture.ts";

const INSTANCES = `zones/${ZONE}/instances`;

test("a machine's life in the provider's order of calls", async (t) => {
  const { driver, guests } = fakeDriver();
  const cloud = await startCompute(t, { driver });
  await cloud.network();
  const beta = `/compute/beta/projects/${cloud.project}`;
  await cloud.refused(404, "notFound", "GET", "/compute/beta/projects/debian-cloud/global/images/debian-12");
  const image = await cloud.ok("GET", "/compute/beta/projects/debian-cloud/global/images/family/debian-12");
  const operation = await cloud.done("POST", `${beta}/${INSTANCES}`, {
    ...machine("m", {
      labels: { a: "b" },
      metadata: { items: [{ key: "startup-script", value: "#!/bin/sh\necho hello" }] },
      tags: { items: ["ssh"] },
    }),
  });
  assert.equal(operation.zone, `https://www.googleapis.com/compute/v1/projects/${cloud.project}/zones/${ZONE}`);
  const made = await cloud.ok("GET", `${beta}/${INSTANCES}/m?view=FULL`);
  assert.equal(made.id, operation.targetId);
  assert.equal(made.status, "RUNNING");
  const [nic] = made.networkInterfaces as Record<string, unknown>[];
  assert.equal(nic?.networkIP, "10.10.0.2");
  assert.equal(nic?.accessConfigs, undefined, "no public address unless one is asked for");
  const disk = await cloud.ok("GET", `${beta}/zones/${ZONE}/disks/m`);
  assert.equal(disk.sourceImage, image.selfLink, "the resolved image, by Google's own name");
  assert.deepEqual(disk.users, [made.selfLink]);
  assert.equal(disk.sizeGb, "10");

  const [guest] = guests;
  assert.equal(guest?.spec.startupScript, "#!/bin/sh\necho hello");
  assert.equal(guest?.spec.vcpus, 2);
  assert.equal(guest?.spec.memoryMb, 4096);
  assert.deepEqual(guest?.spec.imageFolders, []);

  const { fingerprint } = made.metadata as { fingerprint: string };
  const items = [{ key: "colour", value: "blue" }];
  await cloud.refused(412, "conditionNotMet", "POST", `${beta}/${INSTANCES}/m/setMetadata`, {
    items,
    fingerprint: "x",
  });
  await cloud.done("POST", `${beta}/${INSTANCES}/m/setMetadata`, { items, fingerprint });
  assert.equal(await guest?.metadata("instance/attributes/colour"), "blue");
  await cloud.refused(412, "conditionNotMet", "POST", `${INSTANCES}/m/setLabels`, {
    labels: {},
    labelFingerprint: "x",
  });
  const labels = { labels: { c: "d" }, labelFingerprint: made.labelFingerprint };
  await cloud.done("POST", `${beta}/${INSTANCES}/m/setLabels`, labels);
  assert.deepEqual((await cloud.instance("m"))?.labels, { c: "d" });

  await cloud.refused(400, "resourceInUseByAnotherResource", "DELETE", `zones/${ZONE}/disks/m`);
  await cloud.done("DELETE", `${beta}/${INSTANCES}/m`);
  assert.deepEqual(guest?.events, ["boot", "button"]);
  await cloud.refused(404, "notFound", "GET", `${beta}/${INSTANCES}/m`);
  await cloud.refused(404, "notFound", "GET", `zones/${ZONE}/disks/m`);
});

test("the metadata server shows the machine as Compute Engine does", async (t) => {
  const { driver, guests } = fakeDriver();
  const cloud = await startCompute(t, { driver });
  await cloud.network();
  const email = `worker@${cloud.project}.iam.gserviceaccount.com`;
  const accounts = `/iam/v1/projects/${cloud.project}/serviceAccounts`;
  const { uniqueId } = await cloud.ok("POST", accounts, { accountId: "worker" });
  const scopes = ["https://www.googleapis.com/auth/cloud-platform"];
  await cloud.done("POST", INSTANCES, machine("m", { serviceAccounts: [{ email, scopes }], tags: { items: ["a"] } }));
  const [guest] = guests;
  const tree = JSON.parse((await guest?.metadata("?recursive=true")) ?? "{}");
  const made = await cloud.instance("m");
  assert.equal(tree.instance.name, "m");
  assert.match((await guest?.metadata("instance/id")) ?? "", /^\d+$/);
  assert.equal(await guest?.metadata("instance/id"), made?.id);
  assert.match(tree.instance.zone, new RegExp(`^projects/\\d+/zones/${ZONE}$`));
  assert.match(tree.instance.machineType, /^projects\/\d+\/machineTypes\/e2-medium$/);
  assert.equal(tree.instance.preempted, "FALSE");
  assert.equal(tree.instance.serviceAccounts.default.email, email);
  assert.deepEqual(tree.instance.serviceAccounts.default.scopes, scopes);
  assert.equal(tree.instance.networkInterfaces[0].ip, "10.10.0.2");
  assert.match(tree.instance.image, /^projects\/debian-cloud\/global\/images\/debian-12-v\d+$/);
  assert.equal(tree.project.projectId, cloud.project);
  const token = JSON.parse((await guest?.metadata("instance/service-accounts/default/token")) ?? "{}");
  const principal = cloud.local.cloud.tokens.read(token.access_token);
  assert.deepEqual(principal, { kind: "serviceAccount", email, uniqueId });

  const project = await cloud.ok("GET", cloud.root);
  const { fingerprint } = project.commonInstanceMetadata as { fingerprint: string };
  const items = [{ key: "enable-oslogin", value: "TRUE" }];
  await cloud.done("POST", "setCommonInstanceMetadata", { fingerprint, items });
  assert.equal(await guest?.metadata("project/attributes/enable-oslogin"), "TRUE");
});

test("a template is merged as a JSON merge patch: lists are replaced whole", async (t) => {
  const cloud = await startCompute(t);
  await cloud.network();
  const beta = `/compute/beta/projects/${cloud.project}`;
  const operation = await cloud.done("POST", `${beta}/global/instanceTemplates`, {
    name: "t",
    properties: {
      machineType: "e2-standard-4",
      labels: { owner: "ann", kind: "run" },
      metadata: {
        items: [
          { key: "startup-script", value: "x" },
          { key: "enable-oslogin", value: "TRUE" },
        ],
      },
      disks: [
        {
          boot: true,
          autoDelete: true,
          initializeParams: { sourceImage: IMAGE, diskType: "pd-balanced", diskSizeGb: 50 },
        },
      ],
      networkInterfaces: [{ network: "global/networks/net", subnetwork: `regions/${REGION}/subnetworks/sub` }],
      scheduling: {
        provisioningModel: "SPOT",
        preemptible: true,
        automaticRestart: false,
        onHostMaintenance: "TERMINATE",
      },
    },
  });
  const template = await cloud.ok("GET", `${beta}/global/instanceTemplates/${operation.targetId}?view=FULL`);
  assert.equal(template.name, "t");

  const insert = `${INSTANCES}?sourceInstanceTemplate=global/instanceTemplates/t`;
  await cloud.done("POST", insert, { name: "plain" });
  const plain = await cloud.instance("plain");
  assert.match(String(plain?.machineType), /\/zones\/us-central1-a\/machineTypes\/e2-standard-4$/);
  assert.deepEqual(plain?.labels, { owner: "ann", kind: "run" });
  assert.equal(((plain?.metadata ?? { items: [] }) as { items: unknown[] }).items.length, 2);
  const disk = await cloud.ok("GET", `zones/${ZONE}/disks/plain`);
  assert.match(String(disk.type), /diskTypes\/pd-balanced$/);
  assert.equal(disk.sizeGb, "50");

  await cloud.done("POST", insert, {
    name: "other",
    machineType: `zones/${ZONE}/machineTypes/e2-standard-2`,
    labels: { kind: "test" },
    metadata: { items: [{ key: "mlt-run", value: "r" }] },
    scheduling: { maxRunDuration: { seconds: "3600" }, instanceTerminationAction: "DELETE" },
  });
  const other = await cloud.instance("other");
  assert.match(String(other?.machineType), /e2-standard-2$/);
  assert.deepEqual(other?.labels, { owner: "ann", kind: "test" });
  const { items } = (other?.metadata ?? { items: [] }) as { items: { key: string }[] };
  assert.deepEqual(
    items.map(({ key }) => key),
    ["mlt-run"],
    "the template's script is gone",
  );
  const scheduling = (other?.scheduling ?? {}) as Record<string, unknown>;
  assert.equal(scheduling.provisioningModel, "SPOT");
  assert.equal(scheduling.instanceTerminationAction, "DELETE");
  await cloud.refused(
    400,
    "invalid",
    "POST",
    `zones/europe-west4-a/instances?sourceInstanceTemplate=global/instanceTemplates/t`,
    { name: "far" },
  );
  await cloud.done("DELETE", "global/instanceTemplates/t");
});

test("a repeated request makes one machine, a second name is refused", async (t) => {
  const cloud = await startCompute(t);
  await cloud.network();
  const id = "6f1d7a54-3c57-4c0e-9b1e-2f7f6f2f3a10";
  const first = await cloud.done("POST", `${INSTANCES}?requestId=${id}`, machine("m"));
  const again = await cloud.done("POST", `${INSTANCES}?requestId=${id}`, machine("m"));
  assert.equal(again.name, first.name);
  assert.equal(again.clientOperationId, id);
  const message = await cloud.refused(409, "alreadyExists", "POST", INSTANCES, machine("m"));
  assert.equal(message, `The resource 'projects/${cloud.project}/zones/${ZONE}/instances/m' already exists`);
  await cloud.refused(400, "invalid", "POST", `${INSTANCES}?requestId=7`, machine("n"));
  const list = await cloud.ok("GET", INSTANCES);
  assert.equal((list.items as unknown[]).length, 1);
});

test("what Google refuses of a machine is refused, and nothing is created", async (t) => {
  const cloud = await startCompute(t);
  await cloud.network();
  const refuse = (more: object, reason = "invalid") => {
    return cloud.refused(400, reason, "POST", INSTANCES, { ...machine("m"), ...more });
  };
  const type = (name: string) => ({ machineType: `zones/${ZONE}/machineTypes/${name}` });
  assert.match(
    await refuse(type("e2-huge")),
    /Machine type with name 'e2-huge' does not exist in zone 'us-central1-a'/,
  );
  assert.match(await refuse({ machineType: "e2-medium" }), /The URL is malformed/);
  assert.match(
    await refuse({ machineType: "zones/us-central1-b/machineTypes/e2-medium" }),
    /not in the machine's zone/,
  );
  assert.match(await refuse(type("n2-custom-3-4096")), /multiple of 2/);
  assert.match(await refuse(type("n2-custom-2-100")), /256MiB/);
  assert.match(await refuse(type("n4-standard-2")), /pd-standard disk type cannot be used by n4-standard-2/);
  const boot = (initializeParams: object) => ({ disks: [{ boot: true, initializeParams }] });
  assert.match(await refuse({ disks: [] }), /No disks are specified/);
  assert.match(await refuse(boot({ sourceImage: "global/images/none" })), /referenced image resource cannot be found/);
  assert.match(
    await refuse(boot({ sourceImage: IMAGE, diskSizeGb: "5" })),
    /cannot be smaller than the image size \(10 GB\)/,
  );
  assert.match(
    await refuse(boot({ sourceImage: IMAGE, diskType: `zones/${ZONE}/diskTypes/pd-x` })),
    /diskType resource cannot be found/,
  );
  const nic = (subnetwork: string) => ({ networkInterfaces: [{ subnetwork }] });
  assert.match(
    await refuse(nic(`regions/${REGION}/subnetworks/none`)),
    /referenced subnetwork resource cannot be found/,
  );
  assert.match(await refuse(nic("regions/europe-west4/subnetworks/sub")), /not in the machine's region/);
  assert.match(
    await refuse({ networkInterfaces: [{ network: "global/networks/default" }] }),
    /referenced network resource cannot be found/,
  );
  const scheduling = (fields: object) => ({ scheduling: fields });
  assert.match(
    await refuse(scheduling({ preemptible: true, automaticRestart: true })),
    /Scheduling must have preemptible be false when AutomaticRestart is true/,
  );
  const spot = { provisioningModel: "SPOT", onHostMaintenance: "MIGRATE" };
  assert.match(await refuse(scheduling(spot)), /OnHostMaintenance isn't TERMINATE/);
  for (const seconds of ["29", String(120 * 24 * 3600 + 1)]) {
    assert.match(await refuse(scheduling({ maxRunDuration: { seconds } })), /between 30 seconds and 120 days/);
  }
  assert.match(await refuse(scheduling({ instanceTerminationAction: "DELETE" })), /only supported for Spot VMs/);
  const value = "x".repeat(256 * 1024 + 1);
  assert.match(await refuse({ metadata: { items: [{ key: "k", value }] } }), /too large: 262145 bytes/);
  const items = ["a", "b", "c"].map((key) => ({ key, value: "x".repeat(200 * 1024) }));
  assert.match(await refuse({ metadata: { items } }), /at most 524288/);
  assert.match(await refuse({ metadata: { items: [{ key: "k" }, { key: "k" }] } }), /duplicate key: k/);
  assert.match(await refuse({ labels: { Owner: "a" } }), /Label key 'Owner' violates format constraints/);
  assert.match(await refuse({ labels: { owner: "a@b" } }), /Label value 'a@b' violates format constraints/);
  assert.match(await refuse({ serviceAccounts: [{ email: "default", scopes: ["cloud-platform"] }] }), /scope/);
  assert.match(await refuse({ name: "A" }), /Must be a match of regex/);
  const gpu = [{ acceleratorType: `zones/${ZONE}/acceleratorTypes/nvidia-tesla-t4`, acceleratorCount: 1 }];
  const n1 = { ...type("n1-standard-4"), guestAccelerators: gpu };
  assert.equal(await refuse(n1), "Instances with guest accelerators do not support live migration.");
  assert.match(
    await refuse({ guestAccelerators: gpu, scheduling: { onHostMaintenance: "TERMINATE" } }, "badRequest"),
    /\[e2-medium, nvidia-tesla-t4\] features are not compatible/,
  );
  await cloud.refused(400, "invalid", "POST", "zones/us-central1-z/instances", machine("m"));
  assert.equal((await cloud.ok("GET", INSTANCES)).items, undefined);
  assert.equal((await cloud.ok("GET", `zones/${ZONE}/disks`)).items, undefined);
  const scripts = ["startup-script", "startup-script-url"].map((key) => ({ key, value: "x" }));
  await cloud.done("POST", INSTANCES, machine("m", { metadata: { items: scripts } }));
});

test("images are made of a stopped machine's disk and chosen by family", async (t) => {
  const { driver, guests } = fakeDriver();
  const cloud = await startCompute(t, { driver });
  await cloud.network();
  await cloud.done("POST", INSTANCES, machine("builder"));
  const { writeFileSync, readFileSync } = await import("node:fs");
  writeFileSync(`${guests[0]?.spec.diskFolder}/installed`, "yes");
  const body = { name: "img-1", family: "img", sourceDisk: `zones/${ZONE}/disks/builder` };
  await cloud.refused(400, "resourceInUseByAnotherResource", "POST", "global/images", body);
  await cloud.done("POST", `${INSTANCES}/builder/stop`);
  await cloud.done("POST", "global/images", body);
  const image = await cloud.ok("GET", "global/images/family/img");
  assert.equal(image.status, "READY");
  assert.equal(image.name, "img-1");
  await cloud.done("POST", `global/images/img-1/setLabels`, {
    labels: { a: "b" },
    labelFingerprint: image.labelFingerprint,
  });

  const disks = [{ boot: true, autoDelete: true, initializeParams: { sourceImage: "global/images/family/img" } }];
  await cloud.done("POST", INSTANCES, machine("user", { disks }));
  assert.equal(readFileSync(`${guests[1]?.spec.imageFolders?.[0]}/installed`, "utf8"), "yes");
  await cloud.done("POST", "global/images/img-1/deprecate", { state: "DEPRECATED" });
  await cloud.refused(404, "notFound", "GET", "global/images/family/img");
  await cloud.done("POST", "global/images/img-1/deprecate", { state: "ACTIVE" });
  await cloud.ok("GET", "global/images/family/img");
  await cloud.done("DELETE", "global/images/img-1");
  assert.equal(
    readFileSync(`${guests[1]?.spec.imageFolders?.[0]}/installed`, "utf8"),
    "yes",
    "a disk keeps its image's content",
  );
  await cloud.done("DELETE", `${INSTANCES}/user`);
  assert.throws(() => readFileSync(`${guests[1]?.spec.imageFolders?.[0]}/installed`));
});

test("disks grow, are attached and outlive machines that do not own them", async (t) => {
  const cloud = await startCompute(t);
  await cloud.network();
  await cloud.done("POST", `zones/${ZONE}/disks`, {
    name: "d",
    sourceImage: IMAGE,
    type: `zones/${ZONE}/diskTypes/pd-ssd`,
  });
  assert.equal((await cloud.ok("GET", `zones/${ZONE}/disks/d`)).sizeGb, "10");
  await cloud.refused(400, "invalid", "POST", `zones/${ZONE}/disks/d/resize`, { sizeGb: "5" });
  await cloud.done("POST", `zones/${ZONE}/disks/d/resize`, { sizeGb: "20" });
  const disks = [{ boot: true, source: `zones/${ZONE}/disks/d` }];
  await cloud.done("POST", INSTANCES, machine("m", { disks }));
  await cloud.refused(400, "resourceInUseByAnotherResource", "POST", INSTANCES, machine("n", { disks }));
  await cloud.done("DELETE", `${INSTANCES}/m`);
  const kept = await cloud.ok("GET", `zones/${ZONE}/disks/d`);
  assert.deepEqual(kept.users, []);
  assert.equal(kept.sizeGb, "20");
  await cloud.done("DELETE", `zones/${ZONE}/disks/d`);
});

test("fingerprints and booleans are taken as clients that type them write them", async (t) => {
  const cloud = await startCompute(t);
  await cloud.network();
  const path = `zones/${ZONE}/instances/m`;
  await cloud.done("POST", `zones/${ZONE}/instances`, machine("m"));
  const read = async () => String((await cloud.ok("GET", path)).labelFingerprint);
  // A fingerprint with characters that base64 for addresses writes otherwise: some labels have one.
  let seen = await read();
  for (let index = 0; !/[+/]/.test(seen); index += 1) {
    await cloud.done("POST", `${path}/setLabels`, { labels: { index: String(index) }, labelFingerprint: seen });
    seen = await read();
  }
  const labelFingerprint = seen.replace(/\+/g, "-").replace(/\//g, "_");
  await cloud.done("POST", `${path}/setLabels`, { labels: {}, labelFingerprint });
  const protectedNow = async () => (await cloud.ok("GET", path)).deletionProtection;
  await cloud.done("POST", `${path}/setDeletionProtection?deletionProtection=True`);
  assert.equal(await protectedNow(), true);
  await cloud.refused(400, "invalid", "POST", `${path}/setDeletionProtection?deletionProtection=perhaps`);
  await cloud.done("POST", `${path}/setDeletionProtection?deletionProtection=False`);
  assert.equal(await protectedNow(), false);
});
