import { GPUS } from "../../../catalog/gpus.ts";
import { allZones, REGIONS, zonesOf } from "../../../catalog/zones.ts";
import { invalid } from "./links.ts";

export { allZones, zonesOf };

export function allRegions(): string[] {
  return Object.keys(REGIONS);
}

/** 400 as Google answers it for a zone or region that it does not have. */
export function requirePlace(place: string): void {
  const [scope, name = ""] = place.split("/");
  if (scope === "zones" && !allZones().includes(name)) throw invalid("zone", name, "Unknown zone.");
  if (scope === "regions" && !REGIONS[name]) throw invalid("region", name, "Unknown region.");
}

export interface DiskType {
  defaultGb: number;
  smallestGb: number;
  largestGb: number;
  description: string;
}

/** Compute Engine's types of block storage (cloud.google.com/compute/docs/disks, read 2026-11-21). */
export const DISK_TYPES: Readonly<Record<string, DiskType>> = {
  "pd-standard": { defaultGb: 500, smallestGb: 10, largestGb: 65536, description: "Standard Persistent Disk" },
  "pd-balanced": { defaultGb: 100, smallestGb: 10, largestGb: 65536, description: "Balanced Persistent Disk" },
  "pd-ssd": { defaultGb: 100, smallestGb: 10, largestGb: 65536, description: "SSD Persistent Disk" },
  "pd-extreme": { defaultGb: 1000, smallestGb: 500, largestGb: 65536, description: "Extreme Persistent Disk" },
  "hyperdisk-balanced": { defaultGb: 100, smallestGb: 4, largestGb: 65536, description: "Hyperdisk Balanced" },
  "hyperdisk-extreme": { defaultGb: 1000, smallestGb: 64, largestGb: 65536, description: "Hyperdisk Extreme" },
  "hyperdisk-throughput": { defaultGb: 2048, smallestGb: 2048, largestGb: 32768, description: "Hyperdisk Throughput" },
  "hyperdisk-ml": { defaultGb: 100, smallestGb: 4, largestGb: 65536, description: "Hyperdisk ML" },
};

/** GPU types offered in a zone, with the most that one machine takes. */
export function acceleratorTypes(zone: string): { name: string; title: string; most: number }[] {
  return Object.entries(GPUS)
    .filter(([, gpu]) => gpu.zones.includes(zone))
    .map(([name, gpu]) => ({
      name,
      title: gpu.title,
      most: Math.max(...Object.keys(gpu.attach ?? { 1: 0 }).map(Number)),
    }));
}
