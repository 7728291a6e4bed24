import { fingerprint } from "../compute/context.ts";
import type { Json } from "../compute/schema.ts";
import type { Pool, StoredCluster, Where } from "./gke.ts";
import { ROOT } from "./operations.ts";

/** A pool as Google answers it. */
export function showPool(clusterPath: string, { nodeCount: _count, ...pool }: Pool): Json {
  return {
    ...pool,
    selfLink: `${ROOT}${clusterPath}/nodePools/${pool.name}`,
    podIpv4CidrSize: 24,
    etag: fingerprint(pool),
  };
}

/** A cluster as Google answers it: its own `nodeConfig` is that of its first pool, whichever that is. */
export function showCluster(path: string, { pools, numericId: _id, ...cluster }: StoredCluster, at: Where): Json {
  const all = Object.values(pools);
  const count = all.reduce((sum, pool) => sum + pool.nodeCount * pool.locations.length, 0);
  const { network, subnetwork } = cluster;
  return {
    ...cluster,
    network: network.slice(network.lastIndexOf("/") + 1),
    subnetwork: subnetwork.slice(subnetwork.lastIndexOf("/") + 1),
    selfLink: `${ROOT}${path}`,
    ...(/-[a-z]$/.test(at.location) || /-[a-z]$/.test(cluster.location) ? { zone: cluster.location } : {}),
    labelFingerprint: fingerprint(cluster.resourceLabels ?? {}).slice(0, 8),
    ...(all[0] ? { nodeConfig: all[0].config } : {}),
    nodePools: all.map((pool) => showPool(path, pool)),
    ...(count > 0 ? { currentNodeCount: count } : {}),
    etag: fingerprint({ cluster, pools }),
  };
}
