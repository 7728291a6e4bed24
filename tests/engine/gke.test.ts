import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { surviveNewApis } from "../../components/apiReadiness.ts";
import { Buckets } from "../../components/buckets.ts";
import { parseConfig } from "../../components/config.ts";
import { Foundation } from "../../components/foundation.ts";
import { GkeCluster } from "../../components/gkeCluster.ts";
import type { KubeflowInput } from "../../components/kubeflowConfig.ts";
import { KubeflowIdentity } from "../../components/kubeflowIdentity.ts";
import type { OpenStack } from "../../engine/automation.ts";
import { createWorld, failure, type World } from "./world.ts";

// The cluster's half of a Kubeflow stack through the real engine: network, identity, cluster, pools, rights on the bucket.
// What runs inside a cluster needs an API server and is not here.

const ENVIRONMENT = "mlt-kf";
const PATH = `projects/local-project/locations/us-central1-a/clusters/${ENVIRONMENT}-kubeflow`;

let world: World;
let stack: OpenStack;
let wish: KubeflowInput = { gpuPool: { max: 2 } };
let labels: Record<string, string> = { app: "ml-training", "mlt-environment": ENVIRONMENT };

async function program(): Promise<Record<string, unknown>> {
  surviveNewApis();
  const raw = { "gcp:project": "local-project", "mltraining:environment": ENVIRONMENT };
  const { kubeflow } = parseConfig({ ...raw, "mltraining:kubeflow": JSON.stringify(wish) }, "kf");
  assert.ok(kubeflow);
  const project = "local-project";
  const ground = new Foundation(ENVIRONMENT, {
    project,
    environment: ENVIRONMENT,
    regions: ["us-central1"],
    environments: [ENVIRONMENT],
  });
  const opts = { dependsOn: ground.apis };
  const buckets = new Buckets(ENVIRONMENT, { project, location: "us-central1", softDeleteDays: 0, labels }, opts);
  const cluster = new GkeCluster(
    ENVIRONMENT,
    {
      project,
      environment: ENVIRONMENT,
      cluster: kubeflow,
      network: ground.network,
      labels,
      after: ground.ready,
    },
    opts,
  );
  const { projectNumber } = cluster;
  const access = { project, projectNumber, dataBucket: buckets.data, pipelinePath: kubeflow.pipelineRoot };
  new KubeflowIdentity(ENVIRONMENT, access);
  return { cluster: cluster.clusterName, kubeconfig: cluster.kubeconfig, bucket: buckets.data };
}

interface Pool {
  name: string;
  autoscaling: Record<string, unknown>;
  config: Record<string, unknown>;
}

