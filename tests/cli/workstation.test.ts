import assert from "node:assert/strict";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { leaveRun } from "./workbench.ts";
import {
  DATA,
  ENVIRONMENT,
  NAME,
  openWorkstationBench,
  TOKEN,
  type WorkstationBench,
  ZONE,
} from "./workstationBench.ts";

const PLACE = ["--project", "local-project", "--zone", ZONE, "--tunnel-through-iap"];
const SSH = ["compute", "ssh", NAME, ...PLACE];
const shown = (line: string) => `+ gcloud compute ssh ${NAME} ${PLACE.join(" ")}${line}\n`;

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

test("ssh: a shell; its argv is shown, executed, and its exit code is mlt's", async () => {
  assert.deepEqual(await ended(["ssh"]), { code: 0, stdout: "a shell\n", stderr: shown("") });
  assert.deepEqual(await bench.calls(), [SSH]);
  const command = await ended(["ssh", "--", "sh", "-c", "echo 'it is' \"$0\" >&2; exit 7", "a  b"]);
  assert.equal(command.code, 7);
  assert.match(command.stderr, /\nit is a {2}b\n$/);
  assert.deepEqual(await bench.calls(), [
    [...SSH, "--command", `sh -c 'echo '\\''it is'\\'' "$0" >&2; exit 7' 'a  b'`],
  ]);
});

test("ssh that is refused says which role is missing, after what gcloud said", async () => {
  const said = "ERROR: (gcloud.compute.start-iap-tunnel) Error while connecting [4033: 'not authorized'].\n";
  await bench.behave({ fails: { said, code: 255 } });
  assert.deepEqual(await ended(["ssh"]), {
    code: 255,
    stdout: "",
    stderr: `${shown("")}${said}mlt: Identity-Aware Proxy does not let you in to ${NAME}: you need roles/iap.tunnelResourceAccessor on it. Whoever keeps the environment adds you: \`people\` in mltraining:workstation (user:YOUR-ADDRESS), then pulumi up.\n`,
  });
});

test("without gcloud, without a workstation, without its machine: each has its own message, and nothing is called", async () => {
  assert.deepEqual(await ended(["ssh"], { PATH: join(bench.folder, "none") }), {
    code: 64,
    stdout: "",
    stderr:
      "This connects through Google's gcloud, which is not installed here. Install it: https://cloud.google.com/sdk/docs/install Then log in with: gcloud auth login\n",
  });
  const { workstation: _, ...without } = ENVIRONMENT;
  await bench.objects.writeJson(DATA, "environment.json", without);
  const none =
    "The environment mlt-test has no workstation. Add one: pulumi config set mltraining:workstation true && pulumi up\n";
  const commands = ["ssh", "jupyter", "exec list", "exec -- ls", "cp . :x", "serial", "start", "stop"];
  const told = await Promise.all(commands.map((line) => ended(line.split(" "))));
  assert.deepEqual(
    told,
    commands.map(() => ({ code: 64, stdout: "", stderr: none })),
  );
  await bench.objects.writeJson(DATA, "environment.json", {
    ...ENVIRONMENT,
    workstation: { ...ENVIRONMENT.workstation, name: "mlt-gone-ws" },
  });
  const gone = await ended(["ssh"]);
  await bench.objects.writeJson(DATA, "environment.json", ENVIRONMENT);
  assert.deepEqual(gone, {
    code: 64,
    stdout: "",
    stderr: `The machine mlt-gone-ws is gone from ${ZONE} (project local-project): somebody deleted it, or it was never made. \`pulumi up --refresh\` makes it anew; a data disk, if there is one, is attached again.\n`,
  });
  assert.deepEqual(await bench.calls(), []);
});

