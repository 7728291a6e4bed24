import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { test } from "node:test";
import { nspawnDriver } from "../../../localcloud/guests/nspawn/driver.ts";
import { fakeDriver, IMAGE, machine, REGION, startCompute, ZONE } from "./fixture.ts";

type Json = Record<string, unknown>;
const INSTANCES = `zones/${ZONE}/instances`;
const DISKS = `zones/${ZONE}/disks`;

test("disks are attached to a machine that runs or not, and detached; users are kept", async (t) => {
  const { driver, guests } = fakeDriver();
  const cloud = await startCompute(t, { driver });
  await cloud.network();
  for (const name of ["data", "more"]) await cloud.done("POST", DISKS, { name, sizeGb: "10" });
  await cloud.done("POST", INSTANCES, machine("m"));
  await cloud.done("POST", INSTANCES, machine("n"));
  const body = { source: `${DISKS}/data`, deviceName: "data" };
  await cloud.done("POST", `${INSTANCES}/m/attachDisk`, body);
  assert.deepEqual(guests[0]?.events, ["boot", "attach data"]);
  const { disks, selfLink } = (await cloud.instance("m")) as { disks: Json[]; selfLink: string };
  const shown = disks.map(({ deviceName, index, boot, autoDelete, mode, diskSizeGb }) => [
    deviceName,
    index,
    boot,
    autoDelete,
    mode,
    diskSizeGb,
  ]);
  assert.deepEqual(shown[1], ["data", 1, false, false, "READ_WRITE", "10"]);
  assert.deepEqual((await cloud.ok("GET", `${DISKS}/data`)).users, [selfLink]);
  assert.match((await guests[0]?.metadata("instance/disks/1/device-name")) ?? "", /^data$/);

  const inUse = await cloud.refused(400, "resourceInUseByAnotherResource", "POST", `${INSTANCES}/n/attachDisk`, body);
  assert.match(
    inUse,
    /disks\/data' is already being used by 'projects\/test-project\/zones\/us-central1-a\/instances\/m'$/,
  );
  await cloud.refused(400, "resourceInUseByAnotherResource", "DELETE", `${DISKS}/data`);
  const again = { source: `${DISKS}/more`, deviceName: "data" };
  assert.match(await cloud.refused(400, "invalid", "POST", `${INSTANCES}/m/attachDisk`, again), /has this device name/);
  const path = { source: `${DISKS}/more`, deviceName: "../data" };
  assert.match(await cloud.refused(400, "invalid", "POST", `${INSTANCES}/m/attachDisk`, path), /match of regex/);
  await cloud.refused(400, "invalid", "POST", `${INSTANCES}/m/attachDisk`, { source: `${DISKS}/none` });
  await cloud.refused(400, "required", "POST", `${INSTANCES}/m/attachDisk`, {});
  await cloud.refused(400, "invalidResourceUsage", "POST", `${INSTANCES}/m/detachDisk?deviceName=persistent-disk-0`);

  await cloud.done("POST", `${INSTANCES}/m/detachDisk?deviceName=data`);
  assert.equal(guests[0]?.events.at(-1), "detach data");
  assert.deepEqual((await cloud.ok("GET", `${DISKS}/data`)).users, []);

  // To one that is off: it finds the disk when it boots.
  await cloud.done("POST", `${INSTANCES}/n/stop`);
  await cloud.done("POST", `${INSTANCES}/n/attachDisk`, { ...body, mode: "READ_ONLY", autoDelete: true });
  await cloud.done("POST", `${DISKS}/data/resize`, { sizeGb: "20" });
  await cloud.done("POST", `${INSTANCES}/n/start`);
  const [plugged] = guests.at(-1)?.spec.dataDisks ?? [];
  assert.equal(plugged?.name, "data");
  assert.equal(plugged?.readOnly, true);
  assert.equal(statSync(plugged?.file ?? "").size, 20 * 1024 ** 3, "a file with holes, as large as the disk");
  await cloud.done("POST", `${INSTANCES}/n/setDiskAutoDelete?deviceName=data&autoDelete=false`);
  await cloud.done("DELETE", `${INSTANCES}/n`);
  assert.deepEqual((await cloud.ok("GET", `${DISKS}/data`)).users, []);

  // A boot disk changes its machine while both machines are off.
  await cloud.done("POST", `${INSTANCES}/m/stop`);
  await cloud.done("POST", `${INSTANCES}/m/detachDisk?deviceName=persistent-disk-0`);
  await cloud.done("POST", DISKS, { name: "system", sourceImage: IMAGE });
  const boot = { source: `${DISKS}/system`, boot: true, autoDelete: true };
  assert.equal((await cloud.call("POST", `${INSTANCES}/m/attachDisk`, { source: `${DISKS}/system` })).status, 501);
  await cloud.done("POST", `${INSTANCES}/m/attachDisk`, boot);
  await cloud.done("POST", `${INSTANCES}/m/start`);
  await cloud.done("DELETE", `${INSTANCES}/m`);
  assert.equal((await cloud.call("GET", `${DISKS}/system`)).status, 404);
  assert.equal((await cloud.call("GET", `${DISKS}/m`)).status, 200, "the old boot disk has no machine to go with");
});

