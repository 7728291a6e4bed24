import assert from "node:assert/strict";
import { before, type TestContext, test } from "node:test";
import { startupScript } from "../../components/startupScript.ts";
import type { Guest } from "../../localcloud/guests/guest.ts";
import { nspawnDriver } from "../../localcloud/guests/nspawn/driver.ts";
import { type InstanceFacts, instanceTree } from "../../localcloud/metadata/instance.ts";
import { createMetadataServer } from "../../localcloud/metadata/server.ts";
import { TestMachine } from "../localcloud/guests/machine.ts";
import { type Bench, bench, DATA, RUN, until } from "./machine.ts";

// The same supervisor as in supervisor.test.ts, on a machine with systemd: what only an init system can show.
const driver = nspawnDriver();
let obstacle: string | undefined;

before(async () => {
  obstacle = (await driver.unavailable())?.reason;
  if (obstacle === undefined) await driver.prepare(console.log);
});

interface Booted {
  b: Bench;
  machine: TestMachine;
  guest: Guest;
  /** Google takes the machine back: says so, then presses the power button. */
  preempt(): Promise<void>;
}

/** Boots a real Debian; its metadata server is the local cloud's, Google's hosts are the fake cloud. */
function guestTest(
  name: string,
  prepare: (b: Bench) => { before?: string; after?: string },
  body: (booted: Booted, t: TestContext) => Promise<void>,
): void {
  test(name, { timeout: 300_000 }, async (t) => {
    if (obstacle !== undefined) {
      t.skip(obstacle);
      return;
    }
    const b = await bench(t);
    const extra = prepare(b);
    b.submit();
    const [interpreter, ...rest] = startupScript("trainer.sh").split("\n");
    const script = [interpreter, extra.before ?? "", ...rest, extra.after ?? ""].join("\n");
    const facts: InstanceFacts = {
      projectId: "test-project",
      projectNumber: "123456789012",
      id: "7",
      name: MACHINE,
      zone: "us-central1-a",
      machineType: "e2-standard-2",
      attributes: { "startup-script": script, "mlt-run": RUN, "mlt-attempt": "1", "mlt-bucket": DATA },
      serviceAccounts: [{ email: "t@test-project.iam.gserviceaccount.com", scopes: [] }],
      networkInterfaces: [{ network: "projects/123456789012/networks/n", ip: "10.1.0.2" }],
      disks: [{ name: "boot" }],
      scheduling: { automaticRestart: false, onHostMaintenance: "TERMINATE", preemptible: true },
    };
    const machine = new TestMachine(t, driver);
    const guest = await machine.boot(script, {
      name: MACHINE,
      googleApis: b.cloud.listener,
      metadata: createMetadataServer({
        tree: () => instanceTree(facts),
        onChange: () => () => {},
        issueToken: () => ({ access_token: "secret-token", expires_in: 3599, token_type: "Bearer" }),
      }),
    });
    const preempt = async () => {
      facts.preempted = true;
      await guest.powerButton();
    };
    await body({ b, machine, guest, preempt }, t);
  });
}

const MACHINE = "mlt-test-run-20261121080000-00ff-a01";

/** Waits for the order to delete the machine; on failure shows what the console said. */
async function deletion({ b, machine }: Booted, seconds = 120): Promise<void> {
  await until("the machine deletes itself", () => b.cloud.deletions.length > 0, seconds).catch((error: Error) => {
    throw new Error(`${error.message}\n${machine.said}`);
  });
  assert.deepEqual([...new Set(b.cloud.deletions)], [MACHINE]);
}

const training = (b: Bench) => () => [...b.cloud.objects.values()].some((object) => object.data.includes("waiting\n"));

guestTest(
  "a machine with systemd trains in a unit of its own, as an unprivileged user, under the deadline",
  (b) => {
    b.pack({
      "train.py": `
import getpass, os, subprocess
print("user", getpass.getuser(), os.getcwd().endswith("/package"), open("/proc/self/cgroup").read())
print(subprocess.run(["systemctl", "show", "-p", "RuntimeMaxUSec", "-p", "Type", "ml-training.service"], capture_output=True, text=True).stdout)
for path in ("/var/lib/ml-training/runs", "/opt/ml-training/supervisor"):
    print(path, "writable", os.access(path, os.W_OK))
open(os.environ["OUTPUT_DIR"] + "/model", "w").write("m")
open(os.environ["CHECKPOINT_DIR"] + "/c", "w").write("c")
`,
    });
    return {};
  },
  async (booted) => {
    await deletion(booted);
    const { b, machine } = booted;
    assert.equal(b.status().phase, "succeeded", machine.said);
    assert.equal(b.cloud.text(DATA, `runs/${RUN}/output/model`), "m");
    const log = b.log();
    assert.match(log, /user ml True .*ml-training\.service/);
    // The deadline is an hour away and systemd's own limit a minute later.
    assert.match(log, /RuntimeMaxUSec=1h (\d+s|1min)/);
    assert.match(log, /Type=notify/);
    assert.equal(log.match(/writable False/g)?.length, 2);
    assert.match(machine.said, /succeeded/, "the supervisor's lines are on the console");
  },
);

