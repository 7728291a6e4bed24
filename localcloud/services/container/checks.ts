import { GPUS } from "../../../catalog/gpus.ts";
import { findMachineType } from "../../../catalog/machineTypes.ts";
import { rpcError } from "../../core/errors.ts";
import type { Call } from "../../core/http.ts";
import type { Thing } from "../compute/context.ts";
import { link } from "../compute/links.ts";
import { zonesOf } from "../compute/places.ts";
import { requireLabels } from "../compute/rules.ts";
import type { Json } from "../compute/schema.ts";
import type { Gke, StoredCluster, Where } from "./gke.ts";

// What GKE refuses, from its documentation and from what users report of its answers; the wording of most is from
// general knowledge.

const NAME = /^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$/;
/** Nodes of one zone of a pool. */
const MOST_NODES = 1000;

export function requireName(field: string, value: unknown): string {
  const name = String(value ?? "");
  if (NAME.test(name)) return name;
  throw rpcError(
    400,
    `Invalid value for field "${field}": "${name}". Must be a match of regex '(?:[a-z](?:[-a-z0-9]{0,38}[a-z0-9])?)' (only alphanumerics and hyphens, 40 characters at most).`,
  );
}

/** The relative link of a network or subnetwork that a cluster names: as a name, `projects/…` or a whole link. */
export function relativeTo(value: unknown, project: string, place: string, plural: string): string {
  const text = String(value ?? "");
  const found = /(?:^|\/)(projects\/.+)$/.exec(text)?.[1];
  return found ?? `projects/${project}/${place}/${plural}/${text}`;
}

/** The network and subnetwork, which are there, and the subnetwork's secondary ranges, which nobody else has. */
export function requireNetwork(
  gke: Gke,
  body: Json,
  at: Where,
  region: string,
): { network: string; subnetwork: string } {
  const { state } = gke.cloud;
  const network = relativeTo(body.network ?? "default", at.project, "global", "networks");
  if (!state.collection("compute.networks").has(network))
    throw rpcError(400, `Network "${short(network)}" does not exist.`);
  const subnetwork = relativeTo(body.subnetwork ?? "default", at.project, `regions/${region}`, "subnetworks");
  const subnet = state.collection<Thing>("compute.subnetworks").get(subnetwork);
  if (!subnet || subnet.network !== link(network)) {
    throw rpcError(400, `Subnetwork "${subnetwork}" does not exist in network "${short(network)}".`);
  }
  const policy = (body.ipAllocationPolicy ?? {}) as Json;
  const ranges = ((subnet.secondaryIpRanges ?? []) as { rangeName: string }[]).map(({ rangeName }) => rangeName);
  for (const [kind, name] of [
    ["Pod", policy.clusterSecondaryRangeName],
    ["Services", policy.servicesSecondaryRangeName],
  ] as const) {
    if (name === undefined)
      throw rpcError(400, `${kind} secondary range name is not given: ranges that GKE chooses are not modelled.`);
    if (!ranges.includes(String(name))) {
      throw rpcError(
        400,
        `${kind} secondary range "${name}" does not exist in network "${short(network)}", subnetwork "${short(subnetwork)}".`,
      );
    }
  }
  const other = gke.clusters.entries().find(([, each]) => {
    const theirs = (each.ipAllocationPolicy ?? {}) as Json;
    return each.subnetwork === subnetwork && theirs.servicesSecondaryRangeName === policy.servicesSecondaryRangeName;
  });
  if (other) {
    throw rpcError(
      400,
      `Services range "${policy.servicesSecondaryRangeName}" in network "${short(network)}", subnetwork "${short(subnetwork)}" is already used by another cluster.`,
    );
  }
  return { network, subnetwork };
}

/** A new cluster's own rules, besides its network's. */
export function requireCluster(body: Json, at: Where): void {
  const { workloadPool } = (body.workloadIdentityConfig ?? {}) as { workloadPool?: string };
  if (workloadPool !== undefined && workloadPool !== `${at.project}.svc.id.goog`) {
    throw rpcError(400, `Workload Pool must be "${at.project}.svc.id.goog"; got "${workloadPool}".`);
  }
  requireEndpoints(body.controlPlaneEndpointsConfig as Json | undefined);
  const { enabled } = (body.networkPolicy ?? {}) as { enabled?: boolean };
  const { datapathProvider } = (body.networkConfig ?? {}) as { datapathProvider?: string };
  if (enabled && datapathProvider === "ADVANCED_DATAPATH") {
    throw rpcError(400, "Enabling NetworkPolicy for clusters with DatapathProvider=ADVANCED_DATAPATH is not allowed.");
  }
  requireLabels(body.resourceLabels, "cluster.resourceLabels");
}

