import { checkMachineType } from "../components/machineTypes.ts";
import type { Environment, RunSpec } from "./contract.ts";
import { SCHEMA } from "./contract.ts";
import { trainingOf } from "./environment.ts";
import { Problems } from "./errors.ts";
import { runId } from "./ids.ts";
import { nearest } from "./nearest.ts";
import type { Manifest } from "./package.ts";

/** What the command line says; it wins over training.yaml, which wins over the environment. */
export interface RunFlags {
  machineType?: string;
  maxHours?: number;
  maxRestarts?: number;
  spot?: boolean;
  /** Minutes that a failed machine stays up. */
  keepMinutes?: number;
}

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
        : { value: fallback, from: "the environment" };

  const machine = pick(flags.machineType, manifest.machineType, training.machineType, "machineType");
  const hours = pick(flags.maxHours, manifest.maxHours, training.maxHours, "maxHours");
  const restarts = pick(flags.maxRestarts, manifest.maxRestarts, training.maxRestarts, "maxRestarts");
  const spot = pick(flags.spot, manifest.spot, training.spot, "spot");
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
  if (!(hours.value >= 1 / 60)) {
    problems.push(`time limit ${hours.value} h (${hours.from}) is under a minute`);
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
    keepMinutes: Math.round(keep.value),
    machineType: machine.value,
    spot: spot.value,
    createdAt: now.toISOString(),
  };
}
