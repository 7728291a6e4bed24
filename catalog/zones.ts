// Compute Engine's regions and their zones.
// Source: cloud.google.com/compute/docs/regions-zones and `gcloud compute zones list`; kept by hand, read 2026-11-21.
// `network` is ours: the second octet of the region's subnet (10.<network>.0.0/20). It belongs to the region for good,
// so that adding or removing a region never renumbers another.

export const READ = "2026-11-21";

export interface Region {
  /** Letters of the region's zones. */
  zones: string;
  network: number;
}

export const REGIONS: Readonly<Record<string, Region>> = {
  "us-central1": { zones: "abcf", network: 10 },
  "us-east1": { zones: "bcd", network: 11 },
  "us-east4": { zones: "abc", network: 12 },
  "us-east5": { zones: "abc", network: 13 },
  "us-south1": { zones: "abc", network: 14 },
  "us-west1": { zones: "abc", network: 15 },
  "us-west2": { zones: "abc", network: 16 },
  "us-west3": { zones: "abc", network: 17 },
  "us-west4": { zones: "abc", network: 18 },
  "northamerica-northeast1": { zones: "abc", network: 19 },
  "northamerica-northeast2": { zones: "abc", network: 20 },
  "northamerica-south1": { zones: "abc", network: 21 },
  "southamerica-east1": { zones: "abc", network: 22 },
  "southamerica-west1": { zones: "abc", network: 23 },
  "europe-central2": { zones: "abc", network: 30 },
  "europe-north1": { zones: "abc", network: 31 },
  "europe-north2": { zones: "abc", network: 32 },
  "europe-southwest1": { zones: "abc", network: 33 },
  "europe-west1": { zones: "bcd", network: 34 },
  "europe-west2": { zones: "abc", network: 35 },
  "europe-west3": { zones: "abc", network: 36 },
  "europe-west4": { zones: "abc", network: 37 },
  "europe-west6": { zones: "abc", network: 38 },
  "europe-west8": { zones: "abc", network: 39 },
  "europe-west9": { zones: "abc", network: 40 },
  "europe-west10": { zones: "abc", network: 41 },
  "europe-west12": { zones: "abc", network: 42 },
  "asia-east1": { zones: "abc", network: 50 },
  "asia-east2": { zones: "abc", network: 51 },
  "asia-northeast1": { zones: "abc", network: 52 },
  "asia-northeast2": { zones: "abc", network: 53 },
  "asia-northeast3": { zones: "abc", network: 54 },
  "asia-south1": { zones: "abc", network: 55 },
  "asia-south2": { zones: "abc", network: 56 },
  "asia-southeast1": { zones: "abc", network: 57 },
  "asia-southeast2": { zones: "abc", network: 58 },
  "asia-southeast3": { zones: "abc", network: 59 },
  "australia-southeast1": { zones: "abc", network: 60 },
  "australia-southeast2": { zones: "abc", network: 61 },
  "africa-south1": { zones: "abc", network: 70 },
  "me-central1": { zones: "abc", network: 71 },
  "me-central2": { zones: "abc", network: 72 },
  "me-west1": { zones: "abc", network: 73 },
};

/** Multi-regions in which a bucket may lie besides a region (Cloud Storage's "Bucket locations"). */
export const BUCKET_MULTI_REGIONS: readonly string[] = ["us", "eu", "asia"];

/** `us-central1` → `us-central1-a`, …; empty for a region that is not in the table. */
export function zonesOf(region: string): string[] {
  return [...(REGIONS[region]?.zones ?? "")].map((letter) => `${region}-${letter}`);
}

/** `us-central1-a` → `us-central1`. */
export function regionOf(zone: string): string {
  return zone.replace(/-[a-z]$/, "");
}

export function allZones(): string[] {
  return Object.keys(REGIONS).flatMap(zonesOf);
}
