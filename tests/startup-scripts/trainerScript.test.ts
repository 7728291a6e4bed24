import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startupScript } from "../../components/startupScript.ts";
import { metadataFiles, REPOSITORY, runScript, temporaryFolder } from "../helpers/shell.ts";

const SCRIPTS = join(REPOSITORY, "startup-scripts");
const GOOD = {
  "instance/attributes/mlt-run": "demo-20261121080000-00ff",
  "instance/attributes/mlt-attempt": "1",
  "instance/attributes/mlt-bucket": "mlt-test-data",
  "instance/name": "mlt-test-run-20261121080000-00ff-a01",
  "instance/zone": "projects/123456789012/zones/us-central1-a",
  "project/project-id": "test-project",
  "instance/service-accounts/default/token": '{"access_token":"secret-token","expires_in":3600,"token_type":"Bearer"}',
};
const INSTANCE =
  "https://compute.googleapis.com/compute/v1/projects/test-project/zones/us-central1-a/instances/mlt-test-run-20261121080000-00ff-a01";

/** The startup script as a machine gets it, on a machine whose programs are stubs. */
async function machine(t: TestContext, values: Record<string, string | undefined> = {}) {
  const root = temporaryFolder(t);
  const script = join(root, "startup-script");
  writeFileSync(script, startupScript("trainer.sh"));
  const metadata = Object.fromEntries(
    Object.entries({ ...GOOD, ...values }).filter(([, value]) => value !== undefined),
  );
  const base = await metadataFiles(join(root, "metadata"), metadata as Record<string, string>);
  const curl = spawnSync("bash", ["-c", "command -v curl"]).stdout.toString().trim();
  return {
    root,
    boot: (options: { env?: Record<string, string>; stubs?: Record<string, string> } = {}) =>
      runScript(script, {
        cwd: root,
        env: { METADATA_BASE: base, ML_TRAINING_ROOT: root, ML_TRAINING_RETRY_SECONDS: "4", ...options.env },
        stubs: {
          // The metadata server is files, and everything else that curl may ask for is the API that deletes machines.
          curl: `if [[ "$*" == *file://* ]]; then exec ${curl} "$@"; fi; cat >>"${root}/curl.stdin"; printf 204`,
          systemctl: '[[ "$1" != is-active ]]',
          id: "exit 1",
          useradd: "",
          ...options.stubs,
        },
      }),
  };
}

const deleted = (calls: string[][]) => calls.filter((call) => call.includes("DELETE")).map((call) => call.at(-1));

test("a boot unpacks the supervisor, makes the trainer's user and starts the unit", async (t) => {
  const { root, boot } = await machine(t);
  const ran = await boot();
  assert.equal(ran.status, 0, ran.stderr);
  assert.ok(existsSync(join(root, "opt/ml-training/supervisor/__main__.py")));
  assert.ok(existsSync(join(root, "etc/systemd/system/ml-training.service")));
  assert.ok(existsSync(join(root, "etc/systemd/system/ml-training-delete.service")));
  assert.deepEqual(ran.calls.useradd, [
    ["--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", "ml"],
  ]);
  assert.deepEqual(ran.calls.systemctl?.slice(1), [["daemon-reload"], ["start", "--no-block", "ml-training.service"]]);
  assert.deepEqual(deleted(ran.calls.curl ?? []), []);
});

test("a second boot does the same over the first one's files", async (t) => {
  const { root, boot } = await machine(t);
  await boot();
  writeFileSync(join(root, "opt/ml-training/supervisor/old.py"), "from an older release");
  const ran = await boot({ stubs: { id: "exit 0" } });
  assert.equal(ran.status, 0, ran.stderr);
  assert.ok(!existsSync(join(root, "opt/ml-training/supervisor/old.py")));
  assert.deepEqual(ran.calls.useradd, []);
});

test("run by hand beside a running unit it changes nothing", async (t) => {
  const { root, boot } = await machine(t);
  const ran = await boot({ stubs: { systemctl: "exit 0" } });
  assert.equal(ran.status, 0);
  assert.match(ran.stderr, /runs already/);
  assert.ok(!existsSync(join(root, "opt")));
});

