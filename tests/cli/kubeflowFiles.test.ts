import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type ClusterAccess, credentialsRefused } from "../../kubeflow/access.ts";
import type { PipelineRun, TaskDetail } from "../../kubeflow/client.ts";
import { readParameters } from "../../kubeflow/parameters.ts";
import { pipelineOf, readPipelineFile, sentSpec } from "../../kubeflow/pipelineFile.ts";
import { type Pod, troublesOf } from "../../kubeflow/pods.ts";
import { runExitCode, stepsOf } from "../../kubeflow/runs.ts";
import { findClusterTools } from "../../kubeflow/tools.ts";
import { isUnreachable, kubectlFailed } from "../../kubeflow/words.ts";
import { temporaryFolder } from "../helpers/shell.ts";

const parameter = (parameterType: string, more: object = {}) => ({ parameterType, ...more });
const SPEC = {
  pipelineInfo: { name: "p" },
  schemaVersion: "2.1.0",
  deploymentSpec: {},
  root: {
    inputDefinitions: {
      parameters: {
        train_steps: parameter("NUMBER_INTEGER", { defaultValue: 300, isOptional: true }),
        learning_rate: parameter("NUMBER_DOUBLE", { defaultValue: 0.1, isOptional: true }),
        name: parameter("STRING"),
        fast: parameter("BOOLEAN", { isOptional: true }),
        sizes: parameter("LIST", { isOptional: true }),
        extra: parameter("STRUCT", { isOptional: true }),
        kind: parameter("STRING", { isOptional: true, literals: ["a", "b"] }),
        status: parameter("TASK_FINAL_STATUS", { isOptional: true }),
      },
    },
    dag: { tasks: { one: { cachingOptions: { enableCache: true } }, two: { dependentTasks: ["one"] } } },
  },
  components: { inner: { dag: { tasks: { three: { cachingOptions: { enableCache: true } } } } } },
};
const PIPELINE = pipelineOf(JSON.stringify(SPEC), "p.yaml");
const read = (...words: string[]) => readParameters(words, PIPELINE);

test("parameters are converted to the pipeline's types; hyphen and underscore are the same", () => {
  assert.deepEqual(
    read(
      "train-steps=500",
      "learning_rate=1e-3",
      "name=a=b c",
      "fast=True",
      "sizes=[1,2]",
      'extra={"a":null}',
      "--kind=b",
    ),
    {
      values: {
        train_steps: 500,
        learning_rate: 0.001,
        name: "a=b c",
        fast: true,
        sizes: [1, 2],
        extra: { a: null },
        kind: "b",
      },
      problems: [],
    },
  );
  assert.deepEqual(read("name="), { values: { name: "" }, problems: [] });
});

test("all that is wrong with parameters is told together", () => {
  const all = "train-steps, learning-rate, name, fast, sizes, extra, kind, status";
  assert.deepEqual(
    read(
      "train-step=5",
      "learning-rate=fast",
      "train-steps=1.5",
      "fast=1",
      "sizes={}",
      "extra=[",
      "kind=c",
      "status=x",
      "train_steps=2",
      "alone",
      "quite-other=1",
    ),
    {
      values: {},
      problems: [
        `there is no parameter train-step; this pipeline has ${all}. Did you mean train-steps?`,
        'learning-rate must be a number; got "fast"',
        'train-steps must be a whole number; got "1.5"',
        'fast must be true or false; got "1"',
        'sizes must be a JSON list; got "{}"',
        'extra must be a JSON object; got "["',
        'kind must be one of "a", "b"; got "c"',
        "status has the type TASK_FINAL_STATUS, which cannot be given on a command line",
        "train-steps is given twice",
        'a parameter is given as key=value; got "alone"',
        `there is no parameter quite-other; this pipeline has ${all}.`,
        "name is missing, and has no default; it is text",
      ],
    },
  );
  for (const text of ["", "1e3", "0x10", "9007199254740993", " 1"]) {
    assert.equal(read(`train-steps=${text}`, "name=x").problems.length, 1, text);
  }
  for (const text of ["", "NaN", "Infinity", "1e999", "1,5"]) {
    assert.equal(read(`learning-rate=${text}`, "name=x").problems.length, 1, text);
  }
});

