import { Cluster, type ClusterArgs } from "@pulumi/gcp/container/cluster.js";
import { NodePool } from "@pulumi/gcp/container/nodePool.js";
import { getProject } from "@pulumi/gcp/organizations/getProject.js";
import * as pulumi from "@pulumi/pulumi";
import { TRANSIENT_NODE } from "../catalog/gke.ts";
import { zonesOf } from "../catalog/zones.ts";
import { kubeconfig } from "../kubeflow/kubeconfig.ts";
import { whenReady } from "./apiReadiness.ts";
import { GkeNetwork, RANGES } from "./gkeNetwork.ts";
import { GkeNodeIdentity } from "./gkeNodeIdentity.ts";
import type { KubeflowConfig, NodePoolConfig } from "./kubeflowConfig.ts";
import { firstNodes } from "./kubeflowQuota.ts";
import { marked } from "./marks.ts";
import { clusterName } from "./names.ts";
import { requireMachineTypes } from "./offeredMachineTypes.ts";
import { ProjectServices } from "./projectServices.ts";

export interface GkeClusterArgs {
  project: string;
  environment: string;
  /** Where, and how many nodes of which kind. */
  cluster: Pick<KubeflowConfig, "location" | "region" | "systemPool" | "gpuPool">;
  /** The environment's VPC; the cluster gets a subnet of its own in it. */
  network: pulumi.Input<string>;
  labels: Readonly<Record<string, string>>;
  /** Machine types are looked up once these are known: the APIs that are enabled. */
  after?: pulumi.Input<string[]>;
}

/** The taint that keeps pods without a GPU off GPU nodes: GKE's own, which its device plugin and admission know. */
export const GPU_TAINT = { key: "nvidia.com/gpu", value: "present", effect: "NO_SCHEDULE" } as const;

/**
 * A small private GKE cluster. Nodes have no address of their own and an identity that may do nothing but report; the
 * control plane has no IP endpoint and is reached by its DNS endpoint, with IAM, from anywhere. A destroy takes it away
 * without asking (`deletionProtection` is off): what must last is in the data bucket.
 *
 * Cost: 0.10 USD an hour for the control plane (Google gives one zonal cluster's back), the system pool's nodes and disks
 * as long as it is there, GPU nodes only while a step asks for one, and what the NAT passes.
 */
export class GkeCluster extends pulumi.ComponentResource {
  /** Known once the cluster and its system pool are there. */
  readonly clusterName: pulumi.Output<string>;
  readonly location: string;
  /** What goes when the cluster goes depends on it by `deletedWith`. */
  readonly resource: pulumi.Resource;
  /** Host name of the control plane. */
  readonly endpoint: pulumi.Output<string>;
  /** Base64; what the DNS endpoint does without. */
  readonly certificateAuthority: pulumi.Output<string>;
  /**
   * The project's number, by which policies name its Kubernetes accounts. Known once the cluster is there: before a
   * project's first cluster Google refuses every binding that names one of them.
   */
  readonly projectNumber: pulumi.Output<string>;
  /** No token, and the same at every preview. */
  readonly kubeconfig: pulumi.Output<string>;

  constructor(name: string, args: GkeClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    const problem = sizesProblem(args);
    if (problem) throw new pulumi.InputPropertyError({ propertyPath: "cluster", reason: problem });
    const { project, environment, cluster: wish, labels } = args;
    super("mltraining:index:GkeCluster", name, { project, environment, cluster: wish, labels }, opts);
    const child = { parent: this };
    this.location = wish.location;

    const services = new ProjectServices(`${name}-cluster`, { project, services: ["container.googleapis.com"] }, child);
    const checked = pulumi
      .all([pulumi.output(args.after ?? []), services.enabled])
      .apply(() => whenReady(() => requireMachineTypes(project, wish, this)));
    // Nothing of it is made before that: what cannot be made whole would only have to be destroyed.
    const enabled = { ...child, dependsOn: checked.apply(() => [services]) };
    const { network, subnetwork, ready } = new GkeNetwork(
      name,
      { project, environment, region: wish.region, network: args.network },
      enabled,
    );
    const { email } = new GkeNodeIdentity(name, { project, environment }, enabled);
    const machineType = (pool: { machineType: string }) => checked.apply(() => pool.machineType);

    const cluster = new Cluster(
      name,
      {
        ...closed(project),
        project,
        name: clusterName(environment),
        location: wish.location,
        ...(wish.location === wish.region ? { nodeLocations: wish.systemPool.zones } : {}),
        description: marked("Kubeflow Pipelines", environment),
        network,
        subnetwork,
        ipAllocationPolicy: {
          clusterSecondaryRangeName: RANGES.pods,
          servicesSecondaryRangeName: RANGES.services,
        },
        resourceLabels: { ...labels },
        deletionProtection: false,
        // GKE makes no cluster without a first pool. It goes as soon as the cluster is there.
        removeDefaultNodePool: true,
        initialNodeCount: 1,
        nodeConfig: {
          machineType: machineType(TRANSIENT_NODE),
          diskType: TRANSIENT_NODE.diskType,
          diskSizeGb: TRANSIENT_NODE.diskGb,
          ...nodeSecurity(email),
        },
      },
      // GKE answers the first pool that it has as the cluster's own; the one that was asked for is gone by then.
      {
        ...child,
        dependsOn: [services, ready],
        ignoreChanges: ["nodeConfig", "initialNodeCount"],
        // One name, one services range, and a quota that has no room for two.
        deleteBeforeReplace: true,
      },
    );

    this.resource = cluster;
    const pool = (word: string, config: NodePoolConfig) =>
      new NodePool(
        `${name}-${word}`,
        {
          project,
          name: word,
          cluster: cluster.name,
          location: wish.location,
          nodeLocations: config.zones,
          initialNodeCount: firstNodes(config),
          autoscaling: { totalMinNodeCount: config.min, totalMaxNodeCount: config.max, locationPolicy: "ANY" },
          management: { autoRepair: true, autoUpgrade: true },
          // A pool that stands at none has nothing to spare a node for; GPUs are scarce.
          upgradeSettings: config.gpu
            ? { strategy: "SURGE", maxSurge: 0, maxUnavailable: 1 }
            : { strategy: "SURGE", maxSurge: 1, maxUnavailable: 0 },
          networkConfig: { enablePrivateNodes: true },
          nodeConfig: {
            machineType: machineType(config),
            diskType: config.diskType,
            diskSizeGb: config.diskGb,
            ...nodeSecurity(email),
            ...(config.spot ? { spot: true } : {}),
            ...gpuConfig(config),
          },
        },
        // The autoscaler has the word on how many there are; a cluster that goes takes its pools along.
        { ...child, ignoreChanges: ["initialNodeCount"], deletedWith: cluster, deleteBeforeReplace: true },
      );
    const system = pool("system", wish.systemPool);
    if (wish.gpuPool) pool("gpu", wish.gpuPool);

    this.clusterName = pulumi.all([cluster.name, system.id]).apply(([text]) => text);
    this.endpoint = cluster.controlPlaneEndpointsConfig.apply((config) => config.dnsEndpointConfig?.endpoint ?? "");
    this.certificateAuthority = cluster.masterAuth.apply((auth) => auth.clusterCaCertificate ?? "");
    this.projectNumber = cluster.id
      .apply(() => getProject({ projectId: project }, child))
      .apply(({ number }) => number);
    this.kubeconfig = pulumi
      .all([this.clusterName, this.endpoint])
      .apply(([text, endpoint]) => kubeconfig({ name: text, endpoint }));
    this.registerOutputs({ clusterName: this.clusterName, endpoint: this.endpoint });
  }
}

