/** A rule of a scanner or a benchmark on GKE, as far as what Pulumi registers can show it. */
export interface Rule {
  /** As the rules are named by their sources: checkov, trivy, CIS GKE 1.9. */
  ids: readonly string[];
  title: string;
  /** Absent: waived; docs/kubeflow-security.md says why. */
  passes?: (seen: Seen) => boolean;
}

type Props = Record<string, unknown>;

/** A cluster's registered inputs, its pools' and its subnetwork's. */
export interface Seen {
  cluster: Props;
  pools: Props[];
  subnetwork: Props;
}

const at = (props: unknown, path: string): unknown =>
  path.split(".").reduce<unknown>((value, part) => (value as Props | undefined)?.[part], props);

/** Of every node configuration: the transient first pool's as well. */
const nodes =
  (test: (config: Props) => boolean) =>
  ({ cluster, pools }: Seen): boolean =>
    [cluster, ...pools].every((owner) => test((owner.nodeConfig ?? {}) as Props));

const pools =
  (path: string, wanted: unknown) =>
  (seen: Seen): boolean =>
    seen.pools.length > 0 && seen.pools.every((pool) => at(pool, path) === wanted);

const cluster =
  (path: string, wanted: unknown) =>
  (seen: Seen): boolean =>
    at(seen.cluster, path) === wanted;

const both =
  (...tests: ((seen: Seen) => boolean)[]) =>
  (seen: Seen): boolean =>
    tests.every((test) => test(seen));

const holds =
  (path: string, ...words: string[]) =>
  (seen: Seen): boolean => {
    const list = at(seen.cluster, path);
    return Array.isArray(list) && words.every((word) => list.includes(word));
  };

