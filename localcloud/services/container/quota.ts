import { findMachineType } from "../../../catalog/machineTypes.ts";
import type { State } from "../../core/state.ts";
import { regionOf } from "../compute/links.ts";
import { quotasOf } from "../compute/quotas.ts";
import { CLUSTERS, type Pool, type StoredCluster } from "./gke.ts";

/** GKE has no nodes as machines here; they count all the same. */
export function nodesUse(state: State, project: string, region?: string): Map<string, number> {
  const used = new Map<string, number>();
  for (const [path, cluster] of state.collection<StoredCluster>(CLUSTERS).entries()) {
    if (!path.startsWith(`projects/${project}/`)) continue;
    if (region !== undefined && placeOf(cluster.location) !== region) continue;
    for (const pool of Object.values(cluster.pools)) addNodes(used, pool, pool.nodeCount);
  }
  return used;
}

function placeOf(location: string): string {
  return /-[a-z]$/.test(location) ? regionOf(location) : location;
}

function addNodes(
  used: Map<string, number>,
  { config, locations }: Pick<Pool, "config" | "locations">,
  each: number,
): void {
  const count = each * locations.length;
  const add = (metric: string, amount: number) => used.set(metric, (used.get(metric) ?? 0) + amount);
  const shape = findMachineType(config.machineType);
  add("CPUS", count * (shape?.vcpus ?? 0));
  add("CPUS_ALL_REGIONS", count * (shape?.vcpus ?? 0));
  add(config.diskType === "pd-standard" ? "DISKS_TOTAL_GB" : "SSD_TOTAL_GB", count * config.diskSizeGb);
  const attached = (config.accelerators ?? []) as { acceleratorCount: string }[];
  const gpus =
    attached.reduce((sum, { acceleratorCount }) => sum + Number(acceleratorCount), 0) || (shape?.gpu?.count ?? 0);
  if (gpus > 0) add("GPUS_ALL_REGIONS", count * gpus);
}

/** Why so many more nodes of a pool cannot be had, in Google's words; `undefined` if they can. */
export function quotaProblem(
  state: State,
  project: string,
  location: string,
  pool: Pick<Pool, "config" | "locations">,
  more: number,
): string | undefined {
  const region = placeOf(location);
  const wanted = new Map<string, number>();
  addNodes(wanted, pool, more);
  for (const place of [region, undefined]) {
    const nodes = nodesUse(state, project, place);
    for (const { metric, limit, usage } of quotasOf(state, project, place)) {
      const all = usage + (nodes.get(metric) ?? 0) + (wanted.get(metric) ?? 0);
      if (!wanted.get(metric) || all <= limit) continue;
      const where = place === undefined ? "globally" : `in region ${place}`;
      return `Google Compute Engine: Quota '${metric}' exceeded. Limit: ${limit.toFixed(1)} ${where}.`;
    }
  }
  return undefined;
}