guestTest(
  "an image without python3-venv, apt's lock held by another: waited for, said, installed",
  (b) => {
    b.pack({ "train.py": "print('trained')" });
    return {
      before: `
dpkg --purge --force-depends python3-venv python3.11-venv >/dev/null 2>&1
python3 -c '
import fcntl, time
lock = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
time.sleep(60)' &
sleep 0.5
`,
    };
  },
  async (booted) => {
    const { b, machine } = booted;
    const waits = () => /waiting for another apt or dpkg/.test(b.status().reason ?? "");
    await until("the status says what it waits for", waits, 60).catch((error: Error) => {
      throw new Error(`${error.message}\n${machine.said}`);
    });
    assert.equal(b.status().phase, "installing");
    await deletion(booted, 200);
    assert.equal(b.status().phase, "succeeded", b.log());
    assert.equal(b.status().reason, undefined);
    assert.match(b.log(), /this image lacks python3-venv/);
  },
);

const WAITS = `
import os, signal, sys, time
def save(*_):
    open(os.environ["OUTPUT_DIR"] + "/partial.txt", "w").write("saved on SIGTERM")
    open(os.environ["CHECKPOINT_DIR"] + "/last.txt", "w").write("saved on SIGTERM")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("waiting", flush=True)
time.sleep(600)
`;

guestTest(
  "preemption: the power button reaches the unit, outputs are saved before the power goes",
  (b) => {
    b.pack({ "train.py": WAITS });
    return {};
  },
  async ({ b, machine, guest, preempt }) => {
    await until("training", training(b), 60);
    await preempt();
    assert.equal((await guest.off).reason, "poweroff", machine.said);
    assert.equal(b.status().phase, "preempted", machine.said);
    assert.equal(b.cloud.text(DATA, `runs/${RUN}/output/partial.txt`), "saved on SIGTERM");
    assert.deepEqual(
      [b.status().checkpoint?.n, b.status().checkpoint?.files],
      [1, 1],
      "what the trainer saved after SIGTERM is a checkpoint",
    );
  },
);

guestTest(
  "a supervisor that is killed leaves last words, and the machine goes",
  (b) => {
    b.pack({ "train.py": WAITS });
    return {
      after: `
(until grep -q waiting /var/lib/ml-training/runs/*/log.txt; do sleep 0.2; done
systemctl kill --kill-whom=main --signal=KILL ml-training.service) >/dev/null 2>&1 &
`,
    };
  },
  async (booted) => {
    await deletion(booted);
    const { b } = booted;
    assert.equal(b.status().phase, "failed");
    assert.equal(b.status().reason, "the supervisor was ended: signal, KILL");
  },
);

for (const { name, dropIn, act, reason, phase, seconds } of [
  {
    name: "a supervisor that hangs is ended by systemd's watchdog",
    dropIn: "WatchdogSec=3\\nTimeoutAbortSec=2\\nEnvironment=ML_TRAINING_HEARTBEAT_SECONDS=0.5",
    act: "systemctl kill --kill-whom=main --signal=STOP ml-training.service",
    reason: "the supervisor was ended: it did not answer systemd's watchdog",
  },
  {
    // The job looks at its child every 0.2 s: with less than that allowed it counts as standing still.
    name: "a supervisor of which one part hangs does not feed systemd's watchdog",
    dropIn: "WatchdogSec=4\\nTimeoutAbortSec=2\\nEnvironment=ML_TRAINING_JOB_STILL_SECONDS=0.05",
    act: "true",
    reason: "the supervisor was ended: it did not answer systemd's watchdog",
  },
  {
    // The watchdog is off, and the supervisor stands still: only the limit is left that it asked for itself.
    name: "the deadline in spec.json becomes systemd's limit while the unit runs",
    dropIn: "WatchdogSec=0\\nEnvironment=ML_TRAINING_RUNTIME_GRACE_SECONDS=2",
    act: "systemctl kill --kill-whom=main --signal=STOP ml-training.service",
    phase: "timedOut",
    reason: "time limit reached",
    seconds: 25,
  },
  {
    name: "a supervisor that misses the deadline is ended by systemd's limit",
    dropIn: "RuntimeMaxSec=8",
    act: "true",
    reason: "the supervisor was ended: it did not end in time",
  },
  {
    name: "a unit that somebody stops by hand does not leave the machine behind",
    dropIn: "",
    act: "systemctl stop ml-training.service",
    reason: "the supervisor was ended: somebody stopped its unit",
  },
]) {
  guestTest(
    `${name}; the machine goes`,
    (b) => {
      b.pack({ "train.py": WAITS });
      if (seconds) b.spec.deadline = new Date(Date.now() + seconds * 1000).toISOString();
      return {
        // A later name than the supervisor's own drop-in, so that it wins.
        before: `
mkdir -p /etc/systemd/system/ml-training.service.d
printf '[Service]\\n${dropIn}\\n' >/etc/systemd/system/ml-training.service.d/60-test.conf
`,
        after: `
(until grep -q waiting /var/lib/ml-training/runs/*/log.txt; do sleep 0.2; done; ${act}) >/dev/null 2>&1 &
`,
      };
    },
    async (booted) => {
      await deletion(booted);
      assert.equal(booted.b.status().phase, phase ?? "failed", booted.machine.said);
      assert.equal(booted.b.status().reason, reason);
      if (seconds)
        assert.ok(Date.parse(booted.b.status().times.ended ?? "") < Date.parse(booted.b.spec.deadline) + 30_000);
    },
  );
}
