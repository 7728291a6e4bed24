import { GPUS } from "../../../catalog/gpus.ts";
import { FAMILIES, findMachineType, GPU_MACHINE_TYPES, type MachineShape } from "../../../catalog/machineTypes.ts";
import { GoogleError } from "../../core/errors.ts";
import { invalid, lastPart } from "./links.ts";
import type { Json } from "./schema.ts";
import type { Scheduling } from "./types.ts";

// What Compute Engine refuses about machine types, GPUs and scheduling, from its documentation: custom machine types,
// Spot VMs, GPU restrictions and limited run time (read 2026-11-21).

/** The shape of a machine type in a zone; 400 for one that Google does not have there. */
export function requireMachineType(name: string, zone: string | undefined, field: string, shown: string): MachineShape {
  const shape = findMachineType(name);
  const carrier = GPU_MACHINE_TYPES[name];
  const elsewhere = zone !== undefined && carrier !== undefined && !GPUS[carrier.gpu]?.zones.includes(zone);
  if (!shape || elsewhere) {
    throw invalid(field, shown, `Machine type with name '${name}' does not exist${zone ? ` in zone '${zone}'` : ""}.`);
  }
  const problem = customProblem(name);
  if (problem) throw invalid(field, shown, problem);
  return shape;
}

/** Why a custom machine type's sizes are not sold; `undefined` if they are. */
export function customProblem(name: string): string | undefined {
  const [, family = "n1", cpuText, memoryText, extended] =
    /^(?:([a-z]\d+[a-z]*)-)?custom-(\d+)-(\d+)(-ext)?$/.exec(name) ?? [];
  const sizes = FAMILIES[family]?.custom;
  if (cpuText === undefined || !sizes) return undefined;
  const vcpus = Number(cpuText);
  const memory = Number(memoryText) / 1024;
  const step = sizes.coarser && vcpus > sizes.coarser.until ? sizes.coarser.step : sizes.step;
  const single = vcpus === 1 && sizes.one === true;
  if (vcpus > sizes.maxVcpus) return `Number of CPUs for a custom ${family} machine can be at most ${sizes.maxVcpus}.`;
  if (vcpus < 1 || (!single && vcpus % step !== 0)) {
    return `Number of CPUs for a custom ${family} machine must be ${sizes.one ? "1 or " : ""}a multiple of ${step}.`;
  }
  if (Number(memoryText) % 256 !== 0) return "Memory should be a multiple of 256MiB, while the requested is not.";
  if (memory < vcpus * sizes.minMemory)
    return `Memory size for ${vcpus} vCPU instance should be at least ${vcpus * sizes.minMemory} GiB.`;
  if (extended && sizes.extendedMemory === undefined) return `Machine family ${family} has no extended memory.`;
  const most = extended ? (sizes.extendedMemory ?? 0) : Math.min(vcpus * sizes.maxMemory, sizes.totalMemory);
  if (memory > most) {
    return `Memory size for ${vcpus} vCPU instance should be at most ${most} GiB, while requested memory is ${memory} GiB.`;
  }
  return undefined;
}

const SHORTEST_RUN_S = 30;
const LONGEST_RUN_S = 120 * 24 * 3600;

/** Scheduling with Google's defaults, after Google's checks. */
export function readScheduling(given: Json, field: string, hasGpu: boolean, now: number): Scheduling {
  const spot = given.provisioningModel === "SPOT" || given.preemptible === true;
  const scheduling: Scheduling = {
    onHostMaintenance: spot ? "TERMINATE" : "MIGRATE",
    automaticRestart: !spot,
    preemptible: spot,
    provisioningModel: "STANDARD",
    ...given,
  };
  if (given.provisioningModel === "SPOT" && !scheduling.preemptible) {
    throw invalid(
      `${field}.preemptible`,
      false,
      "Scheduling must have preemptible be true when provisioningModel is SPOT.",
    );
  }
  if (scheduling.preemptible && scheduling.automaticRestart) {
    throw invalid(
      `${field}.preemptible`,
      true,
      "Scheduling must have preemptible be false when AutomaticRestart is true.",
    );
  }
  if (scheduling.preemptible && scheduling.onHostMaintenance !== "TERMINATE") {
    throw invalid(
      `${field}.preemptible`,
      true,
      "Scheduling must have preemptible be false when OnHostMaintenance isn't TERMINATE.",
    );
  }
  if (hasGpu && scheduling.onHostMaintenance !== "TERMINATE") {
    throw new GoogleError(400, "invalid", "Instances with guest accelerators do not support live migration.");
  }
  requireLimit(scheduling, field, now);
  const { instanceTerminationAction: action } = scheduling;
  const limited = scheduling.maxRunDuration !== undefined || scheduling.terminationTime !== undefined;
  if (action && !limited && scheduling.provisioningModel !== "SPOT") {
    throw invalid(
      `${field}.instanceTerminationAction`,
      action,
      "Instance termination action is only supported for Spot VMs and VMs with a limited run time.",
    );
  }
  if (!action && scheduling.provisioningModel === "SPOT") scheduling.instanceTerminationAction = "STOP";
  return scheduling;
}

