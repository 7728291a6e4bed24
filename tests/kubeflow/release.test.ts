import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { DEFAULT_KUBEFLOW } from "../../catalog/kubeflow.ts";
import { KUBEFLOW_SIZES } from "../../catalog/kubeflowSizes.ts";
import { installation } from "../../kubeflow/installation.ts";
import { MANIFESTS_VARIABLE, type Manifests, readManifests } from "../../kubeflow/manifests.ts";
import { type KubeObject, nameOf, podSpecOf } from "../../kubeflow/objects.ts";
import { imageUses } from "../../kubeflow/transforms/images.ts";
import { totalRequests } from "../../kubeflow/transforms/requests.ts";
import { KUBEFLOW_VOLUMES } from "../../kubeflow/transforms/volumes.ts";

// The release's own objects, where this computer has them: in the cache of an earlier plan, or by the variable that names
// them. They are not kept in the repository, and no test fetches them.

async function release(t: TestContext): Promise<Manifests | undefined> {
  try {
    return await readManifests({ run: () => Promise.reject(new Error("no test fetches manifests")) });
  } catch (error) {
    if (process.env[MANIFESTS_VARIABLE]) throw error;
    t.skip(`the manifests of Kubeflow Pipelines ${DEFAULT_KUBEFLOW} are not on this computer; ${MANIFESTS_VARIABLE}`);
    return undefined;
  }
}

function installed(manifests: Manifests): KubeObject[] {
  const handles = { "mysql-pv-claim": "projects/p/zones/z/disks/a", "seaweedfs-pvc": "projects/p/zones/z/disks/b" };
  return installation(manifests, {
    environment: "mlt-dev",
    pipelineRoot: "gs://bucket/kubeflow",
    credentials: { database: "ZGI=", accessKey: "aw==", secretKey: "cw==" },
    volumes: { zone: "us-central1-a", handles },
  });
}

type Labels = Record<string, string>;

interface Policy {
  podSelector: { matchLabels?: Labels; matchExpressions?: { key: string }[] };
  ingress?: { ports: { port: number }[] }[];
}

function selects({ matchLabels = {}, matchExpressions = [] }: Policy["podSelector"], labels: Labels): boolean {
  const all = Object.entries(matchLabels).every(([key, value]) => labels[key] === value);
  return all && matchExpressions.every(({ key }) => key in labels);
}

const labelsOf = ({ spec }: KubeObject) =>
  (spec as { template: { metadata: { labels: Labels } } }).template.metadata.labels;

test("the release is of these kinds; what is installed of it is as many objects as the documentation says", async (t) => {
  const manifests = await release(t);
  if (!manifests) return;
  const kinds: Record<string, number> = {};
  for (const { kind } of manifests.objects) kinds[kind] = (kinds[kind] ?? 0) + 1;
  assert.deepEqual(kinds, {
    ClusterRole: 1,
    ClusterRoleBinding: 1,
    ConfigMap: 8,
    CustomResourceDefinition: 11,
    Deployment: 14,
    Namespace: 1,
    NetworkPolicy: 1,
    PersistentVolumeClaim: 2,
    PriorityClass: 1,
    Role: 11,
    RoleBinding: 11,
    Secret: 2,
    Service: 8,
    ServiceAccount: 16,
  });
  assert.equal(manifests.objects.length, 88);
  assert.equal(installed(manifests).length, 88 - 12 + 27);
});

test("each part's pods have one policy of their own, which lets in what its Service leads to, and no more", async (t) => {
  const manifests = await release(t);
  if (!manifests) return;
  const objects = installed(manifests);
  const of = (kind: string) => objects.filter((object) => object.kind === kind);
  const policies = of("NetworkPolicy").filter(({ metadata }) => metadata.name !== "default-deny");
  const own = (labels: Labels) => policies.filter(({ spec }) => selects((spec as Policy).podSelector, labels));
  const deployments = of("Deployment");
  assert.equal(deployments.length, 12);
  for (const deployment of deployments) assert.equal(own(labelsOf(deployment)).length, 1, nameOf(deployment));
  const open = of("Service").map(({ metadata, spec }) => {
    const { selector, ports } = spec as { selector: Labels; ports: { port: number; targetPort?: number | string }[] };
    const behind = deployments.filter((each) => selects({ matchLabels: selector }, labelsOf(each)));
    assert.equal(behind.length, 1, metadata.name);
    const leads = ports.map(({ port, targetPort }) => Number(targetPort ?? port));
    const allowed = behind
      .flatMap((each) => own(labelsOf(each)))
      .flatMap(({ spec: policy }) => ((policy as Policy).ingress ?? []).flatMap((rule) => rule.ports))
      .map(({ port }) => port);
    for (const port of allowed) assert.ok(leads.includes(port), `${metadata.name}: ${port}`);
    return [metadata.name, [...new Set(allowed)].sort((a, b) => a - b)];
  });
  assert.deepEqual(Object.fromEntries(open), {
    "metadata-envoy-service": [9090],
    "metadata-grpc-service": [8080],
    "ml-pipeline": [8887, 8888],
    // By a port of this computer only.
    "ml-pipeline-ui": [],
    "ml-pipeline-visualizationserver": [8888],
    mysql: [3306],
    seaweedfs: [8333],
  });
});

test("no image of the release is left as it is found; requests and volumes are within the catalog's", async (t) => {
  const manifests = await release(t);
  if (!manifests) return;
  const objects = installed(manifests);
  const pinned = manifests.release.images.map((image) => image.pinned);
  const used = new Set(objects.flatMap((object) => imageUses(object).map(({ image }) => image)));
  assert.deepEqual([...used].sort(), [...pinned].sort());
  const size = KUBEFLOW_SIZES[DEFAULT_KUBEFLOW];
  assert.ok(size);
  const { milliCpu, mebibytes } = totalRequests(objects);
  assert.ok(milliCpu > 600 && milliCpu <= size.requests.cpu * 1000, String(milliCpu));
  assert.ok(mebibytes > 3000 && mebibytes <= size.requests.memory * 1024, String(mebibytes));
  assert.deepEqual(
    Object.values(KUBEFLOW_VOLUMES).map(({ gb }) => gb),
    size.volumesGb,
  );
  const tokens = objects.flatMap((object) =>
    object.kind === "Deployment" && podSpecOf(object)?.automountServiceAccountToken !== false
      ? object.metadata.name
      : [],
  );
  // What calls the cluster's API, and nothing else.
  assert.deepEqual(tokens.sort(), [
    "metadata-writer",
    "ml-pipeline",
    "ml-pipeline-persistenceagent",
    "ml-pipeline-scheduledworkflow",
    "ml-pipeline-ui",
    "ml-pipeline-viewer-crd",
    "workflow-controller",
  ]);
});
