import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { nspawnDriver } from "../../localcloud/guests/nspawn/driver.ts";
import { DATA, Workstation } from "./workstationMachine.ts";

// One workstation in a real guest, from its first boot to the moment when it stops itself: the tests follow each other.
// Its image is prepared (made once, outside the repository), so that this takes less than a minute and a half.
let obstacle: string | undefined;
let workstation: Workstation;
let made: Workstation | undefined;

const BROKEN = "# one good line\nthis is no requirement\n";

before(
  async () => {
    obstacle = (await nspawnDriver().unavailable())?.reason;
    if (obstacle !== undefined) return;
    made = await Workstation.make(
      { image: "prepared", metadata: { "mlt-requirements": "workstation/requirements.txt" } },
      console.log,
    );
    workstation = made;
    await workstation.write("workstation/requirements.txt", BROKEN);
    await workstation.write("input/hello.txt", "from the bucket\n");
    await workstation.boot();
  },
  { timeout: 900_000 },
);

after(() => made?.close());

function step(name: string, body: () => Promise<void>): void {
  test(name, { timeout: 300_000 }, async (t) => {
    if (obstacle !== undefined) t.skip(obstacle);
    else await body();
  });
}

/** The person who works here, as Google's agent would make the account. */
const ANN = "id ann >/dev/null 2>&1 || useradd --create-home --shell /bin/bash ann";
/** Not `su`: its session would have to be made by a logind that knows where this process comes from. */
const asAnn = (command: string) => `sudo -u ann -H bash -lc '${command.replaceAll("'", "'\\''")}'`;
/** What she reads; when it stops is told from the first heartbeat on, and is another time each time. */
const login = async () => {
  const text = await workstation.inside(`${ANN}; ${asAnn("bash -lic true")} 2>/dev/null`);
  return text.replace(
    /\nIt stops by itself at \d\d:\d\d UTC unless somebody works: a kernel, .* CPU or GPU\.\n$/,
    "\n",
  );
};
const WHERE = `gs://${DATA} is /mnt/bucket; \`ml\` opens a shell of the user who owns it and the notebooks.\n`;
const LOG = "The log is /var/lib/ml-workstation/log.txt.\n";

let bootId = "";

step("a requirements file that cannot be installed is named, and leaves all else working", async () => {
  const status = await workstation.until(({ phase }) => phase !== "installing");
  bootId = status.bootId;
  const reason =
    `pip install of gs://${DATA}/workstation/requirements.txt failed, line 2: ` +
    "ERROR: Invalid requirement: 'this is no requirement' (from line 2 of requirements.txt)";
  assert.deepEqual(
    [status.phase, status.reason, status.problems],
    ["failed", `your requirements: ${reason}`, [{ step: "your requirements", reason }]],
  );
  assert.deepEqual([status.jupyter, status.tensorboard, status.mount], ["running", "running", "mounted"]);
  assert.equal(
    await login(),
    `This workstation runs, but not all of it works:\n  your requirements failed: ${reason}\n${LOG}${WHERE}`,
  );
  assert.match((await workstation.object("workstation/log.txt")) ?? "", /step 3 of 7: JupyterLab/);
});

step("JupyterLab answers with its token and refuses without; both servers are on loopback only", async () => {
  const code = (path: string, header = "") =>
    workstation.inside(`curl -s -o /dev/null -w '%{http_code}' ${header} http://127.0.0.1:${path}`);
  const token = '-H "Authorization: token $(cat /var/lib/ml-workstation/jupyter-token)"';
  assert.equal(await code("8888/api/kernels"), "403");
  assert.equal(await code("8888/api/kernels", "-H 'Authorization: token wrong'"), "403");
  assert.equal(await code("8888/api/kernels", token), "200");
  assert.equal(await code("8888/lab", token), "200");
  assert.equal(await code("6006/"), "200");
  assert.match(
    await workstation.inside("curl -s http://127.0.0.1:6006/data/environment"),
    /\/mnt\/bucket\/output\/logs/,
  );
  const { code: refused } = await workstation.tryInside("sudo -n -u nobody cat /var/lib/ml-workstation/jupyter-token");
  assert.notEqual(refused, 0);
  const stat = await workstation.inside("stat -c '%U %a' /var/lib/ml-workstation/jupyter-token");
  assert.equal(stat.trim(), "ml 400");
  // 0100007F is 127.0.0.1, 22B8 and 1776 are the two ports.
  const listening = await workstation.inside("cat /proc/net/tcp /proc/net/tcp6 | awk '$4 == \"0A\" { print $2 }'");
  const ours = listening.split("\n").filter((line) => /:(22B8|1776)$/.test(line));
  assert.deepEqual(ours.sort(), ["0100007F:1776", "0100007F:22B8"]);
});

