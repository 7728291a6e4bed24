import { GPUS } from "../catalog/gpus.ts";
import { FAMILIES, GPU_MACHINE_TYPES } from "../catalog/machineTypes.ts";
import { nearest } from "../training/nearest.ts";
import { checkMachineType } from "./machineTypes.ts";

/** A GPU that is attached to an N1 machine. */
export interface AttachedGpu {
  type: string;
  count: number;
}

export interface MachinePlan {
  /** GPUs to ask for besides the machine type; empty when the type carries its own. */
  guestAccelerators: AttachedGpu[];
  /** A machine with a GPU cannot be moved while it runs, a Spot machine is never moved: both TERMINATE. */
  onHostMaintenance: "MIGRATE" | "TERMINATE";
  /** The GPU in the machine, however it came there. */
  gpu?: AttachedGpu;
  bootDiskType: string;
  architecture?: "x86_64" | "arm64";
  /** The zones of `wanted` in which the machine can run. */
  zones: string[];
  problems: string[];
  warnings: string[];
}

export interface MachineWish {
  machineType: string;
  gpu?: AttachedGpu;
  spot: boolean;
  /** Zones that the user named: one without the GPU is a problem. */
  zones?: readonly string[];
  /** Zones to choose from when none was named: those without the GPU are left out. */
  candidates: readonly string[];
  /** The setting that holds the wish, for what is told. @default "training" */
  key?: string;
}

/** Everything that follows from a machine type and a GPU, by the catalog alone. */
export function planMachine(wish: MachineWish): MachinePlan {
  const { shape, problems, warnings } = checkMachineType(wish.machineType);
  const { key = "training" } = wish;
  const guestAccelerators: AttachedGpu[] = [];
  let gpu: AttachedGpu | undefined = shape?.gpu;

  if (wish.gpu) {
    const problem = attachProblem(wish.machineType, wish.gpu, shape?.vcpus, key);
    if (problem) problems.push(problem);
    else if (shape || problems.length === 0) {
      guestAccelerators.push(wish.gpu);
      gpu = wish.gpu;
    }
  }
  if (GPU_MACHINE_TYPES[wish.machineType]?.spotOnly && !wish.spot) {
    problems.push(`${wish.machineType} is sold as Spot, Flex-start or by reservation only; set ${key}.spot to true`);
  }
  const zones = placeable(wish, gpu, problems);
  return {
    guestAccelerators,
    onHostMaintenance: gpu || wish.spot ? "TERMINATE" : "MIGRATE",
    gpu,
    bootDiskType: shape?.bootDisk ?? "pd-balanced",
    architecture: shape?.architecture,
    zones,
    problems,
    warnings,
  };
}

/** Why this GPU cannot be attached to this machine; `undefined` if it can. */
function attachProblem(
  machineType: string,
  gpu: AttachedGpu,
  vcpus: number | undefined,
  key: string,
): string | undefined {
  const carried = GPU_MACHINE_TYPES[machineType];
  if (carried) {
    return `${machineType} carries its GPU (${carried.count} × ${carried.gpu}); leave ${key}.gpu away, got ${gpu.type}`;
  }
  const known = GPUS[gpu.type];
  if (!known) {
    const meant = nearest(gpu.type, Object.keys(GPUS));
    const attachable = Object.keys(GPUS).filter((type) => GPUS[type]?.attach);
    return `there is no GPU ${gpu.type}${meant ? `; did you mean ${meant}?` : `; those to attach are ${attachable.join(", ")}`}`;
  }
  if (!known.attach) {
    const types = Object.keys(GPU_MACHINE_TYPES).filter((type) => GPU_MACHINE_TYPES[type]?.gpu === gpu.type);
    return `${gpu.type} cannot be attached: it comes with the machine types ${types.join(", ")}`;
  }
  const family = machineType.startsWith("custom-") ? "n1" : (machineType.split("-")[0] ?? "");
  if (!FAMILIES[family]?.attachesGpus) {
    return `${gpu.type} can be attached to N1 machines only, such as n1-standard-8; got ${machineType}`;
  }
  const limit = known.attach[gpu.count];
  if (!limit) return `${gpu.type} comes in counts of ${Object.keys(known.attach).join(", ")}; got ${gpu.count}`;
  if (vcpus !== undefined && vcpus > limit.maxVcpus) {
    return `${gpu.count} × ${gpu.type} goes with at most ${limit.maxVcpus} vCPUs; ${machineType} has ${vcpus}`;
  }
  return undefined;
}

function placeable(wish: MachineWish, gpu: AttachedGpu | undefined, problems: string[]): string[] {
  const having = gpu ? GPUS[gpu.type]?.zones : undefined;
  if (!having) return [...(wish.zones ?? wish.candidates)];
  if (wish.zones) {
    const without = wish.zones.filter((zone) => !having.includes(zone));
    if (without.length > 0) {
      problems.push(`${gpu?.type} is not in ${without.join(", ")}; it is in ${having.join(", ")}`);
    }
    return wish.zones.filter((zone) => having.includes(zone));
  }
  const zones = wish.candidates.filter((zone) => having.includes(zone));
  if (zones.length === 0) {
    const regions = [...new Set(wish.candidates.map((zone) => zone.replace(/-[a-z]$/, "")))];
    problems.push(`${gpu?.type} is not in ${regions.join(", ")}; it is in ${having.join(", ")}`);
  }
  return zones;
}
