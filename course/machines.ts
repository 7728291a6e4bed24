import { findMachineType, type MachineShape } from "../catalog/machineTypes.ts";
import { diskPerMonth, HOURS_PER_MONTH, hourlyPrice } from "../catalog/prices.ts";
import { DEFAULTS, PRESETS, type TrainingInput, type WorkstationInput } from "../components/configSchema.ts";
import { readWorkstation } from "../components/workstationConfig.ts";
import type { Course, Limits, Student } from "./contract.ts";

/** A machine as quotas and prices count it. */
export interface Machine {
  type: string;
  region: string;
  spot: boolean;
  /** Absent for a type that the catalog does not know: then nothing can be counted. */
  shape?: MachineShape;
  gpu?: { type: string; count: number };
  disks: { type: string; gb: number }[];
  externalIp?: boolean;
  /** US dollars; `undefined` without a price in the catalog. */
  perHour?: number;
}

/** What a student can have at the same time. */
export interface Machines {
  workstation?: Machine & {
    /** What its disks cost at every hour, US dollars. */
    diskPerHour: number;
  };
  /** The one that a run takes which names none. */
  run: Machine;
  /** The one of those allowed with most vCPUs, on demand. */
  largest: Machine;
  /** The dearest per hour of all that are allowed, on demand. */
  dearest?: Machine;
}

/** The course's limits with the student's own. */
export function limitsOf({ limits }: Pick<Course, "limits">, { overrides }: Pick<Student, "overrides">): Limits {
  const { workstation: _, ...own } = overrides;
  return { ...limits, ...own };
}

/** The student's workstation settings; `false`: none. */
export function workstationOf(
  { workstation }: Pick<Course, "workstation">,
  { overrides }: Pick<Student, "overrides">,
): Record<string, unknown> | false {
  if (overrides.workstation === false) return false;
  if (overrides.workstation === true) return workstation || {};
  return workstation;
}

export function machinesOf(course: Course, student: Pick<Student, "overrides">): Machines {
  const limits = limitsOf(course, student);
  const training: TrainingInput = PRESETS[course.preset].training;
  const { bootDiskGb = DEFAULTS.training.bootDiskGb, spot = DEFAULTS.training.spot } = training;
  const allowed = limits.machineTypes.map((type) => machine(type, course.region, { bootDiskGb, spot: false }));
  const vcpus = ({ shape }: Machine) => shape?.vcpus ?? 0;
  const priced = allowed.filter(({ perHour }) => perHour !== undefined);
  const settings = workstationOf(course, student);
  return {
    run: machine(limits.machineTypes[0] ?? "", course.region, { bootDiskGb, spot }),
    largest: allowed.reduce((most, each) => (vcpus(each) > vcpus(most) ? each : most)),
    dearest: priced.reduce<Machine | undefined>(
      (most, each) => (most?.perHour !== undefined && most.perHour >= (each.perHour ?? 0) ? most : each),
      undefined,
    ),
    ...(settings ? { workstation: station(course, settings) } : {}),
  };
}

function station(course: Course, settings: WorkstationInput): Machines["workstation"] {
  const preset: WorkstationInput = PRESETS[course.preset].workstation;
  const around = { project: course.projects[0] ?? "", region: course.region, scope: "student", preset };
  const { config } = readWorkstation(settings, { ...around, today: new Date().toISOString().slice(0, 10) });
  if (!config) return undefined;
  const { machineType, bootDiskGb, diskType, dataDiskGb, guestAccelerators, spot, region, externalIp } = config;
  const gpu = guestAccelerators[0];
  const made = machine(machineType, region, { bootDiskGb, bootDiskType: diskType, spot, gpu });
  // Both disks are of one type.
  if (dataDiskGb !== undefined) made.disks.push({ type: diskType, gb: dataDiskGb });
  const perMonth = made.disks.reduce((sum, { type, gb }) => sum + (diskPerMonth(type, gb) ?? 0), 0);
  return { ...made, externalIp, diskPerHour: perMonth / HOURS_PER_MONTH };
}

function machine(
  type: string,
  region: string,
  more: { bootDiskGb: number; bootDiskType?: string; spot: boolean; gpu?: { type: string; count: number } },
): Machine {
  const shape = findMachineType(type);
  const gpu = more.gpu ?? shape?.gpu;
  const diskType = more.bootDiskType ?? shape?.bootDisk ?? "pd-balanced";
  const price = hourlyPrice(type, more.spot, { gpu: more.gpu, bootDiskGb: more.bootDiskGb, bootDiskType: diskType });
  return {
    type,
    region,
    spot: more.spot,
    shape,
    ...(gpu ? { gpu } : {}),
    disks: [{ type: diskType, gb: more.bootDiskGb }],
    ...(price ? { perHour: price.perHour } : {}),
  };
}
