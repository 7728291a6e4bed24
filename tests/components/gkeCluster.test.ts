import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { planKubeflow } from "../../components/addKubeflow.ts";
import { parseConfig } from "../../components/config.ts";
import { GkeCluster, workloadPool } from "../../components/gkeCluster.ts";
import type { KubeflowInput } from "../../components/kubeflowConfig.ts";
import { kubeconfig } from "../../kubeflow/kubeconfig.ts";
import { outputValue, type Recording, record } from "../helpers/record.ts";

const LABELS = { app: "ml-training", "mlt-environment": "mlt-dev" };
const NODES = "mlt-dev-nodes@my-project.iam.gserviceaccount.com";
const ENDPOINT = "gke-0123-123456789012.us-central1.gke.goog";

function config(kubeflow: KubeflowInput = {}, more: Record<string, string> = {}) {
  const raw = { "gcp:project": "my-project", "mltraining:kubeflow": JSON.stringify(kubeflow), ...more };
  return parseConfig(raw, "dev");
}

/** Every zone has every machine type, but those in `lacking`. */
function world(lacking: readonly string[] = []) {
  return {
    calls: {
      "gcp:compute/getMachineTypes:getMachineTypes": ({ zone, filter }: Record<string, unknown>) => {
        const name = /"(.+)"/.exec(String(filter))?.[1] ?? "";
        return { machineTypes: lacking.includes(`${zone} ${name}`) ? [] : [{ name }] };
      },
      "gcp:organizations/getProject:getProject": () => ({ number: "123456789012" }),
    },
    state: ({ type }: { type: string }) =>
      type === "gcp:container/cluster:Cluster"
        ? {
            controlPlaneEndpointsConfig: { dnsEndpointConfig: { endpoint: ENDPOINT } },
            masterAuth: { clusterCaCertificate: "Q0E=" },
          }
        : undefined,
  };
}

function make(
  kubeflow: KubeflowInput = {},
  more: Record<string, string> = {},
  preview = false,
): Promise<Recording<GkeCluster>> {
  const cluster = config(kubeflow, more).kubeflow;
  assert.ok(cluster);
  return record(
    () =>
      new GkeCluster("mlt-dev", {
        project: "my-project",
        environment: "mlt-dev",
        cluster,
        network: "https://example.test/network",
        labels: LABELS,
      }),
    { ...world(), preview },
  );
}

const SECURITY = {
  imageType: "COS_CONTAINERD",
  serviceAccount: NODES,
  oauthScopes: ["https://www.googleapis.com/auth/cloud-platform"],
  metadata: { "disable-legacy-endpoints": "true" },
  shieldedInstanceConfig: { enableSecureBoot: true, enableIntegrityMonitoring: true },
  workloadMetadataConfig: { mode: "GKE_METADATA" },
};

test("a zonal cluster: exactly these children, in this order", async () => {
  const parts = ({ resources }: Recording<unknown>) =>
    resources.map(({ type, name }) => `${type.split(/[:/]/).at(-1)} ${name}`).sort();
  // A first preview knows of no API that it is enabled, and plans the same.
  assert.deepEqual(parts(await make({}, {}, true)), parts(await make()));
  assert.deepEqual(parts(await make()), [
    "Account mlt-dev-nodes",
    "Cluster mlt-dev",
    "GkeCluster mlt-dev",
    "GkeNetwork mlt-dev",
    "GkeNodeIdentity mlt-dev",
    "IAMMember mlt-dev-nodes",
    "NodePool mlt-dev-system",
    "ProjectServices mlt-dev-cluster",
    "Router mlt-dev-cluster",
    "RouterNat mlt-dev-cluster",
    "Service mlt-dev-cluster-container",
    "Subnetwork mlt-dev-cluster",
  ]);
});

