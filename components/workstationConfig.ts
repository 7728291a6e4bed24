import { DEFAULT_ARM_IMAGE_FAMILY, DEFAULT_IMAGE_FAMILY, GPU_IMAGE_FAMILY } from "../catalog/baseImages.ts";
import { AS_OF, DISK_PRICES, hourlyPrice } from "../catalog/prices.ts";
import { TIME_ZONES } from "../catalog/timeZones.ts";
import { allZones, regionOf, zonesOf } from "../catalog/zones.ts";
import { nearest } from "../training/nearest.ts";
import { type AttachedGpu, type MachinePlan, planMachine } from "./accelerators.ts";
import type { WorkstationInput } from "./configSchema.ts";
import { chooseImage, type ImageChoice, imageProjectProblem, imageSupport } from "./images.ts";
import { readSchedule, type ScheduleConfig } from "./scheduleConfig.ts";
import { sshSourceProblems } from "./sshSources.ts";

/** Somebody who may come onto the workstation. */
export interface Person {
  /** `user:NAME@DOMAIN` or `group:NAME@DOMAIN` */
  member: string;
  sudo: boolean;
}

/** Where the requirements of the person's environment come from. */
export type Requirements = { file: string } | { object: string };

/** The person's machine, checked and complete. */
export interface WorkstationConfig {
  zone: string;
  region: string;
  machineType: string;
  guestAccelerators: AttachedGpu[];
  onHostMaintenance: "MIGRATE" | "TERMINATE";
  hasGpu: boolean;
  spot: boolean;
  image: ImageChoice;
  bootDiskGb: number;
  diskType: string;
  /** Absent: no disk of its own for /home. */
  dataDiskGb?: number;
  /** 0: it never stops for being idle. */
  idleMinutes: number;
  schedule?: ScheduleConfig;
  externalIp: boolean;
  /** IPv4 ranges; empty without `externalIp`. */
  sshFrom: string[];
  people: Person[];
  requirements?: Requirements;
}

const DEFAULTS = { machineType: "e2-standard-4", gpuMachineType: "n1-standard-8", idleMinutes: 60 } as const;
/** Images with drivers and CUDA fill half of what is enough elsewhere. */
const BOOT_DISK_GB = { plain: 50, gpu: 100 } as const;
const HOURS_PER_MONTH = 730;

interface Surroundings {
  project: string;
  /** Where it stands if no zone is named. */
  region: string;
  scope: string;
  /** The preset's defaults. */
  preset: WorkstationInput;
  /** `yyyy-mm-dd` */
  today: string;
}

export interface WorkstationReading {
  config?: WorkstationConfig;
  problems: string[];
  warnings: string[];
  /** What is worth knowing and no doubt: when it stops, what it costs. */
  notes: string[];
}

