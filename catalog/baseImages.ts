// Public images that training machines may boot.
// Sources: "Choose an image" of the Deep Learning VM documentation (page of 2026-04-10, read 2026-11-21); families of
// ubuntu-os-cloud and debian-cloud as Google's own tests use them in 2026; end dates of Ubuntu (standard support) and
// Debian (LTS) as the distributions publish them, by month.

export const READ = "2026-11-21";

export const DEFAULT_IMAGE_FAMILY = "ubuntu-2404-lts-amd64";
export const DEFAULT_ARM_IMAGE_FAMILY = "ubuntu-2404-lts-arm64";
/** The current family with NVIDIA's driver. */
export const GPU_IMAGE_FAMILY = "common-cu129-ubuntu-2404-nvidia-580";

/** Google's projects whose images a machine may boot, besides the project's own. */
export const IMAGE_PROJECTS: readonly string[] = ["debian-cloud", "deeplearning-platform-release", "ubuntu-os-cloud"];

export interface BaseImage {
  project: string;
  architecture: "x86_64" | "arm64";
  /** With an NVIDIA driver and CUDA in it. */
  gpu: boolean;
  /** Last day of security updates, `yyyy-mm-dd`. */
  supportedUntil: string;
  /** The family to go to; absent: there is none yet. */
  successor?: string;
}

const DEEP_LEARNING = { project: "deeplearning-platform-release", architecture: "x86_64", gpu: true } as const;
const UBUNTU = { project: "ubuntu-os-cloud", gpu: false } as const;
const DEBIAN = { project: "debian-cloud", gpu: false } as const;

export const BASE_IMAGES: Readonly<Record<string, BaseImage>> = {
  "ubuntu-2404-lts-amd64": { ...UBUNTU, architecture: "x86_64", supportedUntil: "2029-05-31" },
  "ubuntu-2404-lts-arm64": { ...UBUNTU, architecture: "arm64", supportedUntil: "2029-05-31" },
  "ubuntu-2204-lts": {
    ...UBUNTU,
    architecture: "x86_64",
    supportedUntil: "2027-04-30",
    successor: "ubuntu-2404-lts-amd64",
  },
  "debian-13": { ...DEBIAN, architecture: "x86_64", supportedUntil: "2030-06-30" },
  "debian-13-arm64": { ...DEBIAN, architecture: "arm64", supportedUntil: "2030-06-30" },
  "debian-12": { ...DEBIAN, architecture: "x86_64", supportedUntil: "2028-06-30", successor: "debian-13" },
  "debian-12-arm64": { ...DEBIAN, architecture: "arm64", supportedUntil: "2028-06-30", successor: "debian-13-arm64" },
  "common-cu129-ubuntu-2404-nvidia-580": { ...DEEP_LEARNING, supportedUntil: "2028-08-04" },
  "common-cu129-ubuntu-2204-nvidia-580": {
    ...DEEP_LEARNING,
    supportedUntil: "2028-08-04",
    successor: "common-cu129-ubuntu-2404-nvidia-580",
  },
  "pytorch-2-9-cu129-ubuntu-2404-nvidia-580": { ...DEEP_LEARNING, supportedUntil: "2028-08-04" },
  "pytorch-2-9-cu129-ubuntu-2204-nvidia-580": {
    ...DEEP_LEARNING,
    supportedUntil: "2028-08-04",
    successor: "pytorch-2-9-cu129-ubuntu-2404-nvidia-580",
  },
  "common-cu128-ubuntu-2204-nvidia-570": {
    ...DEEP_LEARNING,
    supportedUntil: "2026-04-13",
    successor: "common-cu129-ubuntu-2404-nvidia-580",
  },
  "pytorch-2-7-cu128-ubuntu-2204-nvidia-570": {
    ...DEEP_LEARNING,
    supportedUntil: "2026-04-13",
    successor: "pytorch-2-9-cu129-ubuntu-2404-nvidia-580",
  },
};

/** Families of old tutorials that Google has withdrawn, by pattern, with what to take instead. */
export const RETIRED_FAMILIES: readonly { pattern: RegExp; reason: string }[] = [
  {
    pattern: /^(tf|tf2)-/,
    reason:
      "Google has withdrawn all TensorFlow images; take ubuntu-2404-lts-amd64 or common-cu129-ubuntu-2404-nvidia-580",
  },
  {
    pattern: /^(common|pytorch)-.*cpu/,
    reason: "Google has withdrawn all CPU-based Deep Learning images; take ubuntu-2404-lts-amd64",
  },
  {
    pattern: /^(common|pytorch|tf2?)-.*debian/,
    reason: "Google has withdrawn all Debian-based Deep Learning images; take common-cu129-ubuntu-2404-nvidia-580",
  },
  {
    pattern: /^pytorch-latest-/,
    reason: "Google's list of images no longer has it; take pytorch-2-9-cu129-ubuntu-2404-nvidia-580",
  },
  {
    pattern: /^ubuntu-(1[0-9]|20|22(?!04))/,
    reason: "it no longer gets security updates; take ubuntu-2404-lts-amd64",
  },
  { pattern: /^debian-([0-9]|1[01])(-|$)/, reason: "it no longer gets security updates; take debian-13" },
];
