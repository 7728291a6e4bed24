import assert from "node:assert/strict";
import { chmod, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import fc from "fast-check";
import { startLine } from "../../workstation/exec.ts";
import { DATA, NAME, openWorkstationBench, type WorkstationBench, ZONE } from "./workstationBench.ts";

const PLACE = ["--project", "local-project", "--zone", ZONE, "--tunnel-through-iap"];
const SSH = ["compute", "ssh", NAME, ...PLACE];

let bench: WorkstationBench;
before(async () => {
  bench = await openWorkstationBench();
});
after(() => bench.close());
beforeEach(async () => {
  await bench.behave({});
  await bench.calls();
  if ((await bench.state()) !== "RUNNING") await bench.instance("start");
  await bench.says({});
});

const ended = async (args: string[], env?: Record<string, string | undefined>) => bench.mlt(args, env).ended;

test("exec: the command starts with exactly these arguments; its id is what is printed", async () => {
  const args = ["python", "-c", "print('a  b')\nprint(\"$HOME\")", "", "--", "-x", "100%", "ä"];
  const { code, stdout } = await ended(["exec", "--cwd", "/home/ml/it's", "--", ...args]);
  assert.deepEqual([code, stdout], [0, "20261121120000-ab12\n"]);
  const started = (await readFile(join(bench.folder, "started"), "utf8")).split("\0").slice(0, -1);
  assert.deepEqual(started, [`${bench.home}/it's`, ...args]);
  const [[...call] = []] = await bench.calls();
  assert.deepEqual(call.slice(0, -1), [...SSH, "--command"]);
  assert.equal(call.at(-1), startLine(args, "/home/ml/it's"));
});

test("exec: any arguments arrive on the machine as they are", async () => {
  const words = fc.array(
    fc.string({ unit: fc.constantFrom(..."'\"\\$`!*?~#&|;<>(){}[] \t\n\r%^=-aäß€"), maxLength: 12 }),
    { minLength: 1, maxLength: 5 },
  );
  // Through mlt, gcloud and a shell: a few are enough, the quoting has a test of its own.
  await fc.assert(
    fc.asyncProperty(words, async (args) => {
      const { code, stderr } = await ended(["exec", "--", ...args]);
      assert.equal(code, 0, stderr);
      const started = (await readFile(join(bench.folder, "started"), "utf8")).split("\0").slice(1, -1);
      assert.deepEqual(started, args);
    }),
    { numRuns: 6 },
  );
});

const ID = "20261121120000-ab12";
const exit = (exitCode: number | null, reason?: string) =>
  bench.objects.writeJson(DATA, `workstation/exec/${ID}/exit.json`, {
    schema: 1,
    id: ID,
    exitCode,
    endedAt: "2026-11-21T12:01:00Z",
    ...(reason ? { reason } : {}),
  });
const log = async (script: string) => {
  await writeFile(join(bench.folder, "log"), `#!/bin/bash\n${script}\n`);
  await chmod(join(bench.folder, "log"), 0o755);
};

test("exec --follow prints the log and ends with the command's own code, across a connection that breaks", async (t) => {
  t.after(() => bench.objects.remove(DATA, `workstation/exec/${ID}/exit.json`));
  const broke = join(bench.folder, "broke");
  await log(`echo one; if [ -e ${broke} ]; then echo two; sleep 0.3; exit 3; fi; touch ${broke}; exit 255`);
  const { code, stdout, stderr } = await ended(["exec", "--follow", "--", "true"]);
  await rm(broke);
  assert.deepEqual([code, stdout], [3, "one\ntwo\n"]);
  assert.match(stderr, new RegExp(`mlt: the connection broke; ${ID} goes on, and is followed again\n`));
  assert.deepEqual(
    (await bench.calls()).map((call) => call.at(-1)),
    ["mlt-exec start -- true", `mlt-exec log ${ID} --follow`, `mlt-exec log ${ID} --follow`],
  );
  // 255 may be the command's own: what the machine wrote down counts.
  await exit(255);
  await log("echo said; exit 255");
  const own = await ended(["exec", "--follow", "--", "true"]);
  assert.deepEqual([own.code, own.stdout], [255, "said\n"]);
  await exit(null, "it was stopped");
  const none = await ended(["exec", "--follow", "--json", "--", "true"]);
  assert.equal(none.code, 75);
  assert.equal((JSON.parse(none.stdout) as { exitCode: number }).exitCode, 75);
  assert.match(none.stderr, new RegExp(`mlt: ${ID} has no exit code: it was stopped\n`));
});

test("Ctrl-C ends the following, not the command, and says how to follow on", async () => {
  await log("echo begun; exec sleep 60");
  const running = bench.mlt(["exec", "--follow", "--", "true"]);
  await running.said(/begun/);
  running.child.kill("SIGINT");
  const { code, stderr } = await running.ended;
  assert.equal(code, 130);
  assert.match(stderr, new RegExp(`mlt: stopped following; ${ID} goes on. Follow it: mlt exec logs ${ID} --follow\n$`));
});

test("exec list and logs read the bucket, also when the machine is off; exec stop ends one", async (t) => {
  const record = (id: string, command: string[], startedAt: string) =>
    bench.objects.writeJson(DATA, `workstation/exec/${id}/command.json`, {
      schema: 1,
      id,
      command,
      cwd: "/home/ml",
      by: "ann",
      machine: NAME,
      startedAt,
    });
  assert.deepEqual(await ended(["exec", "list", "--json"]), { code: 0, stdout: "[]\n", stderr: "" });
  t.after(() => bench.objects.remove(DATA, `workstation/exec/${ID}/exit.json`));
  await record(ID, ["python", "train.py", "a b"], "2026-11-21T12:00:00Z");
  await exit(3);
  await bench.objects.write(DATA, `workstation/exec/${ID}/log.txt`, "its log\n");
  const lost = "20261121110000-0000";
  await record(lost, ["sleep", "9"], "2026-11-21T11:00:00Z");
  const newest = "20991121110000-0001";
  await record(newest, ["sleep", "10"], "2099-11-21T11:00:00Z");
  const { stdout } = await ended(["exec", "list"]);
  assert.deepEqual(
    stdout.replace(/ +\d+ \w+ +ann/g, " T ann").split("\n"),
    [
      "ID                   STATE    TIME   BY   COMMAND",
      `${newest}  running T ann  sleep 10`,
      `${ID}  exit 3 T ann  python train.py 'a b'`,
      `${lost}  lost T ann  sleep 9`,
      "",
    ].map((line, index) => (index === 0 ? stdout.split("\n")[0] : line)),
  );
  assert.deepEqual(await ended(["exec", "logs", "ab12"]), { code: 0, stdout: "its log\n", stderr: "" });
  const followed = await ended(["exec", "logs", ID, "--follow"]);
  assert.deepEqual([followed.code, followed.stdout], [3, "its log\n"]);
  assert.deepEqual(await bench.calls(), []);
  const stopped = await ended(["exec", "stop", "latest"]);
  assert.deepEqual([stopped.code, stopped.stdout], [0, `${newest} was ended.\n`]);
  assert.equal(await readFile(join(bench.folder, "stopped"), "utf8"), `${newest}\n`);
  assert.deepEqual(await ended(["exec", "logs", "nothing"]), {
    code: 64,
    stdout: "",
    stderr: `There is no command nothing. The latest: ${newest}, ${ID}, ${lost}\n`,
  });
});

test("exec: what is to run stands after --", async () => {
  const wrong = async (...args: string[]) => (await ended(["exec", ...args])).stderr;
  assert.equal(await wrong(), "What is to run in the background stands after --: mlt exec -- COMMAND\n");
  assert.equal(
    await wrong("python", "x.py"),
    "What is to run in the background stands after --: mlt exec -- python x.py\n",
  );
  assert.equal(await wrong("python", "--", "x"), "What is to run stands after --, all of it: mlt exec -- python x\n");
  assert.equal(await wrong("logs"), "mlt exec logs takes the id of a command, or latest. mlt exec list shows them.\n");
  assert.deepEqual(await bench.calls(), []);
});
