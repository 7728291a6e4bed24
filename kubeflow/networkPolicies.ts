import { type KubeObject, NAMESPACE } from "./objects.ts";

// Who may talk to whom in the namespace. Everything is denied to every pod; each part has one policy that lists its
// flows. `kubectl port-forward` enters through the node, which no policy stands in the way of, and so do the kubelet's
// probes. What is served by a pipeline has policies of its own (`servingAccess.ts`).

type Peer =
  | { part: PartName }
  /** Google's and the cluster's own API, package indexes: any address outside the cluster by HTTPS. */
  | "https"
  /** Credentials of the pod's Kubernetes account. */
  | "metadata-server";

interface Part {
  /** Labels of its pods; `exists` for a label with any value. */
  labels?: Record<string, string>;
  exists?: string;
  /** Ports that others reach it by. */
  ports: readonly number[];
  to: readonly Peer[];
}

const kfp = (labels: Record<string, string>) => ({ "application-crd-id": "kubeflow-pipelines", ...labels });
const to = (...parts: PartName[]): Peer[] => parts.map((part) => ({ part }));

const PART_NAMES = [
  "metadata-envoy",
  "metadata-grpc",
  "metadata-writer",
  "ml-pipeline",
  "ml-pipeline-persistenceagent",
  "ml-pipeline-scheduledworkflow",
  "ml-pipeline-ui",
  "ml-pipeline-viewer-crd",
  "ml-pipeline-visualizationserver",
  "mysql",
  "pipeline-steps",
  "seaweedfs",
  "viewers",
  "workflow-controller",
] as const;

type PartName = (typeof PART_NAMES)[number];

/** Read from the sources of release 2.17.0 and Argo Workflows 4.0.5: variables, init containers, clients. */
const PARTS: Readonly<Record<PartName, Part>> = {
  "metadata-envoy": { labels: kfp({ component: "metadata-envoy" }), ports: [9090], to: to("metadata-grpc") },
  "metadata-grpc": { labels: kfp({ component: "metadata-grpc-server" }), ports: [8080], to: to("mysql") },
  "metadata-writer": { labels: kfp({ app: "metadata-writer" }), ports: [], to: [...to("metadata-grpc"), "https"] },
  "ml-pipeline": {
    labels: kfp({ app: "ml-pipeline" }),
    ports: [8887, 8888],
    to: [...to("metadata-grpc", "ml-pipeline-visualizationserver", "mysql", "seaweedfs"), "https"],
  },
  "ml-pipeline-persistenceagent": {
    labels: kfp({ app: "ml-pipeline-persistenceagent" }),
    ports: [],
    to: [...to("ml-pipeline"), "https"],
  },
  "ml-pipeline-scheduledworkflow": {
    labels: kfp({ app: "ml-pipeline-scheduledworkflow" }),
    ports: [],
    to: [...to("ml-pipeline"), "https"],
  },
  "ml-pipeline-ui": {
    labels: kfp({ app: "ml-pipeline-ui" }),
    ports: [],
    to: [...to("metadata-envoy", "ml-pipeline", "seaweedfs", "viewers"), "https", "metadata-server"],
  },
  "ml-pipeline-viewer-crd": { labels: kfp({ app: "ml-pipeline-viewer-crd" }), ports: [], to: ["https"] },
  "ml-pipeline-visualizationserver": {
    labels: kfp({ app: "ml-pipeline-visualizationserver" }),
    ports: [8888],
    to: [],
  },
  mysql: { labels: kfp({ app: "mysql" }), ports: [3306], to: [] },
  "pipeline-steps": {
    exists: "workflows.argoproj.io/workflow",
    ports: [],
    to: [...to("metadata-grpc", "ml-pipeline", "seaweedfs"), "https", "metadata-server"],
  },
  seaweedfs: { labels: kfp({ app: "seaweedfs" }), ports: [8333], to: [] },
  viewers: { labels: { app: "viewer" }, ports: [6006], to: ["https", "metadata-server"] },
  "workflow-controller": { labels: kfp({ app: "workflow-controller" }), ports: [], to: ["https"] },
};

/** All policies of the namespace, the default first. */
export function networkPolicies(): KubeObject[] {
  const deny = policy("default-deny", {}, { ingress: [], egress: [] });
  return [
    deny,
    ...PART_NAMES.map((name) => policy(name, selector(PARTS[name]), { ingress: into(name), egress: out(name) })),
  ];
}

function policy(name: string, podSelector: object, rules: { ingress: object[]; egress: object[] }): KubeObject {
  const { ingress, egress } = rules;
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name, namespace: NAMESPACE },
    spec: {
      podSelector,
      policyTypes: ["Ingress", "Egress"],
      ...(ingress.length > 0 ? { ingress } : {}),
      ...(egress.length > 0 ? { egress } : {}),
    },
  };
}

function selector({ labels, exists }: Part): object {
  if (exists) return { matchExpressions: [{ key: exists, operator: "Exists" }] };
  return { matchLabels: { ...labels } };
}

function into(name: PartName): object[] {
  const { ports } = PARTS[name];
  const from = PART_NAMES.filter((other) =>
    PARTS[other].to.some((peer) => typeof peer === "object" && peer.part === name),
  );
  if (from.length === 0) return [];
  return [{ from: from.map((other) => ({ podSelector: selector(PARTS[other]) })), ports: ports.map(tcp) }];
}

function out(name: PartName): object[] {
  const peers = PARTS[name].to;
  // What calls nobody looks up nothing.
  if (peers.length === 0) return [];
  return [DNS, ...peers.flatMap((peer) => (typeof peer === "object" ? [towards(peer.part)] : OUTSIDE[peer]))];
}

function towards(name: PartName): object {
  return { to: [{ podSelector: selector(PARTS[name]) }], ports: PARTS[name].ports.map(tcp) };
}

const tcp = (port: number) => ({ protocol: "TCP", port });
const only = (cidr: string) => ({ ipBlock: { cidr } });

/** The cluster's DNS pods; the cache on the node, which has an address of its own; Cloud DNS, which answers at Google's. */
const DNS = {
  to: [
    { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } } },
    only("169.254.20.10/32"),
    only("169.254.169.254/32"),
  ],
  ports: [
    { protocol: "UDP", port: 53 },
    { protocol: "TCP", port: 53 },
  ],
};

/**
 * The cluster's API has an address that the program does not know, Google's have many, and a policy cannot name hosts:
 * any address but link-local ones, by HTTPS only. Addresses never match pods, with Dataplane V2 at least.
 * GKE's metadata server (from Google's page about Workload Identity and network policies, by memory): port 80 of the
 * usual address with Dataplane V2, 988 (and 987) of the node's own without.
 */
const OUTSIDE: Readonly<Record<"https" | "metadata-server", object[]>> = {
  https: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0", except: ["169.254.0.0/16"] } }], ports: [tcp(443)] }],
  "metadata-server": [
    { to: [only("169.254.169.254/32")], ports: [tcp(80)] },
    { to: [only("169.254.169.252/32")], ports: [tcp(987), tcp(988)] },
  ],
};