function requireLimit({ maxRunDuration, terminationTime }: Scheduling, field: string, now: number): void {
  if (maxRunDuration && terminationTime !== undefined) {
    throw invalid(`${field}.terminationTime`, terminationTime, "Specify maxRunDuration or terminationTime, not both.");
  }
  if (maxRunDuration) {
    const seconds = Number(maxRunDuration.seconds ?? 0);
    if (seconds < SHORTEST_RUN_S || seconds > LONGEST_RUN_S) {
      throw invalid(
        `${field}.maxRunDuration.seconds`,
        maxRunDuration.seconds,
        "Max run duration must be between 30 seconds and 120 days.",
      );
    }
  }
  if (terminationTime !== undefined) {
    const seconds = (Date.parse(terminationTime) - now) / 1000;
    if (Number.isNaN(seconds))
      throw invalid(`${field}.terminationTime`, terminationTime, "Must be an RFC 3339 timestamp.");
    if (seconds < SHORTEST_RUN_S || seconds > LONGEST_RUN_S) {
      throw invalid(`${field}.terminationTime`, terminationTime, "Must lie between 30 seconds and 120 days from now.");
    }
  }
}

/** The GPUs of a machine: attached ones are checked, built-in ones filled in. `typeOf` makes the type's link. */
export function readAccelerators(
  given: Json[],
  shape: MachineShape,
  machineType: string,
  zone: string | undefined,
  field: string,
): { type: string; count: number }[] {
  if (shape.gpu) {
    const own = { type: shape.gpu.type, count: Math.max(1, shape.gpu.count) };
    for (const [index, { acceleratorType, acceleratorCount }] of given.entries()) {
      if (lastPart(String(acceleratorType)) === own.type && acceleratorCount === own.count) continue;
      const sentence = `Machine type '${machineType}' comes with ${own.count} ${own.type}; leave guestAccelerators out.`;
      throw invalid(`${field}[${index}]`, acceleratorType, sentence);
    }
    return [own];
  }
  return given.map(({ acceleratorType, acceleratorCount }, index) => {
    const at = `${field}[${index}]`;
    const type = lastPart(String(acceleratorType ?? ""));
    const gpu = GPUS[type];
    if (!gpu || (zone !== undefined && !gpu.zones.includes(zone))) {
      const place = zone ? ` in zone '${zone}'` : "";
      throw invalid(`${at}.acceleratorType`, acceleratorType, `Accelerator type '${type}' does not exist${place}.`);
    }
    if (!gpu.attach || !FAMILIES[shape.family]?.attachesGpus) {
      const sentence = `[${machineType}, ${type}] features are not compatible for creating instance.`;
      throw new GoogleError(400, "badRequest", sentence);
    }
    const count = Number(acceleratorCount ?? 0);
    const limit = gpu.attach[count];
    if (!limit) {
      const counts = Object.keys(gpu.attach).join(", ");
      throw invalid(`${at}.acceleratorCount`, count, `The number of GPUs can be any of the following: [${counts}].`);
    }
    if (shape.vcpus > limit.maxVcpus) {
      const sentence = `The number of vCPUs (${shape.vcpus}) exceeds the maximum of ${limit.maxVcpus} for ${count} ${type}.`;
      throw invalid(`${at}.acceleratorCount`, count, sentence);
    }
    return { type, count };
  });
}

/** Newer families take Hyperdisk only, the others none of what they do not know. */
export function requireDiskFor(shape: MachineShape, machineType: string, diskType: string, field: string): void {
  const hyperdiskOnly = shape.bootDisk === "hyperdisk-balanced";
  if (hyperdiskOnly === diskType.startsWith("hyperdisk-")) return;
  if (!hyperdiskOnly && /^(c3|c3d|a3|g2|a2|n2|n2d|m\d|c2d)$/.test(shape.family)) return;
  throw invalid(field, diskType, `${diskType} disk type cannot be used by ${machineType} machine type.`);
}
