import { allZones } from "../catalog/zones.ts";
import { checkMachineType } from "../components/machineTypes.ts";
import type { Environment, RunSpec } from "./contract.ts";
import { LONGEST_CHECKPOINT_SECONDS, SCHEMA, SHORTEST_CHECKPOINT_SECONDS } from "./contract.ts";
import { trainingOf, usableZones } from "./environment.ts";
import { Problems } from "./errors.ts";
import { quotable } from "./files.ts";
import { runId } from "./ids.ts";
import { nearest } from "./nearest.ts";
import type { Manifest } from "./package.ts";
import { estimate } from "./price.ts";

/** What the command line says; it wins over training.yaml, which wins over the environment. */
export interface RunFlags {
  machineType?: string;
  maxHours?: number;
  maxRestarts?: number;
  spot?: boolean;
  /** Seconds between two checkpoints at most. */
  checkpointSeconds?: number;
  /** Whether a standard machine may stand in where no zone has a Spot one. */
  fallbackToStandard?: boolean;
  /** The only zones that machines may be in, in this order. */
  zones?: readonly string[];
  /** Minutes that a failed machine stays up. */
  keepMinutes?: number;
}

/** Google's bounds of `scheduling.maxRunDuration`. */
const RUN_SECONDS = { least: 30, most: 120 * 24 * 3600 };
const ENVIRONMENT = "the environment";

export interface SpecInput {
  environment: Environment;
  manifest: Manifest;
  archive: { sha256: string };
  arguments: readonly string[];
  flags: RunFlags;
  now: Date;
  random?: Buffer;
}