test("a stopped workstation is started only after asking; --yes says yes, and then its set-up is waited for", async () => {
  await bench.says({ heartbeat: "2026-01-01T00:00:00Z" });
  await bench.instance("stop");
  const asked = await ended(["ssh"]);
  assert.equal(asked.code, 64);
  assert.match(
    asked.stderr,
    /^mlt-test-ws is stopped( since \S+ \S+)?\. Start it \(e2-standard-4, about 0\.134 USD\/h, stops after 60 idle minutes\)\? Nobody can be asked here \(no terminal\): say so with --yes\.\n$/,
  );
  assert.equal(await bench.state(), "TERMINATED");
  const starting = bench.mlt(["ssh", "--yes"]);
  await starting.said(/mlt: starting mlt-test-ws/);
  await starting.said(/mlt: mlt-test-ws: starting: it boots/);
  assert.equal(await bench.state(), "RUNNING");
  assert.deepEqual(await bench.calls(), []);
  await bench.says({ phase: "installing", step: 2, name: "Python" });
  assert.equal((await starting.ended).code, 0);
  assert.deepEqual(await bench.calls(), [SSH]);
});

test("jupyter: the token comes through SSH, is printed in the address, and is in no argv", async () => {
  const server = createServer((_, response) => response.end("jupyter")).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  server.close();
  const running = bench.mlt(["jupyter", "--port", String(port)]);
  // The fake gcloud leads nowhere; what answers stands for the far end.
  await running.said(/jupyter-token/);
  const far = createServer((_, response) => response.end("jupyter")).listen(port, "127.0.0.1");
  await running.said(new RegExp(`http://127\\.0\\.0\\.1:${port}/lab\\?token=${TOKEN}\n`));
  await running.said(/Ctrl-C closes the tunnel/);
  running.child.kill("SIGINT");
  const { code, stdout, stderr } = await running.ended;
  far.closeAllConnections();
  far.close();
  assert.deepEqual([code, stdout], [0, `http://127.0.0.1:${port}/lab?token=${TOKEN}\n`]);
  const line = `echo mlt-tunnel "$(sudo -n -u ml cat /var/lib/ml-workstation/jupyter-token)"; exec cat`;
  const argv = [
    ...SSH,
    "--command",
    line,
    "--",
    "-o",
    "ExitOnForwardFailure=yes",
    "-L",
    `127.0.0.1:${port}:127.0.0.1:8888`,
  ];
  assert.deepEqual(await bench.calls(), [argv]);
  assert.equal(
    stderr,
    `${shown(` --command '${line}' -- -o ExitOnForwardFailure=yes -L 127.0.0.1:${port}:127.0.0.1:8888`)}mlt: Ctrl-C closes the tunnel; JupyterLab goes on, ${NAME} too until it is idle\n`,
  );
});

test("tensorboard: a taken port is named before anything is done; a tunnel that breaks says why", async () => {
  const taken = createServer((_, response) => response.end()).listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const { port } = taken.address() as AddressInfo;
  assert.deepEqual(await ended(["tensorboard", "--port", String(port)]), {
    code: 64,
    stdout: "",
    stderr: `Port ${port} of this computer is taken or not allowed. Name another with --port, or leave it away for a free one.\n`,
  });
  assert.deepEqual(await bench.calls(), []);
  taken.close();
  await bench.behave({
    fails: { said: "Error while connecting [4003: 'failed to connect to backend'].\n", code: 255 },
  });
  const broken = await ended(["tensorboard"]);
  assert.equal(broken.code, 64);
  assert.match(broken.stderr, /\nmlt-test-ws does not answer on its SSH port: it still boots/);
});

test("jupyter waits until it is ready, with what goes on; a server that failed is named with its reason", async () => {
  await bench.says({ phase: "installing", step: 3, name: "JupyterLab", reason: "waiting for apt", jupyter: "stopped" });
  const waiting = bench.mlt(["jupyter"]);
  await waiting.said(/mlt: mlt-test-ws: starting: step 3 of 7, JupyterLab \(waiting for apt\)/);
  await bench.says({
    phase: "failed",
    problems: [{ step: "JupyterLab", reason: "pip install failed: exit 1" }],
    jupyter: "stopped",
  });
  const { code, stdout, stderr } = await waiting.ended;
  assert.deepEqual([code, stdout], [70, ""]);
  assert.match(
    stderr,
    /\nJupyterLab does not run on mlt-test-ws: pip install failed: exit 1\. More: mlt ssh, then sudo journalctl -u mlt-jupyter\n$/,
  );
  assert.deepEqual(await bench.calls(), []);
});

