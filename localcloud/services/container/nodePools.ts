import { rpcError } from "../../core/errors.ts";
import type { Call, Reply, Router } from "../../core/http.ts";
import { type Json, readBody } from "../compute/schema.ts";
import { requireCounts, requireName, requireNodes, requireUpgrade, requireZones, zonesFor } from "./checks.ts";
import { VERSION } from "./clusters.ts";
import type { Gke, Pool, StoredCluster } from "./gke.ts";
import { quotaProblem } from "./quota.ts";
import { AUTOSCALING, MANAGEMENT, NODE_POOL, POOL_UPDATE } from "./shapes.ts";
import { showPool } from "./show.ts";

const SCOPES = [
  "https://www.googleapis.com/auth/devstorage.read_only",
  "https://www.googleapis.com/auth/logging.write",
  "https://www.googleapis.com/auth/monitoring",
];

/** What GKE takes for what a node configuration leaves open. */
export function nodeDefaults(config: Json): Pool["config"] {
  return {
    machineType: "e2-medium",
    diskSizeGb: 100,
    diskType: "pd-balanced",
    imageType: "COS_CONTAINERD",
    oauthScopes: SCOPES,
    metadata: { "disable-legacy-endpoints": "true" },
    serviceAccount: "default",
    shieldedInstanceConfig: { enableIntegrityMonitoring: true },
    windowsNodeConfig: {},
    ...config,
  };
}

/** A pool as it is stored, out of what was asked for. */
export function poolOf(body: Json, { locations }: Pick<StoredCluster, "locations">): Pool {
  return {
    management: { autoRepair: true, autoUpgrade: true },
    upgradeSettings: { strategy: "SURGE", maxSurge: 1 },
    maxPodsConstraint: { maxPodsPerNode: "110" },
    version: VERSION,
    ...body,
    name: String(body.name),
    config: body.config as Pool["config"],
    initialNodeCount: Number(body.initialNodeCount ?? 0),
    nodeCount: Number(body.initialNodeCount ?? 0),
    locations: zonesFor({ locations }, body.locations),
    status: "RUNNING",
  };
}

export function addNodePools(router: Router, gke: Gke, base: string): void {
  const pools = `${base}/clusters/{cluster}/nodePools`;
  router
    .on("GET", pools, (call) => {
      const { path, cluster } = gke.cluster(call, "container.clusters.get");
      const all = Object.values(cluster.pools).map((pool) => showPool(path, pool));
      return { json: all.length > 0 ? { nodePools: all } : {} };
    })
    .on("GET", `${pools}/{pool}`, (call) => {
      const { path, pool } = gke.pool(call, "container.clusters.get");
      return { json: showPool(path, pool) };
    })
    .on("POST", pools, (call) => create(gke, call))
    .on("DELETE", `${pools}/{pool}`, (call) => {
      const { at, path, pool } = gke.pool(call, "container.clusters.update");
      gke.requireIdle(path);
      gke.changePool(path, pool.name, (each) => ({ ...each, status: "STOPPING" }));
      return gke.begin(call, at, {
        type: "DELETE_NODE_POOL",
        target: `${path}/nodePools/${pool.name}`,
        run: () => gke.changePool(path, pool.name, () => undefined),
        failed: (statusMessage) =>
          gke.changePool(path, pool.name, (each) => ({ ...each, status: "ERROR", statusMessage })),
      });
    })
    .on("PUT", `${pools}/{pool}`, (call) => update(gke, call))
    .on("POST", `${pools}/{pool}:setSize`, async (call) => {
      const { nodeCount = 0 } = readBody({ nodeCount: "int32", name: "string" }, await call.json(), "request");
      requireCounts(Number(nodeCount), undefined);
      return edit(
        gke,
        call,
        "SET_NODE_POOL_SIZE",
        (pool) => ({ ...pool, nodeCount: Number(nodeCount) }),
        Number(nodeCount),
      );
    })
    .on("POST", `${pools}/{pool}:setManagement`, async (call) => {
      const { management = {} } = readBody({ management: MANAGEMENT, name: "string" }, await call.json(), "request");
      return edit(gke, call, "SET_NODE_POOL_MANAGEMENT", (pool) => ({ ...pool, management }));
    })
    .on("POST", `${pools}/{pool}:setAutoscaling`, async (call) => {
      const { autoscaling = {} } = readBody({ autoscaling: AUTOSCALING, name: "string" }, await call.json(), "request");
      requireCounts(0, autoscaling as Json);
      return edit(gke, call, "UPDATE_CLUSTER", (pool) => ({ ...pool, autoscaling }));
    });
}

