import { allocatable, SYSTEM_PER_CLUSTER, SYSTEM_PER_NODE, TRANSIENT_NODE } from "../catalog/gke.ts";
import { KUBEFLOW_SIZES, ONE_STEP } from "../catalog/kubeflowSizes.ts";
import { findMachineType } from "../catalog/machineTypes.ts";
import { QUOTA_WORDS, type QuotaRow } from "../catalog/quotas.ts";
import type { KubeflowSizes, NodePoolConfig } from "./kubeflowConfig.ts";

/** Machines or disks of one kind that exist at the same time. */
export interface Part {
  /** In people's words. */
  what: string;
  count: number;
  /** Of each. */
  vcpus?: number;
  ssdGb?: number;
  standardGb?: number;
  gpus?: number;
  addresses?: number;
}

/** Everything that exists at one time of a cluster's life. */
export interface Moment {
  when: string;
  parts: Part[];
}

type Metric = keyof QuotaRow;

const METRICS: Readonly<Record<Metric, (part: Part) => number>> = {
  CPUS: ({ vcpus = 0 }) => vcpus,
  SSD_TOTAL_GB: ({ ssdGb = 0 }) => ssdGb,
  DISKS_TOTAL_GB: ({ standardGb = 0 }) => standardGb,
  IN_USE_ADDRESSES: ({ addresses = 0 }) => addresses,
  CPUS_ALL_REGIONS: ({ vcpus = 0 }) => vcpus,
  GPUS_ALL_REGIONS: ({ gpus = 0 }) => gpus,
};

/** A machine that stands or comes beside the cluster. */
export function machinePart(what: string, count: number, machineType: string, diskType: string, diskGb: number): Part {
  const disk = diskType === "pd-standard" ? { standardGb: diskGb } : { ssdGb: diskGb };
  const shape = findMachineType(machineType);
  return { what: `${what} ${machineType}`, count, vcpus: shape?.vcpus ?? 0, gpus: shape?.gpu?.count ?? 0, ...disk };
}

function nodes(what: string, count: number, pool: NodePoolConfig): Part {
  const part = machinePart(what, count, pool.machineType, pool.diskType, pool.diskGb);
  return pool.gpu ? { ...part, gpus: pool.gpu.count } : part;
}

/** Nodes that a pool is made with: GKE makes as many in each of its zones. */
export function firstNodes({ min, zones }: Pick<NodePoolConfig, "min" | "zones">): number {
  return min === 0 ? 0 : Math.ceil(min / zones.length);
}

/**
 * The times of a cluster's life that differ in what exists: while it is made (Google insists on a first pool, which goes
 * again, and whose machines may still be going while the next pool's come), with every pool at its largest, and while
 * GKE upgrades the system pool with a spare node. A GPU pool is upgraded without one.
 */
export function momentsOf({ systemPool, gpuPool, version }: KubeflowSizes): Moment[] {
  const { machineType, diskType, diskGb } = TRANSIENT_NODE;
  const first = machinePart("first node", systemPool.zones.length, machineType, diskType, diskGb);
  const started = nodes("system node", firstNodes(systemPool) * systemPool.zones.length, systemPool);
  const standing: Part[] = [
    nodes("system node", systemPool.max, systemPool),
    ...(gpuPool ? [nodes("GPU node", gpuPool.max, gpuPool)] : []),
    ...(KUBEFLOW_SIZES[version]?.volumesGb ?? []).map((gb) => ({ what: "volume", count: 1, ssdGb: gb })),
    { what: "NAT address", count: 1, addresses: 1 },
  ];
  const spare = nodes("spare node", 1, systemPool);
  return [
    { when: "while the cluster is made", parts: [first, started] },
    { when: "with every pool at its largest", parts: standing },
    { when: "while GKE upgrades the nodes", parts: [...standing, spare] },
  ];
}

export function amountOf(metric: Metric, { parts }: Moment): number {
  return parts.reduce((sum, part) => sum + part.count * METRICS[metric](part), 0);
}

/** The sum that is largest of a metric, and when it is. */
export function peakOf(metric: Metric, moments: readonly Moment[]): { amount: number; moment: Moment } {
  const [first, ...rest] = moments as [Moment, ...Moment[]];
  return rest.reduce(
    (most, moment) => {
      const amount = amountOf(metric, moment);
      return amount > most.amount ? { amount, moment } : most;
    },
    { amount: amountOf(metric, first), moment: first },
  );
}

/** `2 × system node e2-standard-8 (8) + 1 × spare node e2-standard-8 (8) = 24 vCPUs while GKE upgrades the nodes` */
export function arithmetic(metric: Metric, moments: readonly Moment[]): string {
  const { amount, moment } = peakOf(metric, moments);
  const terms = moment.parts
    .filter((part) => METRICS[metric](part) > 0)
    .map((part) => `${part.count} × ${part.what} (${METRICS[metric](part)})`);
  const unit = amount === 1 ? QUOTA_WORDS[metric].unit.replace(/s$/, "") : QUOTA_WORDS[metric].unit;
  return `${terms.join(" + ")} = ${amount} ${unit} ${moment.when}`;
}

/** Each metric (vCPUs once) of which more would exist at some time than a row of the quota table holds, with the sum. */
export function overQuota(moments: readonly Moment[], row: QuotaRow): { metric: Metric; text: string }[] {
  const over = (metric: Metric) => peakOf(metric, moments).amount > row[metric];
  return (Object.keys(row) as Metric[])
    .filter((metric) => over(metric) && !(metric === "CPUS_ALL_REGIONS" && over("CPUS")))
    .map((metric) => ({
      metric,
      text: `${arithmetic(metric, moments)}, and the quota ${metric} is ${row[metric]} ${QUOTA_WORDS[metric].where}`,
    }));
}

/** Why the system pool at its largest cannot hold Kubeflow and one step of a run; `undefined` if it can or is unknown. */
export function roomProblem({ systemPool, version }: KubeflowSizes): string | undefined {
  const shape = findMachineType(systemPool.machineType);
  const release = KUBEFLOW_SIZES[version];
  if (!shape || !release) return undefined;
  const { max, machineType } = systemPool;
  const each = allocatable(machineType, shape.vcpus, shape.memory);
  const words = { cpu: "vCPUs", memory: "GiB" };
  for (const kind of ["cpu", "memory"] as const) {
    const given = max * each[kind];
    const own = max * SYSTEM_PER_NODE[kind] + SYSTEM_PER_CLUSTER[kind];
    const needed = own + release.requests[kind] + ONE_STEP[kind];
    if (given >= needed) continue;
    return (
      `is too small for Kubeflow Pipelines ${version}: ${max} × ${machineType} leave pods ${tenth(given)} ${words[kind]}, and ` +
      `GKE's own (${tenth(own)}), Kubeflow's (${tenth(release.requests[kind])}) and one step of a run (${tenth(ONE_STEP[kind])}) ` +
      `come to ${tenth(needed)}; take 2 × e2-standard-2 or 1 × e2-standard-4 at least`
    );
  }
  return undefined;
}

function tenth(amount: number): string {
  return amount.toFixed(1);
}