test("the cluster is private, without an IP endpoint, with identities for workloads, and goes when it is told to", async () => {
  const { only } = await make();
  assert.deepEqual(only("gcp:container/cluster:Cluster").inputs, {
    project: "my-project",
    name: "mlt-dev-kubeflow",
    location: "us-central1-a",
    description: "Kubeflow Pipelines (ml-training environment mlt-dev)",
    network: "https://example.test/network",
    subnetwork: "https://example.test/gcp:compute/subnetwork:Subnetwork/mlt-dev-cluster-0123abc",
    networkingMode: "VPC_NATIVE",
    ipAllocationPolicy: { clusterSecondaryRangeName: "pods", servicesSecondaryRangeName: "services" },
    datapathProvider: "ADVANCED_DATAPATH",
    networkPolicy: { enabled: false },
    enableIntranodeVisibility: true,
    privateClusterConfig: { enablePrivateNodes: true, enablePrivateEndpoint: true },
    controlPlaneEndpointsConfig: {
      dnsEndpointConfig: { allowExternalTraffic: true, enableK8sTokensViaDns: false, enableK8sCertsViaDns: false },
      ipEndpointsConfig: { enabled: false },
    },
    releaseChannel: { channel: "REGULAR" },
    workloadIdentityConfig: { workloadPool: "my-project.svc.id.goog" },
    enableShieldedNodes: true,
    enableLegacyAbac: false,
    enableKubernetesAlpha: false,
    masterAuth: { clientCertificateConfig: { issueClientCertificate: false } },
    loggingConfig: { enableComponents: ["SYSTEM_COMPONENTS", "WORKLOADS"] },
    monitoringConfig: { enableComponents: ["SYSTEM_COMPONENTS"], managedPrometheus: { enabled: false } },
    rbacBindingConfig: {
      enableInsecureBindingSystemUnauthenticated: false,
      enableInsecureBindingSystemAuthenticated: false,
    },
    securityPostureConfig: { mode: "BASIC", vulnerabilityMode: "VULNERABILITY_DISABLED" },
    addonsConfig: {
      gcsFuseCsiDriverConfig: { enabled: true },
      gcePersistentDiskCsiDriverConfig: { enabled: true },
      httpLoadBalancing: { disabled: true },
    },
    resourceLabels: LABELS,
    deletionProtection: false,
    removeDefaultNodePool: true,
    initialNodeCount: 1,
    nodeConfig: { machineType: "e2-medium", diskType: "pd-standard", diskSizeGb: 20, ...SECURITY },
  });
});

const SYSTEM = {
  project: "my-project",
  name: "system",
  cluster: "mlt-dev-kubeflow",
  location: "us-central1-a",
  nodeLocations: ["us-central1-a"],
  initialNodeCount: 1,
  autoscaling: { totalMinNodeCount: 1, totalMaxNodeCount: 3, locationPolicy: "ANY" },
  management: { autoRepair: true, autoUpgrade: true },
  upgradeSettings: { strategy: "SURGE", maxSurge: 1, maxUnavailable: 0 },
  networkConfig: { enablePrivateNodes: true },
  nodeConfig: { machineType: "e2-standard-4", diskType: "pd-balanced", diskSizeGb: 50, ...SECURITY },
};

test("one system pool, and no GPU pool unless it is asked for", async () => {
  const { ofType } = await make();
  assert.deepEqual(
    ofType("gcp:container/nodePool:NodePool").map(({ inputs }) => inputs),
    [SYSTEM],
  );
});

test("a GPU pool: none to N nodes, Spot, tainted, with drivers that GKE installs, upgraded without a spare node", async () => {
  const { only } = await make({ gpuPool: { type: "nvidia-l4", max: 4 } });
  assert.deepEqual(only("gcp:container/nodePool:NodePool", "mlt-dev-gpu").inputs, {
    ...SYSTEM,
    name: "gpu",
    initialNodeCount: 0,
    autoscaling: { totalMinNodeCount: 0, totalMaxNodeCount: 4, locationPolicy: "ANY" },
    upgradeSettings: { strategy: "SURGE", maxSurge: 0, maxUnavailable: 1 },
    nodeConfig: {
      machineType: "g2-standard-4",
      diskType: "pd-balanced",
      diskSizeGb: 100,
      ...SECURITY,
      spot: true,
      guestAccelerators: [
        { type: "nvidia-l4", count: 1, gpuDriverInstallationConfig: { gpuDriverVersion: "DEFAULT" } },
      ],
      taints: [{ key: "nvidia.com/gpu", value: "present", effect: "NO_SCHEDULE" }],
    },
  });
  const standard = await make({ gpuPool: { spot: false } });
  const { nodeConfig } = standard.only("gcp:container/nodePool:NodePool", "mlt-dev-gpu").inputs as {
    nodeConfig: object;
  };
  assert.ok(!("spot" in nodeConfig));
});