step("the bucket is a folder: list, read, write, rename, remove; a thousand files in under a second", async () => {
  const names = Array.from({ length: 1000 }, (_, index) => `input/many/${String(index).padStart(4, "0")}`);
  for (let at = 0; at < names.length; at += 50) {
    await Promise.all(names.slice(at, at + 50).map((name) => workstation.write(name, name)));
  }
  const listing = await workstation.inside(
    "start=$(date +%s%N); ls /mnt/bucket/input/many | wc -l; echo $((($(date +%s%N) - start) / 1000000))",
  );
  const [count, milliseconds] = listing.trim().split("\n").map(Number);
  assert.equal(count, 1000);
  assert.ok((milliseconds ?? 9999) < 1000, `${milliseconds} ms`);
  assert.equal(await workstation.inside("cat /mnt/bucket/input/hello.txt"), "from the bucket\n");
  await workstation.inside(`sudo -u ml bash -euc '
    cd /mnt/bucket
    mkdir -p output/a
    echo "from the machine" >output/a/one
    mv output/a/one output/a/two
    mv output/a output/b
    head -c 20000000 /dev/urandom >/tmp/large
    cp /tmp/large output/large
    cmp /tmp/large output/large
    echo gone >output/gone
    rm output/gone'`);
  assert.equal(await workstation.object("output/b/two"), "from the machine\n");
  assert.equal((await workstation.object("output/large"))?.length !== undefined, true);
  for (const name of ["output/a/one", "output/a/two", "output/gone"]) {
    assert.equal(await workstation.object(name), undefined, name);
  }
  // What machines may not change stays as it is.
  const forbidden = await workstation.tryInside("sudo -u ml cp /tmp/large /mnt/bucket/input/mine");
  assert.deepEqual(forbidden, { code: 1, output: "cp: failed to close '/mnt/bucket/input/mine': Permission denied\n" });
  assert.equal(await workstation.object("input/mine"), undefined);
});

step("people read the bucket, and become ml without a password but not root", async () => {
  await workstation.inside(ANN);
  assert.equal(await workstation.inside(asAnn("cat /mnt/bucket/input/hello.txt")), "from the bucket\n");
  assert.equal((await workstation.inside(asAnn("sudo -n -u ml id -un"))).trim(), "ml");
  assert.notEqual((await workstation.tryInside(asAnn("sudo -n id"))).code, 0);
  // In a unit, because a session (`sudo -i`) is made only for a process that the machine's own systemd started.
  const python = await workstation.inside(
    "systemd-run --quiet --pipe --wait --uid=ann ml python -c 'import sys; print(sys.prefix)'",
  );
  assert.match(python, /\/opt\/ml\/venv\n$/);
});

