import assert from "node:assert/strict";
import { test } from "node:test";
import { bench, DATA, RUN, SCRATCH, STATUS, until } from "./machine.ts";

const MACHINE = "mlt-test-run-20261121080000-00ff-a01";

test("a run from boot to deletion: environment, inputs, log, outputs, metrics, status", async (t) => {
  const b = await bench(t);
  b.pack({
    "train.py": `
import json, os, sys
from pathlib import Path
print("arguments", sys.argv[1:])
print("data", (Path(os.environ["DATA_DIR"]) / "census/adult.data").read_text())
out = Path(os.environ["OUTPUT_DIR"])
(out / "model").mkdir()
(out / "model/weights.bin").write_bytes(b"\\0" * 3_000_000)
(out / "metrics.json").write_text(json.dumps({"test_accuracy": 0.875}))
(out / "link").symlink_to("/etc/passwd")
names = ("RUN_ID", "ML_TRAINING_BUCKET", "ML_TRAINING_SCRATCH_BUCKET", "ML_TRAINING_ATTEMPT", "GOOGLE_CLOUD_PROJECT")
print(json.dumps({name: os.environ[name] for name in names}))
print("checkpoints", os.path.isdir(os.environ["CHECKPOINT_DIR"]), "notify", os.environ.get("NOTIFY_SOCKET"))
print("to standard error", file=sys.stderr)
`,
  });
  b.cloud.put(DATA, "input/census/adult.data", "39, State-gov");
  b.cloud.put(DATA, "input/census-other/x", "not asked for");
  b.spec.inputs = ["census"];
  b.spec.arguments = ["--cv-iterations", "3; touch /tmp/never"];
  b.submit();
  const { code, output } = await b.boot();

  const status = b.status();
  assert.equal(status.phase, "succeeded", output);
  assert.equal(code, 0);
  assert.equal(status.exitCode, 0);
  assert.equal(status.reason, undefined);
  assert.deepEqual(status.metrics, { test_accuracy: 0.875 });
  assert.deepEqual(status.machine, {
    name: MACHINE,
    zone: "us-central1-a",
    type: "e2-standard-2",
    spot: true,
    image: "projects/debian-cloud/global/images/debian-12-bookworm-v20261110",
  });
  const { submitted, booting, installing, running, saving, ended } = status.times;
  const times = [submitted, booting, installing, running, saving, ended];
  assert.ok(
    times.every((time) => time !== undefined && !Number.isNaN(Date.parse(time))),
    JSON.stringify(status.times),
  );
  // `submitted` is by the launcher's clock.
  assert.deepEqual([...times.slice(1)].sort(), times.slice(1));
  assert.deepEqual(b.cloud.deletions, [MACHINE]);

  const log = b.log();
  assert.match(log, /arguments \['--cv-iterations', '3; touch \/tmp\/never'\]/);
  assert.match(log, /data 39, State-gov/);
  assert.match(log, /to standard error/);
  assert.match(log, /checkpoints True notify None/);
  assert.ok(
    log.includes(
      JSON.stringify({
        RUN_ID: RUN,
        ML_TRAINING_BUCKET: DATA,
        ML_TRAINING_SCRATCH_BUCKET: SCRATCH,
        ML_TRAINING_ATTEMPT: "1",
        GOOGLE_CLOUD_PROJECT: "test-project",
      })
        .replaceAll(":", ": ")
        .replaceAll(",", ", "),
    ),
    log,
  );
  assert.match(log, /output link is not saved/);
  const segments = [...b.cloud.objects.keys()]
    .filter((key) => key.startsWith(`${SCRATCH}/runs/${RUN}/attempt-1/log/`))
    .sort();
  assert.ok(segments[0]?.endsWith("/000001.txt"), String(segments));
  assert.equal(segments.map((key) => b.cloud.objects.get(key)!.data.toString()).join(""), log);
  assert.equal(b.cloud.objects.get(`${DATA}/runs/${RUN}/output/model/weights.bin`)?.data.length, 3_000_000);
  assert.equal(b.cloud.objects.has(`${DATA}/runs/${RUN}/output/link`), false);
  assert.doesNotMatch(log + output, /secret-token/);
});

