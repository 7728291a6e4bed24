import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createEnvironment, type LiveEnvironment, waitFor } from "./environment.ts";

// Two students on one foundation, each with a machine that runs: what a program can do with its machine's own token to
// what is the other's. (What tokens alone can do is in tests/engine/scopes.test.ts.)

let live: LiveEnvironment;

before(async () => {
  const student = (name: string) => ({
    name,
    config: { "mltraining:scope": "student", "mltraining:foundation": "base", "mltraining:environment": name },
  });
  const students = { "mltraining:scope": "foundation", "mltraining:students": ["anna", "boris"] };
  live = await createEnvironment([{ name: "base", config: students }, student("boris"), student("anna")]);
  console.log(`machines: ${live.level}`);
});
after(() => live?.close());

/** Tries everything that it is given (method and address) and saves the answers' codes as its metrics. */
const TRIES = `
import json, os, sys, urllib.error, urllib.request
host = os.environ.get("GCE_METADATA_HOST", "metadata.google.internal")
asked = urllib.request.Request(f"http://{host}/computeMetadata/v1/instance/service-accounts/default/token")
asked.add_header("Metadata-Flavor", "Google")
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
token = json.load(direct.open(asked))["access_token"]
codes = {}
for method, url in zip(sys.argv[1::2], sys.argv[2::2]):
    request = urllib.request.Request(url, method=method, data=b"{}" if method == "POST" else None)
    request.add_header("Authorization", "Bearer " + token)
    try:
        codes[method + " " + url] = urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        codes[method + " " + url] = error.code
open(os.environ["OUTPUT_DIR"] + "/metrics.json", "w").write(json.dumps(codes))
`;

const WAITS = `
import os, time
print("waiting", flush=True)
time.sleep(600)
`;

test("a program on one student's machine is refused the other's bucket, run and machine", async () => {
  const boris = String(live.outputs.boris?.dataBucketUrl);
  const theirs = boris.replace("gs://", "");
  const victim = await live.detached(live.pack("victim", WAITS), "--environment", boris);
  const look = async () => {
    const ended = await live.mlt("status", victim, "--json", "--environment", boris).ended;
    return JSON.parse(ended.stdout) as { phase: string; machine: { name: string; zone: string } };
  };
  await waitFor("the other's run", async () => (await look()).phase === "running");
  const { machine } = await look();

  const storage = "https://storage.googleapis.com/storage/v1/b";
  const instances = `https://compute.googleapis.com/compute/v1/projects/${live.cloud.project}/zones/${machine.zone}/instances`;
  const status = encodeURIComponent(`runs/${victim}/status.json`);
  const upload = `https://storage.googleapis.com/upload/storage/v1/b/${theirs}/o?uploadType=media&name=`;
  const refused = [
    ["GET", `${storage}/${theirs}/o`],
    ["GET", `${storage}/${theirs}/o/${status}?alt=media`],
    ["POST", `${upload}${status}`],
    ["POST", `${upload}input/planted`],
    ["DELETE", `${storage}/${theirs}/o/${status}`],
    ["GET", `${instances}/${machine.name}`],
    ["DELETE", `${instances}/${machine.name}`],
    ["POST", `${instances}/${machine.name}/stop`],
    // What is its own, a machine may read; what it must not change, it cannot.
    ["POST", `${upload.replace(theirs, live.buckets.data)}environment.json`],
  ];
  const own = ["GET", `${storage}/${live.buckets.data}/o/environment.json?alt=media`];
  const folder = live.pack("thief", TRIES);
  const ended = await live.mlt("train", folder, "--yes", "--json", "--", ...refused.flat(), ...own).ended;
  assert.equal(ended.code, 0, ended.stderr);
  const run = JSON.parse(ended.stdout) as { id: string; metrics: Record<string, number> };
  assert.deepEqual(run.metrics, {
    ...Object.fromEntries(refused.map((call) => [call.join(" "), 403])),
    [own.join(" ")]: 200,
  });
  await live.withoutMachine(run.id);

  const after = await look();
  assert.deepEqual([after.phase, after.machine], ["running", machine], "the other's run goes on");
  await live.compute(`zones/${machine.zone}/instances/${machine.name}`, { method: "DELETE" });
  await live.withoutMachine(victim);
});

test("destroying both and the foundation leaves nothing", async () => {
  await live.destroy();
  assert.deepEqual(await live.left(), {});
});
