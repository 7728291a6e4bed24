import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { processDriver } from "../../../localcloud/guests/process/driver.ts";
import { REACH, TestMachine } from "./machine.ts";

const driver = processDriver();
const obstacle = (await driver.unavailable())?.reason;

function guestTest(name: string, body: (machine: TestMachine) => Promise<void>): void {
  test(name, async (t: TestContext) => {
    if (obstacle !== undefined) {
      t.skip(obstacle);
      return;
    }
    await body(new TestMachine(t, driver));
  });
}

/** Processes whose command line holds `word`. */
function running(word: string): string[] {
  const commands = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return commands.map(commandOf).filter((command) => command.includes(word));
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

/** A sleep that no other test has, so that it can be found. */
function uniqueSleep(): string {
  return `sleep 9${randomBytes(3).readUIntBE(0, 3)}`;
}

guestTest("the script reaches metadata and storage by their own names and ends with its process", async (machine) => {
  const guest = await machine.boot(`${REACH}\necho "init: $MLT_INIT root: $ML_TRAINING_ROOT home: \${HOME-unset}"\n`);
  assert.deepEqual(await guest.off, { reason: "poweroff", message: "the machine's process ended with 0" });
  assert.match(machine.said, /TOKEN-FOUND/);
  assert.match(machine.said, /curl says: answer-of-the-local-cloud/);
  assert.match(machine.said, /python says: answer-of-the-local-cloud/);
  assert.ok(machine.console.includes(`init: none root: ${join(machine.disk, "root")} home: unset`), machine.said);
  assert.deepEqual(machine.calls, ["POST storage.googleapis.com/from-curl", "GET storage.googleapis.com/from-python"]);
});

guestTest("Google's hosts that the local cloud does not model are refused, not passed on", async (machine) => {
  const guest = await machine.boot("#!/bin/bash\ncurl -sS https://bigquery.googleapis.com/ 2>&1\n");
  await guest.off;
  assert.match(machine.said, /response 501/);
});

guestTest("a second boot finds the same disk", async (machine) => {
  const script = '#!/bin/bash\n[[ -e $ML_TRAINING_ROOT/mark ]] && echo SECOND-BOOT\ntouch "$ML_TRAINING_ROOT/mark"\n';
  await (await machine.boot(script)).off;
  assert.doesNotMatch(machine.said, /SECOND-BOOT/);
  await (await machine.boot(script)).off;
  assert.match(machine.said, /SECOND-BOOT/);
});

guestTest("the power button is SIGTERM to the machine's first process only", async (machine) => {
  const guest = await machine.boot(`#!/bin/bash
trap 'echo GOT-TERM; kill -0 $child && echo CHILD-LIVES; exit 5' TERM
sleep 1000 & child=$!
echo READY
wait
`);
  await machine.waitFor(/READY/);
  await guest.powerButton();
  assert.deepEqual(await guest.off, { reason: "poweroff", message: "the machine's process ended with 5" });
  assert.match(machine.said, /GOT-TERM\nCHILD-LIVES/);
});

guestTest("a cut ends everything, also what left the session", async (machine) => {
  const sleeps = [uniqueSleep(), uniqueSleep()];
  const guest = await machine.boot(
    `#!/bin/bash\nsetsid ${sleeps[0]} &\n(setsid ${sleeps[1]} &)\necho READY\nsleep 1000\n`,
  );
  await machine.waitFor(/READY/);
  await until(() => sleeps.every((sleep) => running(sleep).length > 0));
  await guest.cut();
  assert.equal((await guest.off).reason, "cut");
  for (const sleep of sleeps) assert.deepEqual(running(sleep), []);
  await guest.powerButton();
  await guest.cut();
});

guestTest("what the script leaves behind ends with it", async (machine) => {
  const sleep = uniqueSleep();
  const guest = await machine.boot(`#!/bin/bash\nsetsid ${sleep} &\nexit 0\n`);
  await guest.off;
  assert.deepEqual(running(sleep), []);
});

guestTest("a machine ends with the server that booted it, however that dies", async (machine) => {
  const sleep = uniqueSleep();
  const options = process.execArgv.filter((argument) => !argument.startsWith("--test"));
  const child = spawn(process.execPath, [...options, fileURLToPath(new URL("bootAndHang.ts", import.meta.url))], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env,
      GUEST_LEVEL: "process",
      GUEST_DISK: machine.disk,
      GUEST_ID: machine.id,
      GUEST_SCRIPT: `setsid ${sleep} &\necho READY\nwait\n`,
    },
  });
  for await (const chunk of child.stdout) if (String(chunk).includes("READY")) break;
  await until(() => running(sleep).length > 0);
  child.kill("SIGKILL");
  await until(() => running(sleep).length === 0);
  assert.ok(existsSync(machine.disk));
});

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 20_000;
  while (!condition()) {
    assert.ok(Date.now() < end, "waited twenty seconds");
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
