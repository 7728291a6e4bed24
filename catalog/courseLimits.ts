// What Google allows a project, for the arithmetic of courses: fixed limits, and which quota counts what. The quotas that
// a new project begins with are in quotas.ts; `mlt course plan --quotas` and `mlt course check` ask for the real ones.

export const READ = "2026-11-21";

export interface FixedLimit {
  most: number;
  /** Whether Google raises it on request. */
  raisable: boolean;
  source: string;
}

/** Limits of one project. */
export const PROJECT_LIMITS = {
  /** Those that anybody makes, the default ones of Compute Engine and App Engine included. */
  serviceAccounts: { most: 100, raisable: true, source: "cloud.google.com/iam/quotas, as stored 2026" },
  /**
   * All members of all bindings of the project's policy; one that is in five bindings counts five times (footnote of the
   * same page; an issue of hashicorp/terraform-provider-google, 25093, shows it).
   */
  principals: { most: 1500, raisable: false, source: "cloud.google.com/iam/quotas, as stored 2026" },
  /** Bindings of one policy with the same role and the same member, but different conditions. */
  conditionalBindings: { most: 20, raisable: false, source: "cloud.google.com/iam/quotas, as stored 2026" },
  groups: { most: 250, raisable: false, source: "cloud.google.com/iam/quotas, as stored 2026" },
  customRoles: { most: 300, raisable: false, source: "cloud.google.com/iam/quotas, as stored 2026" },
  /**
   * The policy as JSON, in bytes. The reference of `projects.setIamPolicy` says "a few 10s of KB" (general knowledge); the
   * figure is kept by hand and cautious.
   */
  policyBytes: { most: 64 * 1024, raisable: false, source: "kept by hand" },
} as const satisfies Record<string, FixedLimit>;

/** A project has these before anybody makes one: Compute Engine's own service account. */
export const SERVICE_ACCOUNTS_OF_GOOGLE = 1;

/**
 * Quotas of machine families in one region that a new project has beside those of `quotas.ts`; kept by hand. A metric that
 * is in neither table is taken as not granted.
 */
export const FAMILY_QUOTAS: Readonly<Record<string, number>> = {
  N2_CPUS: 24,
  N2D_CPUS: 24,
  C2_CPUS: 24,
  C2D_CPUS: 24,
  C3_CPUS: 24,
  T2D_CPUS: 24,
};

/** Families whose vCPUs count against a quota of their own; all others count against CPUS. From general knowledge. */
const OWN_CPU_QUOTA = ["n2", "n2d", "c2", "c2d", "c3", "c3d", "c4", "c4a", "n4", "t2d", "t2a", "a2", "m1", "m2", "m3"];

/** The quota of a family's vCPUs in a region. */
export function cpuMetric(family: string): string {
  return OWN_CPU_QUOTA.includes(family) ? `${family.toUpperCase()}_CPUS` : "CPUS";
}

const GPU_METRICS: Readonly<Record<string, string>> = {
  "nvidia-tesla-t4": "NVIDIA_T4_GPUS",
  "nvidia-tesla-p4": "NVIDIA_P4_GPUS",
  "nvidia-tesla-p100": "NVIDIA_P100_GPUS",
  "nvidia-tesla-v100": "NVIDIA_V100_GPUS",
  "nvidia-l4": "NVIDIA_L4_GPUS",
  "nvidia-tesla-a100": "NVIDIA_A100_GPUS",
  "nvidia-a100-80gb": "NVIDIA_A100_80GB_GPUS",
  "nvidia-h100-80gb": "NVIDIA_H100_GPUS",
  "nvidia-h100-mega-80gb": "NVIDIA_H100_MEGA_GPUS",
  "nvidia-h200-141gb": "NVIDIA_H200_GPUS",
  "nvidia-b200": "NVIDIA_B200_GPUS",
  "nvidia-rtx-pro-6000": "NVIDIA_RTX_PRO_6000_GPUS",
};

/** The quota of a GPU in a region. Spot has one of its own, which is not granted by itself either. */
export function gpuMetric(type: string, spot: boolean): string {
  const metric =
    GPU_METRICS[type] ??
    `${type
      .replace(/^nvidia-(tesla-)?/, "NVIDIA_")
      .replaceAll("-", "_")
      .toUpperCase()}_GPUS`;
  return spot ? `PREEMPTIBLE_${metric}` : metric;
}

const DISK_METRICS: Readonly<Record<string, string>> = {
  "pd-standard": "DISKS_TOTAL_GB",
  "pd-balanced": "SSD_TOTAL_GB",
  "pd-ssd": "SSD_TOTAL_GB",
  "hyperdisk-balanced": "SSD_TOTAL_GB",
};

/** The quota of a disk type's GB in a region: balanced disks count as SSD. */
export function diskMetric(type: string): string {
  return DISK_METRICS[type] ?? "SSD_TOTAL_GB";
}