async function create(gke: Gke, call: Call): Promise<Reply> {
  const { at, path, cluster } = gke.cluster(call, "container.clusters.update");
  const { nodePool: body = {} } = readBody({ nodePool: NODE_POOL, parent: "string" }, await call.json(), "request") as {
    nodePool?: Json;
  };
  const name = requireName("nodePool.name", body.name);
  if (cluster.pools[name]) throw rpcError(409, `Already exists: ${path}/nodePools/${name}.`);
  gke.requireIdle(path);
  const config = nodeDefaults((body.config ?? {}) as Json);
  const pool = poolOf({ ...body, config }, cluster);
  requireZones(at.location, pool.locations);
  requireCounts(pool.initialNodeCount, body.autoscaling as Json | undefined);
  requireUpgrade(body.upgradeSettings as Json | undefined);
  requireNodes(gke, call, at, config, pool.locations);
  gke.change(path, (each) => ({
    ...each,
    pools: { ...each.pools, [name]: { ...pool, nodeCount: 0, status: "PROVISIONING" } },
  }));
  return gke.begin(call, at, {
    type: "CREATE_NODE_POOL",
    target: `${path}/nodePools/${name}`,
    run: () => {
      const problem = quotaProblem(gke.cloud.state, at.project, at.location, pool, pool.nodeCount);
      if (problem) throw new Error(problem);
      gke.changePool(path, name, () => pool);
    },
    failed: (statusMessage) => gke.changePool(path, name, (each) => ({ ...each, status: "ERROR", statusMessage })),
  });
}

/** Changes one thing of a pool; `count` is how many nodes a zone has afterwards. */
function edit(gke: Gke, call: Call, type: string, next: (pool: Pool) => Pool, count?: number): Reply {
  const { at, path, pool } = gke.pool(call, "container.clusters.update");
  gke.requireIdle(path);
  return gke.begin(call, at, {
    type,
    target: `${path}/nodePools/${pool.name}`,
    run: () => {
      const more = (count ?? pool.nodeCount) - pool.nodeCount;
      const problem = more > 0 ? quotaProblem(gke.cloud.state, at.project, at.location, pool, more) : undefined;
      if (problem) throw new Error(problem);
      gke.changePool(path, pool.name, next);
    },
  });
}

async function update(gke: Gke, call: Call): Promise<Reply> {
  const { at, pool } = gke.pool(call, "container.clusters.update");
  const { name: _name, nodePoolId: _id, nodeVersion, ...body } = readBody(POOL_UPDATE, await call.json(), "request");
  if (nodeVersion !== undefined && nodeVersion !== VERSION)
    throw rpcError(400, `Version "${nodeVersion}" is not valid: the local cloud has ${VERSION} only.`);
  const { machineType, diskType, diskSizeGb, imageType, workloadMetadataConfig } = body;
  const { taints, labels, resourceLabels } = body as Record<string, Json | undefined>;
  const config: Pool["config"] = {
    ...pool.config,
    ...(machineType ? { machineType: String(machineType) } : {}),
    ...(diskType ? { diskType: String(diskType) } : {}),
    ...(Number(diskSizeGb ?? 0) > 0 ? { diskSizeGb: Number(diskSizeGb) } : {}),
    ...(imageType ? { imageType } : {}),
    ...(workloadMetadataConfig ? { workloadMetadataConfig } : {}),
    ...(taints ? { taints: taints.taints ?? [] } : {}),
    ...(labels ? { labels: labels.labels ?? {} } : {}),
    ...(resourceLabels ? { resourceLabels: resourceLabels.labels ?? {} } : {}),
  };
  const locations = zonesFor(pool, body.locations);
  requireZones(at.location, locations);
  requireUpgrade(body.upgradeSettings as Json | undefined);
  requireNodes(gke, call, at, config, locations);
  return edit(gke, call, "UPGRADE_NODES", (each) => ({
    ...each,
    config,
    locations,
    ...(body.upgradeSettings ? { upgradeSettings: body.upgradeSettings } : {}),
    ...(body.nodeNetworkConfig ? { networkConfig: body.nodeNetworkConfig } : {}),
  }));
}
