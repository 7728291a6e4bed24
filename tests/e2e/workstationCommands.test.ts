// The workstation's commands against a machine that really runs: gcloud (the local cloud's), a tunnel through
// Identity-Aware Proxy, Google's OS Login in the guest, and the set-up as it is.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { GuestDriver } from "../../localcloud/guests/guest.ts";
import { nspawnDriver } from "../../localcloud/guests/nspawn/driver.ts";
import { ensureGcsfuse } from "../../localcloud/services/packages/gcsfuse.ts";
import { artifactsFolder } from "../helpers/cache.ts";
import { FASHION_MNIST, fashionMnistPython } from "../helpers/fashionMnist.ts";
import { run } from "../helpers/shell.ts";
import { createEnvironment, type LiveEnvironment, waitFor } from "./environment.ts";
import { preparedLayer } from "./workstationMachine.ts";

const unavailable = await nspawnDriver().unavailable();
const skip =
  unavailable === undefined ? false : `a workstation needs systemd, and no guest with it runs here: ${unavailable}`;

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const skipBrowser = existsSync(CHROMIUM) ? false : `there is no ${CHROMIUM}: no screenshot`;

let live: LiveEnvironment;
before(async () => {
  if (skip) return;
  const driver = nspawnDriver();
  await driver.prepare(console.log);
  await ensureGcsfuse(console.log);
  const layer = await preparedLayer(console.log);
  const boot: GuestDriver["boot"] = (spec) =>
    driver.boot({ ...spec, imageFolders: [...(spec.imageFolders ?? []), layer] });
  const config = {
    "mltraining:workstation": { zone: "us-central1-a", machineType: "e2-standard-2", schedule: false },
    "mltraining:training": { enabled: false },
    "gcp:region": "us-central1",
  };
  live = await createEnvironment([{ name: "ws", config }], { ...driver, boot });
});
after(() => live?.close());

test("jupyter waits for the machine and answers with its token, and with nothing else; Ctrl-C closes the port", {
  skip,
}, async () => {
  const running = live.mlt("jupyter", "--json");
  await running.said(/Ctrl-C closes the tunnel/);
  const { url, port, token } = JSON.parse(await running.said(/\{[^}]+\}/)) as {
    url: string;
    port: number;
    token: string;
  };
  assert.equal(url, `http://127.0.0.1:${port}/lab?token=${token}`);
  const root = `http://127.0.0.1:${port}`;
  assert.equal((await fetch(url)).status, 200);
  assert.equal((await fetch(`${root}/api/contents?token=${token}`)).status, 200);
  assert.equal((await fetch(`${root}/api/contents`)).status, 403);
  running.child.kill("SIGINT");
  const { code, stderr } = await running.ended;
  assert.equal(code, 0, stderr);
  assert.ok(!stderr.includes(token));
  await waitFor("the port to be closed", () => isClosed(port));
});

test("exec passes arguments exactly and ends with the command's code; its log is in the bucket", { skip }, async () => {
  const odd = ["it's", 'a "b"', "$HOME `id` \\", "two\nlines", "", "--", "*"];
  const program = "import json, os, sys; print(json.dumps(sys.argv[1:])); print(os.getuid()); sys.exit(3)";
  const { code, stdout, stderr } = await live.mlt("exec", "--follow", "--", "python", "-c", program, ...odd).ended;
  assert.equal(code, 3, stderr);
  const [args = "", uid] = stdout.split("\n");
  assert.deepEqual(JSON.parse(args), odd);
  assert.equal(uid, "5000");
  const list = JSON.parse((await live.mlt("exec", "list", "--json").ended).stdout) as {
    id: string;
    state: string;
    exitCode: number;
    command: string[];
  }[];
  assert.deepEqual([list.length, list[0]?.state, list[0]?.exitCode], [1, "ended", 3]);
  assert.deepEqual(list[0]?.command, ["python", "-c", program, ...odd]);
  assert.equal((await live.mlt("exec", "logs", "latest").ended).stdout, stdout);
});

test("cp takes a folder there as ml and a file back; ssh runs a command as the person", { skip }, async () => {
  mkdirSync(join(live.folder, "data", "sub"), { recursive: true });
  writeFileSync(join(live.folder, "data", "sub", "it's a file"), "content");
  const there = await live.mlt("cp", "data", ":work/").ended;
  assert.deepEqual([there.code, there.stdout], [0, ":work/data\n"], there.stderr);
  const look = await live.mlt("exec", "--follow", "--", "stat", "-c", "%U", "work/data/sub/it's a file").ended;
  assert.equal(look.stdout, "ml\n", look.stderr);
  const back = await live.mlt("cp", ":work/data/sub/it's a file", ".").ended;
  assert.equal(back.code, 0, back.stderr);
  assert.equal(readFileSync(join(live.folder, "it's a file"), "utf8"), "content");
  const staged = await live.mlt("ssh", "--", "sh", "-c", "ls /tmp | grep -c mlt-cp-; id -un; exit 4").ended;
  assert.equal(staged.code, 4, staged.stderr);
  assert.match(staged.stdout, /^0\n(?!ml\n)\S+\n$/);
});

