import type { Cloud } from "../../core/cloud.ts";
import { rpcError } from "../../core/errors.ts";
import { Router } from "../../core/http.ts";
import { addClusters } from "./clusters.ts";
import { Gke } from "./gke.ts";
import { addNodePools } from "./nodePools.ts";
import { addUpdates } from "./updates.ts";

const BASE = "/container/{version}/projects/{project}/locations/{location}";

/** GKE's API, v1 and v1beta1. */
export function containerService(cloud: Cloud): { router: Router; settled: () => Promise<void> } {
  const gke = new Gke(cloud);
  const router = new Router();
  addClusters(router, gke, BASE);
  addNodePools(router, gke, BASE);
  addUpdates(router, gke, BASE);
  router
    .on("GET", `${BASE}/operations`, (call) => {
      const at = gke.where(call, true);
      gke.require(call, "container.operations.list", at, `projects/${at.project}`);
      const prefix = at.location === "-" ? `projects/${at.project}/` : `${at.parent}/`;
      const operations = gke.operations.records.entries().filter(([key]) => key.startsWith(prefix));
      return { json: operations.length > 0 ? { operations: operations.map(([, operation]) => operation) } : {} };
    })
    .on("GET", `${BASE}/operations/{operation}`, (call) => {
      const at = gke.where(call);
      gke.require(call, "container.operations.get", at, `projects/${at.project}`);
      const found = gke.operations.records.get(`${at.parent}/operations/${call.params.operation}`);
      if (!found) throw rpcError(404, `Not found: ${at.parent}/operations/${call.params.operation}.`);
      return { json: found };
    });
  return { router, settled: () => gke.operations.settled() };
}

export { CLUSTERS, type StoredCluster, WORKLOAD_POOLS } from "./gke.ts";