test("a regional cluster names its zones, and its pools begin with a node in each", async () => {
  const { only } = await make({ location: "europe-west1", systemPool: { min: 3, max: 6 } });
  const zones = ["europe-west1-b", "europe-west1-c", "europe-west1-d"];
  const { location, nodeLocations } = only("gcp:container/cluster:Cluster").inputs;
  assert.deepEqual({ location, nodeLocations }, { location: "europe-west1", nodeLocations: zones });
  const { inputs } = only("gcp:container/nodePool:NodePool");
  assert.deepEqual(inputs.nodeLocations, zones);
  assert.equal(inputs.initialNodeCount, 1);
  assert.deepEqual(inputs.autoscaling, { totalMinNodeCount: 3, totalMaxNodeCount: 6, locationPolicy: "ANY" });
});

test("a subnet of its own in the environment's network, with a way out and no way in", async () => {
  const { only } = await make({}, { "gcp:region": "europe-west4" });
  assert.deepEqual(only("gcp:compute/subnetwork:Subnetwork").inputs, {
    project: "my-project",
    region: "europe-west4",
    network: "https://example.test/network",
    description: "Nodes, pods and services of the cluster in europe-west4 (ml-training environment mlt-dev)",
    ipCidrRange: "10.37.16.0/22",
    secondaryIpRanges: [
      { rangeName: "pods", ipCidrRange: "10.37.64.0/18" },
      { rangeName: "services", ipCidrRange: "10.37.32.0/20" },
    ],
    privateIpGoogleAccess: true,
    logConfig: { aggregationInterval: "INTERVAL_10_MIN", flowSampling: 0.1, metadata: "INCLUDE_ALL_METADATA" },
  });
  assert.deepEqual(only("gcp:compute/routerNat:RouterNat").inputs.subnetworks, [
    {
      name: "https://example.test/gcp:compute/subnetwork:Subnetwork/mlt-dev-cluster-0123abc",
      sourceIpRangesToNats: ["ALL_IP_RANGES"],
    },
  ]);
});

test("nodes have an account of their own with the one role that Google says they need", async () => {
  const { only, ofType } = await make();
  assert.deepEqual(only("gcp:serviceaccount/account:Account").inputs, {
    project: "my-project",
    accountId: "mlt-dev-nodes",
    displayName: "Cluster nodes of mlt-dev",
    description: "Writes logs and metrics of a cluster's nodes (ml-training environment mlt-dev)",
  });
  assert.deepEqual(
    ofType("gcp:projects/iAMMember:IAMMember").map(({ inputs }) => inputs),
    [{ project: "my-project", role: "roles/container.defaultNodeServiceAccount", member: `serviceAccount:${NODES}` }],
  );
  assert.deepEqual(
    ofType("gcp:projects/service:Service").map(({ inputs }) => inputs),
    [{ project: "my-project", service: "container.googleapis.com", disableOnDestroy: false }],
  );
});

test("what others need of it: its name, its endpoint, the project's number, a kubeconfig without a token", async () => {
  const { result } = await make();
  assert.equal(await outputValue(result.clusterName), "mlt-dev-kubeflow");
  assert.equal(result.location, "us-central1-a");
  assert.equal(await outputValue(result.endpoint), ENDPOINT);
  assert.equal(await outputValue(result.certificateAuthority), "Q0E=");
  assert.equal(await outputValue(result.projectNumber), "123456789012");
  assert.equal(workloadPool("my-project"), "my-project.svc.id.goog");
  assert.equal(await outputValue(result.kubeconfig), kubeconfig({ name: "mlt-dev-kubeflow", endpoint: ENDPOINT }));
});