step("a command in the background survives its session; its log and exit code are objects", async () => {
  const record = JSON.parse(
    await workstation.inside(
      asAnn("mlt-exec start -- bash -c 'echo begun; echo $ML_TRAINING_BUCKET; sleep 2; exit 3'"),
    ),
  ) as { id: string; by: string; command: string[] };
  assert.deepEqual([record.by, record.command[0]], ["ann", "bash"]);
  const listed = async () => JSON.parse(await workstation.inside(asAnn("mlt-exec list"))) as Record<string, unknown>[];
  assert.deepEqual(
    (await listed()).map(({ id, state }) => [id, state]),
    [[record.id, "running"]],
  );
  const followed = await workstation.tryInside(asAnn(`mlt-exec log ${record.id} --follow`));
  assert.deepEqual(followed, { code: 3, output: `begun\n${DATA}\n` });
  const folder = `workstation/exec/${record.id}`;
  const exit = await workstation.waitFor(
    () => workstation.object(`${folder}/exit.json`),
    () => "exit.json",
  );
  assert.equal((JSON.parse(exit) as { exitCode: number }).exitCode, 3);
  assert.equal(await workstation.object(`${folder}/log.txt`), `begun\n${DATA}\n`);
  assert.deepEqual(
    (await listed()).map(({ state, exitCode }) => [state, exitCode]),
    [["ended", 3]],
  );

  const second = JSON.parse(await workstation.inside(asAnn("mlt-exec start -- sleep 100"))) as { id: string };
  await workstation.inside(asAnn(`mlt-exec stop ${second.id}`));
  const stopped = JSON.parse((await workstation.object(`workstation/exec/${second.id}/exit.json`)) ?? "{}");
  assert.deepEqual([stopped.exitCode, stopped.reason], [143, "it was stopped"]);
  const none = await workstation.tryInside(asAnn("mlt-exec log 20200101000000-0000"));
  assert.deepEqual(none, {
    code: 66,
    output: "mlt-exec: there is no command '20200101000000-0000'; mlt-exec list names those there are\n",
  });
});

step("with storage down at boot the machine comes up, says so, and mounts later", async () => {
  await workstation.stop();
  assert.equal((await workstation.status())?.phase, "stopping");
  await workstation.write("workstation/requirements.txt", "# nothing more\n");
  workstation.cloud.cloud.faults.plan({
    id: "down",
    service: "storage",
    caller: "mlt-dev-machines@local-project.iam.gserviceaccount.com",
    error: { code: 503, reason: "backendError", message: "Backend Error" },
  });
  await workstation.start();
  const answers = async () => (await workstation.tryInside("curl -sf -m 2 http://127.0.0.1:8888/api")).code === 0;
  await workstation.waitFor(
    async () => (await answers()) || undefined,
    () => "JupyterLab",
  );
  const installing = (await login()).split("\n");
  assert.match(
    installing[0] ?? "",
    /^This workstation is still being installed: step [4-7] of 7, [^()]+( \([^()]+\))?\.$/,
  );
  // The mount that has not come yet may be told in between.
  assert.equal(`${installing.at(-2)}\n`, LOG);
  assert.equal((await workstation.status())?.bootId, bootId, "nothing can be reported yet");
  workstation.cloud.cloud.faults.clear();
  const status = await workstation.until(({ phase, mount }) => phase === "ready" && mount === "mounted", bootId);
  assert.deepEqual(status.problems, []);
  bootId = status.bootId;
  assert.equal(await workstation.inside("cat /mnt/bucket/input/hello.txt"), "from the bucket\n");
  assert.equal(await login(), `This workstation is ready.\n${WHERE}`);
});

/** Everything that a boot could change and has no reason to. */
const MANIFEST = `find /etc /opt /usr/local /home /var/lib/ml-workstation /var/lib/dpkg -xdev \\
  \\( -path /etc/hosts -o -path '/etc/ssl/certs*' -o -path '/etc/resolv*' -o -path /etc/hostname -o -path '*/.cache*' \\
  -o -path /var/lib/ml-workstation/state.json -o -path '/var/lib/ml-workstation/log.txt*' -o -name '__pycache__' \\
  -o -path '/home/*/.*' -o -path '/etc/apt/apt.conf.d/90-boot-config' -o -path /etc/pip.conf -o -path '/etc/boto*' \\
  -o -path '/etc/instance_id*' -o -path '/etc/default/instance_configs*' -o -path '/etc/ssh*' \\) -prune \\
  -o -type f -printf '%p %s %T@ %m %U\\n' | sort`;

