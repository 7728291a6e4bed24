// Google Kubernetes Engine: what a cluster costs and what a node keeps for itself.
// Reserved resources: cloud.google.com/kubernetes-engine/docs/concepts/plan-node-sizes, from general knowledge. What GKE's
// own pods request differs by release and by what is switched on; the figures are rounded up from users' reports. Fee:
// cloud.google.com/kubernetes-engine/pricing, kept by hand. Read 2026-11-21; no dated copies were at hand.

export const READ = "2026-11-21";

/** USD per hour of a cluster's control plane, zonal or regional. */
export const CLUSTER_FEE = 0.1;
/** USD per month that Google gives back on every billing account: about one zonal cluster's fee. None for regional ones. */
export const ZONAL_CLUSTER_CREDIT = 74.4;

/** What GKE takes for machines that no pool of ours names: small, and a disk that counts on no SSD quota. */
export const TRANSIENT_NODE = { machineType: "e2-medium", diskType: "pd-standard", diskGb: 20 } as const;

/** Shared-core machines show two vCPUs and give pods so many. */
const SHARED_CORE_CPU: Readonly<Record<string, number>> = { "e2-micro": 0.94, "e2-small": 0.94, "e2-medium": 0.94 };

/** GiB that the kubelet keeps free before it evicts pods. */
const EVICTION_GIB = 0.1;

/** What pods may have of a node: vCPUs and GiB. */
export function allocatable(machineType: string, vcpus: number, memoryGib: number): { cpu: number; memory: number } {
  const cpuKept = steps(vcpus, [
    [1, 0.06],
    [2, 0.01],
    [4, 0.005],
    [Number.POSITIVE_INFINITY, 0.0025],
  ]);
  const memoryKept =
    memoryGib < 1
      ? 0.25
      : steps(memoryGib, [
          [4, 0.25],
          [8, 0.2],
          [16, 0.1],
          [128, 0.06],
          [Number.POSITIVE_INFINITY, 0.02],
        ]);
  return {
    cpu: SHARED_CORE_CPU[machineType] ?? vcpus - cpuKept,
    memory: memoryGib - memoryKept - EVICTION_GIB,
  };
}

function steps(amount: number, parts: readonly (readonly [until: number, share: number])[]): number {
  let kept = 0;
  let from = 0;
  for (const [until, share] of parts) {
    kept += Math.max(0, Math.min(amount, until) - from) * share;
    from = until;
  }
  return kept;
}

/** What GKE's own pods request on every node (Dataplane V2, logging, metrics, disk and GCS FUSE drivers, …). */
export const SYSTEM_PER_NODE = { cpu: 0.4, memory: 0.7 } as const;
/** … and once in a cluster (DNS, metrics server, autoscaler's helpers, …). */
export const SYSTEM_PER_CLUSTER = { cpu: 0.5, memory: 0.6 } as const;
