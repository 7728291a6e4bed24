import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { GcloudError, readArguments } from "../../../localcloud/gcloud/arguments.ts";
import { writeLauncher } from "../../../localcloud/gcloud/launcher.ts";
import { fakeDriver, machine, startCompute, ZONE } from "../compute/fixture.ts";

const TYPESCRIPT = pathToFileURL(fileURLToPath(new URL("../../../cli/typescript.js", import.meta.url))).href;

/** A path with nothing but what is needed, and this gcloud on it. */
function shell(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "gcloud-commands-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const bin = writeLauncher(folder, ["--import", TYPESCRIPT]);
  const tools = join(folder, "tools");
  mkdirSync(tools);
  symlinkSync("/bin/sh", join(tools, "sh"));
  const run = (args: string[], more: NodeJS.ProcessEnv = {}) => {
    const env = { PATH: [bin, tools].join(":"), HOME: folder, ...more };
    // In the background: the local cloud that it asks may live in this process.
    return new Promise<{ status: number; stdout: string; stderr: string }>((resolve) => {
      execFile(join(bin, "gcloud"), args, { env, timeout: 30_000 }, (error, stdout, stderr) => {
        resolve({ status: error ? Number(error.code ?? -1) : 0, stdout, stderr });
      });
    });
  };
  return { folder, tools, run };
}

test("flags stand anywhere, with = or without; what is behind -- is left alone; others are named", () => {
  const flags = { values: ["zone", "command"], switches: ["quiet"] };
  assert.deepEqual(
    readArguments("x", ["m", "--zone=z", "--quiet", "--command", "--help", "n", "--", "-L", "--zone"], flags),
    {
      words: ["m", "n"],
      values: { zone: "z", command: "--help" },
      switches: new Set(["quiet"]),
      rest: ["-L", "--zone"],
    },
  );
  const wrong: [string[], RegExp][] = [
    [["--zoom"], /^unrecognized arguments: --zoom\./],
    [["-v"], /^unrecognized arguments: -v\./],
    [["--zone"], /^argument --zone: expected one argument$/],
    [["--quiet=yes"], /^argument --quiet: ignored explicit argument 'yes'$/],
  ];
  for (const [given, sentence] of wrong) {
    assert.throws(
      () => readArguments("x", given, flags),
      (error: unknown) => error instanceof GcloudError && error.code === 2 && sentence.test(error.message),
    );
  }
});

test("what it does not have is an error with its name, or Google's gcloud's", async (t) => {
  const { tools, run } = shell(t);
  const unknown = await run(["storage", "ls", "--all"]);
  assert.equal(unknown.status, 2);
  assert.equal(
    unknown.stderr,
    "ERROR: (gcloud) Invalid choice: 'storage ls'. The local cloud's gcloud has compute ssh, compute scp, compute start-iap-tunnel, compute instances get-serial-port-output, auth print-access-token, config get-value and --version; for everything else install Google's: https://cloud.google.com/sdk/docs/install\n",
  );
  writeFileSync(join(tools, "gcloud"), '#!/bin/sh\necho "Google\'s: $*"; exit 7\n');
  chmodSync(join(tools, "gcloud"), 0o755);
  const theirs = await run(["storage", "ls", "a b"]);
  assert.deepEqual([theirs.status, theirs.stdout], [7, "Google's: storage ls a b\n"]);
  assert.match(
    (await run(["--version"])).stdout,
    /^Google Cloud SDK: the local cloud's gcloud/,
    "what it has is its own",
  );
});

test("mistakes are told in one line: no variables, no zone, no tunnel, no ssh", async (t) => {
  const { folder, tools, run } = shell(t);
  const told = async (args: string[], env?: NodeJS.ProcessEnv) => {
    const { status, stderr } = await run(args, env);
    assert.doesNotMatch(stderr, /\n\s+at /);
    return `${status}: ${stderr.trim()}`;
  };
  const ssh = ["compute", "ssh", "m", "--tunnel-through-iap"];
  assert.match(
    await told([...ssh, "--zone", "z"]),
    /^1: ERROR: \(gcloud\.compute\.ssh\) This gcloud belongs to a local cloud, and the variables that say where that is are not set\. Set them: eval "\$\(npx mlt local start\)"$/,
  );

  const cloud = await startCompute(t, { driver: fakeDriver().driver });
  await cloud.network();
  const metadata = { items: [{ key: "enable-oslogin", value: "TRUE" }] };
  await cloud.done("POST", `zones/${ZONE}/instances`, machine("m", { metadata }));
  const token = cloud.local.cloud.tokens.issue({ kind: "operator" }).access_token;
  writeFileSync(join(folder, "token"), `${token}\n`);
  const env = {
    CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${cloud.local.url}/compute/v1/`,
    CLOUDSDK_AUTH_ACCESS_TOKEN_FILE: join(folder, "token"),
    CLOUDSDK_CORE_PROJECT: "test-project",
    CLOUDSDK_CONFIG: join(folder, "config"),
  };
  assert.equal(
    await told(ssh, env),
    "1: ERROR: (gcloud.compute.ssh) Underspecified resource for compute ssh. Specify the [--zone] flag.",
  );
  assert.match(
    await told(["compute", "ssh", "m", "--zone", ZONE], env),
    /reached through Identity-Aware Proxy only: give --tunnel-through-iap\./,
  );
  assert.match(
    await told(["compute", "instances", "get-serial-port-output", "m", "--zone", ZONE, "--project", "none"], env),
    /The resource 'projects\/none' was not found$/,
  );
  assert.match(
    await told([...ssh, "--zone", ZONE], env),
    /Your platform does not support SSH: there is no ssh on the path\. To get it: /,
  );
  assert.match(
    await told(["compute", "scp", "a", "b", "--zone", ZONE, "--tunnel-through-iap"], env),
    /Source\(s\) must be remote when destination is local\. Got sources: \[a\]$/,
  );
  assert.match(
    await told(["compute", "start-iap-tunnel", "m", "x", "--zone", ZONE], env),
    /Value must be a port from 1 to 65535; received: x$/,
  );
  assert.match(
    await told(["compute", "start-iap-tunnel", "m", "22", "--zone", ZONE, "--local-host-port", "x:y"], env),
    /Bad value: x:y; HOST:PORT is expected\.$/,
  );
  assert.match(
    await told(["config", "get-value", "compute/zone"], env),
    /has no property \[compute\/zone\]; it has project and account\.$/,
  );

  assert.equal((await run(["config", "get-value", "project"], env)).stdout, "test-project\n");
  assert.equal((await run(["config", "get-value", "core/account"], env)).stdout, "operator@local.invalid\n");
  assert.equal((await run(["auth", "print-access-token"], env)).stdout, `${token}\n`);
  await cloud.local.close();
  symlinkSync(process.execPath, join(tools, "ssh"));
  assert.match(
    await told([...ssh, "--zone", ZONE], env),
    /The local cloud does not answer at http:\/\/127\.0\.0\.1:\d+\. Start it: eval/,
  );
});
