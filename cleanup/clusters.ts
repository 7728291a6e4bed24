import { CLUSTER_FEE } from "../catalog/gke.ts";
import { HOURS_PER_MONTH } from "../catalog/prices.ts";
import { environmentProblem } from "../components/names.ts";
import { call } from "./rest.ts";

/** A GKE cluster as its list shows it. */
export interface GkeCluster {
  name: string;
  location: string;
  description?: string;
  createTime?: string;
  status?: string;
  resourceLabels?: Record<string, string>;
  nodePools?: { name: string }[];
}

/** Every cluster of a project, and the places that Google could not look into just now. */
export async function listClusters(project: string): Promise<{ clusters: GkeCluster[]; unreachable: string[] }> {
  const answer = await call<{ clusters?: GkeCluster[]; missingZones?: string[] }>(
    "container",
    `projects/${project}/locations/-/clusters`,
  );
  return { clusters: answer.clusters ?? [], unreachable: answer.missingZones ?? [] };
}

export function clusterDetail({ nodePools = [] }: GkeCluster): string {
  const pools = nodePools.map(({ name }) => name).join(", ");
  return pools ? `pools ${pools}` : "no pools";
}

/** The control plane; nodes and their disks are added as they are found. */
export const CLUSTER_PER_MONTH = CLUSTER_FEE * HOURS_PER_MONTH;

/** What GKE puts on nodes, their disks and the disks of volumes. */
const CLUSTER_LABEL = "goog-k8s-cluster-name";
/** Disks of volumes: they stay when their cluster goes without having deleted its claims. */
const VOLUME = /^pvc-[0-9a-f-]{36}$/;
/** Firewall rules that GKE makes itself: of a cluster, and of its load balancers. */
const CLUSTER_FIREWALL = /^gke-([a-z][a-z0-9-]*)-[0-9a-f]{8}-[a-z]+$/;
const BALANCER_FIREWALL = /^k8s-/;

interface Candidate {
  kind: string;
  name: string;
  path: string;
  labels?: Record<string, string>;
  thing?: { network?: unknown; [member: string]: unknown };
}

export interface ClusterParts {
  /** Paths of what goes with its cluster and is no item of its own, and the cluster's name. */
  folded: ReadonlyMap<string, string>;
  /** Paths of what a cluster that is gone has left behind, and whose it is. */
  orphans: ReadonlyMap<string, string>;
}

/**
 * Which of a project's things are a cluster's. Nodes are not to be deleted one by one: GKE makes them again. `networks`
 * are the paths of our own networks and whose they are; a rule of Google's on one of them can only be a cluster's of
 * ours.
 */
export function clusterParts(
  candidates: readonly Candidate[],
  clusters: readonly GkeCluster[],
  networks: ReadonlyMap<string, string>,
): ClusterParts {
  const there = new Set(clusters.map(({ name }) => name));
  const folded = new Map<string, string>();
  const orphans = new Map<string, string>();
  for (const { kind, name, path, labels, thing } of candidates) {
    if (kind === "firewall") {
      const network = /projects\/.*$/.exec(String(thing?.network ?? ""))?.[0] ?? "";
      const environment = networks.get(network);
      const cluster = CLUSTER_FIREWALL.exec(name)?.[1];
      if (environment === undefined || !(cluster || BALANCER_FIREWALL.test(name))) continue;
      const living = cluster ? there.has(cluster) : clusters.some((each) => environmentOf(each.name) === environment);
      if (living) folded.set(path, cluster ?? "");
      else orphans.set(path, environment);
      continue;
    }
    const cluster = labels?.[CLUSTER_LABEL];
    if (cluster === undefined || kind === "cluster") continue;
    const environment = labels?.["mlt-environment"] ?? environmentOf(cluster);
    if (there.has(cluster) && !(kind === "disk" && VOLUME.test(name))) folded.set(path, cluster);
    else if (environment && !there.has(cluster)) orphans.set(path, environment);
  }
  return { folded, orphans };
}

/** Whether a disk is a volume's of a cluster, and whose. */
export function volumeOf({ kind, name, labels }: Pick<Candidate, "kind" | "name" | "labels">): string | undefined {
  if (kind !== "disk" || !VOLUME.test(name)) return undefined;
  return labels?.["mlt-environment"] ?? environmentOf(labels?.[CLUSTER_LABEL] ?? "");
}

/** `mlt-dev-kubeflow` → `mlt-dev`: the name that the program gives its cluster. */
function environmentOf(cluster: string): string | undefined {
  const environment = /^(.+)-kubeflow$/.exec(cluster)?.[1];
  return environment && environmentProblem(environment) === undefined ? environment : undefined;
}