/** Problems, warnings and notes begin with the member's name, without the key before it. Pure. */
export function readWorkstation(input: WorkstationInput, around: Surroundings): WorkstationReading {
  const problems: string[] = [];
  const warnings: string[] = [];
  const notes: string[] = [];
  if (around.scope === "foundation") {
    const problem = "belongs to a stack with machines of its own (solo, student); this one is foundation";
    return { problems: [problem], warnings, notes };
  }
  // A machine type that carries or takes a GPU is the user's choice; the preset's would not fit it.
  const preset = input.gpu ? { ...around.preset, machineType: undefined } : around.preset;
  const settings = { ...preset, ...input };
  const spot = settings.spot ?? false;
  const machineType = settings.machineType ?? (settings.gpu ? DEFAULTS.gpuMachineType : DEFAULTS.machineType);
  const known = settings.zone === undefined || allZones().includes(settings.zone);
  if (!known) problems.push(zoneProblem(settings.zone ?? ""));
  const plan = planMachine({
    machineType,
    gpu: settings.gpu as AttachedGpu | undefined,
    spot,
    zones: known && settings.zone ? [settings.zone] : undefined,
    candidates: zonesOf(around.region),
    key: "workstation",
  });
  problems.push(...plan.problems.map((problem) => `machineType: ${problem}`));
  warnings.push(...plan.warnings.map((warning) => `machineType: ${warning}`));
  const zone = settings.zone ?? plan.zones[0] ?? zonesOf(around.region)[0] ?? "";
  const image = readImage(settings.image, plan, machineType, around, problems, warnings);
  const people = readPeople(settings.people ?? [], problems);
  readAccess(settings, problems, warnings);
  const requirements = readRequirements(settings.requirements, problems);
  const schedule = readSchedule(settings.schedule, TIME_ZONES[regionOf(zone)] ?? "UTC");
  problems.push(...schedule.problems);
  warnings.push(...schedule.warnings);

  const config: WorkstationConfig = {
    zone,
    region: regionOf(zone),
    machineType,
    guestAccelerators: plan.guestAccelerators,
    onHostMaintenance: plan.onHostMaintenance,
    hasGpu: plan.gpu !== undefined,
    spot,
    image,
    bootDiskGb: settings.bootDiskGb ?? (plan.gpu ? BOOT_DISK_GB.gpu : BOOT_DISK_GB.plain),
    diskType: plan.bootDiskType,
    dataDiskGb: settings.dataDiskGb,
    idleMinutes: settings.idleMinutes ?? DEFAULTS.idleMinutes,
    schedule: schedule.config,
    externalIp: settings.externalIp ?? false,
    sshFrom: settings.externalIp ? [...(settings.sshFrom ?? [])] : [],
    people,
    requirements,
  };
  if (problems.length > 0) return { problems, warnings, notes };
  if (config.hasGpu) {
    warnings.push(
      "gpu: secure boot is off, because NVIDIA's drivers in GPU images are not signed for it; virtual TPM and integrity monitoring are on",
    );
  }
  if (people.length > 0 && around.scope === "student") {
    warnings.push(
      "people: they also need to see the project (compute.projects.get), which a student's stack may not grant; whoever keeps the foundation gives them its role openProject",
    );
  }
  tellEnds(config, schedule.hours, warnings, notes);
  return { config, problems, warnings, notes };
}

function zoneProblem(zone: string): string {
  const near = zonesOf(regionOf(zone));
  const meant = near.length > 0 ? near.join(", ") : nearest(zone, allZones());
  return `zone names no zone of Google's${meant ? `; the nearest: ${meant}` : ""}; got ${JSON.stringify(zone)}`;
}

function readImage(
  wish: string | undefined,
  plan: MachinePlan,
  machineType: string,
  { project, today }: Surroundings,
  problems: string[],
  warnings: string[],
): ImageChoice {
  const plain = plan.architecture === "arm64" ? DEFAULT_ARM_IMAGE_FAMILY : DEFAULT_IMAGE_FAMILY;
  const named = wish && wish !== "auto" ? wish : plan.gpu ? GPU_IMAGE_FAMILY : plain;
  const { image, ...chosen } = chooseImage(named, project);
  problems.push(...chosen.problems.map((problem) => `image ${problem}`));
  warnings.push(...chosen.warnings.map((warning) => `image: ${warning}`));
  if (chosen.problems.length > 0) return image;
  const foreign = imageProjectProblem(image, project);
  if (foreign) problems.push(`image ${foreign}`);
  const support = imageSupport(image, today);
  if (support.problem) problems.push(`image ${support.problem}`);
  if (support.warning) warnings.push(`image: ${support.warning}`);
  const { known } = image;
  if (known && plan.architecture && known.architecture !== plan.architecture) {
    problems.push(
      `image ${image.family} is for ${known.architecture}, but ${machineType} is ${plan.architecture}; take ${plain}, or leave image away`,
    );
  }
  if (known && plan.gpu && !known.gpu) {
    warnings.push(
      `image: ${image.family} has no NVIDIA driver, but the workstation has a GPU; ${GPU_IMAGE_FAMILY} has one`,
    );
  }
  return image;
}

const MEMBER = /^(user|group):[^\s@:]+@[^\s@:]+\.[^\s@:]+$/;

