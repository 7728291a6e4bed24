import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { before, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { sweepGroups } from "../../../localcloud/guests/nspawn/cgroups.ts";
import { nspawnDriver } from "../../../localcloud/guests/nspawn/driver.ts";
import { ensureStockLayer, rootFolder } from "../../../localcloud/guests/nspawn/root.ts";
import { REACH, TestMachine } from "./machine.ts";

const driver = nspawnDriver();
let obstacle: string | undefined;

before(async () => {
  obstacle = (await driver.unavailable())?.reason;
  if (obstacle === undefined) await driver.prepare(console.log);
});

/** A test of a guest, or the reason why this host has none. */
function guestTest(name: string, body: (machine: TestMachine, t: TestContext) => Promise<void>): void {
  test(name, async (t) => {
    if (obstacle !== undefined) {
      t.skip(obstacle);
      return;
    }
    await body(new TestMachine(t, driver), t);
  });
}

/** Whatever of this machine still exists on the host. */
function leftovers(machine: TestMachine): string[] {
  const groups = ["/sys/fs/cgroup", ...readdirSync("/sys/fs/cgroup").map((name) => `/sys/fs/cgroup/${name}`)]
    .map((path) => `${path}/ml-training-guest-${machine.id}`)
    .filter((path) => existsSync(path));
  const mounts = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .filter((line) => line.includes(machine.disk));
  const processes = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandOf(pid).includes(machine.disk));
  const children = spawnSync("ps", ["-o", "args=", "--ppid", String(process.pid)], { encoding: "utf8" }).stdout;
  const networks = children.split("\n").filter((line) => line.startsWith("slirp4netns"));
  return [...groups, ...mounts, ...processes.map(commandOf), ...networks];
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

guestTest("the startup script reaches metadata and storage; poweroff runs the shutdown script", async (machine) => {
  const guest = await machine.boot(`${REACH}\nid=$(id -u); echo "I am $id on $(hostname)"\npoweroff\n`, {
    shutdownScript: "echo SHUTDOWN-SCRIPT; curl -sS https://storage.googleapis.com/from-shutdown",
  });
  assert.equal((await guest.off).reason, "poweroff");
  assert.match(machine.said, /TOKEN-FOUND/);
  assert.match(machine.said, /curl says: answer-of-the-local-cloud/);
  assert.match(machine.said, /python says: answer-of-the-local-cloud/);
  assert.match(machine.said, /I am 0 on machine-1/);
  assert.match(machine.said, /shutdown-script: SHUTDOWN-SCRIPT/);
  assert.deepEqual(machine.calls, [
    "POST storage.googleapis.com/from-curl",
    "GET storage.googleapis.com/from-python",
    "GET storage.googleapis.com/from-shutdown",
  ]);
  assert.deepEqual(leftovers(machine), []);
});

guestTest("a second boot runs the script again on the same disk", async (machine) => {
  const script = "#!/bin/bash\n[[ -e /root/mark ]] && echo SECOND-BOOT\ntouch /root/mark\npoweroff\n";
  await (await machine.boot(script)).off;
  assert.doesNotMatch(machine.said, /SECOND-BOOT/);
  await (await machine.boot(script)).off;
  assert.match(machine.said, /SECOND-BOOT/);
});

guestTest("the power button runs the shutdown script, also of a unit that works", async (machine) => {
  const guest = await machine.boot(
    "#!/bin/bash\nsystemd-run --unit=work -p ExecStop='/bin/echo UNIT-STOPPED' sleep 1000\necho READY\nexit 0\n",
  );
  await machine.waitFor(/startup-script: READY/);
  await guest.powerButton();
  assert.equal((await guest.off).reason, "poweroff");
  assert.match(machine.said, /UNIT-STOPPED/);
  assert.match(machine.said, /shutdown-script: SHUTDOWN-SCRIPT/);
});

guestTest("a cut takes the power away at once and leaves nothing", async (machine) => {
  const guest = await machine.boot("#!/bin/bash\necho READY\nsleep 1000\n");
  await machine.waitFor(/startup-script: READY/);
  assert.notDeepEqual(leftovers(machine), []);
  await guest.cut();
  assert.equal((await guest.off).reason, "cut");
  assert.doesNotMatch(machine.said, /SHUTDOWN-SCRIPT/);
  assert.deepEqual(leftovers(machine), []);
  await guest.powerButton();
  await guest.cut();
});

guestTest("a guest has no rights on the host: other users, no devices, not the host's loopback", async (machine, t) => {
  const server = createServer((_, response) => response.end("secret of the host"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const guest = await machine.boot(`#!/bin/bash
echo "users: $(cat /proc/self/uid_map)"
mknod /tmp/disk b 8 0 2>/dev/null || echo NO-DEVICES
ls ${fileURLToPath(import.meta.url)} 2>/dev/null || echo NO-HOST-FILES
for host in 10.0.2.2 127.0.0.1; do curl -s -m 3 http://$host:${port} || echo NO-LOOPBACK; done
ip address add 169.254.169.1/32 dev lo 2>/dev/null || echo NO-NETWORK-ADMIN
ps -e | wc -l | sed 's/^/processes: /'
poweroff
`);
  await guest.off;
  assert.match(machine.said, /users: +0 +[1-9]\d{6,} +65536/);
  assert.match(machine.said, /NO-DEVICES/);
  assert.match(machine.said, /NO-HOST-FILES/);
  assert.equal(machine.said.match(/NO-LOOPBACK/g)?.length, 2);
  assert.doesNotMatch(machine.said, /secret of the host/);
  assert.match(machine.said, /NO-NETWORK-ADMIN/);
  assert.ok(Number(/processes: (\d+)/.exec(machine.said)?.[1]) < 40);
});

guestTest(
  "a guest that asks for more memory than its machine has loses that process, not the host's",
  async (machine) => {
    const guest = await machine.boot(
      `#!/bin/bash\npython3 -c 'b = bytearray(700 << 20); print(len(b))'; echo "exit $?"\npoweroff\n`,
      { memoryMb: 512 },
    );
    await guest.off;
    assert.match(machine.said, /exit 137/);
    assert.doesNotMatch(machine.said, /: 734003200/);
  },
);

guestTest("a machine ends with the server that booted it, however that dies", async (machine) => {
  const child = spawn(
    process.execPath,
    [
      ...process.execArgv.filter((arg) => !arg.startsWith("--test")),
      fileURLToPath(new URL("bootAndHang.ts", import.meta.url)),
    ],
    {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, GUEST_LEVEL: "nspawn", GUEST_DISK: machine.disk, GUEST_ID: machine.id },
    },
  );
  let said = "";
  for await (const chunk of child.stdout) {
    said += chunk;
    if (said.includes("READY")) break;
  }
  assert.match(said, /READY/);
  assert.notDeepEqual(leftovers(machine), []);
  child.kill("SIGKILL");
  await until(() => leftovers(machine).every((path) => path.startsWith("/sys/fs/cgroup/")));
  // The empty control groups are what is left; the next server removes them.
  await until(() => {
    sweepGroups();
    return leftovers(machine).length === 0;
  });
});

guestTest("an image like Google's stock ones has Python without venv", async (machine) => {
  const imageFolder = await ensureStockLayer(console.log);
  const guest = await machine.boot(
    "#!/bin/bash\npython3 -m venv /opt/v >/dev/null 2>&1 && echo HAS-VENV\npython3 -c 'print(\"HAS-PYTHON\")'\npoweroff\n",
    { imageFolders: [imageFolder] },
  );
  await guest.off;
  assert.match(machine.said, /HAS-PYTHON/);
  assert.doesNotMatch(machine.said, /HAS-VENV/);
});

guestTest("root mounts file systems in user space; the host keys of sshd are the machine's own", async (machine) => {
  const guest = await machine.boot(`#!/bin/bash
truncate -s 20M /root/disk; mkfs.ext4 -q /root/disk
fuse2fs -o allow_other /root/disk /mnt && echo kept >/mnt/file
useradd someone
echo "another user reads: $(runuser -u someone -- cat /mnt/file)"
umount /mnt && mount -t fuse.fuse2fs -o ro /root/disk /mnt && echo "again: $(cat /mnt/file)"
echo "key: $(cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub)"
until exec 3<>/dev/tcp/127.0.0.1/22; do sleep 0.1; done 2>/dev/null
read -r greeting <&3; echo "sshd says: $greeting"
poweroff
`);
  await guest.off;
  assert.match(machine.said, /another user reads: kept/);
  assert.match(machine.said, /again: kept/);
  assert.match(machine.said, /sshd says: SSH-2.0-OpenSSH/);
  const own = /key: (\S+)/.exec(machine.said)?.[1] ?? "";
  assert.match(own, /^AAAA/);
  assert.ok(!existsSync(`${rootFolder()}/etc/ssh/ssh_host_ed25519_key`), "no key that all machines share");
});

guestTest("a boot that cannot start says why and leaves nothing", async (machine) => {
  await assert.rejects(
    machine.boot("#!/bin/bash\n", { imageFolders: ["/nonexistent"] }),
    /no layer: \/nonexistent\/upper/,
  );
  assert.deepEqual(leftovers(machine), []);
});

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 20_000;
  while (!condition()) {
    assert.ok(Date.now() < end, "waited twenty seconds");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
