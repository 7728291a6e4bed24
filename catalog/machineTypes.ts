// Compute Engine's machine families: which shapes exist, which take custom sizes, which carry a GPU.
// Source: cloud.google.com/compute/docs/general-purpose-machines, …/compute-optimized-machines, …/gpus ("GPU machine
// types", page of 2026-04-14) and …/instances/creating-instance-with-custom-machine-type; read 2026-11-21, general and
// compute-optimised families kept by hand. Memory in GiB. A family that is missing here is unknown, not impossible.

export const READ = "2026-11-21";

export type BootDisk = "pd-balanced" | "hyperdisk-balanced";

export interface CustomSizes {
  maxVcpus: number;
  /** vCPUs above 1 come in multiples of this … */
  step: number;
  /** … and above `until` in multiples of this. */
  coarser?: { until: number; step: number };
  /** GiB per vCPU. */
  minMemory: number;
  maxMemory: number;
  /** Most GiB in all without `-ext`. */
  totalMemory: number;
  /** With `-ext`; absent: the family has no extended memory. */
  extendedMemory?: number;
  /** Whether a single vCPU is allowed. */
  one?: boolean;
}

export interface MachineFamily {
  architecture: "x86_64" | "arm64";
  bootDisk: BootDisk;
  /** Predefined shapes: GiB per vCPU and the vCPU counts, by the word in the middle of the type's name. */
  series: Readonly<Record<string, { memory: number; vcpus: readonly number[] }>>;
  custom?: CustomSizes;
  /** Takes `guestAccelerators`. */
  attachesGpus?: boolean;
}

const COMMON = { architecture: "x86_64", bootDisk: "pd-balanced" } as const;
const HYPERDISK = { architecture: "x86_64", bootDisk: "hyperdisk-balanced" } as const;

export const FAMILIES: Readonly<Record<string, MachineFamily>> = {
  e2: {
    ...COMMON,
    series: {
      standard: { memory: 4, vcpus: [2, 4, 8, 16, 32] },
      highmem: { memory: 8, vcpus: [2, 4, 8, 16] },
      highcpu: { memory: 1, vcpus: [2, 4, 8, 16, 32] },
    },
    custom: { maxVcpus: 32, step: 2, minMemory: 0.5, maxMemory: 8, totalMemory: 128 },
  },
  n1: {
    ...COMMON,
    series: {
      standard: { memory: 3.75, vcpus: [1, 2, 4, 8, 16, 32, 64, 96] },
      highmem: { memory: 6.5, vcpus: [2, 4, 8, 16, 32, 64, 96] },
      highcpu: { memory: 0.9, vcpus: [2, 4, 8, 16, 32, 64, 96] },
    },
    custom: { maxVcpus: 96, step: 2, minMemory: 0.9, maxMemory: 6.5, totalMemory: 624, extendedMemory: 624, one: true },
    attachesGpus: true,
  },
  n2: {
    ...COMMON,
    series: {
      standard: { memory: 4, vcpus: [2, 4, 8, 16, 32, 48, 64, 80, 96, 128] },
      highmem: { memory: 8, vcpus: [2, 4, 8, 16, 32, 48, 64, 80, 96, 128] },
      highcpu: { memory: 1, vcpus: [2, 4, 8, 16, 32, 48, 64, 80, 96] },
    },
    custom: {
      maxVcpus: 128,
      step: 2,
      coarser: { until: 32, step: 4 },
      minMemory: 0.5,
      maxMemory: 8,
      totalMemory: 864,
      extendedMemory: 864,
    },
  },
  n2d: {
    ...COMMON,
    series: {
      standard: { memory: 4, vcpus: [2, 4, 8, 16, 32, 48, 64, 80, 96, 128, 224] },
      highmem: { memory: 8, vcpus: [2, 4, 8, 16, 32, 48, 64, 80, 96] },
      highcpu: { memory: 1, vcpus: [2, 4, 8, 16, 32, 48, 64, 80, 96, 128, 224] },
    },
    custom: {
      maxVcpus: 96,
      step: 2,
      coarser: { until: 16, step: 16 },
      minMemory: 0.5,
      maxMemory: 8,
      totalMemory: 768,
      extendedMemory: 768,
    },
  },
  n4: {
    ...HYPERDISK,
    series: {
      standard: { memory: 4, vcpus: [2, 4, 8, 16, 32, 48, 64, 80] },
      highmem: { memory: 8, vcpus: [2, 4, 8, 16, 32, 48, 64, 80] },
      highcpu: { memory: 2, vcpus: [2, 4, 8, 16, 32, 48, 64, 80] },
    },
    custom: { maxVcpus: 80, step: 2, minMemory: 2, maxMemory: 8, totalMemory: 640, extendedMemory: 640 },
  },
  c2: { ...COMMON, series: { standard: { memory: 4, vcpus: [4, 8, 16, 30, 60] } } },
  c2d: {
    ...COMMON,
    series: {
      standard: { memory: 4, vcpus: [2, 4, 8, 16, 32, 56, 112] },
      highmem: { memory: 8, vcpus: [2, 4, 8, 16, 32, 56, 112] },
      highcpu: { memory: 2, vcpus: [2, 4, 8, 16, 32, 56, 112] },
    },
  },
  c3: {
    ...COMMON,
    series: {
      standard: { memory: 4, vcpus: [4, 8, 22, 44, 88, 176] },
      highmem: { memory: 8, vcpus: [4, 8, 22, 44, 88, 176] },
      highcpu: { memory: 2, vcpus: [4, 8, 22, 44, 88, 176] },
    },
  },
  c3d: {
    ...COMMON,
    series: {
      standard: { memory: 4, vcpus: [4, 8, 16, 30, 60, 90, 180, 360] },
      highmem: { memory: 8, vcpus: [4, 8, 16, 30, 60, 90, 180, 360] },
      highcpu: { memory: 2, vcpus: [4, 8, 16, 30, 60, 90, 180, 360] },
    },
  },
  c4: {
    ...HYPERDISK,
    series: {
      standard: { memory: 3.75, vcpus: [2, 4, 8, 16, 24, 32, 48, 96, 144, 192, 288] },
      highmem: { memory: 7.75, vcpus: [2, 4, 8, 16, 24, 32, 48, 96, 144, 192, 288] },
      highcpu: { memory: 2, vcpus: [2, 4, 8, 16, 24, 32, 48, 96, 144, 192, 288] },
    },
  },
  t2d: { ...COMMON, series: { standard: { memory: 4, vcpus: [1, 2, 4, 8, 16, 32, 48, 60] } } },
  t2a: { ...COMMON, architecture: "arm64", series: { standard: { memory: 4, vcpus: [1, 2, 4, 8, 16, 32, 48] } } },
  c4a: {
    ...HYPERDISK,
    architecture: "arm64",
    series: {
      standard: { memory: 4, vcpus: [1, 2, 4, 8, 16, 32, 48, 64, 72] },
      highmem: { memory: 8, vcpus: [1, 2, 4, 8, 16, 32, 48, 64, 72] },
      highcpu: { memory: 2, vcpus: [1, 2, 4, 8, 16, 32, 48, 64, 72] },
    },
  },
};

