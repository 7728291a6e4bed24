import { createHash } from "node:crypto";
import { rpcError } from "../../core/errors.ts";
import type { Call, Reply, Router } from "../../core/http.ts";
import { numericId } from "../../core/operations.ts";
import { zonesOf } from "../compute/places.ts";
import { type Json, readBody } from "../compute/schema.ts";
import { requireCluster, requireName, requireNetwork, requireNodes, requireZones } from "./checks.ts";
import { makeFirewalls, removeFirewalls } from "./firewalls.ts";
import { type Gke, type StoredCluster, type Where, WORKLOAD_POOLS } from "./gke.ts";
import { nodeDefaults, poolOf } from "./nodePools.ts";
import { quotaProblem } from "./quota.ts";
import { CLUSTER } from "./shapes.ts";
import { showCluster } from "./show.ts";

/** What this cloud calls its version; no Kubernetes is behind it. */
export const VERSION = "1.33.5-gke.1201000";
/** Zones that GKE takes for a regional cluster that names none. */
const REGIONAL_ZONES = 3;

export function addClusters(router: Router, gke: Gke, base: string): void {
  router
    .on("GET", `${base}/clusters`, (call) => {
      const at = gke.where(call, true);
      gke.require(call, "container.clusters.list", at, `projects/${at.project}`);
      const clusters = gke.clusters
        .entries()
        .filter(([path]) => path.startsWith(`projects/${at.project}/`))
        .filter(([, { location }]) => at.location === "-" || location === at.location)
        .map(([path, cluster]) => showCluster(path, cluster, at));
      return { json: clusters.length > 0 ? { clusters } : {} };
    })
    .on("GET", `${base}/clusters/{cluster}`, (call) => {
      const { at, path, cluster } = gke.cluster(call, "container.clusters.get");
      return { json: showCluster(path, cluster, at) };
    })
    .on("POST", `${base}/clusters`, (call) => create(gke, call))
    .on("DELETE", `${base}/clusters/{cluster}`, (call) => remove(gke, call))
    .on("GET", `${base}/serverConfig`, (call) => {
      const at = gke.where(call);
      gke.require(call, "container.clusters.list", at, `projects/${at.project}`);
      const channels = ["RAPID", "REGULAR", "STABLE", "EXTENDED"];
      return {
        json: {
          defaultClusterVersion: VERSION,
          validMasterVersions: [VERSION],
          validNodeVersions: [VERSION],
          validImageTypes: ["COS_CONTAINERD", "UBUNTU_CONTAINERD"],
          defaultImageType: "COS_CONTAINERD",
          channels: channels.map((channel) => ({ channel, defaultVersion: VERSION, validVersions: [VERSION] })),
        },
      };
    });
}

