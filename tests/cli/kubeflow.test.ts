import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdir, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import {
  CREDENTIALS,
  ENVIRONMENT,
  IR,
  JSON_OUTPUT,
  type KubeflowBench,
  openKubeflowBench,
  ROOT,
} from "./kubeflowBench.ts";
import { ENVIRONMENT as PLAIN } from "./workbench.ts";

const DATA = ENVIRONMENT.buckets.data;
let bench: KubeflowBench;
before(async () => {
  bench = await openKubeflowBench();
});
after(() => bench.close());
beforeEach(() => bench.reset());

const ended = (args: string[], env?: Record<string, string | undefined>) => bench.mlt(args, env).ended;
const API = () => bench.forward("ml-pipeline", ":8888");
const SELECTOR = ["--selector", "app.kubernetes.io/managed-by=ml-training-pipeline"];
const deployment = (component: string, ready: number) => ({
  metadata: {
    name: `mnist-${component}`,
    creationTimestamp: new Date(Date.now() - 3 * 3_600_000).toISOString(),
    labels: { "app.kubernetes.io/managed-by": "ml-training-pipeline", "app.kubernetes.io/component": component },
  },
  spec: { replicas: 1, template: { spec: { containers: [{ image: "r/mnist/serving:1" }] } } },
  status: { readyReplicas: ready },
});

test("open: the page of pipelines on a free port; a way that breaks is opened again; Ctrl-C closes it", async (t) => {
  const page = createServer((_, response) => response.end("the page")).listen(0, "127.0.0.1");
  await new Promise((resolve) => page.once("listening", resolve));
  const env = { FAKE_PAGE: String((page.address() as AddressInfo).port) };
  const running = bench.mlt(["open"], env);
  t.after(() => {
    running.child.kill("SIGKILL");
    page.closeAllConnections();
    page.close();
  });
  const said = await running.said(/http:\/\/127\.0\.0\.1:\d+\/\n/);
  const url = /http:\S+/.exec(said)![0];
  const { port } = new URL(url);
  assert.equal(await (await fetch(url)).text(), "the page");
  // The cluster's address is asked for once, and kept.
  assert.deepEqual(await bench.calls(), [CREDENTIALS, bench.forward("ml-pipeline-ui", `${port}:80`)]);
  await running.said(/Ctrl-C closes/);
  // A way that lasted is opened again, at the same port.
  await new Promise((resolve) => setTimeout(resolve, 5100));
  await bench.cut();
  await running.said(/the way to Kubeflow Pipelines broke; opening it again/);
  for (let round = 0; round < 50; round += 1) {
    if ((await fetch(url).catch(() => undefined))?.ok) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.deepEqual(await bench.calls(), [bench.forward("ml-pipeline-ui", `${port}:80`)]);
  running.child.kill("SIGINT");
  const { code, stdout, stderr } = await running.ended;
  assert.deepEqual([code, stdout], [0, `${url}\n`]);
  assert.equal(
    stderr,
    "mlt: Ctrl-C closes the way to Kubeflow Pipelines; what runs in the cluster goes on\nmlt: the way to Kubeflow Pipelines broke; opening it again\n",
  );
  await assert.rejects(fetch(url));
});

test("open web-ui: the newest page that a pipeline left; without one, how to get one; a wrong word, a taken port", async () => {
  assert.deepEqual(await ended(["open", "web-ui"]), {
    code: 64,
    stdout: "",
    stderr:
      "No pipeline has put a web-ui into the cluster, or it was removed. A run of examples/mnist-pipeline does: mlt kubeflow submit pipeline.yaml\n",
  });
  assert.deepEqual(await bench.calls(), [bench.get("deployments", ...SELECTOR, ...JSON_OUTPUT)]);
  await bench.has({ deployments: [deployment("serving", 1), deployment("web-ui", 0)] });
  const running = bench.mlt(["open", "web-ui", "--json"]);
  const { url, port, service } = JSON.parse(await running.said(/\{[^}]*\}\n/)) as Record<string, string>;
  assert.deepEqual([service, url], ["mnist-web-ui", `http://127.0.0.1:${port}/`]);
  running.child.kill("SIGTERM");
  const { code, stderr } = await running.ended;
  assert.equal(code, 0);
  assert.match(stderr, /^mlt: mnist-web-ui does not run yet\. What does not start, and why: mlt kubeflow status\n/);
  assert.deepEqual((await bench.calls()).at(-1), bench.forward("mnist-web-ui", `${port}:80`));

  assert.equal(
    (await ended(["open", "pipeline"])).stderr,
    "mlt kubeflow open takes pipelines or web-ui; got pipeline. Did you mean pipelines?\n",
  );
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const number = String((taken.address() as AddressInfo).port);
  assert.equal(
    (await ended(["open", "--port", number])).stderr,
    `Port ${number} of this computer is taken or not allowed. Name another with --port, or leave it away for a free one.\n`,
  );
  taken.close();
  assert.deepEqual(await bench.calls(), []);
});