/** Every rule of shared threats' table on GKE (checkov 3.3, trivy-checks, CIS GKE 1.9), in its order. */
export const RULES: readonly Rule[] = [
  {
    ids: ["CKV_GCP_1", "CKV_GCP_8", "GCP-0060", "GCP-0052", "CIS 5.7.1"],
    title: "logging and monitoring are on",
    passes: both(
      holds("loggingConfig.enableComponents", "SYSTEM_COMPONENTS", "WORKLOADS"),
      holds("monitoringConfig.enableComponents", "SYSTEM_COMPONENTS"),
    ),
  },
  {
    ids: ["CKV_GCP_7", "GCP-0062", "CIS 5.8.3"],
    title: "no legacy authorization",
    passes: cluster("enableLegacyAbac", false),
  },
  {
    ids: ["CKV_GCP_13", "GCP-0064", "CIS 5.8.1"],
    title: "no client certificate",
    passes: cluster("masterAuth.clientCertificateConfig.issueClientCertificate", false),
  },
  {
    ids: ["CKV_GCP_9", "GCP-0063", "CIS 5.5.2"],
    title: "nodes are repaired",
    passes: pools("management.autoRepair", true),
  },
  {
    ids: ["CKV_GCP_10", "GCP-0058", "CIS 5.5.3"],
    title: "nodes are upgraded",
    passes: pools("management.autoUpgrade", true),
  },
  {
    ids: ["CKV_GCP_70", "CIS 5.5.4"],
    title: "a release channel",
    passes: cluster("releaseChannel.channel", "REGULAR"),
  },
  {
    ids: ["CKV_GCP_12", "GCP-0056", "CIS 4.3"],
    title: "network policies are enforced",
    passes: both(cluster("datapathProvider", "ADVANCED_DATAPATH"), cluster("networkPolicy.enabled", false)),
  },
  {
    ids: ["CKV_GCP_18", "GCP-0053", "CIS 5.6.4"],
    title: "the control plane has no public IP endpoint",
    passes: both(
      cluster("controlPlaneEndpointsConfig.ipEndpointsConfig.enabled", false),
      cluster("privateClusterConfig.enablePrivateEndpoint", true),
    ),
  },
  { ids: ["CKV_GCP_20", "GCP-0061", "CIS 5.6.3"], title: "authorised networks for the control plane's IP endpoint" },
  {
    ids: ["CKV_GCP_25", "CKV_GCP_64", "GCP-0059", "CIS 5.6.5"],
    title: "private nodes",
    passes: both(
      cluster("privateClusterConfig.enablePrivateNodes", true),
      pools("networkConfig.enablePrivateNodes", true),
    ),
  },
  {
    ids: ["CKV_GCP_23", "GCP-0049", "CIS 5.6.2"],
    title: "VPC-native",
    passes: both(
      cluster("networkingMode", "VPC_NATIVE"),
      ({ cluster: { ipAllocationPolicy } }) => ipAllocationPolicy !== undefined,
    ),
  },
  {
    ids: ["CKV_GCP_21", "GCP-0051"],
    title: "labels",
    passes: (seen) => Object.keys((seen.cluster.resourceLabels ?? {}) as Props).length > 0,
  },
  {
    ids: ["CKV_GCP_61", "CIS 5.6.1"],
    title: "flow logs and intranode visibility",
    passes: both(cluster("enableIntranodeVisibility", true), ({ subnetwork }) => subnetwork.logConfig !== undefined),
  },
  { ids: ["CKV_GCP_65", "CIS 5.8.2"], title: "Google groups for RBAC" },
  { ids: ["CKV_GCP_66", "CIS 5.1.4"], title: "binary authorization" },
  {
    ids: ["CKV_GCP_71", "GCP-0055", "CIS 5.5.5"],
    title: "shielded nodes",
    passes: cluster("enableShieldedNodes", true),
  },
  {
    ids: ["CKV_GCP_72", "CIS 5.5.6"],
    title: "integrity monitoring",
    passes: nodes((config) => at(config, "shieldedInstanceConfig.enableIntegrityMonitoring") === true),
  },
  {
    ids: ["CKV_GCP_68", "CIS 5.5.7"],
    title: "secure boot",
    passes: nodes((config) => at(config, "shieldedInstanceConfig.enableSecureBoot") === true),
  },
  {
    ids: ["CKV_GCP_69", "GCP-0057", "CIS 5.4.1"],
    title: "GKE's metadata server",
    passes: nodes((config) => at(config, "workloadMetadataConfig.mode") === "GKE_METADATA"),
  },
  {
    ids: ["CIS 5.2.2"],
    title: "Workload Identity",
    passes: ({ cluster: props }) =>
      /^[a-z0-9-]+\.svc\.id\.goog$/.test(String(at(props, "workloadIdentityConfig.workloadPool"))),
  },
  {
    ids: ["GCP-0048"],
    title: "no legacy metadata endpoints",
    passes: nodes((config) => (config.metadata as Props)["disable-legacy-endpoints"] === "true"),
  },
  {
    ids: ["CKV2_GCP_1", "GCP-0050", "CIS 5.2.1"],
    title: "nodes have an account of their own",
    passes: nodes(({ serviceAccount }) => /@[a-z0-9-]+\.iam\.gserviceaccount\.com$/.test(String(serviceAccount))),
  },
  {
    ids: ["GCP-0054", "CIS 5.5.1"],
    title: "Container-Optimized OS",
    passes: nodes(({ imageType }) => imageType === "COS_CONTAINERD"),
  },
  {
    ids: ["CKV_GCP_123"],
    title: "no default node pool",
    passes: cluster("removeDefaultNodePool", true),
  },
  { ids: ["CKV2_GCP_19", "CIS 5.10.2"], title: "no alpha features", passes: cluster("enableKubernetesAlpha", false) },
  { ids: ["CIS 5.3.1"], title: "secrets under a key of one's own" },
  { ids: ["CIS 5.9.1", "CIS 5.9.2"], title: "disks under a key of one's own" },
  { ids: ["CIS 5.10.4"], title: "security posture", passes: cluster("securityPostureConfig.mode", "BASIC") },
  { ids: ["CIS 5.10.3"], title: "GKE Sandbox" },
  { ids: ["CIS 5.1.1"], title: "images in Artifact Registry are scanned" },
  { ids: ["CKV_GCP_22", "CKV_GCP_24"], title: "rules on settings that GKE no longer has" },
  {
    ids: ["own: ip"],
    title: "the control plane answers by its DNS endpoint, to Google's own logins only",
    passes: both(
      cluster("controlPlaneEndpointsConfig.dnsEndpointConfig.allowExternalTraffic", true),
      cluster("controlPlaneEndpointsConfig.dnsEndpointConfig.enableK8sTokensViaDns", false),
      cluster("controlPlaneEndpointsConfig.dnsEndpointConfig.enableK8sCertsViaDns", false),
    ),
  },
  {
    ids: ["own: anonymous"],
    title: "nobody can be bound who has not logged in",
    passes: cluster("rbacBindingConfig.enableInsecureBindingSystemUnauthenticated", false),
  },
  {
    ids: ["own: ingress"],
    title: "no Ingress, so no public load balancer by one",
    passes: cluster("addonsConfig.httpLoadBalancing.disabled", true),
  },
];
