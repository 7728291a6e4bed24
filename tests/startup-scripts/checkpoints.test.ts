import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../helpers/shell.ts";
import { type Bench, bench, DATA, RUN, SCRATCH, STATUS, until } from "./machine.ts";

const MACHINE = "mlt-test-run-20261121080000-00ff-a01";
const CHECKPOINTS = `${SCRATCH}/runs/${RUN}/checkpoints`;
/** Short enough for a test; the trainers below save once and then wait. */
const QUICK = { ML_TRAINING_SETTLE_SECONDS: "0.2" };

/** Counts to `END` with a checkpoint for each number, by the helper; waits where `WAIT` says. */
const COUNTS = `
import json, os, signal, sys, time
import ml_training_checkpoint as checkpoint
found = checkpoint.latest("state.json")
state = json.loads(found.read_text()) if found else {"number": 0, "sum": 0}
print("begins at", state["number"], flush=True)
if "--last-words" in sys.argv:
    def save(*_):
        checkpoint.save("words.txt", b"last words")
        sys.exit(3)
    signal.signal(signal.SIGTERM, save)
while state["number"] < 10:
    state["number"] += 1
    state["sum"] += state["number"] ** 2
    checkpoint.save("state.json", json.dumps(state).encode())
    if state["number"] == 5 and not found:
        print("waiting", flush=True)
        time.sleep(600)
open(os.environ["OUTPUT_DIR"] + "/sum", "w").write(str(state["sum"]))
`;

async function trainsToFive(b: Bench, env: Record<string, string> = {}, seconds = 30) {
  const first = b.start({ ...QUICK, ...env });
  await until("checkpoint 1 is in the status", () => b.status().checkpoint?.n === 1, seconds);
  return first;
}

/** What the launcher does after a preemption: the next attempt, on a machine of its own. */
function nextAttempt(b: Bench, t: Parameters<typeof temporaryFolder>[0]): Record<string, string> {
  const { machine: _machine, ...status } = b.status();
  b.cloud.put(DATA, STATUS, JSON.stringify({ ...status, phase: "provisioning", attempt: 2, restarts: 1 }));
  b.cloud.metadata.set("instance/attributes/mlt-attempt", "2");
  b.cloud.metadata.set("instance/name", MACHINE.replace("a01", "a02"));
  b.cloud.metadata.set("instance/preempted", "FALSE");
  return { ...QUICK, ML_TRAINING_ROOT: temporaryFolder(t) };
}

const json = (b: Bench, name: string) => JSON.parse(b.cloud.objects.get(`${CHECKPOINTS}/${name}`)!.data.toString());

test("a preempted run goes on from its checkpoint on another machine, and a person can follow it", async (t) => {
  const b = await bench(t);
  b.pack({ "train.py": COUNTS });
  b.submit();
  const { ended } = await trainsToFive(b);
  // No power button: Google's word alone, as with a notice.
  b.cloud.metadata.set("instance/preempted", "TRUE");
  const { output, code } = await ended;
  assert.equal(b.status().phase, "preempted", output);
  assert.equal(b.status().reason, "Google took the Spot machine back");
  assert.equal(code, 0);
  assert.deepEqual(b.cloud.deletions, [MACHINE], "the power button never came: the machine goes by itself");
  const { checkpoint } = b.status();
  assert.deepEqual(checkpoint, { n: 1, at: checkpoint?.at, bytes: 24, files: 1 });

  const second = await b.boot(nextAttempt(b, t));
  const status = b.status();
  assert.equal(status.phase, "succeeded", second.output);
  assert.equal(status.resumedFrom, 1);
  assert.equal(status.attempt, 2);
  assert.equal(b.cloud.text(DATA, `runs/${RUN}/output/sum`), "385");
  const lines = b
    .log()
    .split("\n")
    .filter((line) => /checkpoint|begins|stopping|preempted|succeeded/.test(line));
  const plain = lines.map((line) =>
    line
      .replace(/^\[ml-training [0-9:]+\] /, "")
      .replace(/in \d+\.\d s$/, "in T")
      .replace(/saved .*Z$/, "saved THEN"),
  );
  const expected = [
    "begins at 0",
    "checkpoint 1: 1 file, 0.0 MB in T",
    "stopping: Google takes this machine back",
    "preempted: Google took the Spot machine back",
    "resumed from checkpoint 1 of attempt 1: 1 file, 0.0 MB, saved THEN",
    "begins at 5",
    "succeeded",
  ];
  assert.deepEqual(
    plain.filter((line) => expected.includes(line)),
    expected,
    plain.join("\n"),
  );
});

test("the power button: the trainer's last words are in the last checkpoint, and the status says so", async (t) => {
  const b = await bench(t);
  b.spec.arguments = ["--last-words"];
  b.pack({ "train.py": COUNTS });
  b.submit();
  const { child, ended } = await trainsToFive(b);
  b.cloud.metadata.set("instance/preempted", "TRUE");
  child.kill("SIGTERM");
  const { output } = await ended;
  assert.equal(b.status().phase, "preempted", output);
  assert.equal(b.status().checkpoint?.n, 2);
  assert.equal(b.status().checkpoint?.files, 2);
  const sha256 = createHash("sha256").update("last words").digest("hex");
  assert.equal(b.cloud.text(SCRATCH, `runs/${RUN}/checkpoints/files/${sha256}`), "last words");
  assert.deepEqual(json(b, "LATEST.json").n, 2);
});