test("status: runs, what is served, and pods that do not start, with why", async () => {
  assert.deepEqual((await ended(["status"])).stdout.split("\n"), [
    `Kubeflow Pipelines 2.17.0 on mlt-test (us-central1-a); artefacts below ${ROOT}`,
    "",
    "No runs yet: mlt kubeflow submit PIPELINE.yaml",
    "",
    "Nothing is served.",
    "",
    "Every pod that should run does, or is on its way.",
    "",
  ]);
  const at = "2026-01-01T00:00:00Z";
  const old = bench.pipelines.leave({
    display_name: "old",
    state: "SUCCEEDED",
    created_at: at,
    finished_at: "2026-01-01T00:10:00Z",
  });
  const fresh = bench.pipelines.leave({ display_name: "new", state: "RUNNING" });
  const stuck = {
    metadata: { name: "mysql-1" },
    status: {
      phase: "Pending",
      conditions: [
        { type: "PodScheduled", status: "False", message: "0/1 nodes are available: 1 Insufficient memory." },
      ],
    },
  };
  const failed = {
    metadata: { name: "old-step", labels: { "pipeline/runid": old.run_id } },
    status: { phase: "Failed" },
  };
  await bench.has({ pods: [stuck, failed], deployments: [deployment("serving", 1), deployment("web-ui", 0)] });
  await bench.calls();
  const { code, stdout } = await ended(["status"]);
  assert.equal(code, 0);
  const [, , ...lines] = stdout.trimEnd().split("\n");
  assert.deepEqual(
    lines.map((line) => line.replace(/\d{4}-\d\d-\d\dT\S+ +\d+ s/, "SINCE").split(/ {2,}/)),
    [
      ["RUN", "STATE", "STARTED", "TIME", "NAME"],
      [fresh.run_id, "running", "SINCE", "new"],
      [old.run_id, "succeeded", at, "10 min", "old"],
      [""],
      ["SERVED", "NAME", "READY", "AGE", "IMAGE"],
      ["serving", "mnist-serving", "1/1", "3 h", "r/mnist/serving:1"],
      ["web-ui", "mnist-web-ui", "0/1", "3 h", "r/mnist/serving:1"],
      [""],
      ["POD", "DOES NOT RUN BECAUSE"],
      ["mysql-1", "no node for it: 0/1 nodes are available: 1 Insufficient memory."],
    ],
  );
  const calls = await bench.calls();
  assert.deepEqual(
    new Set(calls.map(String)),
    new Set(
      [bench.get("pods", ...JSON_OUTPUT), bench.get("deployments", ...SELECTOR, ...JSON_OUTPUT), API()].map(String),
    ),
  );

  bench.pipelines.down = Number.POSITIVE_INFINITY;
  const silent = await ended(["status", "--json"]);
  assert.equal(silent.code, 70);
  const told = JSON.parse(silent.stdout) as Record<string, unknown>;
  assert.deepEqual(
    [told.cluster, told.runs, (told.troubles as object[]).length, told.problem],
    ["mlt-test", [], 1, "Kubeflow Pipelines does not answer (503). See: mlt kubeflow status"],
  );
});