test("a file that is no compiled pipeline says what it is and how to compile one", async (t) => {
  const folder = temporaryFolder(t);
  const how = "Compile it with KFP's SDK 2: compiler.Compiler().compile(pipeline, 'pipeline.yaml')";
  const refused = async (name: string, text: string) => {
    const file = join(folder, name);
    await writeFile(file, text);
    const error = await readPipelineFile(file).then(
      () => assert.fail("it was taken"),
      (caught: Error) => caught,
    );
    return error.message.replace(file, "FILE");
  };
  const without = (key: string) => JSON.stringify({ ...SPEC, [key]: undefined });
  assert.deepEqual(
    [
      await refused("a.yaml", "a: [1"),
      await refused("b.yaml", ""),
      await refused("c.yaml", "- 1"),
      await refused("d.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\n"),
      await refused("e.yaml", "apiVersion: v1\nkind: Pod\n"),
      await refused("f.yaml", without("deploymentSpec")),
      await refused("g.yaml", JSON.stringify({ ...SPEC, schemaVersion: "2.0.0" })),
      await refused("h.yaml", JSON.stringify({ ...SPEC, pipelineInfo: {} })),
      await refused("i.yaml", `${JSON.stringify(SPEC)}\n---\n{"a": 1}\n`),
      await refused("j.yaml", `${JSON.stringify(SPEC)}\n---\n{"platforms": {}}\n---\n{"a": 1}\n`),
      await refused("pipeline.py", "import kfp"),
      await refused("pipeline.tar.gz", "x"),
    ],
    [
      "FILE is no YAML: Flow sequence in block collection must be sufficiently indented and end with a ] at line 1, column 6:",
      `FILE is no compiled pipeline: it holds no object. ${how}`,
      `FILE is no compiled pipeline: it holds no object. ${how}`,
      `FILE is no compiled pipeline: it is an Argo workflow, as version 1 of KFP compiled it. ${how}`,
      `FILE is no compiled pipeline: it is a Kubernetes object. ${how}`,
      `FILE is no compiled pipeline: it lacks deploymentSpec. ${how}`,
      `FILE is no compiled pipeline: it has schema version "2.0.0"; Kubeflow Pipelines takes "2.1.0". ${how}`,
      "FILE is no compiled pipeline: its pipelineInfo has no name.",
      "FILE is no compiled pipeline: its second document has no platforms.",
      "FILE is no compiled pipeline: it has 3 documents; a pipeline has one, and one for Kubernetes at most.",
      `FILE is a pipeline's source. ${how}`,
      `FILE is a packed pipeline; mlt takes the compiled YAML itself. ${how}`,
    ],
  );
  const none = join(folder, "none.yaml");
  await assert.rejects(readPipelineFile(none), (error: Error) => {
    assert.match(error.message, /none\.yaml/);
    return error.name === "UserError";
  });
});

test("what is sent: the pipeline, with what is Kubernetes' own beside it; without the cache where that is wished", () => {
  assert.equal(sentSpec(PIPELINE), PIPELINE.spec);
  const platform = { platforms: { kubernetes: {} } };
  const both = pipelineOf(`${JSON.stringify(SPEC)}\n---\n${JSON.stringify(platform)}\n`, "p.yaml");
  assert.deepEqual(sentSpec(both), { pipeline_spec: SPEC, platform_spec: platform });
  const uncached = structuredClone(SPEC) as typeof SPEC & { root: { dag: { tasks: Record<string, object> } } };
  for (const tasks of [uncached.root.dag.tasks, uncached.components.inner.dag.tasks] as Record<string, object>[]) {
    for (const task of Object.values(tasks)) (task as { cachingOptions?: object }).cachingOptions = {};
  }
  assert.deepEqual(sentSpec(PIPELINE, false), uncached);
  assert.deepEqual(PIPELINE.spec, SPEC);
});

test("a run's steps: in the order in which they can run; a driver's failure is its step's", () => {
  const run = (tasks: TaskDetail[]): PipelineRun => ({
    run_id: "r",
    display_name: "r",
    pipeline_spec: {
      pipeline_spec: {
        root: { dag: { tasks: { b: { dependentTasks: ["c"] }, a: { dependentTasks: ["b"] }, c: {}, d: {} } } },
      },
    },
    run_details: { task_details: tasks },
  });
  const steps = stepsOf(
    run([
      { display_name: "root" },
      { display_name: "c-driver", state: "SUCCEEDED" },
      { display_name: "c", state: "SUCCEEDED", start_time: "2026-01-01T00:00:00Z", end_time: "2026-01-01T00:01:00Z" },
      { display_name: "executor", state: "SUCCEEDED" },
      { display_name: "b-driver", state: "RUNNING" },
      { display_name: "d-driver", state: "FAILED" },
      { display_name: "d", state: "FAILED", error: { message: "no" } },
    ]),
  );
  assert.deepEqual(steps, [
    { name: "c", state: "SUCCEEDED", started: "2026-01-01T00:00:00Z", ended: "2026-01-01T00:01:00Z" },
    { name: "d", state: "FAILED", reason: "its driver failed: mlt kubeflow logs RUN d-driver" },
    { name: "b", state: "PENDING" },
    { name: "a", state: "waiting" },
  ]);
  const { pipeline_spec: _, ...unknown } = run([
    { display_name: "root" },
    { display_name: "x-driver" },
    { display_name: "x", state: "RUNNING", end_time: "1970-01-01T00:00:00Z" },
    { display_name: "executor(0)" },
  ]);
  assert.deepEqual(stepsOf(unknown), [{ name: "x", state: "RUNNING" }]);
  assert.deepEqual(
    (["SUCCEEDED", "SKIPPED", "FAILED", "CANCELED"] as const).map((state) => runExitCode({ state })),
    [0, 0, 1, 143],
  );
});

