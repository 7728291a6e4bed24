import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { RunSpec, RunStatus } from "../../training/contract.ts";
import { onceObject } from "../../training/once.ts";
import { openWorkbench, type Workbench } from "./workbench.ts";

let bench: Workbench;
const DATA = "mlt-test-data";
before(async () => {
  bench = await openWorkbench();
  await bench.files("demo", { "training.yaml": "command: [python, train.py]\n", "train.py": "print(1)\n" });
  await bench.files("other", { "training.yaml": "command: [python, train.py]\n", "train.py": "print(2)\n" });
});
after(() => bench.close());

const train = (folder: string, ...args: string[]) =>
  bench.mlt(["train", folder, "--environment", `gs://${DATA}`, "--yes", ...args]);
const record = async (key: string) =>
  (await bench.objects.readJson<{ run: string; key: string }>(DATA, onceObject(key)))?.value;

/** The machine's last words. */
async function end(id: string, change: Partial<RunStatus>): Promise<void> {
  const name = `runs/${id}/status.json`;
  const { value, generation } = (await bench.objects.readJson<RunStatus>(DATA, name))!;
  const ended = new Date().toISOString();
  const times = { ...value.times, running: ended, ended };
  await bench.objects.writeJson(DATA, name, { ...value, times, ...change }, generation);
}

test("a key starts one run, from whatever computer it is used again, and tells how that ended", async () => {
  const known = bench.compute.inserts.length;
  const first = await train("demo", "--once", "pulumi/dev/1", "--detach", "--json");
  assert.equal(first.code, 0, first.stderr);
  const { id } = JSON.parse(first.stdout) as RunStatus;
  assert.deepEqual((await record("pulumi/dev/1"))?.run, id);

  // Another laptop: nothing of the first one's files.
  const elsewhere = { env: { HOME: "/nonexistent", XDG_CONFIG_HOME: "/nonexistent", XDG_CACHE_HOME: "/nonexistent" } };
  const again = ["train", "demo", "--environment", `gs://${DATA}`, "--once", "pulumi/dev/1", "--quiet"];
  const following = bench.mlt(again, elsewhere);
  await bench.objects.write(DATA, `runs/${id}/log.txt`, "loading\nValueError: no column\n");
  await end(id, { phase: "failed", exitCode: 3, reason: "trainer failed: exit 3" });
  const { code, stdout, stderr } = await following;
  assert.deepEqual([code, stdout], [3, ""]);
  assert.match(stderr, new RegExp(`^mlt: ${id} was started with this key before \\(\\w+\\); nothing new is started\n`));
  assert.match(stderr, /\nloading\nValueError: no column\nmlt: demo-.*: failed: trainer failed: exit 3\n/);
  assert.doesNotMatch(stderr, /Start it\?|price/);
  assert.equal(bench.compute.inserts.length, known + 1);
});

test("of two calls at the same moment one starts the run", async () => {
  const known = bench.compute.inserts.length;
  const both = await Promise.all([1, 2].map(() => train("demo", "--once", "both", "--detach", "--json")));
  assert.deepEqual(
    both.map(({ code }) => code),
    [0, 0],
    both.map(({ stderr }) => stderr).join(),
  );
  const [a, b] = both.map(({ stdout }) => (JSON.parse(stdout) as RunStatus).id);
  assert.equal(a, b);
  assert.equal(bench.compute.inserts.length, known + 1);
});

test("who took the key and died before the run was recorded is taken over from", async () => {
  const run = "demo-20261121080000-0a1b";
  await train("demo", "--once", "model", "--detach");
  const model = (await bench.objects.readJson<Record<string, unknown>>(DATA, onceObject("model")))!.value;
  await bench.objects.writeJson(DATA, onceObject("dead"), { ...model, key: "dead", run });
  const { code, stdout } = await train("demo", "--once", "dead", "--detach", "--json");
  assert.equal(code, 0);
  assert.equal((JSON.parse(stdout) as RunStatus).id, run);
  const spec = (await bench.objects.readJson<RunSpec>(DATA, `runs/${run}/spec.json`))?.value;
  assert.equal(spec?.id, run);
  assert.equal((bench.compute.inserts.at(-1)!.body.labels as Record<string, string>)["mlt-run"], run);
});

test("a key for another package or other arguments is refused, and nothing is started", async () => {
  await train("demo", "--once", "fixed", "--detach", "--", "--x", "1");
  const known = bench.compute.inserts.length;
  const { run } = (await record("fixed"))!;
  const arguments_ = await train("demo", "--once", "fixed", "--", "--x", "2");
  assert.equal(arguments_.code, 64);
  assert.match(
    arguments_.stderr,
    new RegExp(
      `^The key "fixed" stands for the run ${run} since .*Z, and that has other arguments \\(\\["--x","1"\\]; these: \\["--x","2"\\]\\)\\. A key starts one run only: take another key for another training\\. See that run: mlt status ${run}\n$`,
    ),
  );
  const package_ = await train("other", "--once", "fixed", "--", "--x", "1");
  assert.equal(package_.code, 64);
  assert.match(package_.stderr, /that has another package \(demo, [0-9a-f]{12}; this one: other, [0-9a-f]{12}\)/);
  assert.equal(bench.compute.inserts.length, known);
});

test("a key has to be readable", async () => {
  for (const [key, shown] of [
    ["", '""'],
    ["a\tb", '"a b"'],
  ] as const) {
    const { code, stderr } = await train("demo", "--once", key);
    assert.equal(code, 64);
    assert.equal(
      stderr,
      `A key of a run (--once) is 1 to 200 characters on one line; got ${shown} (${key.length} characters).\n`,
    );
  }
});