test("clean: what is served, after asking; --runs the records of runs that have ended, never of one that runs", async () => {
  assert.equal((await ended(["clean"])).stdout, "Nothing is served.\n");
  const past = bench.pipelines.leave({ display_name: "past", state: "FAILED" });
  const active = bench.pipelines.leave({ display_name: "active", state: "RUNNING" });
  const names = ["deployment.apps/mnist-serving", "service/mnist-serving", "configmap/mnist-serving"];
  await bench.has({ names });
  await bench.calls();
  const asked = await ended(["clean"]);
  assert.deepEqual(asked, {
    code: 64,
    stdout: "",
    stderr: `${names.map((name) => `mlt: to be removed: ${name}\n`).join("")}Remove what is served? Artefacts in the bucket stay. Nobody can be asked here (no terminal): say so with --yes.\n`,
  });
  const listed = bench.get("deployments,services,configmaps", ...SELECTOR, "--output", "name");
  assert.deepEqual(await bench.calls(), [listed]);

  const cleaned = await ended(["clean", "--runs", "--yes"]);
  assert.deepEqual(cleaned, {
    code: 0,
    stdout: `Removed: ${names.join(", ")}, run ${past.run_id}\n`,
    stderr: [
      `mlt: ${active.run_id} is running and stays (active)`,
      ...names.map((name) => `mlt: to be removed: ${name}`),
      `mlt: to be removed: run ${past.run_id} (past)`,
      "",
    ].join("\n"),
  });
  const removal = bench.kubectl("delete", "--ignore-not-found", "--wait=true", "--timeout=120s", ...names);
  assert.deepEqual(await bench.calls(), [listed, API(), removal, API()]);
  assert.deepEqual(
    bench.pipelines.runs.map(({ display_name: name }) => name),
    ["active"],
  );
  await bench.has({});
  assert.deepEqual(JSON.parse((await ended(["clean", "--runs", "--json"])).stdout), { removed: [], runs: [] });
});

test("an environment without a cluster, programs that are missing: told before anything is asked", async () => {
  await bench.objects.writeJson(DATA, "environment.json", PLAIN);
  const none =
    "The environment mlt-test has no cluster with Kubeflow Pipelines. Add one: pulumi config set mltraining:kubeflow true && pulumi up (what it costs: docs/kubeflow.md). Without one, a pipeline runs on this computer: see examples/mnist-pipeline.\n";
  const commands = [
    ["open"],
    ["submit", "pipeline.yaml", "--", "bucket-path="],
    ["status"],
    ["logs", "latest"],
    ["clean"],
  ];
  const told = await Promise.all(commands.map((args) => ended(args)));
  await bench.objects.writeJson(DATA, "environment.json", ENVIRONMENT);
  assert.deepEqual(
    told,
    commands.map(() => ({ code: 64, stdout: "", stderr: none })),
  );
  const only = join(bench.folder, "only");
  await mkdir(only);
  await symlink(join(bench.folder, "bin/gcloud"), join(only, "gcloud"));
  const missing = await ended(["status"], { PATH: only });
  assert.equal(missing.code, 64);
  assert.match(
    missing.stderr,
    /^This computer cannot reach a cluster \(2 problems\):\n {2}- gke-gcloud-auth-plugin is missing, .*\n {2}- kubectl is missing, .*\n$/,
  );
  assert.deepEqual([await bench.calls(), bench.pipelines.asked], [[], []]);
});

const WHERE = "the cluster mlt-test (us-central1-a, project local-project)";

test("calls at the same time fetch the address once", async () => {
  await rm(bench.kubeconfig, { force: true });
  assert.equal((await ended(["status"])).code, 0);
  const calls = await bench.calls();
  assert.deepEqual(
    calls.filter(([program]) => program === "gcloud"),
    [CREDENTIALS],
  );
  assert.equal(calls.length, 4);
});

