import { cpuMetric, diskMetric, FAMILY_QUOTAS, gpuMetric } from "../../../catalog/courseLimits.ts";
import { GPUS } from "../../../catalog/gpus.ts";
import { findMachineType } from "../../../catalog/machineTypes.ts";
import { QUOTAS } from "../../../catalog/quotas.ts";
import { rpcError } from "../../core/errors.ts";
import type { State } from "../../core/state.ts";
import { lastPart, regionOf, split } from "./links.ts";
import { allRegions } from "./places.ts";
import type { Disk, Instance } from "./types.ts";

/** As Compute Engine's regions and projects list them. */
export interface Quota {
  metric: string;
  limit: number;
  usage: number;
}

const OF_PROJECT = ["CPUS_ALL_REGIONS", "GPUS_ALL_REGIONS"];

/** What a new project here has: that of the catalog; of GPUs none. */
function usual(region: string | undefined): Record<string, number> {
  const { CPUS_ALL_REGIONS, GPUS_ALL_REGIONS, ...regional } = QUOTAS.newProject;
  if (region === undefined) return { CPUS_ALL_REGIONS, GPUS_ALL_REGIONS };
  const gpus = Object.keys(GPUS).flatMap((type) => [gpuMetric(type, false), gpuMetric(type, true)]);
  return {
    ...regional,
    ...FAMILY_QUOTAS,
    PREEMPTIBLE_CPUS: 0,
    ...Object.fromEntries(gpus.map((metric) => [metric, 0])),
  };
}

const key = (project: string, region: string | undefined) => `${project}/${region ?? "global"}`;

/** A project's quotas in a region, or of the whole project, with what its machines and disks use. */
export function quotasOf(state: State, project: string, region?: string): Quota[] {
  const own = state.collection<Record<string, number>>("compute.quotas").get(key(project, region)) ?? {};
  const used = usage(state, project, region);
  return Object.entries({ ...usual(region), ...own }).map(([metric, limit]) => ({
    metric,
    limit,
    usage: used.get(metric) ?? 0,
  }));
}

/** Grants a project another quota; the operator's stand-in for Google's own decision. */
export function setQuota(
  state: State,
  { project, region, metric, limit }: { project: string; region?: string; metric: string; limit: number },
): Quota {
  if (region !== undefined && !allRegions().includes(region)) throw rpcError(400, `There is no region ${region}.`);
  if (!/^[A-Z0-9_]+$/.test(metric))
    throw rpcError(400, `A metric is in capitals, as CPUS; got ${JSON.stringify(metric)}.`);
  if ((region === undefined) !== OF_PROJECT.includes(metric)) {
    throw rpcError(
      400,
      `${metric} is a quota ${region === undefined ? "in a region: name it" : "of the whole project"}.`,
    );
  }
  const quotas = state.collection<Record<string, number>>("compute.quotas");
  quotas.set(key(project, region), { ...quotas.get(key(project, region)), [metric]: limit });
  return quotasOf(state, project, region).find((quota) => quota.metric === metric)!;
}

function usage(state: State, project: string, region: string | undefined): Map<string, number> {
  const used = new Map<string, number>();
  const add = (metric: string, amount: number) => used.set(metric, (used.get(metric) ?? 0) + amount);
  const here = (path: string) => {
    const place = split(path);
    return place.project === project && (region === undefined || regionOf(lastPart(place.place)) === region);
  };
  for (const [path, instance] of state.collection<Instance>("compute.instances").entries()) {
    if (!here(path) || instance.status === "TERMINATED") continue;
    const shape = findMachineType(lastPart(instance.machineType));
    const gpus = instance.guestAccelerators ?? [];
    const spot = instance.scheduling.provisioningModel === "SPOT";
    add(region === undefined ? "CPUS_ALL_REGIONS" : cpuMetric(shape?.family ?? ""), shape?.vcpus ?? 0);
    const carried = shape?.gpu ? [{ acceleratorType: shape.gpu.type, acceleratorCount: shape.gpu.count }] : gpus;
    for (const { acceleratorType, acceleratorCount } of carried) {
      add(region === undefined ? "GPUS_ALL_REGIONS" : gpuMetric(lastPart(acceleratorType), spot), acceleratorCount);
    }
    for (const { accessConfigs = [] } of instance.networkInterfaces) add("IN_USE_ADDRESSES", accessConfigs.length);
  }
  for (const [path, disk] of state.collection<Disk>("compute.disks").entries()) {
    if (here(path)) add(diskMetric(lastPart(disk.type)), Number(disk.sizeGb));
  }
  return used;
}