test("pods that do not run, each with Kubernetes' reason; those on their way are left alone", () => {
  const pod = (name: string, status: Pod["status"], more: object = {}): Pod => ({
    metadata: { name, ...more },
    status,
  });
  const waiting = (reason: string, message?: string, lastState?: object) => ({
    name: "main",
    state: { waiting: { reason, ...(message ? { message } : {}) } },
    ...lastState,
  });
  assert.deepEqual(
    troublesOf([
      pod("fine", { phase: "Running", containerStatuses: [{ name: "main", state: { running: {} }, restartCount: 1 }] }),
      pod("done", { phase: "Succeeded" }),
      pod("coming", { phase: "Pending", containerStatuses: [waiting("ContainerCreating")] }),
      pod("going", { phase: "Pending", containerStatuses: [waiting("ErrImagePull")] }, { deletionTimestamp: "now" }),
      pod("full", {
        phase: "Pending",
        conditions: [
          {
            type: "PodScheduled",
            status: "False",
            reason: "Unschedulable",
            message: "0/1 nodes:\n insufficient memory",
          },
        ],
      }),
      pod("image", { phase: "Pending", initContainerStatuses: [waiting("ImagePullBackOff", "Back-off")] }),
      pod("crash", {
        phase: "Running",
        containerStatuses: [
          waiting("CrashLoopBackOff", "back-off 5m0s", {
            lastState: { terminated: { reason: "OOMKilled", exitCode: 137 } },
          }),
        ],
      }),
      pod("failed", {
        phase: "Failed",
        containerStatuses: [{ name: "main", state: { terminated: { reason: "Error", exitCode: 2 } } }],
      }),
      pod("evicted", { phase: "Failed", reason: "Evicted", message: "low on memory" }),
      pod("restless", { phase: "Running", containerStatuses: [{ name: "main", restartCount: 9, state: {} }] }),
    ]),
    [
      { pod: "full", reason: "no node for it: 0/1 nodes: insufficient memory" },
      { pod: "image", reason: "main: ImagePullBackOff: Back-off" },
      { pod: "crash", reason: "main: CrashLoopBackOff: it ended with OOMKilled 137" },
      { pod: "failed", reason: "main: ended with Error 2" },
      { pod: "evicted", reason: "Evicted: low on memory" },
      { pod: "restless", reason: "main: started 10 times" },
    ],
  );
});