test("cp there and back: a file and a folder, by scp and through the user ml", async () => {
  const source = join(bench.folder, "my data");
  await mkdir(join(source, "sub"), { recursive: true });
  await writeFile(join(source, "sub", "a'b.txt"), "deep");
  const there = await ended(["cp", "my data", ":work/"]);
  assert.deepEqual([there.code, there.stdout], [0, ":work/my data\n"]);
  const [copy = [], take = []] = await bench.calls();
  const stage = /:(\/tmp\/mlt-cp-[0-9a-f]{16})$/.exec(copy.at(-1) ?? "")?.[1] ?? "none";
  assert.deepEqual(copy, ["compute", "scp", ...PLACE, "--recurse", source, `${NAME}:${stage}`]);
  assert.deepEqual(take.slice(0, -1), [...SSH, "--command"]);
  assert.equal(await readFile(join(bench.home, "work", "my data", "sub", "a'b.txt"), "utf8"), "deep");

  const back = await ended(["cp", ":work/my data", "fetched"]);
  const final = join(bench.folder, "fetched");
  assert.deepEqual([back.code, back.stdout], [0, `${final}\n`]);
  assert.equal(await readFile(join(final, "sub", "a'b.txt"), "utf8"), "deep");
  const calls = await bench.calls();
  assert.deepEqual(
    calls.map((call) => call[1]),
    ["ssh", "scp", "ssh"],
  );
  assert.match(calls[2]?.at(-1) ?? "", /^rm -rf \/tmp\/mlt-cp-[0-9a-f]{16}$/);
  assert.deepEqual(
    (await readdir(bench.folder)).filter((name) => name.startsWith(".mlt-cp")),
    [],
  );
  await writeFile(join(bench.folder, "one.bin"), Buffer.from([0, 255, 10, 13]));
  assert.equal((await ended(["cp", "one.bin", ":two.bin", "--json"])).code, 0);
  const file = await ended(["cp", ":two.bin", ".", "--json"]);
  assert.deepEqual(JSON.parse(file.stdout), { from: ":two.bin", to: join(bench.folder, "two.bin") });
  assert.deepEqual([...(await readFile(join(bench.folder, "two.bin")))], [0, 255, 10, 13]);
});

test("cp of what is not there says so on either side", async () => {
  assert.equal((await ended(["cp", "nothing", ":x"])).stderr, "There is no nothing on this computer.\n");
  assert.deepEqual(await bench.calls(), []);
  const { code, stderr } = await ended(["cp", ":nothing", "x"]);
  assert.deepEqual([code, stderr.split("\n").at(-2)], [64, `There is no nothing on ${NAME} that its user ml can see.`]);
});

test("stop says what the disks go on costing, start what the machine costs and when it stops", async () => {
  assert.deepEqual(await ended(["stop"]), {
    code: 0,
    stdout: `${NAME} is stopped: its disks (50 GB) go on costing about 5.00 USD per month (list prices of 2026-11-21).\n`,
    stderr: `mlt: stopping ${NAME}\n`,
  });
  assert.equal(await bench.state(), "TERMINATED");
  assert.match((await ended(["stop"])).stdout, /^mlt-test-ws was stopped already: its disks/);
  const started = await ended(["start"]);
  assert.match(
    started.stdout,
    /^mlt-test-ws is starting: about 0\.13\d USD\/h, it stops by itself after 60 idle minutes and at "0 22 \* \* \*" \(cron\), UTC\. See: mlt status\n$/,
  );
  assert.equal(await bench.state(), "RUNNING");
  assert.deepEqual(JSON.parse((await ended(["start", "--json"])).stdout), {
    machine: NAME,
    state: "running",
    changed: false,
  });
});

