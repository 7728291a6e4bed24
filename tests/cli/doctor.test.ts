import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import { openWorkbench, type Workbench } from "./workbench.ts";

let bench: Workbench;
let tools: string;
const DATA = "gs://mlt-test-data";
before(async () => {
  bench = await openWorkbench();
  tools = join(bench.folder, "tools");
  await mkdir(tools);
  for (const name of ["gcloud", "pulumi"]) {
    for (const file of [name, `${name}.cmd`]) {
      await writeFile(join(tools, file), "");
      await chmod(join(tools, file), 0o755);
    }
  }
});
after(() => bench.close());

interface Report {
  ok: boolean;
  checks: { name: string; state: string; detail: string; fix?: string }[];
}

async function doctor(
  env: Record<string, string | undefined>,
  more: string[] = [],
): Promise<{ code: number; report: Report; states: string }> {
  const services = { CLOUDSDK_API_ENDPOINT_OVERRIDES_SERVICEUSAGE: `${bench.cloud.url}/su/`, PATH: tools };
  const { code, stdout } = await bench.mlt(["doctor", "--json", ...more], { env: { ...services, ...env } });
  const report = JSON.parse(stdout) as Report;
  return { code, report, states: report.checks.map(({ name, state }) => `${name} ${state}`).join(", ") };
}

test("where everything is there, doctor says so and ends with 0", async () => {
  const { code, report, states } = await doctor({ MLT_ENVIRONMENT: DATA });
  assert.equal(states, "Node ok, gcloud ok, login ok, environment ok, project ok, services ok, pulumi ok");
  assert.deepEqual([code, report.ok], [0, true]);
  assert.deepEqual(
    report.checks.filter(({ fix }) => fix),
    [],
  );
});

test("without a login it is missing, with the command that makes one, and 1 is the end", async () => {
  const env = { GCE_METADATA_HOST: undefined, METADATA_SERVER_DETECTION: "none", MLT_ENVIRONMENT: DATA, PATH: "" };
  const { code, report, states } = await doctor(env);
  assert.equal(code, 1);
  assert.equal(states, "Node ok, gcloud missing, login missing, environment missing, project later, pulumi missing");
  const fixes = Object.fromEntries(report.checks.map(({ name, fix }) => [name, fix]));
  assert.match(fixes.login!, /^gcloud auth application-default login/);
  assert.equal(fixes.gcloud, "https://cloud.google.com/sdk/docs/install");
  assert.equal(fixes.pulumi, "https://www.pulumi.com/docs/install/");
});

test("before the first pulumi up nothing is missing but what up needs", async () => {
  const fresh = { XDG_CONFIG_HOME: join(bench.folder, "fresh"), GOOGLE_CLOUD_PROJECT: "local-project" };
  const { code, states } = await doctor(fresh);
  assert.equal(states, "Node ok, gcloud ok, login ok, environment later, project ok, services ok, pulumi ok");
  assert.equal(code, 0);
});

test("an environment that is none is missing; trainings need neither gcloud nor Pulumi", async () => {
  const wrong = await doctor({ MLT_ENVIRONMENT: "gs://mlt-test-scratch" });
  assert.equal(wrong.code, 1);
  assert.match(wrong.states, /environment missing/);
  const bare = await doctor({ MLT_ENVIRONMENT: DATA, PATH: ["", join(bench.folder, "none")].join(delimiter) });
  assert.equal(bare.states, "Node ok, gcloud later, login ok, environment ok, project ok, services ok, pulumi later");
  assert.equal(bare.code, 0);
});

test("--kubeflow also looks at the programs and quotas that a cluster needs", async () => {
  // Quotas are Compute Engine's, which elsewhere in these tests is a stand-in that knows of machines only.
  const compute = `${bench.cloud.url}/compute/v1/`;
  const there = { MLT_ENVIRONMENT: DATA, CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: compute };
  const before = await doctor(there, ["--kubeflow"]);
  assert.match(before.states, /, pulumi ok, gke plugin missing, kubectl missing, quotas ok$/);
  assert.equal(before.code, 1);
  const checks = Object.fromEntries(before.report.checks.map((check) => [check.name, check]));
  assert.deepEqual(checks["gke plugin"], {
    name: "gke plugin",
    state: "missing",
    detail: "gke-gcloud-auth-plugin is not installed; `pulumi up` logs in to the cluster by it",
    fix: "gcloud components install gke-gcloud-auth-plugin (where gcloud came from apt: sudo apt-get install google-cloud-cli-gke-gcloud-auth-plugin)",
  });
  assert.deepEqual(checks.kubectl, {
    name: "kubectl",
    state: "missing",
    detail:
      "kubectl is not installed; `pulumi up` renders Kubeflow's manifests with it, and `mlt kubeflow` reaches the cluster by it",
    fix: "gcloud components install kubectl (or https://kubernetes.io/docs/tasks/tools/)",
  });
  assert.match(
    String(checks.quotas?.detail),
    /^room in us-central1 \(CPUS \d+ of 24, SSD_TOTAL_GB \d+ of 500, CPUS_ALL_REGIONS \d+ of 32\)$/,
  );

  const set = async (limit: number) => {
    const body = JSON.stringify({ project: "local-project", region: "us-central1", metric: "CPUS", limit });
    const url = `${bench.cloud.operatorUrl}/local/v1/quotas`;
    const answer = await fetch(url, { method: "POST", body, headers: { "content-type": "application/json" } });
    assert.ok(answer.ok, await answer.text());
  };
  await set(8);
  const small = (await doctor(there, ["--kubeflow"])).report.checks.at(-1);
  assert.equal(small?.state, "later");
  assert.match(
    String(small?.detail),
    /^us-central1 has room for a free trial's sizes only \(.*\); the defaults take 16 vCPUs in a region, 240 GB of SSD disks in a region, 16 vCPUs over all regions$/,
  );
  assert.match(String(small?.fix), /^pulumi config set preset freeTrial, or ask for more: https:/);
  await set(2);
  const none = (await doctor(there, ["--kubeflow"])).report.checks.at(-1);
  assert.equal(none?.state, "missing");
  assert.match(String(none?.fix), /without a cluster the same pipeline runs on one machine: examples\/mnist-pipeline$/);
  await set(24);
});

test("for people it is a list with an arrow before what puts things right", async () => {
  const { code, stdout, stderr } = await bench.mlt(["doctor"], {
    env: { PATH: "", MLT_ENVIRONMENT: DATA, CLOUDSDK_API_ENDPOINT_OVERRIDES_SERVICEUSAGE: `${bench.cloud.url}/su/` },
  });
  assert.deepEqual([code, stderr], [0, ""]);
  assert.deepEqual(stdout.replace(/ok {7}Node .*\n/, "").split("\n"), [
    "-        gcloud       not installed; the login works without it",
    "                      → https://cloud.google.com/sdk/docs/install",
    "ok       login        a token was given",
    "ok       environment  mlt-test in us-central1, gs://mlt-test-data (by MLT_ENVIRONMENT)",
    "ok       project      local-project (the environment's)",
    "ok       services     compute.googleapis.com, storage.googleapis.com are on",
    "-        pulumi       not installed; `pulumi up` and `pulumi destroy` need it, trainings do not",
    "                      → https://www.pulumi.com/docs/install/",
    "",
  ]);
});
