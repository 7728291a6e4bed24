import { allZones, REGIONS, regionOf, zonesOf } from "../catalog/zones.ts";
import { nearest } from "../training/nearest.ts";
import { type AttachedGpu, planMachine } from "./accelerators.ts";
import { DEFAULTS, type TrainingInput } from "./configSchema.ts";
import { chooseImage, type ImageChoice, imageSupport } from "./images.ts";
import { checkMachineType } from "./machineTypes.ts";

/** Training machines, checked and complete. */
export interface TrainingConfig {
  /** Each gets its subnet, its NAT and its template; the first is tried first. */
  regions: string[];
  /** In the order in which machines are tried. */
  zones: string[];
  machineType: string;
  guestAccelerators: AttachedGpu[];
  onHostMaintenance: "MIGRATE" | "TERMINATE";
  hasGpu: boolean;
  spot: boolean;
  maxHours: number;
  maxRestarts: number;
  /** Seconds between two checkpoints at most; a package or flag may say another. */
  checkpointSeconds: number;
  /** Whether a run that finds no Spot machine may take a standard one; a package or flag may say otherwise. */
  fallbackToStandard: boolean;
  allowedMachineTypes?: string[];
  image: ImageChoice;
  bootDiskGb: number;
  bootDiskType: string;
}

interface Defaults {
  region?: string;
  project: string;
  /** The image family that this environment builds itself. */
  ownFamily?: string;
}

/** Problems and warnings begin with the member's name, without the key before it. */
export function readTraining(
  input: TrainingInput,
  { region, project, ownFamily }: Defaults,
): { config?: TrainingConfig; problems: string[]; warnings: string[] } {
  const problems: string[] = [];
  const warnings: string[] = [];
  if (input.enabled === false) return { problems, warnings };
  const settings = { ...DEFAULTS.training, ...input };

  const regions = readRegions(settings, region, problems);
  const zones = readZones(settings, regions, problems);
  const plan = planMachine({
    machineType: settings.machineType,
    gpu: settings.gpu as AttachedGpu | undefined,
    spot: settings.spot,
    zones: settings.zones ? zones : undefined,
    candidates: zones,
  });
  problems.push(...plan.problems.map((problem) => `machineType: ${problem}`));
  warnings.push(...plan.warnings.map((warning) => `machineType: ${warning}`));
  readAllowed(settings, problems, warnings);
  if (settings.checkpointSeconds > settings.maxHours * 3600) {
    problems.push(
      `checkpointSeconds must not be over maxHours (${settings.maxHours} h): no checkpoint would ever be made; got ${settings.checkpointSeconds}`,
    );
  }
  if (settings.fallbackToStandard && !settings.spot) {
    warnings.push("fallbackToStandard: changes nothing where spot is false: machines are standard ones anyway");
  }

  const chosen = chooseImage(settings.image, project, ownFamily);
  problems.push(...chosen.problems.map((problem) => `image ${problem}`));
  warnings.push(...chosen.warnings.map((warning) => `image: ${warning}`));
  const support = imageSupport(chosen.image, new Date().toISOString().slice(0, 10));
  if (support.problem) problems.push(`image ${support.problem}`);
  if (support.warning) warnings.push(`image: ${support.warning}`);
  const { known } = chosen.image;
  if (known && plan.architecture && known.architecture !== plan.architecture) {
    problems.push(
      `image ${chosen.image.family} is for ${known.architecture}, but ${settings.machineType} is ${plan.architecture}; take ${plan.architecture === "arm64" ? "ubuntu-2404-lts-arm64" : "ubuntu-2404-lts-amd64"}`,
    );
  }
  if (known && plan.gpu && !known.gpu) {
    warnings.push(
      `image: ${chosen.image.family} has no NVIDIA driver, but ${settings.machineType} has a GPU; common-cu129-ubuntu-2404-nvidia-580 has one`,
    );
  }
  return {
    config: {
      regions,
      zones: plan.zones,
      machineType: settings.machineType,
      guestAccelerators: plan.guestAccelerators,
      onHostMaintenance: plan.onHostMaintenance,
      hasGpu: plan.gpu !== undefined,
      spot: settings.spot,
      maxHours: settings.maxHours,
      maxRestarts: settings.maxRestarts,
      checkpointSeconds: settings.checkpointSeconds,
      fallbackToStandard: settings.fallbackToStandard,
      allowedMachineTypes: settings.allowedMachineTypes ? [...settings.allowedMachineTypes] : undefined,
      image: chosen.image,
      bootDiskGb: settings.bootDiskGb,
      bootDiskType: plan.bootDiskType,
    },
    problems,
    warnings,
  };
}

function readRegions(settings: TrainingInput, region: string | undefined, problems: string[]): string[] {
  const named =
    settings.regions ?? (settings.zones && !region ? [...new Set(settings.zones.map(regionOf))] : undefined);
  const regions = named ?? [region ?? DEFAULTS.region];
  regions.forEach((name, index) => {
    // A region that came from a zone's name is told as the zone.
    if (!settings.regions) return;
    if (!REGIONS[name]) {
      const meant = nearest(name, Object.keys(REGIONS));
      problems.push(
        `regions[${index}] names no region of Google's${meant ? `; did you mean ${meant}?` : ""}; got ${JSON.stringify(name)}`,
      );
    } else if (regions.indexOf(name) !== index) problems.push(`regions[${index}] is there twice: ${name}`);
  });
  return regions;
}

function readZones(settings: TrainingInput, regions: string[], problems: string[]): string[] {
  if (!settings.zones) return regions.flatMap(zonesOf);
  const known = allZones();
  settings.zones.forEach((zone, index) => {
    if (!known.includes(zone)) {
      const near = zonesOf(regionOf(zone));
      const meant = near.length > 0 ? near.join(", ") : nearest(zone, known);
      problems.push(
        `zones[${index}] names no zone of Google's${meant ? `; the nearest: ${meant}` : ""}; got ${JSON.stringify(zone)}`,
      );
    } else if (!regions.includes(regionOf(zone))) {
      problems.push(
        `zones[${index}] lies in ${regionOf(zone)}, which is none of the regions ${regions.join(", ")}; got ${zone}`,
      );
    } else if (settings.zones?.indexOf(zone) !== index) problems.push(`zones[${index}] is there twice: ${zone}`);
  });
  return settings.zones.filter((zone) => known.includes(zone));
}

function readAllowed(settings: TrainingInput & { machineType: string }, problems: string[], warnings: string[]): void {
  const allowed = settings.allowedMachineTypes;
  if (!allowed) return;
  allowed.forEach((type, index) => {
    const check = checkMachineType(type);
    problems.push(...check.problems.map((problem) => `allowedMachineTypes[${index}]: ${problem}`));
    warnings.push(...check.warnings.map((warning) => `allowedMachineTypes[${index}]: ${warning}`));
  });
  if (!allowed.includes(settings.machineType)) {
    problems.push(
      `machineType must be one of training.allowedMachineTypes (${allowed.join(", ")}); got ${settings.machineType}`,
    );
  }
}