const FAILURES: {
  name: string;
  change: (b: Awaited<ReturnType<typeof bench>>) => void;
  reason: RegExp;
  exitCode?: number;
}[] = [
  {
    name: "the package is missing",
    change: (b) => b.cloud.objects.delete(`${DATA}/${b.spec.package.object}`),
    reason: /^package is missing: gs:\/\/mlt-test-data\/code\/[0-9a-f]{64}\.tar\.gz does not exist$/,
  },
  {
    name: "the package's checksum is wrong",
    change: (b) => b.cloud.put(DATA, b.spec.package.object, "something else"),
    reason: /^package has the wrong checksum: SHA-256 [0-9a-f]{12}…, expected [0-9a-f]{12}…$/,
  },
  {
    name: "the requirements do not install",
    change: (b) =>
      b.pack({
        "train.py": "",
        "requirements.txt": `# locked\nsix==9999.0 \\\n    --hash=sha256:${"0".repeat(64)}\n`,
      }),
    reason: /^pip install failed: exit 1, requirements\.txt line 2$/,
  },
  {
    name: "the trainer fails",
    change: (b) => b.pack({ "train.py": "import sys\nprint('no such column: wage')\nsys.exit(3)\n" }),
    reason: /^trainer failed: exit 3 \(no such column: wage\)$/,
    exitCode: 3,
  },
  {
    name: "the trainer kills itself",
    change: (b) => b.pack({ "train.py": "import os\nos.kill(os.getpid(), 9)\n" }),
    reason: /^trainer was killed \(SIGKILL, exit 137\)/,
    exitCode: 137,
  },
  {
    name: "the command does not exist",
    change: (b) => {
      b.spec.command = ["no-such-program"];
    },
    reason: /^command not found: no-such-program$/,
  },
  {
    name: "an input is missing",
    change: (b) => {
      b.spec.inputs = ["nowhere"];
    },
    reason: /^input nowhere is missing: there is nothing at gs:\/\/mlt-test-data\/input\/nowhere$/,
  },
  {
    name: "the Python asked for is newer than any here",
    change: (b) => {
      b.spec.python = "3.99";
    },
    reason: /^the package asks for Python 3\.99 or newer; this machine has /,
  },
  {
    name: "spec.json is not as the contract says",
    change: (b) => {
      Object.assign(b.spec, { command: [], keepMinutes: "long" });
    },
    reason: /^spec\.json: keepMinutes is no number from 0: 'long'; command is empty$/,
  },
];

for (const { name, change, reason, exitCode } of FAILURES) {
  test(`failed with the reason, and the machine goes: ${name}`, async (t) => {
    const b = await bench(t);
    b.pack({ "train.py": "print('trained')\n" });
    change(b);
    b.submit();
    const { code, output } = await b.boot();
    const status = b.status();
    assert.equal(status.phase, "failed", output);
    assert.match(status.reason ?? "", reason);
    assert.equal(status.exitCode, exitCode);
    assert.ok(b.log().includes(`failed: ${status.reason}`), "the log says the same reason");
    assert.deepEqual(b.cloud.deletions, [MACHINE]);
    assert.equal(code, 0);
  });
}

test("a missing or malformed metadata key trains nothing, names the key, and the machine goes", async (t) => {
  const b = await bench(t);
  b.pack({ "train.py": "print('trained')\n" });
  b.submit();
  b.cloud.metadata.delete("instance/attributes/mlt-bucket");
  b.cloud.metadata.set("instance/attributes/mlt-attempt", "<html>");
  const { output } = await b.boot();
  assert.match(output, /metadata key mlt-attempt has no legal value: '<html>'; metadata key mlt-bucket is missing/);
  assert.equal(b.status().phase, "provisioning");
  assert.deepEqual(b.cloud.deletions, [MACHINE]);
});

test("a finished run that is booted again does nothing and goes", async (t) => {
  const b = await bench(t);
  b.pack({ "train.py": "print('trained')\n" });
  b.submit();
  await b.boot();
  const before = b.cloud.text(DATA, STATUS);
  const { output } = await b.boot();
  assert.match(output, /nothing to do here: phase succeeded, attempt 1/);
  assert.equal(b.cloud.text(DATA, STATUS), before);
  assert.equal(b.cloud.deletions.length, 2);
});

