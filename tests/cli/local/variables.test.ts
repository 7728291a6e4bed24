import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { withoutNameServer } from "../../../cli/local/nameServer.ts";
import { clientVariables, shellLines } from "../../../cli/local/variables.ts";
import { endpointVariable } from "../../../engine/providers/gcp/client.ts";
import type { Daemon } from "../../../localcloud/daemon.ts";

const daemon: Daemon = {
  pid: 1,
  startedAt: "2026-11-21T08:00:00Z",
  project: "local-project",
  guest: "process",
  url: "http://127.0.0.1:1001",
  operatorUrl: "http://127.0.0.1:1002",
  metadataUrl: "http://127.0.0.1:1003",
  token: "ya29.local.x",
};

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "variables-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test("every client is told where the local cloud is", (t) => {
  const stateFolder = folder(t);
  const variables = clientVariables(daemon, { stateFolder, present: {} });
  assert.equal(variables.GCE_METADATA_HOST, "127.0.0.1:1003");
  assert.equal(variables.STORAGE_EMULATOR_HOST, "http://127.0.0.1:1002");
  assert.equal(variables.CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE, "http://127.0.0.1:1001/compute/v1/");
  for (const product of ["compute", "storage", "iam", "serviceUsage", "resourceManager"] as const) {
    assert.match(variables[endpointVariable(product)] ?? "", /^http:\/\/127\.0\.0\.1:1001\/.+\/$/, product);
  }
  const file = variables.CLOUDSDK_AUTH_ACCESS_TOKEN_FILE ?? "";
  assert.equal(readFileSync(file, "utf8"), daemon.token);
  assert.equal(statSync(file).mode & 0o077, 0);
  assert.ok(statSync(new URL(variables.PULUMI_BACKEND_URL ?? "")).isDirectory());
  assert.ok(statSync(variables.CLOUDSDK_CONFIG ?? "").isDirectory(), "gcloud's own settings stay as they are");
});

test("proxies: loopback is excepted where there is one; all else is refused for the real provider only", (t) => {
  const stateFolder = folder(t);
  const of = (present: NodeJS.ProcessEnv, realProvider = false) => {
    const { HTTPS_PROXY, NO_PROXY } = clientVariables(daemon, { stateFolder, present, realProvider });
    return [HTTPS_PROXY, NO_PROXY];
  };
  assert.deepEqual(of({}), [undefined, undefined]);
  assert.deepEqual(of({ https_proxy: "http://proxy:3128", no_proxy: "intranet, localhost" }), [
    undefined,
    "intranet,localhost,127.0.0.1",
  ]);
  assert.deepEqual(of({}, true), ["http://127.0.0.1:9", "127.0.0.1,localhost"]);
});

test("a shell gets every value as it is", (t) => {
  const values = { A: "plain", B: 'it\'s $(id) `id` \\ "x" $HOME', C: "two\nlines", D: "" };
  assert.equal(shellLines({ X: "it's" }, "powershell"), "$env:X = 'it''s'");
  assert.equal(shellLines({ X: "it's \\" }, "fish"), "set -gx X 'it\\'s \\\\'");
  const script = `${shellLines(values, "sh")}\n"$0" -e 'console.log(JSON.stringify(["A","B","C","D"].map((n) => process.env[n])))'`;
  const run = spawnSync("sh", ["-c", script, process.execPath], { encoding: "utf8" });
  if (run.error) return t.skip("there is no sh here");
  assert.deepEqual(JSON.parse(run.stdout), Object.values(values));
});

test("only a machine without a name server is one from which nothing can be reached", async () => {
  const failing = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }));
  assert.equal(await withoutNameServer(failing("EAI_AGAIN")), true);
  assert.equal(await withoutNameServer(failing("ENOTFOUND")), false, "a plain no ends the plugin's question at once");
  assert.equal(await withoutNameServer(() => Promise.resolve({ address: "192.0.2.1" })), false);
  assert.equal(await withoutNameServer(() => new Promise(() => {}), 10), true, "no answer in time");
});
