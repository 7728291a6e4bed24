import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseDriver, type GuestDriver, type GuestLevel } from "../../../localcloud/guests/index.ts";

function driver(level: GuestLevel, obstacle?: { reason: string; fix: string }): GuestDriver {
  return {
    level,
    unavailable: async () => obstacle,
    prepare: async () => {},
    saveDisk: async () => assert.fail("no test saves"),
    boot: async () => assert.fail("no test boots"),
  };
}

const noRoot = { reason: "it needs root", fix: "sudo npm run rehearse" };
const noQemu = { reason: "no qemu", fix: "sudo apt-get install qemu" };

test("the best level that can run is taken, and what better ones need is told", async () => {
  const told: string[] = [];
  const drivers = [driver("nspawn", noRoot), driver("process")];
  const chosen = await chooseDriver(undefined, (line) => told.push(line), drivers);
  assert.equal(chosen.level, "process");
  assert.deepEqual(told, ['The guest level "nspawn" cannot run here: it needs root. To get it: sudo npm run rehearse']);
});

test("a level that is asked for and cannot run is an error with reason and remedy; no other is taken", async () => {
  const drivers = [driver("nspawn", noRoot), driver("process")];
  await assert.rejects(chooseDriver("nspawn", undefined, drivers), {
    message: 'The guest level "nspawn" cannot run here: it needs root. To get it: sudo npm run rehearse',
  });
  assert.equal((await chooseDriver("process", undefined, drivers)).level, "process");
});

test("without any level every reason is given; an unknown level names the known ones", async () => {
  const none = [driver("nspawn", noRoot), driver("qemu", noQemu)];
  await assert.rejects(chooseDriver(undefined, undefined, none), /nspawn.*it needs root[\s\S]*qemu.*no qemu/);
  await assert.rejects(chooseDriver("vm" as GuestLevel, undefined, none), /no guest level "vm".*nspawn, qemu/);
});

test("this host has a level", async () => {
  const told: string[] = [];
  const chosen = await chooseDriver(undefined, (line) => told.push(line));
  assert.equal(await chosen.unavailable(), undefined);
  for (const line of told) assert.match(line, /cannot run here: .+\. To get it: .+/);
});