test("every program that is missing is told at once, with how to get it", () => {
  const plugin =
    "install it with: gcloud components install gke-gcloud-auth-plugin (where gcloud came from apt: sudo apt-get install google-cloud-cli-gke-gcloud-auth-plugin)";
  const kubectl =
    "install it with: gcloud components install kubectl (where gcloud came from apt: sudo apt-get install kubectl)";
  const problem = (...there: string[]) => {
    try {
      findClusterTools((name) => (there.includes(name) ? `/bin/${name}` : undefined));
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  };
  assert.equal(
    problem(),
    [
      "This computer cannot reach a cluster (3 problems):",
      "  - gcloud is missing, which knows the cluster's address; install it: https://cloud.google.com/sdk/docs/install",
      `  - gke-gcloud-auth-plugin is missing, by which kubectl logs in; ${plugin}`,
      `  - kubectl is missing, which leads to the cluster; ${kubectl}`,
    ].join("\n"),
  );
  assert.equal(
    problem("gcloud", "kubectl"),
    `This computer cannot reach a cluster (1 problem):\n  - gke-gcloud-auth-plugin is missing, by which kubectl logs in; ${plugin}`,
  );
  assert.equal(problem("gcloud", "kubectl", "gke-gcloud-auth-plugin"), undefined);
});

const ACCESS: ClusterAccess = {
  cluster: "mlt-test",
  location: "us-central1-a",
  namespace: "kubeflow",
  pipelineRoot: "gs://b/kubeflow",
  version: "2.17.0",
  environment: "mlt-test",
  project: "local-project",
  kubeconfig: "/none",
  tools: { gcloud: { file: "gcloud", before: [] }, kubectl: "kubectl" },
};
const WHERE = "cluster mlt-test (us-central1-a, project local-project)";

test("what gcloud says of a cluster's address, in the user's words", () => {
  const words = (said: string) => credentialsRefused(ACCESS, said, 1).message;
  const ERROR = "ERROR: (gcloud.container.clusters.get-credentials)";
  assert.equal(
    words(`${ERROR} ResponseError: code=404, message=Not found: projects/x.`),
    `The ${WHERE} is gone: somebody deleted it, or it is being made anew. \`pulumi up --refresh\` in the stack of mlt-test makes it again.`,
  );
  assert.equal(
    words(`${ERROR} ResponseError: code=403, message=Required "container.clusters.get" permission(s).`),
    `The ${WHERE} is not yours to see: you need roles/container.developer in local-project. Ask the environment's owner, or log in as another account: gcloud auth login`,
  );
  const login =
    "gcloud is not logged in. Log in with: gcloud auth login (and for the rest of mlt: gcloud auth application-default login)";
  assert.equal(words(`${ERROR} You do not currently have an active account selected.`), login);
  assert.equal(words(`${ERROR} There was a problem refreshing auth tokens: Reauthentication failed.`), login);
  const old = "ERROR: unrecognized arguments: --dns-endpoint";
  assert.equal(
    words(old),
    `The ${WHERE} has no DNS endpoint that is open to you, or this gcloud is too old to ask for it (gcloud components update). gcloud says: ${old}`,
  );
  assert.equal(
    words("WARNING: x\nERROR: something else\n"),
    "gcloud could not tell the address of mlt-test (exit code 1): ERROR: something else",
  );
  assert.equal(words(""), "gcloud could not tell the address of mlt-test (exit code 1): it gave no reason");
});

test("what kubectl says, in the user's words; only a cluster that nobody answers for is asked for anew", () => {
  const words = (said: string) => {
    const { message, exitCode } = kubectlFailed("Looking", said, 1, ACCESS);
    return [exitCode, message, isUnreachable(said)];
  };
  const rights = "You need roles/container.developer in local-project; the environment's owner grants it.";
  const where = `Check the network (and the proxy or VPN, if you use one). Whether the cluster is there: gcloud container clusters list --project local-project`;
  const forbidden = 'Error from server (Forbidden): pods is forbidden: User "a@b.c" cannot list resource';
  for (const said of [
    "Unable to connect to the server: dial tcp: lookup gke-1.us-central1.gke.goog: no such host",
    "Unable to connect to the server: net/http: TLS handshake timeout",
    "The connection to the server gke-1 was refused - did you specify the right host or port?",
    "error: the server could not find the requested resource",
  ]) {
    assert.deepEqual(words(said), [69, `Looking failed: the ${WHERE} does not answer: ${said}\n${where}`, true]);
  }
  assert.deepEqual(words("error: You must be logged in to the server (Unauthorized)"), [
    64,
    "Looking failed: the cluster does not accept your login. Log in with: gcloud auth login",
    false,
  ]);
  assert.deepEqual(words(forbidden), [64, `Looking was refused: ${forbidden}\n${rights}`, false]);
  assert.deepEqual(words("Unable to connect: getting credentials: exec: executable gke-gcloud-auth-plugin not found"), [
    64,
    "Looking failed: kubectl does not find gke-gcloud-auth-plugin; install it with: gcloud components install gke-gcloud-auth-plugin (where gcloud came from apt: sudo apt-get install google-cloud-cli-gke-gcloud-auth-plugin)",
    false,
  ]);
  assert.deepEqual(words('Error from server (NotFound): namespaces "kubeflow" not found'), [
    64,
    `Looking failed: there is no Kubeflow Pipelines in the ${WHERE}, namespace kubeflow. \`pulumi up --refresh\` installs 2.17.0 again.`,
    false,
  ]);
  assert.deepEqual(words("error: timed out waiting for the condition"), [
    69,
    "Looking failed: nothing runs there yet. What does not start, and why: mlt kubeflow status",
    false,
  ]);
  const upgrading = "error: error upgrading connection: unable to upgrade connection: <h1>Bad Request</h1>";
  assert.deepEqual(words(upgrading), [
    70,
    `Looking failed: kubectl and the control plane do not agree on how a port is led: ${upgrading}\nBy the DNS endpoint it takes WebSockets, kubectl 1.31 or newer (kubectl version --client). Newer ones: gcloud components update`,
    false,
  ]);
  assert.equal(words("error: error upgrading connection: error dialing backend: dial timeout: i/o timeout")[0], 69);
  assert.deepEqual(words("error: something else"), [
    70,
    "Looking failed (kubectl's exit code 1): error: something else",
    false,
  ]);
});