const CURVES = ["accuracy/test", "accuracy/train", "loss/test", "loss/train"];

test("TensorBoard shows the curves of examples/fashion-mnist, one point an epoch", { skip }, async (t) => {
  const output = join(live.folder, "fashion-mnist");
  const train = [join(FASHION_MNIST, "train.py"), "--epochs", "3", "--sample", "600", "--output", output];
  const env = { PATH: process.env.PATH!, HOME: live.folder, CHECKPOINT_DIR: join(live.folder, "checkpoints") };
  const trained = await run(await fashionMnistPython(), ["-B", ...train], { env, timeoutMs: 120_000 });
  assert.equal(trained.status, 0, trained.stderr);
  // As a training leaves them: its folder `logs` is `output/logs`.
  const put = await live.mlt("put", join(output, "logs"), "output/logs").ended;
  assert.equal(put.code, 0, put.stderr);
  const running = live.mlt("tensorboard");
  t.after(() => running.child.kill("SIGINT"));
  const url = (await running.said(/http:\/\/127\.0\.0\.1:\d+\/\n/)).trim();
  assert.match(await (await fetch(url)).text(), /TensorBoard/);
  const read = async <T>(path: string) => (await (await fetch(`${url}data/plugin/scalars/${path}`)).json()) as T;
  const tags = () => read<Record<string, Record<string, unknown>>>("tags");
  // It looks every half minute.
  await waitFor("the curves", async () => {
    const ours = (await tags())["fashion-mnist"] ?? {};
    return CURVES.every((tag) => tag in ours);
  });
  const found = await tags();
  assert.deepEqual([Object.keys(found), Object.keys(found["fashion-mnist"] ?? {}).sort()], [["fashion-mnist"], CURVES]);
  for (const tag of CURVES) {
    const points = await read<[number, number, number][]>(`scalars?run=fashion-mnist&tag=${tag}`);
    assert.deepEqual(
      points.map(([, step]) => step),
      [1, 2, 3],
      tag,
    );
    assert.ok(points.every(([, , value]) => value >= 0 && value < 10));
  }
  await t.test("a browser draws them", { skip: skipBrowser }, async () => {
    const picture = join(artifactsFolder("tensorboard"), "fashion-mnist.png");
    rmSync(picture, { force: true });
    const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1400,1000"];
    const place = [`--user-data-dir=${join(live.folder, "chromium")}`, "--virtual-time-budget=30000"];
    const show = [`--screenshot=${picture}`, `${url}#scalars`];
    const shown = await run(CHROMIUM, [...flags, ...place, ...show], {
      env: { ...process.env, HOME: live.folder },
      timeoutMs: 100_000,
    });
    assert.equal(shown.status, 0, shown.stderr);
    console.log(`TensorBoard's curves: ${picture}`);
    assert.ok(statSync(picture).size > 20_000, "more than an empty page");
  });
  running.child.kill("SIGINT");
  assert.equal((await running.ended).code, 0);
});

test("who may not pass Identity-Aware Proxy is told which role is missing", { skip }, async () => {
  const { access_token } = live.cloud.cloud.tokens.issue({ kind: "user", email: "stranger@example.com" });
  const file = join(live.folder, "stranger");
  writeFileSync(file, access_token);
  const variables = { ...live.variables, CLOUDSDK_AUTH_ACCESS_TOKEN_FILE: file };
  const before = live.variables.CLOUDSDK_AUTH_ACCESS_TOKEN_FILE;
  Object.assign(live.variables, variables);
  const { code, stderr } = await live.mlt("exec", "--", "true").ended;
  live.variables.CLOUDSDK_AUTH_ACCESS_TOKEN_FILE = before;
  assert.equal(code, 64);
  assert.match(stderr, /\n(Identity-Aware Proxy does not let you in to|You lack compute\.instances\.get)/);
});

test("a stopped machine shows as such, is started when asked to, and comes up as it was", { skip }, async () => {
  const stopped = await live.mlt("stop").ended;
  assert.match(stopped.stdout, /^\S+-ws is stopped: its disks \(50 GB\) go on costing about 5\.00 USD per month/);
  const { stdout } = await live.mlt("status").ended;
  assert.match(stdout, /^workstation .*: stopped/m);
  const again = await live.mlt("exec", "--yes", "--follow", "--", "cat", "work/data/sub/it's a file").ended;
  assert.deepEqual([again.code, again.stdout], [0, "content"], again.stderr);
  assert.match(again.stderr, /^mlt: starting /);
});

function isClosed(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", () => resolve(true));
  });
}