async function call<T>(path: string, method = "GET", body?: unknown): Promise<T> {
  const response = await fetch(`${world.cloud.operatorUrl}/${path}`, {
    method,
    ...(body ? { body: JSON.stringify(body), headers: { "content-type": "application/json" } } : {}),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text) as T;
}

const cluster = () => call<{ nodePools: Pool[]; [member: string]: unknown }>(`container/v1/${PATH}`);

/** How often each of these types is changed by what. */
function changed(steps: readonly { op: string; type: string }[]): string[] {
  return steps
    .filter(({ op, type }) => op !== "same" && type.startsWith("gcp:"))
    .map(({ op, type }) => `${op} ${type.split("/").at(-1)}`);
}

before(async () => {
  world = await createWorld();
  stack = await world.open("kf", { program });
});
after(() => world.close());

test("a machine type that its zone lacks is told before anything of the cluster is made", async () => {
  const asked = wish;
  wish = { systemPool: { machineType: "z9-standard-4" } };
  const { message } = await failure(stack.up());
  wish = asked;
  assert.match(
    message,
    /The cluster cannot be made so; nothing of it was made\.\s+mltraining:kubeflow\.systemPool\.machineType: there is no z9-standard-4 in us-central1-a; no zone of its region has it/,
  );
  // What is there is the environment's own: its cluster's subnet, router and account have other names.
  const names = Object.values(await world.left()).flat();
  assert.ok(
    names.some((name) => name.startsWith(`${ENVIRONMENT}-data-`)),
    names.join(),
  );
  const ofCluster = new RegExp(`${ENVIRONMENT}-(cluster|nodes|kubeflow)`);
  assert.deepEqual(
    names.filter((name) => ofCluster.test(name)),
    [],
  );
});

test("up makes a cluster without a default pool, its pools, and rights that name a Kubernetes account", async () => {
  await stack.up();
  const names = Object.values(await world.left()).flat();
  for (const part of ["cluster", "nodes", "kubeflow"]) {
    assert.ok(
      names.some((name) => name.includes(`${ENVIRONMENT}-${part}`)),
      `${part}: ${names.join()}`,
    );
  }
  const outputs = (await stack.outputs()) as { cluster: string; kubeconfig: string; bucket: string };
  assert.equal(outputs.cluster, `${ENVIRONMENT}-kubeflow`);
  const made = await cluster();
  assert.deepEqual(made.nodePools.map(({ name }) => name).sort(), ["gpu", "system"]);
  assert.equal(made.status, "RUNNING");
  const { dnsEndpointConfig, ipEndpointsConfig } = made.controlPlaneEndpointsConfig as Record<
    string,
    { endpoint: string }
  >;
  assert.deepEqual(ipEndpointsConfig, { enabled: false });
  assert.match(outputs.kubeconfig, new RegExp(`"server":"https://${dnsEndpointConfig?.endpoint}"`));
  assert.doesNotMatch(outputs.kubeconfig, /token"|password|certificate-authority/);
  const policy = await call<{ bindings: { role: string; members: string[]; condition?: { expression: string } }[] }>(
    `storage/v1/b/${outputs.bucket}/iam?optionsRequestedPolicyVersion=3`,
  );
  const federated = policy.bindings.filter(({ members }) =>
    members.some((member) => member.startsWith("principal://")),
  );
  assert.ok(
    federated.some(({ members }) =>
      members.some((member) => member.endsWith("/subject/ns/kubeflow/sa/pipeline-runner")),
    ),
  );
  assert.ok(federated.every(({ role }) => ["roles/storage.objectViewer", "roles/storage.objectUser"].includes(role)));
});

test("nothing changes without a change, also after a refresh", async () => {
  await stack.preview({ expectNoChanges: true, refresh: true });
});

test("a pool that is resized is updated in place, and nothing else", async () => {
  wish = { systemPool: { max: 5, diskGb: 60 }, gpuPool: { max: 2 } };
  const { steps } = await stack.up();
  assert.deepEqual(changed(steps), ["update nodePool:NodePool"]);
  const system = (await cluster()).nodePools.find(({ name }) => name === "system");
  assert.equal(system?.autoscaling.totalMaxNodeCount, 5);
  assert.equal(system?.config.diskSizeGb, 60);
  await stack.preview({ expectNoChanges: true, refresh: true });
});

test("labels change in place, and a pool that goes is deleted; what the autoscaler does is no change", async () => {
  labels = { ...labels, team: "vision" };
  wish = { systemPool: { max: 5, diskGb: 60 } };
  const { steps } = await stack.up();
  const words = changed(steps);
  assert.ok(words.includes("update cluster:Cluster"), words.join());
  assert.ok(words.includes("delete nodePool:NodePool"), words.join());
  assert.ok(
    words.every((word) => word.startsWith("update ") || word === "delete nodePool:NodePool"),
    words.join(),
  );
  const made = await cluster();
  assert.equal((made.resourceLabels as Record<string, string>).team, "vision");
  assert.deepEqual(
    made.nodePools.map(({ name }) => name),
    ["system"],
  );
  await call(`container/v1/${PATH}/nodePools/system:setSize`, "POST", { nodeCount: 3 });
  await new Promise((resolve) => setTimeout(resolve, 200));
  await stack.preview({ expectNoChanges: true, refresh: true });
});

test("another zone is another cluster: the old one goes first, under the same name", async () => {
  wish = { ...wish, location: "us-central1-b" };
  const { steps } = await stack.up();
  const words = changed(steps);
  assert.ok(
    words.indexOf("delete-replaced cluster:Cluster") < words.indexOf("create-replacement cluster:Cluster"),
    words.join(),
  );
  const { clusters } = await call<{ clusters: { location: string }[] }>(
    "container/v1/projects/local-project/locations/-/clusters",
  );
  assert.deepEqual(
    clusters.map(({ location }) => location),
    ["us-central1-b"],
  );
});

test("destroy leaves nothing, not even Google's own firewall rules", async () => {
  const before = await world.left();
  assert.equal(before["compute.firewalls"]?.filter((name) => name.startsWith("gke-")).length, 4);
  await stack.destroy();
  assert.deepEqual(await world.left(), {});
});