step("another boot changes nothing", async () => {
  const first = await workstation.inside(MANIFEST);
  await workstation.stop();
  await workstation.start();
  const status = await workstation.until(({ phase }) => phase !== "installing", bootId);
  assert.equal(status.phase, "ready", status.reason);
  bootId = status.bootId;
  const second = await workstation.inside(MANIFEST);
  const lines = new Set(first.split("\n"));
  assert.deepEqual(
    second.split("\n").filter((line) => !lines.has(line)),
    [],
  );
  assert.ok(lines.size > 1000, "the manifest has the environments");
  assert.doesNotMatch((await workstation.object("workstation/log.txt")) ?? "", /installing|making/);
});

/** Looks every second instead of every minute, and gives the machine six seconds of idleness. */
const HURRY = `
mkdir -p /run/systemd/system/mlt-workstation-tick.{timer,service}.d
printf '[Timer]\\nOnActiveSec=\\nOnUnitActiveSec=\\nOnActiveSec=1\\nOnUnitActiveSec=1\\n' >/run/systemd/system/mlt-workstation-tick.timer.d/fast.conf
printf '[Service]\\nEnvironment=ML_TRAINING_IDLE_SECONDS=6\\n' >/run/systemd/system/mlt-workstation-tick.service.d/fast.conf
systemctl daemon-reload
systemctl restart mlt-workstation-tick.timer`;

/** A browser's tab: a kernel with its WebSocket open, and the calls that JupyterLab makes in the background. */
const TAB = `
import json, sys, threading, time, urllib.request, uuid, websocket
token = open("/var/lib/ml-workstation/jupyter-token").read().strip()
head = {"Authorization": "token " + token}
def call(path, method="GET"):
    request = urllib.request.Request("http://127.0.0.1:8888/api/" + path, headers=head, method=method, data=b"{}" if method == "POST" else None)
    return json.load(urllib.request.urlopen(request))
kernel = call("kernels", "POST")["id"]
tab = websocket.create_connection("ws://127.0.0.1:8888/api/kernels/" + kernel + "/channels", header=["Authorization: token " + token])
def poll():
    while True:
        for path in ("kernels", "sessions", "terminals", "status"):
            call(path)
        time.sleep(1)
threading.Thread(target=poll, daemon=True).start()
code = "import sys, time\\nprint(sys.prefix)\\ntime.sleep(12)"
message = {"header": {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "", "session": "s", "version": "5.3"},
  "parent_header": {}, "metadata": {}, "channel": "shell", "content": {"code": code, "silent": False, "store_history": True, "allow_stdin": False}}
tab.send(json.dumps(message))
while True:
    answer = json.loads(tab.recv())
    if answer["msg_type"] == "stream":
        print("prefix", answer["content"]["text"].strip(), flush=True)
    if answer["msg_type"] == "execute_reply":
        print("executed", time.time(), flush=True)
`;

step("a busy kernel keeps the machine; an open tab and an idle kernel do not", async () => {
  await workstation.inside(`cat >/root/tab.py <<'EOF'\n${TAB}\nEOF
nohup /opt/ml/jupyter/bin/python /root/tab.py >/root/tab.log 2>&1 &
until grep -q prefix /root/tab.log; do sleep 0.2; done; ${HURRY}`);
  const busy = await workstation.until(({ activity }) => activity === "a notebook's kernel is busy");
  assert.equal(busy.phase, "ready");
  assert.match(await workstation.inside("cat /root/tab.log"), /prefix \/opt\/ml\/venv/);
  const executed = await workstation.waitFor(
    async () => /executed (\S+)/.exec(await workstation.inside("cat /root/tab.log"))?.[1],
    () => "the kernel to be done",
  );
  // Twice the limit has passed, and the machine is there.
  assert.equal((await workstation.status())?.phase, "ready");
  const status = await workstation.until(({ phase }) => phase === "stopping");
  assert.match(
    status.reason ?? "",
    /^nobody has worked here for \d+ seconds \(the last: a notebook's kernel (worked|is busy)\)$/,
  );
  const waited = Date.parse(status.heartbeat) / 1000 - Number(executed);
  assert.ok(waited > 4, `it stopped ${waited} s after the last work`);
  await workstation.off();
  assert.match(workstation.console(), /stopping: nobody has worked here for/);
});