async function create(gke: Gke, call: Call): Promise<Reply> {
  const at = gke.where(call);
  const { parent: _parent, ...sent } = await call.json();
  const { cluster: body = {} } = readBody(
    { cluster: CLUSTER, projectId: "string", zone: "string" },
    sent,
    "create",
  ) as { cluster?: Json };
  const name = requireName("cluster.name", body.name);
  const path = `${at.parent}/clusters/${name}`;
  gke.require(call, "container.clusters.create", at, path);
  if (gke.clusters.has(path)) throw rpcError(409, `Already exists: ${path}.`);
  requireCluster(body, at);
  const zonal = /-[a-z]$/.test(at.location);
  const region = zonal ? at.location.slice(0, -2) : at.location;
  const wished = (body.locations ?? []) as string[];
  const locations = wished.length > 0 ? [...wished] : zonal ? [at.location] : zonesOf(region).slice(0, REGIONAL_ZONES);
  requireZones(at.location, locations);
  if (zonal && !locations.includes(at.location))
    throw rpcError(400, `The cluster's own zone ${at.location} must be among its locations.`);
  const { network, subnetwork } = requireNetwork(gke, body, at, region);
  const count = Number(body.initialNodeCount ?? 0);
  if (count < 1) throw rpcError(400, "Cluster.initial_node_count must be greater than zero.");
  const nodeConfig = nodeDefaults((body.nodeConfig ?? {}) as Json);
  requireNodes(gke, call, at, nodeConfig, locations);
  const first = poolOf({ name: "default-pool", config: nodeConfig, initialNodeCount: count }, { locations });

  const stored = madeOf(gke, body, at, { name, network, subnetwork, locations, region });
  gke.clusters.set(path, stored);
  return gke.begin(call, at, {
    type: "CREATE_CLUSTER",
    target: path,
    run: () => {
      const problem = quotaProblem(gke.cloud.state, at.project, at.location, first, first.nodeCount);
      if (problem) throw new Error(problem);
      makeFirewalls(gke.cloud, at.project, path, stored);
      if (stored.workloadIdentityConfig) {
        const { workloadPool } = stored.workloadIdentityConfig as { workloadPool: string };
        gke.cloud.state.collection(WORKLOAD_POOLS).set(workloadPool, { since: gke.cloud.now() });
      }
      gke.change(path, (cluster) => ({ ...cluster, status: "RUNNING", pools: { [first.name]: first } }));
    },
    // Google leaves a cluster that could not be made, in error, until it is deleted.
    failed: (statusMessage) => gke.change(path, (cluster) => ({ ...cluster, status: "ERROR", statusMessage })),
  });
}

function madeOf(
  gke: Gke,
  body: Json,
  at: Where,
  known: { name: string; network: string; subnetwork: string; locations: string[]; region: string },
): StoredCluster {
  const path = `${at.parent}/clusters/${known.name}`;
  const uid = createHash("sha256").update(`${path} ${gke.cloud.now()}`).digest("hex");
  const { initialNodeCount, nodeConfig: _config, network: _n, subnetwork: _s, networkConfig, ...rest } = body;
  const endpoints = (body.controlPlaneEndpointsConfig ?? {}) as { dnsEndpointConfig?: Json; ipEndpointsConfig?: Json };
  return {
    legacyAbac: {},
    ...rest,
    name: known.name,
    id: uid,
    initialNodeCount,
    location: at.location,
    locations: known.locations,
    network: known.network,
    subnetwork: known.subnetwork,
    networkConfig: { ...(networkConfig as Json), network: known.network, subnetwork: known.subnetwork },
    controlPlaneEndpointsConfig: {
      dnsEndpointConfig: {
        ...endpoints.dnsEndpointConfig,
        endpoint: `gke-${uid.slice(0, 32)}-${at.projectNumber}.${known.region}.gke.goog`,
      },
      ipEndpointsConfig: endpoints.ipEndpointsConfig ?? { enabled: true, enablePublicEndpoint: true },
    },
    masterAuth: {
      ...(body.masterAuth as Json),
      clusterCaCertificate: Buffer.from(`no certificate: the local cloud has no Kubernetes (${uid})\n`).toString(
        "base64",
      ),
    },
    numericId: numericId(),
    createTime: new Date(gke.cloud.now()).toISOString(),
    currentMasterVersion: VERSION,
    currentNodeVersion: VERSION,
    initialClusterVersion: VERSION,
    databaseEncryption: { state: "DECRYPTED" },
    status: "PROVISIONING",
    pools: {},
  };
}

function remove(gke: Gke, call: Call): Reply {
  const { at, path, cluster } = gke.cluster(call, "container.clusters.delete");
  gke.requireIdle(path);
  const before = cluster.status;
  gke.change(path, (each) => ({ ...each, status: "STOPPING" }));
  return gke.begin(call, at, {
    type: "DELETE_CLUSTER",
    target: path,
    run: () => {
      removeFirewalls(gke.cloud, at.project, path, cluster);
      gke.clusters.delete(path);
    },
    failed: (statusMessage) =>
      gke.change(path, (each) => ({ ...each, status: before === "RUNNING" ? "ERROR" : before, statusMessage })),
  });
}