function readPeople(wishes: NonNullable<WorkstationInput["people"]>, problems: string[]): Person[] {
  const people = wishes.map((wish) => (typeof wish === "string" ? { member: wish } : wish));
  people.forEach(({ member }, index) => {
    if (!MEMBER.test(member)) {
      problems.push(
        `people[${index}] must be user:NAME@DOMAIN or group:NAME@DOMAIN: nobody else gets onto a workstation; got ${JSON.stringify(member)}`,
      );
    } else if (people.findIndex((each) => each.member.toLowerCase() === member.toLowerCase()) !== index) {
      problems.push(`people[${index}] is there twice: ${member}`);
    }
  });
  return people.map(({ member, ...rest }) => ({ member, sudo: "sudo" in rest ? (rest.sudo ?? true) : true }));
}

function readAccess({ externalIp, sshFrom }: WorkstationInput, problems: string[], warnings: string[]): void {
  if (externalIp) {
    if (!sshFrom || sshFrom.length === 0) {
      problems.push(
        "sshFrom is missing: a workstation with a public address (externalIp) needs the ranges that SSH may come from, such as 203.0.113.7/32; or leave externalIp away, `mlt ssh` needs no address",
      );
    } else problems.push(...sshSourceProblems(sshFrom));
  } else if (sshFrom && sshFrom.length > 0) {
    problems.push(...sshSourceProblems(sshFrom));
    warnings.push("sshFrom: nothing comes of it without externalIp: SSH goes through Identity-Aware Proxy");
  }
}

function readRequirements(wish: string | undefined, problems: string[]): Requirements | undefined {
  if (!wish) return undefined;
  if (/^gs:\/\/[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]\/[^\s/][^\r\n]*$/.test(wish)) return { object: wish };
  if (wish.startsWith("gs://") || /^([\\/~]|[A-Za-z]:)/.test(wish) || wish.includes("\\") || wish.endsWith("/")) {
    problems.push(
      `requirements must be a file relative to Pulumi.yaml's folder, with /, or gs://BUCKET/OBJECT; got ${JSON.stringify(wish)}`,
    );
    return undefined;
  }
  return { file: wish };
}

/** When it stops by itself, and what it costs. */
function tellEnds(config: WorkstationConfig, hours: number | undefined, warnings: string[], notes: string[]): void {
  const { machineType, spot, idleMinutes, schedule } = config;
  const [gpu] = config.guestAccelerators;
  const price = hourlyPrice(machineType, spot, { gpu })?.perHour;
  const disks = (config.bootDiskGb + (config.dataDiskGb ?? 0)) * (DISK_PRICES[config.diskType] ?? Number.NaN);
  const usd = (amount: number): string => (amount >= 10 ? amount.toFixed(0) : amount.toFixed(2));
  const rate = price === undefined ? "of unknown price" : `about ${usd(price)} USD per hour while it runs`;
  const idle = price === undefined ? "" : `, ${usd(price * HOURS_PER_MONTH)} USD per month if it runs on`;
  const still = Number.isNaN(disks) ? "" : `, ${usd(disks)} USD per month for its disks also when stopped`;
  notes.push(`${machineType}${spot ? " (Spot)" : ""} in ${config.zone}: ${rate}${still} (list prices of ${AS_OF})`);
  const ends = [
    ...(idleMinutes > 0 ? [`after ${idleMinutes} idle minutes`] : []),
    ...(schedule ? [`at "${schedule.stop}" (cron), ${schedule.timeZone}`] : []),
  ];
  if (ends.length > 0) notes.push(`stops by itself ${ends.join(" and ")}`);
  if (idleMinutes === 0) {
    warnings.push(
      schedule
        ? `idleMinutes 0: a forgotten workstation runs until its schedule stops it`
        : `idleMinutes 0 and schedule false: nothing stops a forgotten workstation${idle}`,
    );
  }
  if (schedule?.start && hours !== undefined) {
    const cost = price === undefined ? "" : `, about ${usd(price * hours)} USD`;
    const most = idleMinutes > 0 ? " at most (it stops when idle)" : "";
    warnings.push(
      `schedule.start: it starts by itself at "${schedule.start}" (cron), ${schedule.timeZone}, and runs ${Math.round(hours)} hours a month${cost}${most}`,
    );
  }
}