/** What Google knows the Kubernetes accounts of a project's clusters by, all of them together. */
export function workloadPool(project: string): string {
  return `${project}.svc.id.goog`;
}

/** What closes a cluster and lets its workloads be who they are; none of it is a matter of taste. */
function closed(project: string): ClusterArgs {
  return {
    networkingMode: "VPC_NATIVE",
    datapathProvider: "ADVANCED_DATAPATH",
    // Dataplane V2 enforces network policies itself; the older enforcer must be off.
    networkPolicy: { enabled: false },
    enableIntranodeVisibility: true,
    privateClusterConfig: { enablePrivateNodes: true, enablePrivateEndpoint: true },
    controlPlaneEndpointsConfig: {
      dnsEndpointConfig: { allowExternalTraffic: true, enableK8sTokensViaDns: false, enableK8sCertsViaDns: false },
      ipEndpointsConfig: { enabled: false },
    },
    releaseChannel: { channel: "REGULAR" },
    workloadIdentityConfig: { workloadPool: workloadPool(project) },
    enableShieldedNodes: true,
    enableLegacyAbac: false,
    enableKubernetesAlpha: false,
    masterAuth: { clientCertificateConfig: { issueClientCertificate: false } },
    loggingConfig: { enableComponents: ["SYSTEM_COMPONENTS", "WORKLOADS"] },
    // Managed Prometheus bills by sample and takes a pod on every node; nothing here reads it.
    monitoringConfig: { enableComponents: ["SYSTEM_COMPONENTS"], managedPrometheus: { enabled: false } },
    rbacBindingConfig: {
      enableInsecureBindingSystemUnauthenticated: false,
      enableInsecureBindingSystemAuthenticated: false,
    },
    securityPostureConfig: { mode: "BASIC", vulnerabilityMode: "VULNERABILITY_DISABLED" },
    addonsConfig: {
      gcsFuseCsiDriverConfig: { enabled: true },
      gcePersistentDiskCsiDriverConfig: { enabled: true },
      // No Ingress, so no public load balancer by one.
      httpLoadBalancing: { disabled: true },
    },
  };
}

function nodeSecurity(serviceAccount: pulumi.Input<string>) {
  return {
    imageType: "COS_CONTAINERD",
    serviceAccount,
    // What nodes may do is IAM's to say, and the account may do next to nothing.
    oauthScopes: ["https://www.googleapis.com/auth/cloud-platform"],
    metadata: { "disable-legacy-endpoints": "true" },
    // The GPU drivers that GKE installs on Container-Optimized OS are signed for secure boot.
    shieldedInstanceConfig: { enableSecureBoot: true, enableIntegrityMonitoring: true },
    workloadMetadataConfig: { mode: "GKE_METADATA" },
  };
}

function gpuConfig({ gpu }: NodePoolConfig) {
  if (!gpu) return {};
  const gpuDriverInstallationConfig = { gpuDriverVersion: "DEFAULT" };
  return { guestAccelerators: [{ ...gpu, gpuDriverInstallationConfig }], taints: [{ ...GPU_TAINT }] };
}

function sizesProblem({ cluster: { systemPool, gpuPool, location, region } }: GkeClusterArgs): string | undefined {
  for (const pool of [systemPool, ...(gpuPool ? [gpuPool] : [])]) {
    if (pool.max < 1 || pool.min > pool.max) return `has a pool of ${pool.min} to ${pool.max} nodes`;
    if (pool.zones.length === 0) return "has a pool without zones";
  }
  return location === region || zonesOf(region).includes(location)
    ? undefined
    : `is not in its region ${region}: ${location}`;
}