/** The run's spec, or every reason why there can be none. */
export function buildSpec(input: SpecInput): RunSpec {
  const { environment, manifest, archive, flags, now } = input;
  const training = trainingOf(environment);
  const pick = <T>(flag: T | undefined, yaml: T | undefined, fallback: T, key: string): { value: T; from: string } =>
    flag !== undefined
      ? { value: flag, from: `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}` }
      : yaml !== undefined
        ? { value: yaml, from: `${key} in training.yaml` }
        : { value: fallback, from: ENVIRONMENT };

  const machine = pick(flags.machineType, manifest.machineType, training.machineType, "machineType");
  const hours = pick(flags.maxHours, manifest.maxHours, training.maxHours, "maxHours");
  const restarts = pick(flags.maxRestarts, manifest.maxRestarts, training.maxRestarts, "maxRestarts");
  const spot = pick(flags.spot, manifest.spot, training.spot, "spot");
  const checkpoint = pick(
    flags.checkpointSeconds,
    manifest.checkpointSeconds,
    training.checkpointSeconds ?? 30,
    "checkpointSeconds",
  );
  const fallback = pick(
    flags.fallbackToStandard,
    manifest.fallbackToStandard,
    training.fallbackToStandard ?? false,
    "fallbackToStandard",
  );
  const keep = pick(flags.keepMinutes, manifest.keepMinutes, 0, "keep");

  const problems: string[] = [];
  const impossible = checkMachineType(machine.value).problems;
  if (impossible.length > 0) {
    problems.push(...impossible.map((problem) => `machine type ${machine.value} (${machine.from}): ${problem}`));
  } else if (training.allowedMachineTypes && !training.allowedMachineTypes.includes(machine.value)) {
    const near = nearest(machine.value, training.allowedMachineTypes);
    problems.push(
      `machine type ${machine.value} (${machine.from}) is not allowed in ${environment.environment}; allowed: ${training.allowedMachineTypes.join(", ")}${near ? `; nearest: ${near}` : ""}`,
    );
  }
  if (!(hours.value * 3600 >= RUN_SECONDS.least && hours.value * 3600 <= RUN_SECONDS.most)) {
    problems.push(
      `time limit ${hours.value} h (${hours.from}) is out of Google's range for a machine: 30 seconds (0.00834 h) to 120 days (2880 h)`,
    );
  } else if (hours.value > training.maxHours) {
    problems.push(
      `time limit ${hours.value} h (${hours.from}) is over the environment's ceiling of ${training.maxHours} h (mltraining:training maxHours)`,
    );
  }
  if (!Number.isInteger(restarts.value) || restarts.value < 0) {
    problems.push(`maxRestarts ${restarts.value} (${restarts.from}) is no whole number from 0`);
  } else if (restarts.value > training.maxRestarts) {
    problems.push(
      `maxRestarts ${restarts.value} (${restarts.from}) is over the environment's ceiling of ${training.maxRestarts}`,
    );
  }
  const { value: seconds } = checkpoint;
  if (!Number.isInteger(seconds) || seconds < SHORTEST_CHECKPOINT_SECONDS || seconds > LONGEST_CHECKPOINT_SECONDS) {
    problems.push(
      `checkpointSeconds ${seconds} (${checkpoint.from}) is no whole number from ${SHORTEST_CHECKPOINT_SECONDS} to ${LONGEST_CHECKPOINT_SECONDS}`,
    );
  } else if (checkpoint.from !== ENVIRONMENT && seconds > hours.value * 3600) {
    // The environment's own is for runs of any length; who names one for this run means it.
    problems.push(
      `a checkpoint every ${seconds} s (${checkpoint.from}) would never be made within the limit of ${hours.value} h (${hours.from})`,
    );
  }
  const most = environment.student?.costPerRun;
  const cost =
    most === undefined ? undefined : estimate(machine.value, spot.value && !fallback.value, hours.value).most;
  if (most !== undefined && cost !== undefined && cost > most) {
    problems.push(
      `the run may cost ${cost.toFixed(2)} USD (${machine.value}${spot.value && !fallback.value ? ", Spot" : ""}, ${hours.value} h), and this course lets one cost ${most.toFixed(2)}. Take a smaller machine or a shorter time: --max-hours ${shorter(hours.value, most / cost)}`,
    );
  }
  problems.push(...zoneProblems(flags.zones, environment));
  if (keep.value !== 0 && !(keep.value > 0 && keep.value < hours.value * 60)) {
    problems.push(`keeping a failed machine for ${keep.value} min (${keep.from}) does not fit in ${hours.value} h`);
  }
  if (problems.length > 0) throw new Problems("The run cannot be started", problems);

  return {
    schema: SCHEMA,
    id: runId(manifest.name, now, input.random),
    environment: environment.environment,
    project: environment.project,
    package: { name: manifest.name, object: `code/${archive.sha256}.tar.gz`, sha256: archive.sha256 },
    command: [...manifest.command],
    arguments: [...input.arguments],
    ...(manifest.python ? { python: manifest.python } : {}),
    inputs: [...manifest.inputs],
    buckets: environment.buckets,
    deadline: new Date(now.getTime() + Math.round(hours.value * 3_600_000)).toISOString(),
    maxRestarts: restarts.value,
    checkpointSeconds: checkpoint.value,
    fallbackToStandard: fallback.value,
    keepMinutes: Math.round(keep.value),
    machineType: machine.value,
    spot: spot.value,
    ...(flags.zones?.length ? { zones: [...flags.zones] } : {}),
    createdAt: now.toISOString(),
  };
}

/** Hours that fit, cut to one decimal. */
function shorter(hours: number, share: number): string {
  return String(Math.max(0.1, Math.floor(hours * share * 10) / 10));
}

/** What is wrong with the zones that were asked for: unknown, not the environment's, or there twice. */
function zoneProblems(zones: readonly string[] | undefined, environment: Environment): string[] {
  const usable = usableZones(environment);
  return (zones ?? []).flatMap((zone, index) => {
    if (zones!.indexOf(zone) !== index) return [`zone ${zone} (--zone) is there twice`];
    if (usable.includes(zone)) return [];
    const real = allZones().includes(zone);
    const near = nearest(zone, real ? usable : [...usable, ...allZones()]);
    return [
      real
        ? `zone ${zone} (--zone) is none of ${environment.environment}'s; those are ${usable.join(", ") || "none"}. Another: add its region to mltraining:training and run \`pulumi up\``
        : `zone ${quotable(zone)} (--zone) is no zone of Google's${near ? `; did you mean ${near}?` : ""}${near && usable.includes(near) ? "" : ` ${environment.environment} has ${usable.join(", ") || "none"}`}`,
    ];
  });
}