test("a power cut while training: the next boot resumes with its checkpoint and counts a restart", async (t) => {
  const b = await bench(t);
  b.pack({
    "train.py": `
import os, time
from pathlib import Path
checkpoint = Path(os.environ["CHECKPOINT_DIR"]) / "epoch"
if checkpoint.exists():
    print("went on from epoch", checkpoint.read_text())
else:
    checkpoint.write_text("7")
    print("first epochs")
    time.sleep(20)
`,
  });
  b.submit();
  const first = b.start();
  await until("the first boot trains", () =>
    [...b.cloud.objects.values()].some((o) => o.data.includes("first epochs\n")),
  );
  await until("the status names the checkpoint", () => b.status().checkpoint?.n === 1);
  first.child.kill("SIGKILL");
  await first.ended;
  assert.equal(b.status().phase, "running");
  const { output } = await b.boot();
  const status = b.status();
  assert.equal(status.phase, "succeeded", output);
  assert.equal(status.restarts, 1);
  assert.equal(status.resumedFrom, 1);
  const log = b.log();
  assert.match(log, /first epochs[\s\S]*checkpoint 1: 1 file, 0\.0 MB in/);
  assert.match(log, /resumed from checkpoint 1 of attempt 1: 1 file, 0\.0 MB, saved [\s\S]*went on from epoch 7/);
  assert.match(log, /requirements are installed already/);
  const segments = [...b.cloud.objects.keys()]
    .filter((key) => key.startsWith(`${SCRATCH}/runs/${RUN}/attempt-1/log/`))
    .sort();
  assert.equal(segments.map((key) => b.cloud.objects.get(key)!.data.toString()).join(""), log);
});

test("a power cut while saving: the next boot saves and does not train again", async (t) => {
  const b = await bench(t);
  b.pack({
    "train.py": "import os\nopen(os.environ['OUTPUT_DIR'] + '/model', 'w').write('m')\nprint('trained once')\n",
  });
  b.submit();
  const first = b.start();
  b.cloud.bursts.push({ path: /output\/model/, status: 503, times: 1_000_000 });
  await until("the first boot saves", () => b.cloud.requests.some((line) => line.includes("output/model")));
  first.child.kill("SIGKILL");
  await first.ended;
  assert.equal(b.status().phase, "saving");
  b.cloud.bursts.length = 0;
  const { output } = await b.boot();
  assert.equal(b.status().phase, "succeeded", output);
  assert.equal(b.status().restarts, 0);
  assert.equal(b.cloud.text(DATA, `runs/${RUN}/output/model`), "m");
  assert.equal(b.log().match(/trained once/g)?.length, 1);
});

const WAITS = `
import os, signal, sys, time
def save(*_):
    open(os.environ["OUTPUT_DIR"] + "/partial.txt", "w").write("saved on SIGTERM")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("waiting", flush=True)
time.sleep(600)
`;

test("a cancel that is asked for ends the trainer, saves, and ends the run as cancelled", async (t) => {
  const b = await bench(t);
  b.pack({ "train.py": WAITS });
  b.submit();
  const { ended } = b.start();
  await until("training", () => b.status().phase === "running");
  await until("the trainer waits", () => [...b.cloud.objects.values()].some((o) => o.data.includes("waiting\n")));
  b.cloud.put(DATA, STATUS, JSON.stringify({ ...b.status(), cancelRequested: true }));
  const { output } = await ended;
  const status = b.status();
  assert.equal(status.phase, "cancelled", output);
  assert.equal(status.cancelRequested, true);
  assert.equal(status.exitCode, undefined);
  assert.equal(b.cloud.text(DATA, `runs/${RUN}/output/partial.txt`), "saved on SIGTERM");
  assert.deepEqual(b.cloud.deletions, [MACHINE]);
});