test("no notice at all: the machine is cut off, and the checkpoint before counts", async (t) => {
  const b = await bench(t);
  b.pack({ "train.py": COUNTS });
  b.submit();
  const { child, ended } = await trainsToFive(b);
  child.kill("SIGKILL");
  await ended;
  const second = await b.boot(nextAttempt(b, t));
  assert.equal(b.status().phase, "succeeded", second.output);
  assert.equal(b.cloud.text(DATA, `runs/${RUN}/output/sum`), "385");
  // The first machine's trainer outlived its supervisor here; a power cut would have taken it.
  const trainer = Number(
    readFileSync(join(b.root, "var/lib/ml-training/runs", RUN, "trainer.pid"), "utf8").split(" ")[0],
  );
  process.kill(-trainer, "SIGKILL");
});

test("a trainer that dies in the middle of a file leaves no checkpoint of it", async (t) => {
  const b = await bench(t);
  b.pack({
    "train.py": `
import os, signal, sys, time
folder = os.environ["CHECKPOINT_DIR"]
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(folder + "/model", "w").write("whole")
while not os.path.exists(folder + "/../go"):
    time.sleep(0.05)
with open(folder + "/model", "w") as file:
    file.write("ha")
    file.flush()
    print("waiting", flush=True)
    time.sleep(600)
`,
  });
  b.submit();
  const { child, ended } = b.start({ ...QUICK, ML_TRAINING_GRACE_SECONDS: "1" });
  await until("a checkpoint", () => b.status().checkpoint?.n === 1);
  b.cloud.put(DATA, STATUS, JSON.stringify({ ...b.status() }));
  const base = join(b.root, "var/lib/ml-training/runs", RUN);
  writeFileSync(join(base, "go"), "");
  await until("the trainer is in the middle", () => readFileSync(join(base, "log.txt"), "utf8").includes("waiting\n"));
  child.kill("SIGTERM");
  const { output } = await ended;
  assert.match(output, /CHECKPOINT_DIR was being changed when the trainer was killed: the checkpoint before it counts/);
  assert.equal(b.status().checkpoint?.n, 1);
  assert.equal(json(b, "LATEST.json").n, 1);
  // The machine comes back: what the bucket has counts, not what lies there.
  assert.equal(readFileSync(join(base, "checkpoints/model"), "utf8"), "ha");
  // The trainer that comes back waits before it writes again, so that what was restored can be seen.
  rmSync(join(base, "go"));
  const again = b.start(QUICK);
  await until(
    "restored",
    () =>
      existsSync(join(base, "checkpoints/model")) && readFileSync(join(base, "checkpoints/model"), "utf8") === "whole",
  );
  again.child.kill("SIGTERM");
  await again.ended;
});