test("serial prints the console", async () => {
  assert.match((await ended(["serial"])).stdout, /mlt-test-ws boots/);
});

test("ssh RUN goes to a run's machine, or says why there is none", async () => {
  const { objects } = bench;
  const machine = { name: NAME, zone: ZONE, type: "e2-standard-2", spot: true };
  const kept = "kept-20260301000000-0001";
  const times = { submitted: new Date().toISOString(), ended: new Date().toISOString() };
  await leaveRun({ objects } as never, kept, { phase: "failed", machine, times }, { keepMinutes: 30 });
  const there = await ended(["ssh", "kept"]);
  assert.equal(there.code, 0);
  assert.match(there.stderr, new RegExp(`^mlt: ${NAME} is kept until .*Z, then it deletes itself\n\\+ gcloud`));
  assert.deepEqual(await bench.calls(), [SSH]);
  const gone = "gone-20260301000000-0002";
  await leaveRun({ objects } as never, gone, {
    phase: "failed",
    machine: { ...machine, name: "mlt-test-run-x" },
    times,
  });
  assert.deepEqual(await ended(["ssh", gone]), {
    code: 64,
    stdout: "",
    stderr: `The machine of ${gone} is gone (failed): mlt-test-run-x in ${ZONE}. To look into a failed run, keep its machine: mlt train DIR --keep 30m\n`,
  });
  const early = "early-20260301000000-0003";
  await leaveRun({ objects } as never, early, { phase: "queued", heartbeat: new Date().toISOString() });
  assert.equal((await ended(["ssh", early])).stderr, `${early} has no machine (queued).\n`);
});

test("status shows the workstation, its end and the cost since midnight, each of them alone in JSON", async () => {
  const stopsAt = new Date(Date.now() + 1_800_000).toISOString().replace(/\.\d+Z$/, "Z");
  await bench.says({ activity: "a notebook's kernel", idleMinutes: 60, stopsAt });
  const { code, stdout } = await ended(["status"]);
  assert.equal(code, 0);
  const line = (name: string) => new RegExp(`^${name} +(.*)$`, "m").exec(stdout)?.[1] ?? "";
  assert.match(line("workstation"), /^mlt-test-ws \(e2-standard-4\) in us-central1-a: ready, up for \d+ s$/);
  assert.match(stdout, /^ +JupyterLab running, TensorBoard running, bucket mounted$/m);
  assert.match(
    line("stops"),
    /^by itself in (29|30) min unless somebody works \(60 idle minutes; the last was: a notebook's kernel\), and at 22:00 UTC \(in \d+ \w+\)$/,
  );
  assert.match(
    line("cost"),
    /^(about|under) .* USD since midnight \(estimate: list prices of 2026-11-21, machine times; no storage, no traffic, workstation 0\.\d+, runs 0\.\d+\)/,
  );
  const json = JSON.parse((await ended(["status", "--json"])).stdout) as Record<string, Record<string, unknown>>;
  assert.equal(json.workstation?.state, "ready");
  assert.equal(json.workstation?.stopsAt, stopsAt);
  assert.equal(json.cost?.currency, "USD");
  await bench.instance("stop");
  const off = (await ended(["status"])).stdout;
  assert.match(off, /^workstation +mlt-test-ws \(e2-standard-4\) in us-central1-a: stopped/m);
  assert.match(off, /^ +its disks \(50 GB\) go on costing about 5\.00 USD per month/m);
  assert.doesNotMatch(off, /^stops/m);
});

test("the token is in no file that mlt or gcloud left", async () => {
  const looked: string[] = [];
  const look = async (folder: string): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) await look(path);
      else if (entry.name !== "jupyter-token") {
        looked.push(path);
        assert.ok(!(await readFile(path)).includes(TOKEN), path);
      }
    }
  };
  await look(bench.folder);
  assert.ok(looked.length > 10);
});
