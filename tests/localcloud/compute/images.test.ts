import assert from "node:assert/strict";
import { test } from "node:test";
import type { GuestLevel } from "../../../localcloud/guests/guest.ts";
import { chooseDriver, GuestUnavailableError } from "../../../localcloud/guests/index.ts";
import { accelerator } from "../../../localcloud/guests/qemu/accelerator.ts";
import { type ComputeFixture, fakeDriver, IMAGE, machine, startCompute, ZONE } from "./fixture.ts";

type Json = Record<string, unknown>;
const INSTANCES = `zones/${ZONE}/instances`;
const DISKS = `zones/${ZONE}/disks`;

/** A machine of an image that runs a script and goes off. */
async function runOnce(cloud: ComputeFixture, name: string, image: string, script: string): Promise<string> {
  const disks = [{ boot: true, autoDelete: true, initializeParams: { sourceImage: image } }];
  const items = [{ key: "startup-script", value: `#!/bin/bash\n${script}\n${OFF}` }];
  const scheduling = { automaticRestart: false };
  await cloud.done("POST", INSTANCES, machine(name, { disks, scheduling, metadata: { items } }));
  for (let turn = 0; (await cloud.instance(name))?.status !== "TERMINATED" && turn < 2400; turn += 1) await pause(50);
  const { contents } = await cloud.ok("GET", `${INSTANCES}/${name}/serialPort`);
  assert.equal((await cloud.instance(name))?.status, "TERMINATED", String(contents));
  return String(contents);
}

/** How a machine without systemd goes off: its script ends. */
const OFF = '[[ -n "$ML_TRAINING_ROOT" ]] || poweroff';

// Machines with a system of their own write to the disk's root folder, the others to the folder that stands for it.
const FIRST = `R=\${ML_TRAINING_ROOT:-/srv}; mkdir -p $R/bin $R/gone
echo one >$R/one; dd if=/dev/urandom of=$R/some bs=1M count=8; ln -s $R/one $R/link
echo "#!/bin/sh" >$R/bin/tool; echo "echo tool of $R" >>$R/bin/tool; chmod +x $R/bin/tool; sync`;
const SECOND = `R=\${ML_TRAINING_ROOT:-/srv}; echo "has $(cat $R/one)"; rm -r $R/gone; echo two >$R/two; sync`;
const THIRD = `R=\${ML_TRAINING_ROOT:-/srv}; echo "has $(cat $R/link) and $(cat $R/two)"; $R/bin/tool; echo "mine: $R"
[[ -e $R/gone ]] || echo NOT-THERE`;

/** Without KVM three boots take minutes: only where that is asked for. */
async function tooSlow(level: GuestLevel): Promise<boolean> {
  return level === "qemu" && !process.env.ML_TRAINING_TEST_EMULATED && !(await accelerator()).includes("kvm");
}

for (const level of ["nspawn", "process", "qemu"] as const satisfies GuestLevel[]) {
  test(`${level}: a machine boots from an image of a disk whose own image was made here`, async (t) => {
    const driver = await chooseDriver(level).catch((error: unknown) => {
      if (!(error instanceof GuestUnavailableError)) throw error;
      t.skip(error.message);
      return undefined;
    });
    if (!driver) return;
    await driver.prepare(console.log);
    if (await tooSlow(level)) {
      t.skip("this host has no KVM, and three boots without take minutes: set ML_TRAINING_TEST_EMULATED=1");
      return;
    }
    const cloud = await startCompute(t, { driver });
    await cloud.network();
    await runOnce(cloud, "first", IMAGE, FIRST);
    await cloud.done("POST", "global/images", { name: "img-1", family: "img", sourceDisk: `${DISKS}/first` });
    assert.match(await runOnce(cloud, "second", "global/images/family/img", SECOND), /has one/);
    await cloud.done("POST", "global/images", { name: "img-2", family: "img", sourceDisk: `${DISKS}/second` });
    const [small, large] = await Promise.all(
      ["img-1", "img-2"].map((name) => cloud.ok("GET", `global/images/${name}`)),
    );
    const added = (image: Json | undefined) => Number(image?.archiveSizeBytes) - 1024 ** 3;
    assert.ok(added(small) > 8 * 1024 ** 2, "what was written counts");
    if (level !== "process") assert.ok(added(large) > added(small), "with what it lies over");

    // The machines, their disks and the first image go; the second image needs nothing of them.
    await cloud.done("DELETE", `${INSTANCES}/first`);
    await cloud.done("DELETE", `${INSTANCES}/second`);
    await cloud.done("DELETE", "global/images/img-1");
    const said = await runOnce(cloud, "third", "global/images/family/img", THIRD);
    assert.match(said, /has one and two/);
    assert.match(said, /NOT-THERE/);
    const [, own] = /mine: (\S+)/.exec(said) ?? [];
    assert.match(said, new RegExp(`tool of ${own}\\b`), "what was noted where it was installed has moved along");
  });
}

