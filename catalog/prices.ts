// What machines and disks cost, for the estimate that is shown before a run. Approximate by design: list prices of
// us-central1 in US dollars, without discounts, tax or network traffic.
// Source: cloud.google.com/compute/all-pricing; no dated copy of that page was at hand, the figures are kept by hand.
// Other regions cost up to about 40 % more. The bill is the authority.
import { findMachineType } from "./machineTypes.ts";

/** Date of the figures. */
export const AS_OF = "2026-11-21";

/** USD per vCPU-hour and GiB-hour. */
export const FAMILY_PRICES: Readonly<Record<string, { vcpu: number; memory: number }>> = {
  e2: { vcpu: 0.0218, memory: 0.00292 },
  n1: { vcpu: 0.0316, memory: 0.00424 },
  n2: { vcpu: 0.0316, memory: 0.00424 },
  n2d: { vcpu: 0.0275, memory: 0.00369 },
  n4: { vcpu: 0.0305, memory: 0.00346 },
  c2: { vcpu: 0.034, memory: 0.00455 },
  c2d: { vcpu: 0.0296, memory: 0.00396 },
  c3: { vcpu: 0.034, memory: 0.00456 },
  c3d: { vcpu: 0.0296, memory: 0.00396 },
  c4: { vcpu: 0.0347, memory: 0.00394 },
  c4a: { vcpu: 0.0308, memory: 0.0035 },
  t2d: { vcpu: 0.0275, memory: 0.00369 },
  t2a: { vcpu: 0.025, memory: 0.0034 },
  a2: { vcpu: 0.0316, memory: 0.00424 },
  a3: { vcpu: 0.0293, memory: 0.00255 },
  g2: { vcpu: 0.025, memory: 0.00293 },
};

/** USD per hour of a shared-core machine. */
export const SHARED_CORE_PRICES: Readonly<Record<string, number>> = {
  "e2-micro": 0.0084,
  "e2-small": 0.0168,
  "e2-medium": 0.0335,
  "f1-micro": 0.0076,
  "g1-small": 0.0257,
};

/** USD per GPU-hour. */
export const GPU_PRICES: Readonly<Record<string, number>> = {
  "nvidia-tesla-t4": 0.35,
  "nvidia-tesla-p4": 0.6,
  "nvidia-tesla-p100": 1.46,
  "nvidia-tesla-v100": 2.48,
  "nvidia-l4": 0.56,
  "nvidia-tesla-a100": 2.93,
  "nvidia-a100-80gb": 3.93,
  "nvidia-h100-80gb": 9.8,
  "nvidia-h100-mega-80gb": 10.1,
};

/** USD per GB-month. */
export const DISK_PRICES: Readonly<Record<string, number>> = {
  "pd-standard": 0.04,
  "pd-balanced": 0.1,
  "pd-ssd": 0.17,
  "hyperdisk-balanced": 0.08,
};

/** Spot prices move; Google promises at least 60 % off the list price. The estimate takes that upper bound. */
export const SPOT_FACTOR = 0.4;

const HOURS_PER_MONTH = 730;

export interface Price {
  /** USD per hour, machine, GPUs and boot disk together. */
  perHour: number;
  currency: "USD";
  asOf: string;
  approximate: true;
}

/** What a machine costs per hour; `undefined` if a part of it has no price here. */
export function hourlyPrice(
  machineType: string,
  spot: boolean,
  more: { gpu?: { type: string; count: number }; bootDiskGb?: number; bootDiskType?: string } = {},
): Price | undefined {
  const shape = findMachineType(machineType);
  if (!shape) return undefined;
  const family = FAMILY_PRICES[shape.family];
  const base = SHARED_CORE_PRICES[machineType] ?? (family && shape.vcpus * family.vcpu + shape.memory * family.memory);
  const gpu = more.gpu ?? shape.gpu;
  const gpus = gpu ? (GPU_PRICES[gpu.type] ?? Number.NaN) * gpu.count : 0;
  const disk = (more.bootDiskGb ?? 0) * (DISK_PRICES[more.bootDiskType ?? shape.bootDisk] ?? Number.NaN);
  if (base === undefined) return undefined;
  const perHour = (base + gpus) * (spot ? SPOT_FACTOR : 1) + disk / HOURS_PER_MONTH;
  if (Number.isNaN(perHour)) return undefined;
  return { perHour: Math.round(perHour * 1e4) / 1e4, currency: "USD", asOf: AS_OF, approximate: true };
}
