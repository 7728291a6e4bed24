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

/** What Google's own monthly figures count. */
export const HOURS_PER_MONTH = 730;

/**
 * USD per GB-month of a bucket's contents, by storage class: in a region, and in a multi-region. Old versions and
 * soft-deleted objects cost the same. Source: cloud.google.com/storage/pricing as transcribed on 2026-09-20 (regions, per
 * hour and GiB); the multi-region figures are kept by hand.
 */
export const STORAGE_PRICES: Readonly<Record<string, { region: number; multiRegion: number }>> = {
  STANDARD: { region: 0.02, multiRegion: 0.026 },
  NEARLINE: { region: 0.01, multiRegion: 0.015 },
  COLDLINE: { region: 0.004, multiRegion: 0.007 },
  ARCHIVE: { region: 0.0012, multiRegion: 0.0024 },
};

/**
 * USD per hour of an external IPv4 address. Source: cloud.google.com/vpc/network-pricing as read on 2026-10-16 for those
 * in use; the figure of a reserved one that nothing uses is kept by hand. Internal addresses cost nothing.
 */
export const ADDRESS_PRICES = { inUse: 0.005, inUseBySpot: 0.0025, unused: 0.01 } as const;

/** USD per GB-month of a custom image's archive and of a standard snapshot in a region; kept by hand. */
export const IMAGE_PRICE = 0.05;
export const SNAPSHOT_PRICE = 0.05;

export interface Price {
  /** USD per hour, machine, GPUs and boot disk together. */
  perHour: number;
  currency: "USD";
  asOf: string;
  approximate: true;
}

/** Rounded to a hundredth of a cent: sums of many small things stay right. */
const rounded = (amount: number): number => Math.round(amount * 1e4) / 1e4;

/** USD per month of a disk, whether anything uses it or not; `undefined` for a type without a price here. */
export function diskPerMonth(diskType: string, gb: number): number | undefined {
  const price = DISK_PRICES[diskType];
  return price === undefined ? undefined : rounded(gb * price);
}

/** USD per month of a bucket's contents, given in bytes by storage class; `undefined` for an unknown class. */
export function storagePerMonth(bytes: Readonly<Record<string, number>>, multiRegion: boolean): number | undefined {
  let sum = 0;
  for (const [storageClass, size] of Object.entries(bytes)) {
    const price = STORAGE_PRICES[storageClass];
    if (!price) return undefined;
    sum += (size / 2 ** 30) * (multiRegion ? price.multiRegion : price.region);
  }
  return rounded(sum);
}

/** USD per month of an external address. */
export function addressPerMonth(use: keyof typeof ADDRESS_PRICES): number {
  return rounded(ADDRESS_PRICES[use] * HOURS_PER_MONTH);
}

/** USD per month of an image's or snapshot's bytes. */
export function copyPerMonth(kind: "image" | "snapshot", bytes: number): number {
  return rounded((bytes / 2 ** 30) * (kind === "image" ? IMAGE_PRICE : SNAPSHOT_PRICE));
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
