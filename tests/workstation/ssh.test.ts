import assert from "node:assert/strict";
import { test } from "node:test";
import { findGcloud } from "../../workstation/gcloud.ts";
import { copyArguments, scriptArguments, sshArguments, tunnelArguments } from "../../workstation/ssh.ts";

const TARGET = { project: "my-project", zone: "europe-west1-b", name: "mlt-dev-ws" };
const PLACE = ["--project", "my-project", "--zone", "europe-west1-b", "--tunnel-through-iap"];
const TOKEN_LINE = 'echo mlt-tunnel "$(sudo -n -u ml cat /var/lib/ml-workstation/jupyter-token)"; exec cat';

test("a shell, a command, a line: always through Identity-Aware Proxy", () => {
  assert.deepEqual(sshArguments(TARGET), ["compute", "ssh", "mlt-dev-ws", ...PLACE]);
  assert.deepEqual(sshArguments(TARGET, ["ls", "-l", "a b"]), [
    "compute",
    "ssh",
    "mlt-dev-ws",
    ...PLACE,
    "--command",
    "ls -l 'a b'",
  ]);
  assert.deepEqual(scriptArguments(TARGET, "mlt-exec list"), [
    "compute",
    "ssh",
    "mlt-dev-ws",
    ...PLACE,
    "--command",
    "mlt-exec list",
  ]);
});

test("copies name the machine on one side; only folders recurse", () => {
  const up = { local: "/home/me/data", remote: "/tmp/mlt-cp-1", isFolder: true };
  assert.deepEqual(copyArguments(TARGET, "up", up), [
    "compute",
    "scp",
    ...PLACE,
    "--recurse",
    "/home/me/data",
    "mlt-dev-ws:/tmp/mlt-cp-1",
  ]);
  const down = { local: "/home/me/model.bin", remote: "/tmp/mlt-cp-1", isFolder: false };
  assert.deepEqual(copyArguments(TARGET, "down", down), [
    "compute",
    "scp",
    ...PLACE,
    "mlt-dev-ws:/tmp/mlt-cp-1",
    "/home/me/model.bin",
  ]);
});

test("a tunnel begins and ends on loopbacks; the token is in no argv", () => {
  assert.deepEqual(tunnelArguments(TARGET, "jupyter", 8890, "linux"), [
    "compute",
    "ssh",
    "mlt-dev-ws",
    ...PLACE,
    "--command",
    TOKEN_LINE,
    "--",
    "-o",
    "ExitOnForwardFailure=yes",
    "-L",
    "127.0.0.1:8890:127.0.0.1:8888",
  ]);
  assert.deepEqual(tunnelArguments(TARGET, "tensorboard", 6006, "darwin").slice(8), [
    "--command",
    "echo mlt-tunnel ready; exec cat",
    "--",
    "-o",
    "ExitOnForwardFailure=yes",
    "-L",
    "127.0.0.1:6006:127.0.0.1:6006",
  ]);
});

test("on Windows a tunnel has no option that plink does not know, and its line is in an envelope", () => {
  const [command, line, ...rest] = tunnelArguments(TARGET, "jupyter", 8888, "win32").slice(8);
  assert.equal(command, "--command");
  assert.equal(line, `eval "$(echo ${Buffer.from(TOKEN_LINE).toString("base64")} | base64 -d)"`);
  assert.deepEqual(rest, ["--", "-L", "127.0.0.1:8888:127.0.0.1:8888"]);
});

test("gcloud is started as it is; on Windows without the batch file", () => {
  assert.deepEqual(
    findGcloud(() => "/usr/bin/gcloud", "linux"),
    { file: "/usr/bin/gcloud", before: [] },
  );
  const sdk = "C:\\Users\\A B\\google-cloud-sdk";
  const found = findGcloud(
    () => `${sdk}\\bin\\gcloud.cmd`,
    "win32",
    () => true,
  );
  assert.deepEqual(found, {
    file: `${sdk}\\platform\\bundledpython\\python.exe`,
    before: ["-S", `${sdk}\\lib\\gcloud.py`],
  });
  const exe = findGcloud(
    () => "C:\\tools\\gcloud.exe",
    "win32",
    () => false,
  );
  assert.deepEqual(exe, { file: "C:\\tools\\gcloud.exe", before: [] });
});

test("a batch file without the Python that it usually starts goes through cmd.exe, every special character escaped", () => {
  const { file, verbatim } = findGcloud(
    () => "C:\\sdk\\gcloud.cmd",
    "win32",
    () => false,
  );
  assert.match(file, /cmd\.exe$/i);
  assert.deepEqual(verbatim?.(["a&b", 'say "x"', "c:\\d\\"]), [
    "/d",
    "/s",
    "/c",
    `"${['^^^"C:\\sdk\\gcloud.cmd^^^"', '^^^"a^^^&b^^^"', '^^^"say^^^ \\^^^"x\\^^^"^^^"', '^^^"c:\\d\\\\^^^"'].join(
      " ",
    )}"`,
  ]);
});

test("without gcloud the message says where it is to be had", () => {
  assert.throws(() => findGcloud(() => undefined), {
    message:
      "This connects through Google's gcloud, which is not installed here. Install it: https://cloud.google.com/sdk/docs/install Then log in with: gcloud auth login",
  });
});