for (const [key, value, message] of [
  ["mlt-run", undefined, "metadata key mlt-run is missing"],
  ["mlt-bucket", "<!DOCTYPE html>", "metadata key mlt-bucket has no legal value: <!DOCTYPE html>"],
  ["mlt-attempt", "1; reboot", "metadata key mlt-attempt has no legal value: 1; reboot"],
  ["mlt-run", "demo-20261121080000-00ff\nmore", "metadata key mlt-run has no legal value: demo-20261121080000-00ff"],
] as const) {
  test(`no unit is started and the machine goes: ${message}`, async (t) => {
    const { root, boot } = await machine(t, { [`instance/attributes/${key}`]: value });
    const ran = await boot();
    assert.equal(ran.status, 1, ran.stderr);
    assert.ok(ran.stderr.includes(message), ran.stderr);
    assert.deepEqual(deleted(ran.calls.curl ?? []), [INSTANCE]);
    assert.ok(!ran.calls.systemctl?.some((call) => call[0] === "start"));
    assert.equal(readFileSync(join(root, "curl.stdin"), "utf8"), 'header = "Authorization: Bearer secret-token"\n');
    assert.doesNotMatch(
      JSON.stringify(ran.calls) + ran.stderr,
      /secret-token/,
      "the token is in no command line or log",
    );
  });
}

test("403 on the deletion is retried, then said, and never looks like success", async (t) => {
  const { boot } = await machine(t, { "instance/attributes/mlt-run": undefined });
  const refused = `if [[ "$*" == *file://* ]]; then exec ${spawnSync("bash", ["-c", "command -v curl"]).stdout.toString().trim()} "$@"; fi; printf 403`;
  const ran = await boot({ stubs: { curl: refused } });
  assert.equal(ran.status, 1);
  assert.ok(deleted(ran.calls.curl ?? []).length >= 2, ran.stderr);
  assert.match(ran.stderr, /HTTP 403/);
  assert.match(ran.stderr, /could not delete itself; its time limit \(maxRunDuration\) will/);
});

test("files that do not unpack are a failure, and the machine goes", async (t) => {
  const { boot } = await machine(t);
  const ran = await boot({ stubs: { base64: "exit 1" } });
  assert.match(ran.stderr, /this machine cannot train \(exit \d+\); it deletes itself/);
  assert.deepEqual(deleted(ran.calls.curl ?? []), [INSTANCE]);
});

test("without an init system the supervisor runs in the foreground, with the script's status", async (t) => {
  const { root, boot } = await machine(t);
  mkdirSync(join(root, "opt"));
  const python = 'echo "ran $* in $PWD"; exit 5';
  const ran = await boot({ env: { MLT_INIT: "none" }, stubs: { python3: python } });
  assert.equal(ran.status, 5);
  assert.equal(ran.stdout, `ran -m supervisor run in ${root}/opt/ml-training\n`);
  assert.deepEqual(ran.calls.systemctl, []);
});

test("common.sh only defines: reading it runs nothing", async (t) => {
  const root = temporaryFolder(t);
  const script = join(root, "reader.sh");
  writeFileSync(script, `source ${SCRIPTS}/lib/common.sh\necho "status $?"\n`);
  const ran = await runScript(script, { stubs: { curl: "", "apt-get": "", systemctl: "" } });
  assert.equal(ran.stdout, "status 0\n");
  assert.equal(ran.stderr, "");
  assert.deepEqual(ran.calls, { curl: [], "apt-get": [], systemctl: [] });
});

test("retry keeps the command's status and says what it repeats", async (t) => {
  const root = temporaryFolder(t);
  const script = join(root, "retry.sh");
  writeFileSync(script, `source ${SCRIPTS}/lib/common.sh\nretry 2 false-command || echo "status $?"\n`);
  const ran = await runScript(script, { stubs: { "false-command": "exit 7" } });
  assert.equal(ran.stdout, "status 7\n");
  assert.equal(ran.calls["false-command"]?.length, 2);
  assert.match(ran.stderr, /trying again in 1 s \(exit 7\): false-command/);
});

test("the units hold the brakes that the design asks for", () => {
  const unit = readFileSync(join(SCRIPTS, "units/ml-training.service"), "utf8");
  for (const line of [
    "Type=notify",
    "Restart=no",
    "KillMode=mixed",
    "ExecStopPost=/usr/bin/python3 -m supervisor last-words",
    "Wants=network-online.target",
  ]) {
    assert.ok(unit.includes(`\n${line}\n`), line);
  }
  assert.match(unit, /\nAfter=network-online\.target/);
  assert.match(unit, /\nWatchdogSec=\d+\n/);
  assert.match(unit, /\nRuntimeMaxSec=\d+h\n/);
  const stop = Number(/\nTimeoutStopSec=(\d+)\n/.exec(unit)?.[1]);
  assert.ok(stop > 0 && stop < 25, `TimeoutStopSec=${stop}: Google cuts the power 30 s after the power button`);
  // Where systemd is installed, it reads the units itself.
  const verified = spawnSync("systemd-analyze", ["verify", "--man=no", join(SCRIPTS, "units/ml-training.service")]);
  if (verified.error === undefined)
    assert.equal(verified.stderr.toString().replace(/.*(Command .* is not executable|Failed to).*\n/g, ""), "");
});