export function requireEndpoints(config: Json | undefined): void {
  if (!config) return;
  const dns = (config.dnsEndpointConfig ?? {}) as { allowExternalTraffic?: boolean };
  const ip = (config.ipEndpointsConfig ?? { enabled: true }) as { enabled?: boolean };
  if (ip.enabled === false && dns.allowExternalTraffic !== true) {
    throw rpcError(400, "At least one of the DNS-based and IP-based control plane endpoints must be enabled.");
  }
}

/** The machines of a pool exist where it is to stand, and its account may be used. */
export function requireNodes(gke: Gke, call: Call, at: Where, config: Json, zones: readonly string[]): void {
  const machineType = String(config.machineType);
  const shape = findMachineType(machineType);
  const gpus = (config.accelerators ?? []) as { acceleratorType: string; acceleratorCount: string }[];
  for (const zone of zones) {
    if (!shape || (shape.gpu && !GPUS[shape.gpu.type]?.zones.includes(zone))) {
      throw rpcError(400, `Machine type with name "${machineType}" does not exist in zone "${zone}".`);
    }
    for (const { acceleratorType } of gpus) {
      if (!GPUS[acceleratorType]?.zones.includes(zone)) {
        throw rpcError(400, `Accelerator type "${acceleratorType}" does not exist in zone ${zone}.`);
      }
    }
  }
  if (/^(e2-micro|f1-micro|g1-small)$/.test(machineType)) {
    throw rpcError(400, `Node pools must not use ${machineType}: it has too little memory for the cluster's own pods.`);
  }
  if (gpus.length > 0 && shape && !shape.gpu && shape.family !== "n1") {
    throw rpcError(400, `Accelerators cannot be attached to machines of type ${machineType}.`);
  }
  const { metadata = {} } = config as { metadata?: Record<string, string> };
  if (metadata["disable-legacy-endpoints"] === "false")
    throw rpcError(400, "Legacy metadata endpoints are not available any more.");
  requireLabels(config.resourceLabels, "config.resourceLabels");
  gke.requireActAs(call, config.serviceAccount, at);
}

export function requireZones(location: string, zones: readonly string[]): void {
  const region = /-[a-z]$/.test(location) ? location.slice(0, -2) : location;
  const wrong = zones.find((zone) => !zonesOf(region).includes(zone));
  if (wrong !== undefined) throw rpcError(400, `Location "${wrong}" is not a zone of region "${region}".`);
}

export function requireCounts(initial: number, scaling: Json | undefined): void {
  if (!Number.isInteger(initial) || initial < 0 || initial > MOST_NODES) {
    throw rpcError(400, `Node count must be between 0 and ${MOST_NODES}; got ${initial}.`);
  }
  if (!scaling?.enabled) return;
  const [least, most] = [Number(scaling.minNodeCount ?? 0), Number(scaling.maxNodeCount ?? 0)];
  const [totalLeast, totalMost] = [Number(scaling.totalMinNodeCount ?? 0), Number(scaling.totalMaxNodeCount ?? 0)];
  if (most > 0 && totalMost > 0) throw rpcError(400, "Only one of max_node_count and total_max_node_count may be set.");
  if (most === 0 && totalMost === 0)
    throw rpcError(400, "Autoscaling needs max_node_count or total_max_node_count, of at least 1.");
  if ((most > 0 && least > most) || (totalMost > 0 && totalLeast > totalMost)) {
    throw rpcError(400, "Autoscaling: the minimum number of nodes must not be greater than the maximum.");
  }
}

export function requireUpgrade(settings: Json | undefined): void {
  if (!settings) return;
  const [surge, unavailable] = [Number(settings.maxSurge ?? 0), Number(settings.maxUnavailable ?? 0)];
  if (surge < 0 || unavailable < 0 || surge + unavailable > 20)
    throw rpcError(400, "maxSurge and maxUnavailable together must be 0 to 20.");
  if (settings.strategy === "SURGE" && surge + unavailable === 0) {
    throw rpcError(400, "At least one of maxSurge and maxUnavailable must be greater than 0.");
  }
}

export function zonesFor(cluster: Pick<StoredCluster, "locations">, wish: unknown): string[] {
  const zones = Array.isArray(wish) ? (wish as string[]) : [];
  return zones.length > 0 ? [...zones] : [...cluster.locations];
}

function short(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