/** Shared-core types: a fraction of a core, shown to the guest as two vCPUs. */
export const SHARED_CORE: Readonly<Record<string, { vcpus: number; memory: number }>> = {
  "e2-micro": { vcpus: 2, memory: 1 },
  "e2-small": { vcpus: 2, memory: 2 },
  "e2-medium": { vcpus: 2, memory: 4 },
  "f1-micro": { vcpus: 1, memory: 0.6 },
  "g1-small": { vcpus: 1, memory: 1.7 },
};

/** Types whose memory does not follow their series. */
const ODD_MEMORY: Readonly<Record<string, number>> = { "n2-highmem-128": 864 };

export interface GpuMachineType {
  vcpus: number;
  memory: number;
  gpu: string;
  /** GPUs in it; below 1: a share of one. */
  count: number;
  bootDisk: BootDisk;
  /** Google sells it only as Spot, Flex-start or by reservation. */
  spotOnly?: boolean;
  /** Only by reservation or a contract: this program cannot start it. */
  reservedOnly?: boolean;
}

const gpuType = (vcpus: number, memory: number, gpu: string, count: number, more: Partial<GpuMachineType> = {}) => ({
  vcpus,
  memory,
  gpu,
  count,
  bootDisk: "pd-balanced" as BootDisk,
  ...more,
});
const L4 = "nvidia-l4";
const A100 = "nvidia-tesla-a100";
const A100_80 = "nvidia-a100-80gb";
const H100 = "nvidia-h100-80gb";
const RTX = "nvidia-rtx-pro-6000";
const hyperdisk = { bootDisk: "hyperdisk-balanced" } as const;