test("a zone that lacks the machine type is told with the zones that have it, and no cluster is registered", async () => {
  const cluster = config({ systemPool: { machineType: "c3-standard-4" } }).kubeflow;
  assert.ok(cluster);
  const lacking = ["us-central1-a c3-standard-4", "us-central1-f c3-standard-4"];
  let told = "";
  const listener = (error: unknown) => {
    told = error instanceof Error ? error.message : String(error);
  };
  const listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", listener);
  const registered: string[] = [];
  const args = { project: "my-project", environment: "mlt-dev", cluster, network: "n", labels: LABELS };
  await record(() => new GkeCluster("mlt-dev", args), {
    ...world(lacking),
    state: ({ type }) => {
      registered.push(type);
      return undefined;
    },
  }).catch(listener);
  await new Promise((resolve) => setTimeout(resolve, 50));
  process.off("unhandledRejection", listener);
  for (const each of listeners) process.on("unhandledRejection", each);
  assert.match(
    told,
    /The cluster cannot be made so; nothing of it was made\.\n {2}mltraining:kubeflow\.systemPool\.machineType: there is no c3-standard-4 in us-central1-a; of its region us-central1-b, us-central1-c have it/,
  );
  // Nothing but the API was asked for: no subnet, no account, no cluster.
  assert.deepEqual(
    registered.filter((type) => type.startsWith("gcp:")),
    ["gcp:projects/service:Service"],
  );
});

test("where Google answers already, the same is told before anything is registered", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mlt-gke-"));
  writeFileSync(join(folder, "gke-gcloud-auth-plugin"), "#!/bin/sh\n", { mode: 0o755 });
  const settings = config({
    version: "2.17.0",
    manifests: "there/is/none",
    systemPool: { machineType: "n2-custom-8-16384" },
    gpuPool: { type: "nvidia-l4" },
  });
  const plan = (lacking: readonly string[], calls: object = {}) =>
    record(() => planKubeflow(settings, { PATH: folder }).catch((error: Error) => error), {
      calls: { ...world(lacking).calls, ...calls },
    });
  try {
    const { result, resources } = await plan([
      "us-central1-a n2-standard-4",
      "us-central1-a g2-standard-4",
      ...["b", "c", "f"].map((letter) => `us-central1-${letter} g2-standard-4`),
    ]);
    assert.ok(result instanceof pulumi.RunError);
    assert.equal(
      result.message,
      "The cluster cannot be made so; nothing of it was made.\n" +
        "  mltraining:kubeflow.systemPool.machineType: there is no n2-custom-8-16384 in us-central1-a; of its region us-central1-b, us-central1-c, us-central1-f have it\n" +
        "  mltraining:kubeflow.gpuPool.machineType: there is no g2-standard-4 in us-central1-a; no zone of its region has it",
    );
    assert.deepEqual(resources, []);
    // Custom types are in no list; those that are there, and an API that does not answer yet, stop nothing.
    const silent = () => {
      throw new Error("Compute Engine API has not been used in project my-project before or it is disabled");
    };
    for (const calls of [{}, { "gcp:compute/getMachineTypes:getMachineTypes": silent }]) {
      const { result: next } = await plan([], calls);
      assert.match(String(next), /there are no manifests of Kubeflow at .*there\/is\/none/);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("sizes that are none are refused before anything is registered", () => {
  const cluster = config().kubeflow;
  assert.ok(cluster);
  const args = { project: "my-project", environment: "mlt-dev", network: "n", labels: LABELS };
  const broken = { ...cluster, systemPool: { ...cluster.systemPool, zones: [] } };
  assert.throws(() => new GkeCluster("mlt-dev", { ...args, cluster: broken }), /has a pool without zones/);
  const elsewhere = { ...cluster, location: "us-east1-b" };
  assert.throws(
    () => new GkeCluster("mlt-dev", { ...args, cluster: elsewhere }),
    /is not in its region us-central1: us-east1-b/,
  );
});

test("without gcloud's plugin nothing is begun, and the command that installs it is told", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mlt-gke-"));
  try {
    const settings = config();
    await assert.rejects(planKubeflow(settings, { PATH: folder }), {
      message:
        "mltraining:kubeflow needs gke-gcloud-auth-plugin on this computer, by which Pulumi logs in to the cluster; nothing was changed.\n" +
        "  install it with: gcloud components install gke-gcloud-auth-plugin (where gcloud came from apt: sudo apt-get install google-cloud-cli-gke-gcloud-auth-plugin)",
    });
    // A file that is no program is not it.
    writeFileSync(join(folder, "gke-gcloud-auth-plugin"), "");
    chmodSync(join(folder, "gke-gcloud-auth-plugin"), 0o644);
    if (process.platform !== "win32")
      await assert.rejects(planKubeflow(settings, { PATH: folder }), /needs gke-gcloud-auth-plugin/);
    assert.equal(await planKubeflow(parseConfig({ "gcp:project": "my-project" }, "dev"), { PATH: folder }), undefined);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
