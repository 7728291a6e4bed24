// Compute Engine quotas that a new project begins with, by kind of billing account.
// Google publishes no table of them: they differ by account and are shown only on the project's own quota page. These
// rows are from users' reports (read 2026-11-21) and cautious; `mlt doctor` reads the project's own. That a free trial has
// at most 8 vCPUs at once and no GPU is Google's own word (cloud.google.com/free/docs/free-cloud-features, "Free Trial
// limits"), known from general knowledge: no dated copy of the page was at hand.

export const READ = "2026-11-21";

/** Google's own names of the metrics; all but the last two count in one region. */
export interface QuotaRow {
  /** vCPUs of E2, N1 and shared-core machines; other families count on metrics of their own. */
  CPUS: number;
  /** GB of pd-balanced, pd-ssd and Hyperdisk. */
  SSD_TOTAL_GB: number;
  /** GB of pd-standard. */
  DISKS_TOTAL_GB: number;
  /** External addresses in use; a Cloud NAT takes one. */
  IN_USE_ADDRESSES: number;
  CPUS_ALL_REGIONS: number;
  GPUS_ALL_REGIONS: number;
}

export const QUOTAS = {
  /** A billing account within its trial of 300 dollars. */
  freeTrial: {
    CPUS: 8,
    SSD_TOTAL_GB: 250,
    DISKS_TOTAL_GB: 2048,
    IN_USE_ADDRESSES: 4,
    CPUS_ALL_REGIONS: 12,
    GPUS_ALL_REGIONS: 0,
  },
  /** A new project of an account that pays: what most begin with. A warning, never a refusal. */
  newProject: {
    CPUS: 24,
    SSD_TOTAL_GB: 500,
    DISKS_TOTAL_GB: 4096,
    IN_USE_ADDRESSES: 8,
    CPUS_ALL_REGIONS: 32,
    GPUS_ALL_REGIONS: 0,
  },
} as const satisfies Record<string, QuotaRow>;

/** In people's words, with the unit. */
export const QUOTA_WORDS: Readonly<
  Record<keyof QuotaRow, { unit: string; where: "in a region" | "over all regions" }>
> = {
  CPUS: { unit: "vCPUs", where: "in a region" },
  SSD_TOTAL_GB: { unit: "GB of SSD disks", where: "in a region" },
  DISKS_TOTAL_GB: { unit: "GB of standard disks", where: "in a region" },
  IN_USE_ADDRESSES: { unit: "external addresses", where: "in a region" },
  CPUS_ALL_REGIONS: { unit: "vCPUs", where: "over all regions" },
  GPUS_ALL_REGIONS: { unit: "GPUs", where: "over all regions" },
};