test("a reserved address is one machine's at a time; a running machine gets one and loses it", async (t) => {
  const { driver, guests } = fakeDriver();
  const cloud = await startCompute(t, { driver });
  await cloud.network();
  await cloud.done("POST", `regions/${REGION}/addresses`, { name: "static" });
  await cloud.done("POST", "regions/europe-west1/addresses", { name: "elsewhere" });
  const { address, status } = await cloud.ok("GET", `regions/${REGION}/addresses/static`);
  assert.equal(status, "RESERVED");
  const subnetwork = `regions/${REGION}/subnetworks/sub`;
  const withAddress = (natIP: unknown) => ({ networkInterfaces: [{ subnetwork, accessConfigs: [{ natIP }] }] });
  const { address: far } = await cloud.ok("GET", "regions/europe-west1/addresses/elsewhere");
  assert.match(
    await cloud.refused(400, "invalid", "POST", INSTANCES, machine("m", withAddress(far))),
    /'resource\.networkInterfaces\[0\]\.accessConfigs\[0\]\.natIP': '203\.0\.113\.\d+'\. The specified external IP address was not found in the region\.$/,
  );
  await cloud.done("POST", INSTANCES, machine("m", withAddress(address)));
  assert.equal((await cloud.ok("GET", `regions/${REGION}/addresses/static`)).status, "IN_USE");
  await cloud.refused(400, "resourceInUseByAnotherResource", "POST", INSTANCES, machine("n", withAddress(address)));
  await cloud.refused(400, "resourceInUseByAnotherResource", "DELETE", `regions/${REGION}/addresses/static`);
  const external = "instance/network-interfaces/0/access-configs/0/external-ip";
  assert.equal(await guests[0]?.metadata(external), address);

  const nic = "networkInterface=nic0";
  await cloud.refused(400, "invalid", "POST", `${INSTANCES}/m/addAccessConfig?${nic}`, { name: "second" });
  await cloud.refused(400, "invalid", "POST", `${INSTANCES}/m/deleteAccessConfig?${nic}&accessConfig=none`);
  await cloud.done(
    "POST",
    `${INSTANCES}/m/deleteAccessConfig?${nic}&accessConfig=${encodeURIComponent("External NAT")}`,
  );
  assert.equal((await cloud.ok("GET", `regions/${REGION}/addresses/static`)).status, "RESERVED");
  await cloud.done("POST", `${INSTANCES}/m/addAccessConfig?${nic}`, { natIP: address });
  assert.equal((await cloud.ok("GET", `regions/${REGION}/addresses/static`)).status, "IN_USE");
  await cloud.done("DELETE", `${INSTANCES}/m`);
  await cloud.done("DELETE", `regions/${REGION}/addresses/static`);
  assert.equal((await cloud.call("POST", `${INSTANCES}/m/suspend`)).status, 501);
});

test("a data disk is a block device of the guest, and outlives its machine", async (t) => {
  const driver = nspawnDriver();
  const obstacle = await driver.unavailable();
  if (obstacle) {
    t.skip(obstacle.reason);
    return;
  }
  await driver.prepare(console.log);
  const cloud = await startCompute(t, { driver });
  await cloud.network();
  await cloud.done("POST", DISKS, { name: "data", sizeGb: "10" });
  const run = async (name: string, script: string, mode = "READ_WRITE") => {
    const boot = { boot: true, autoDelete: true, initializeParams: { sourceImage: IMAGE } };
    const data = { source: `${DISKS}/data`, deviceName: "data", mode };
    const metadata = { items: [{ key: "startup-script", value: `#!/bin/bash\n${script}\npoweroff\n` }] };
    const scheduling = { automaticRestart: false };
    await cloud.done("POST", INSTANCES, machine(name, { disks: [boot, data], metadata, scheduling }));
    await cloud.until(name, "TERMINATED");
    const { contents } = await cloud.ok("GET", `${INSTANCES}/${name}/serialPort`);
    await cloud.done("DELETE", `${INSTANCES}/${name}`);
    return String(contents);
  };
  const device = "/dev/disk/by-id/google-data";
  const first = await run(
    "first",
    `mkfs.ext4 -q ${device} && mount ${device} /mnt && echo kept >/mnt/file\ndf --output=size -BG /mnt | tail -1\numount /mnt`,
  );
  assert.match(first, /startup-script: +10G/);
  const second = await run(
    "second",
    `mount ${device} /mnt; echo "it has $(cat /mnt/file)"; echo more >>/mnt/file; umount /mnt`,
  );
  assert.match(second, /it has kept/);
  const third = await run(
    "third",
    `mount -o ro ${device} /mnt; echo "then $(tail -1 /mnt/file)"; dd if=/dev/zero of=${device} count=1 2>&1 || echo NO-WRITING`,
    "READ_ONLY",
  );
  assert.match(third, /then more/);
  assert.match(third, /NO-WRITING/);
});
