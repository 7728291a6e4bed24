import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, type TestContext, test } from "node:test";
import { kvmIsOffered } from "../../../localcloud/guests/qemu/accelerator.ts";
import { qemuDriver } from "../../../localcloud/guests/qemu/driver.ts";
import { unpackBlock, unpackKernel } from "../../../localcloud/guests/qemu/lz4.ts";
import { REACH, TestMachine } from "./machine.ts";

const driver = qemuDriver();
let obstacle: string | undefined;

before(async () => {
  obstacle = (await driver.unavailable())?.reason;
  if (obstacle === undefined) await driver.prepare(console.log);
});

function guestTest(name: string, body: (machine: TestMachine, t: TestContext) => Promise<void>): void {
  test(name, async (t) => {
    if (obstacle !== undefined) {
      t.skip(obstacle);
      return;
    }
    await body(new TestMachine(t, driver), t);
  });
}

/** Processes and mounts of this machine on the host. */
function leftovers(machine: TestMachine): string[] {
  const commands = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(commandOf);
  const mounts = readFileSync("/proc/mounts", "utf8").split("\n");
  return [...commands, ...mounts].filter((line) => line.includes(machine.disk));
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

guestTest(
  "a machine boots twice on one disk, reaches its services, and goes by poweroff and by its button",
  async (machine, t) => {
    const server = createServer((_, response) => response.end("secret of the host"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const script = `${REACH}
[[ -e /root/mark ]] && echo SECOND-BOOT
echo "kernel $(uname -r) on $(hostname), init $(cat /proc/1/comm)"
curl -s -m 5 http://10.0.3.2:${port} || echo NO-LOOPBACK
touch /root/mark
echo READY
`;
    const first = await machine.boot(`${script}poweroff\n`, { shutdownScript: "echo SHUTDOWN-SCRIPT" });
    assert.equal((await first.off).reason, "poweroff");
    assert.match(machine.said, /TOKEN-FOUND/);
    assert.match(machine.said, /curl says: answer-of-the-local-cloud/);
    assert.match(machine.said, /python says: answer-of-the-local-cloud/);
    assert.match(machine.said, /NO-LOOPBACK/);
    assert.doesNotMatch(machine.said, /secret of the host/);
    assert.match(machine.said, /kernel \S+-cloud-amd64 on machine-1, init systemd/);
    assert.match(machine.said, /shutdown-script: SHUTDOWN-SCRIPT/);
    assert.doesNotMatch(machine.said, /SECOND-BOOT/);
    assert.deepEqual(leftovers(machine), []);

    machine.console.length = 0;
    const second = await machine.boot(script);
    await machine.waitFor(/startup-script: READY/, 240);
    assert.match(machine.said, /SECOND-BOOT/);
    await second.powerButton();
    assert.equal((await second.off).reason, "poweroff");
    assert.match(machine.said, /shutdown-script: SHUTDOWN-SCRIPT/);
    assert.deepEqual(leftovers(machine), []);
  },
);

guestTest("a cut takes the power away at once and leaves nothing", async (machine) => {
  const guest = await machine.boot("#!/bin/bash\n");
  await machine.waitFor(/systemd/, 240);
  assert.notDeepEqual(leftovers(machine), []);
  await guest.cut();
  assert.equal((await guest.off).reason, "cut");
  assert.doesNotMatch(machine.said, /SHUTDOWN-SCRIPT/);
  assert.deepEqual(leftovers(machine), []);
});

test("KVM counts only where the processor has it and no hypervisor pretends", (t) => {
  const root = `${mkdtempSync(join(tmpdir(), "kvm-"))}/`;
  t.after(() => rmSync(root, { recursive: true }));
  const cpu = (flags: string) =>
    writeFileSync(join(root, "proc/cpuinfo"), `model name\t: x\nflags\t\t: fpu ${flags}\n`);
  for (const folder of ["dev", "proc", "sys/module"]) mkdirSync(join(root, folder), { recursive: true });
  cpu("vmx sse");
  assert.equal(kvmIsOffered(root), false, "no device");
  writeFileSync(join(root, "dev/kvm"), "");
  assert.equal(kvmIsOffered(root), true);
  cpu("sse svm");
  assert.equal(kvmIsOffered(root), true);
  cpu("sse vmx_lookalike");
  assert.equal(kvmIsOffered(root), false, "no flag");
  cpu("vmx");
  mkdirSync(join(root, "sys/module/kvm_pvm"));
  assert.equal(kvmIsOffered(root), false, "a hypervisor's stand-in");
});

test("a packed kernel is unpacked", () => {
  // "abcd", then nine bytes from four back, then "xyz" as the last literals.
  const block = Buffer.from([0x45, ...Buffer.from("abcd"), 4, 0, 0x30, ...Buffer.from("xyz")]);
  assert.equal(unpackBlock(block).toString(), "abcdabcdabcdaxyz");
  const length = Buffer.alloc(4);
  length.writeUInt32LE(block.length);
  const packed = Buffer.concat([
    Buffer.from("head"),
    Buffer.from([2, 0x21, 0x4c, 0x18]),
    length,
    block,
    Buffer.from("tail"),
  ]);
  assert.equal(unpackKernel(packed).toString(), "abcdabcdabcdaxyz");
  assert.throws(() => unpackKernel(Buffer.from("something else")), /not packed with LZ4/);
  assert.throws(() => unpackBlock(Buffer.from([0x00, 9, 0])), /damaged/);
  const long = Buffer.from([0xf0, 5, ...Buffer.alloc(20, "q")]);
  assert.equal(unpackBlock(long).toString(), "q".repeat(20));
});