test("an address that is old is fetched again; of a cluster that is gone none is kept", async () => {
  const lookup = "Unable to connect to the server: dial tcp: lookup gke-1.us-central1.gke.goog: no such host";
  await writeFile(bench.kubeconfig, "an old address");
  await bench.fails({ program: "kubectl", words: ["get"], said: lookup, times: 1 });
  const renewed = await ended(["clean"]);
  assert.deepEqual([renewed.code, renewed.stdout], [0, "Nothing is served.\n"]);
  assert.deepEqual(
    (await bench.calls()).map(([program, ...rest]) => (program === "gcloud" ? program : rest[5])),
    ["get", "gcloud", "get"],
  );
  assert.equal(readFileSync(bench.kubeconfig, "utf8"), "address mlt-test");

  await rm(bench.kubeconfig, { force: true });
  await bench.fails({ program: "gcloud", words: [], said: "ERROR: ResponseError: code=404, message=Not found" });
  assert.deepEqual(await ended(["clean"]), {
    code: 64,
    stdout: "",
    stderr: `${WHERE.replace("the", "The")} is gone: somebody deleted it, or it is being made anew. \`pulumi up --refresh\` in the stack of mlt-test makes it again.\n`,
  });
  assert.deepEqual(await readdir(join(bench.kubeconfig, "..")), []);
});

test("Kubeflow that is not there, does not run yet, or refuses is told in its own words", async () => {
  await bench.fails({
    program: "kubectl",
    words: ["port-forward"],
    said: 'Error from server (NotFound): services "ml-pipeline" not found',
  });
  const submit = ["submit", "pipeline.yaml", "--", "bucket-path="];
  assert.equal(
    (await ended(submit)).stderr,
    `The way to ml-pipeline failed: there is no Kubeflow Pipelines in ${WHERE}, namespace kubeflow. \`pulumi up --refresh\` installs 2.17.0 again.\n`,
  );
  await bench.fails({
    program: "kubectl",
    words: ["port-forward"],
    said: "error: unable to forward port because pod is not running. Current status=Pending",
  });
  assert.deepEqual(await ended(submit), {
    code: 69,
    stdout: "",
    stderr:
      "The way to ml-pipeline failed: nothing runs there yet. What does not start, and why: mlt kubeflow status\n",
  });
  await bench.fails();
  // What the server alone can refuse.
  await bench.files(".", { "bare.yaml": JSON.stringify({ ...IR, pipelineInfo: { name: "" } }) });
  assert.deepEqual(await ended(["submit", "bare.yaml", "--", "bucket-path="]), {
    code: 64,
    stdout: "",
    stderr:
      "Kubeflow Pipelines refuses (400): Failed to create a new run: InvalidInputError: invalid v2 pipeline spec: name is empty\n",
  });
});

test("the real kubectl takes the arguments that are passed to the one in these tests", async (t) => {
  const real = ["/usr/bin/kubectl", "/usr/local/bin/kubectl"].find((file) => existsSync(file));
  if (!real) return t.skip("no kubectl here");
  const bin = join(bench.folder, "real");
  await mkdir(bin);
  await symlink(real, join(bin, "kubectl"));
  const closed = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => closed.once("listening", resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const config = { clusters: [{ name: "c", cluster: { server: `https://127.0.0.1:${port}` } }] };
  const context = {
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    users: [{ name: "u", user: { token: "t" } }],
  };
  const text = JSON.stringify({ apiVersion: "v1", kind: "Config", ...config, ...context, "current-context": "c" });
  await writeFile(join(bench.folder, "real.json"), text);
  // gcloud writes an address where nobody listens.
  await writeFile(join(bin, "gcloud"), `#!/bin/sh\ncp "$FAKE_FOLDER/real.json" "$KUBECONFIG"\n`);
  await writeFile(join(bin, "gke-gcloud-auth-plugin"), "#!/bin/sh\n");
  for (const name of ["gcloud", "gke-gcloud-auth-plugin"]) await chmod(join(bin, name), 0o755);
  await rm(bench.kubeconfig, { force: true });
  const PATH = `${bin}:${process.env.PATH}`;
  for (const args of [["open"], ["status"], ["clean"]]) {
    const { code, stderr } = await ended(args, { PATH });
    assert.equal(code, 69, stderr);
    assert.match(
      stderr,
      new RegExp(`failed: ${WHERE.replace(/[()]/g, "\\$&")} does not answer: .*127\\.0\\.0\\.1:${port}`),
    );
  }
  await rm(bench.kubeconfig, { force: true });
});