test("the deadline ends the trainer in time to save", async (t) => {
  const b = await bench(t);
  b.pack({ "train.py": WAITS });
  b.spec.deadline = new Date(Date.now() + 12_000).toISOString();
  b.submit();
  const { output } = await b.boot();
  assert.equal(b.status().phase, "timedOut", output);
  assert.equal(b.status().reason, "time limit reached");
  assert.equal(b.cloud.text(DATA, `runs/${RUN}/output/partial.txt`), "saved on SIGTERM");
  assert.ok(Date.parse(b.status().times.ended!) < Date.parse(b.spec.deadline) + 5000);
  assert.deepEqual(b.cloud.deletions, [MACHINE]);
});

test("a deadline that passed before the boot trains nothing", async (t) => {
  const b = await bench(t);
  b.pack({ "train.py": "print('trained')\n" });
  b.spec.createdAt = new Date(Date.now() - 7_200_000).toISOString();
  b.spec.deadline = new Date(Date.now() - 60_000).toISOString();
  b.submit({ phase: "running" });
  await b.boot();
  assert.equal(b.status().phase, "timedOut");
  assert.doesNotMatch(b.log(), /^trained$/m);
  assert.deepEqual(b.cloud.deletions, [MACHINE]);
});

test("a newer attempt makes this machine a zombie: it stops, writes nothing over it, and goes", async (t) => {
  const b = await bench(t);
  b.pack({ "train.py": WAITS });
  b.submit();
  const { ended } = b.start();
  await until("training", () => b.status().phase === "running");
  b.cloud.put(DATA, STATUS, JSON.stringify({ ...b.status(), attempt: 2, phase: "provisioning" }));
  const newer = b.cloud.text(DATA, STATUS);
  const { output } = await ended;
  assert.equal(b.cloud.text(DATA, STATUS), newer);
  assert.match(output, /the run is at attempt 2; this machine is attempt 1/);
  assert.deepEqual(b.cloud.deletions, [MACHINE]);
});

test("a preemption: the power button saves what is there within seconds and is reported", async (t) => {
  const b = await bench(t);
  b.pack({ "train.py": WAITS });
  b.submit();
  const { child, ended } = b.start();
  await until("the trainer waits", () => [...b.cloud.objects.values()].some((o) => o.data.includes("waiting\n")));
  b.cloud.metadata.set("instance/preempted", "TRUE");
  child.kill("SIGTERM");
  const { code, output } = await ended;
  assert.equal(b.status().phase, "preempted", output);
  assert.equal(code, 0);
  assert.equal(b.cloud.text(DATA, `runs/${RUN}/output/partial.txt`), "saved on SIGTERM");
  assert.deepEqual(b.cloud.deletions, [], "Google deletes a preempted machine; the supervisor has no time for it");
});

test("a shutdown that is no preemption leaves the run in `running` for the next boot", async (t) => {
  const b = await bench(t);
  b.pack({ "train.py": WAITS });
  b.submit();
  const { child, ended } = b.start();
  await until("the trainer waits", () => [...b.cloud.objects.values()].some((o) => o.data.includes("waiting\n")));
  child.kill("SIGTERM");
  await ended;
  assert.equal(b.status().phase, "running");
  assert.deepEqual(b.cloud.deletions, []);
});

test("bursts of 503, 429, 403 and cut connections from storage and compute are survived", async (t) => {
  const b = await bench(t);
  b.pack({
    "train.py": "import os\nopen(os.environ['OUTPUT_DIR'] + '/big.bin', 'wb').write(os.urandom(1 << 20) * 40)\n",
  });
  b.submit();
  b.cloud.bursts.push(
    { path: /spec\.json/, status: 403, times: 2 },
    { path: /status\.json/, status: 503, times: 3 },
    { path: /code\//, status: 0, times: 2 },
    { method: "PUT", path: /upload/, status: 503, times: 2 },
    { method: "DELETE", path: /instances/, status: 403, times: 2 },
    { path: /log\.txt/, status: 429, times: 1 },
  );
  const { output } = await b.boot({ ML_TRAINING_RETRY_SECONDS: "60" });
  assert.equal(b.status().phase, "succeeded", output);
  assert.equal(b.cloud.objects.get(`${DATA}/runs/${RUN}/output/big.bin`)?.data.length, 40 << 20);
  assert.ok(
    b.cloud.bursts.every((burst) => burst.times === 0),
    JSON.stringify(b.cloud.bursts),
  );
  assert.deepEqual(b.cloud.deletions, [MACHINE]);
});