test("a reboot in good order goes on from the machine's own folder, though the bucket was away", async (t) => {
  const b = await bench(t);
  b.spec.arguments = ["--last-words"];
  b.pack({ "train.py": `${COUNTS}\nprint("words", (checkpoint.folder() / "words.txt").exists())\n` });
  b.submit();
  const { child, ended } = await trainsToFive(b);
  b.cloud.bursts.push({ path: /checkpoints\/files/, status: 503, times: 1_000_000 });
  child.kill("SIGTERM");
  const first = await ended;
  assert.equal(b.status().phase, "running", first.output);
  assert.match(first.output, /the last checkpoint could not be saved/);
  b.cloud.bursts.length = 0;
  const { output } = await b.boot(QUICK);
  assert.equal(b.status().phase, "succeeded", output);
  assert.match(b.log(), /going on with this machine's own CHECKPOINT_DIR[\s\S]*begins at 5[\s\S]*words True/);
});

test("a zombie that comes back is fenced out of the checkpoints, stops and goes", async (t) => {
  const b = await bench(t);
  b.pack({
    "train.py": `
import os, time
import ml_training_checkpoint as checkpoint
for number in range(6000):
    checkpoint.save("state", str(number).encode())
    time.sleep(0.5)
`,
  });
  b.submit();
  b.spec.checkpointSeconds = 0.3;
  b.submit();
  const { ended } = await trainsToFive(b, { ML_TRAINING_HEARTBEAT_SECONDS: "0.3" });
  // The next attempt claims the pointer; status.json cannot be read any more, so the pointer alone must do.
  const latest = json(b, "LATEST.json");
  b.cloud.bursts.push({ path: /status\.json/, status: 503, times: 1_000_000 });
  b.cloud.put(
    SCRATCH,
    `runs/${RUN}/checkpoints/LATEST.json`,
    JSON.stringify({ ...latest, attempt: 2, owner: "other" }),
  );
  const pointer = b.cloud.text(SCRATCH, `runs/${RUN}/checkpoints/LATEST.json`);
  const { output } = await ended;
  assert.match(output, /the checkpoints belong to attempt 2 on another machine/);
  assert.equal(b.cloud.text(SCRATCH, `runs/${RUN}/checkpoints/LATEST.json`), pointer);
  assert.deepEqual(b.cloud.deletions, [MACHINE]);
});

test("the same script started twice on a machine: the second one leaves, and the machine stays", async (t) => {
  const b = await bench(t);
  b.pack({ "train.py": COUNTS });
  b.submit();
  const first = await trainsToFive(b);
  const second = await b.boot(QUICK);
  assert.match(second.output, /another supervisor of this run is at work on this machine: nothing to do/);
  assert.equal(second.code, 0);
  assert.equal(b.status().phase, "running");
  assert.deepEqual(b.cloud.deletions, []);
  first.child.kill("SIGTERM");
  await first.ended;
});

test("two machines with one attempt: the one that the status names trains, the other goes", async (t) => {
  const b = await bench(t);
  b.pack({ "train.py": COUNTS });
  b.submit();
  const first = await trainsToFive(b);
  b.cloud.metadata.set("instance/zone", "projects/123456789012/zones/us-central1-b");
  const second = await b.boot({ ...QUICK, ML_TRAINING_ROOT: temporaryFolder(t) });
  assert.match(
    second.output,
    new RegExp(`attempt 1 is on ${MACHINE} in us-central1-a; this machine is ${MACHINE} in us-central1-b`),
  );
  assert.equal(b.status().phase, "running");
  assert.equal(b.status().machine?.zone, "us-central1-a");
  first.child.kill("SIGTERM");
  await first.ended;
});

test("checkpoints that cannot be read are no reason to begin anew: the run fails with the reason", async (t) => {
  const b = await bench(t);
  b.pack({ "train.py": COUNTS });
  b.submit({ attempt: 2, phase: "provisioning" });
  b.cloud.metadata.set("instance/attributes/mlt-attempt", "2");
  b.cloud.bursts.push({ path: /LATEST\.json/, status: 403, times: 1_000_000 });
  const { output } = await b.boot({ ML_TRAINING_RETRY_SECONDS: "2" });
  assert.equal(b.status().phase, "failed", output);
  assert.match(b.status().reason ?? "", /^checkpoints cannot be read: HTTP 403 from GET .*LATEST\.json: burst$/);
  assert.doesNotMatch(b.log(), /begins at/);
  assert.deepEqual(b.cloud.deletions, [MACHINE]);
});

test("a bucket that refuses checkpoints does not stop the training; it is said once, and the run succeeds", async (t) => {
  const b = await bench(t);
  b.pack({
    "train.py": "import os, time\nopen(os.environ['CHECKPOINT_DIR'] + '/a', 'w').write('1')\ntime.sleep(3)\n",
  });
  b.submit();
  b.cloud.bursts.push({ path: /checkpoints\/files/, status: 403, times: 1_000_000 });
  const { output } = await b.boot({ ...QUICK, ML_TRAINING_CHECKPOINT_RETRY_SECONDS: "0.5" });
  assert.equal(b.status().phase, "succeeded", output);
  assert.equal(b.log().match(/checkpoints cannot be written, trying again: HTTP 403/g)?.length, 1);
  assert.equal(b.status().checkpoint, undefined);
});

test("a run that writes no checkpoint leaves none", async (t) => {
  const b = await bench(t);
  b.pack({ "train.py": "import time\ntime.sleep(1)\n" });
  b.submit();
  const { output } = await b.boot(QUICK);
  assert.equal(b.status().phase, "succeeded", output);
  assert.deepEqual(
    [...b.cloud.objects.keys()].filter((key) => key.startsWith(CHECKPOINTS)),
    [],
  );
  const asked = b.cloud.requests.filter((line) => line.includes("/checkpoints/"));
  assert.deepEqual(asked, [`GET /storage/v1/b/${SCRATCH}/o/runs/${RUN}/checkpoints/LATEST.json`]);
});

test("a thousand small files and a large one are a checkpoint like any other", async (t) => {
  const b = await bench(t);
  b.pack({
    "train.py": `
import os, time
folder = os.environ["CHECKPOINT_DIR"]
if os.path.exists(folder + "/large"):
    print("files", sum(len(files) for _, _, files in os.walk(folder)), os.path.getsize(folder + "/large"))
else:
    for number in range(1000):
        os.makedirs(f"{folder}/{number % 20}", exist_ok=True)
        open(f"{folder}/{number % 20}/{number}", "w").write(str(number))
    open(folder + "/large", "wb").write(os.urandom(1 << 20) * 40)
    print("waiting", flush=True)
    time.sleep(600)
`,
  });
  b.submit();
  const { child, ended } = await trainsToFive(b, {}, 120);
  assert.equal(b.status().checkpoint?.files, 1001);
  child.kill("SIGTERM");
  await ended;
  const { output } = await b.boot({ ...nextAttempt(b, t), ML_TRAINING_RETRY_SECONDS: "60" });
  assert.equal(b.status().phase, "succeeded", output);
  assert.match(b.log(), /files 1001 41943040/);
  assert.deepEqual(readdirSync(b.root).includes("checkpoints.new"), false);
});