test("a family is its newest image that is not deprecated; patch changes family, description and deprecation", async (t) => {
  const clock = { now: Date.parse("2026-11-21T10:00:00Z") };
  const { driver } = fakeDriver();
  const cloud = await startCompute(t, { driver, clock });
  await cloud.network();
  await cloud.done("POST", INSTANCES, machine("builder"));
  await cloud.done("POST", `${INSTANCES}/builder/stop`);
  const make = async (name: string, more: Json = {}) => {
    clock.now += 1000;
    await cloud.done("POST", "global/images", { name, sourceDisk: `${DISKS}/builder`, ...more });
  };
  const current = async () => (await cloud.call("GET", "global/images/family/fam")).body.name;
  await make("a", { family: "fam" });
  await make("b", { labels: { recipe: "1" } });
  await make("c", { family: "fam" });
  assert.equal(await current(), "c");
  await cloud.done("PATCH", "global/images/b", { family: "fam", description: "promoted" });
  assert.equal(await current(), "c", "by creation time, not by promotion");
  await cloud.done("PATCH", "global/images/c", {
    deprecated: { state: "DEPRECATED", replacement: "global/images/b" },
  });
  assert.equal(await current(), "b");
  const old = await cloud.ok("GET", "global/images/c");
  assert.deepEqual(old.deprecated, {
    state: "DEPRECATED",
    replacement: "https://www.googleapis.com/compute/v1/projects/test-project/global/images/b",
  });
  await cloud.done("PATCH", "global/images/c", { deprecated: { state: "ACTIVE" } });
  assert.equal(await current(), "c");
  await cloud.done("PATCH", "global/images/c", { family: "" });
  assert.equal(await current(), "b", "an image leaves its family");
  const refusal = await cloud.refused(400, "invalid", "PATCH", "global/images/b", { labels: { recipe: "2" } });
  assert.match(refusal, /Only the family, the description and the deprecation status of an image can be patched\.$/);
  const image = await cloud.ok("GET", "global/images/b");
  await cloud.done("PATCH", "global/images/b", { name: "b", labels: image.labels, description: "as it was" });
  const { kind, labels, description, sourceDisk, status } = await cloud.ok("GET", "global/images/b");
  assert.deepEqual(
    { kind, labels, description, sourceDisk, status },
    {
      kind: "compute#image",
      labels: { recipe: "1" },
      description: "as it was",
      sourceDisk: `https://www.googleapis.com/compute/v1/projects/test-project/zones/${ZONE}/disks/builder`,
      status: "READY",
    },
  );
  await cloud.refused(409, "alreadyExists", "POST", "global/images", { name: "b", sourceDisk: `${DISKS}/builder` });
});

test("an image that cannot be made leaves nothing; one in the making keeps its disk", async (t) => {
  const { driver } = fakeDriver();
  let failure: string | undefined = "no space left";
  let release: () => void = () => {};
  driver.saveDisk = () => {
    if (failure) return Promise.reject(new Error(failure));
    return new Promise((resolve) => {
      release = resolve;
    });
  };
  const cloud = await startCompute(t, { driver });
  await cloud.network();
  const boot = { boot: true, autoDelete: false, initializeParams: { sourceImage: IMAGE } };
  await cloud.done("POST", INSTANCES, machine("m", { disks: [boot] }));
  const body = { name: "img", sourceDisk: `${DISKS}/m` };
  await cloud.done("POST", `${INSTANCES}/m/stop`);
  const failed = await cloud.finished("POST", "global/images", body);
  assert.deepEqual(failed.error, { errors: [{ code: "INTERNAL_ERROR", message: "no space left" }] });
  assert.equal((await cloud.call("GET", "global/images/img")).status, 404);

  failure = undefined;
  await cloud.done("DELETE", `${INSTANCES}/m`);
  const operation = await cloud.ok("POST", "global/images", body);
  assert.equal((await cloud.ok("GET", "global/images/img")).status, "PENDING");
  await pause(100);
  const sentence = await cloud.refused(400, "resourceInUseByAnotherResource", "DELETE", `${DISKS}/m`);
  assert.match(sentence, /disks\/m' is already being used by 'an image that is being made of it'$/);
  release();
  await cloud.ok("POST", `${new URL(String(operation.selfLink)).pathname}/wait`);
  await cloud.done("DELETE", `${DISKS}/m`);
  assert.equal((await cloud.ok("GET", "global/images/img")).status, "READY");
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