/** Types that carry their GPU: `guestAccelerators` stays empty. */
export const GPU_MACHINE_TYPES: Readonly<Record<string, GpuMachineType>> = {
  "g2-standard-4": gpuType(4, 16, L4, 1),
  "g2-standard-8": gpuType(8, 32, L4, 1),
  "g2-standard-12": gpuType(12, 48, L4, 1),
  "g2-standard-16": gpuType(16, 64, L4, 1),
  "g2-standard-24": gpuType(24, 96, L4, 2),
  "g2-standard-32": gpuType(32, 128, L4, 1),
  "g2-standard-48": gpuType(48, 192, L4, 4),
  "g2-standard-96": gpuType(96, 384, L4, 8),
  "a2-highgpu-1g": gpuType(12, 85, A100, 1),
  "a2-highgpu-2g": gpuType(24, 170, A100, 2),
  "a2-highgpu-4g": gpuType(48, 340, A100, 4),
  "a2-highgpu-8g": gpuType(96, 680, A100, 8),
  "a2-megagpu-16g": gpuType(96, 1360, A100, 16),
  "a2-ultragpu-1g": gpuType(12, 170, A100_80, 1),
  "a2-ultragpu-2g": gpuType(24, 340, A100_80, 2),
  "a2-ultragpu-4g": gpuType(48, 680, A100_80, 4),
  "a2-ultragpu-8g": gpuType(96, 1360, A100_80, 8),
  "a3-highgpu-1g": gpuType(26, 234, H100, 1, { spotOnly: true }),
  "a3-highgpu-2g": gpuType(52, 468, H100, 2, { spotOnly: true }),
  "a3-highgpu-4g": gpuType(104, 936, H100, 4, { spotOnly: true }),
  "a3-highgpu-8g": gpuType(208, 1872, H100, 8),
  "a3-edgegpu-8g": gpuType(208, 1872, H100, 8),
  "a3-megagpu-8g": gpuType(208, 1872, "nvidia-h100-mega-80gb", 8),
  "a3-ultragpu-8g": gpuType(224, 2952, "nvidia-h200-141gb", 8, { ...hyperdisk, spotOnly: true }),
  "a4-highgpu-8g": gpuType(224, 3968, "nvidia-b200", 8, { ...hyperdisk, spotOnly: true }),
  "a4x-highgpu-4g": gpuType(140, 884, "nvidia-gb200", 4, { ...hyperdisk, reservedOnly: true }),
  "g4-standard-6": gpuType(6, 22, RTX, 0.125, hyperdisk),
  "g4-standard-12": gpuType(12, 45, RTX, 0.25, hyperdisk),
  "g4-standard-24": gpuType(24, 90, RTX, 0.5, hyperdisk),
  "g4-standard-48": gpuType(48, 180, RTX, 1, hyperdisk),
  "g4-standard-96": gpuType(96, 360, RTX, 2, hyperdisk),
  "g4-standard-192": gpuType(192, 720, RTX, 4, hyperdisk),
  "g4-standard-384": gpuType(384, 1440, RTX, 8, hyperdisk),
};

export interface MachineShape {
  family: string;
  vcpus: number;
  /** GiB */
  memory: number;
  architecture: "x86_64" | "arm64";
  bootDisk: BootDisk;
  gpu?: { type: string; count: number };
}

/** What a name says, by the tables alone; `undefined` if they do not hold it. Custom sizes are read, not checked. */
export function findMachineType(name: string): MachineShape | undefined {
  const family = name.split("-")[0] ?? "";
  const carried = GPU_MACHINE_TYPES[name];
  if (carried) {
    const { vcpus, memory, bootDisk, gpu, count } = carried;
    return { family, vcpus, memory, architecture: "x86_64", bootDisk, gpu: { type: gpu, count } };
  }
  const shared = SHARED_CORE[name];
  if (shared) return { family, ...shared, architecture: "x86_64", bootDisk: "pd-balanced" };
  const custom = /^(?:([a-z]\d+[a-z]*)-)?custom-(\d+)-(\d+)(-ext)?$/.exec(name);
  const known = FAMILIES[custom ? (custom[1] ?? "n1") : family];
  if (!known) return undefined;
  const { architecture, bootDisk } = known;
  if (custom) {
    if (!known.custom) return undefined;
    return {
      family: custom[1] ?? "n1",
      vcpus: Number(custom[2]),
      memory: Number(custom[3]) / 1024,
      architecture,
      bootDisk,
    };
  }
  const [, series, size] = /^[a-z0-9]+-([a-z]+)-(\d+)$/.exec(name) ?? [];
  const row = known.series[series ?? ""];
  const vcpus = Number(size);
  if (!row?.vcpus.includes(vcpus)) return undefined;
  return { family, vcpus, memory: ODD_MEMORY[name] ?? vcpus * row.memory, architecture, bootDisk };
}

/** Every predefined type in the tables. */
export function predefinedTypes(): string[] {
  const general = Object.entries(FAMILIES).flatMap(([family, { series }]) =>
    Object.entries(series).flatMap(([word, { vcpus }]) => vcpus.map((size) => `${family}-${word}-${size}`)),
  );
  return [...Object.keys(SHARED_CORE), ...general, ...Object.keys(GPU_MACHINE_TYPES)];
}
