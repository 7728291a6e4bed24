// What a launch that failed says: rule, reason, what to do.
import { findMachineType } from "../../catalog/machineTypes.ts";
import type { Environment, RunSpec } from "../contract.ts";
import { regionOf } from "../environment.ts";
import { EXIT } from "../errors.ts";
import { LaunchRefused, type Machine, NoMachine } from "./engine.ts";
import type { Quota, Refusal } from "./refusals.ts";

/** A zone, and why it gave no machine of which kind. */
export interface Refused {
  zone: string;
  spot: boolean;
  refusal: Refusal;
}

export function badRequest(message: string, zone: string, template: string): LaunchRefused {
  const missing = /instanceTemplates/.test(message);
  return new LaunchRefused(
    missing
      ? `The training template ${template} is not there: ${message}. Run \`pulumi up\`.`
      : `Google refuses this machine in ${zone}: ${message}`,
    EXIT.failedBeforeTraining,
  );
}

export function foreignMachine({ name, zone }: Machine, { project }: Environment): LaunchRefused {
  return new LaunchRefused(
    `A machine ${name} that is not this run's is in ${zone}. Delete it: gcloud compute instances delete ${name} --zone ${zone} --project ${project}`,
    EXIT.failedBeforeTraining,
  );
}

export function givenUp(refusal: Refusal, zone: string, environment: Environment, limit: number): LaunchRefused {
  const minutes = limit / 60_000;
  if (refusal.kind !== "forbidden") {
    return new LaunchRefused(
      `Google did not take the request in ${zone} for ${minutes} minutes: ${refusal.message}. Try again later.`,
      EXIT.failedBeforeTraining,
    );
  }
  const advice = /has not been used in project|it is disabled/.test(refusal.message)
    ? `Enable the service: gcloud services enable compute.googleapis.com --project ${environment.project}`
    : `You need compute.instances.create in ${environment.project}, and the right to act as ${environment.serviceAccount}.`;
  return new LaunchRefused(
    `Making a machine in ${zone} is still not allowed after ${minutes} minutes: ${refusal.message}\n${advice}`,
    EXIT.failedBeforeTraining,
  );
}

/** Every zone was tried: what stood in the way of each. */
export function noMachine(environment: Environment, spec: RunSpec, refused: readonly Refused[]): NoMachine {
  const quotas = refused.flatMap(({ zone, refusal }) =>
    refusal.kind === "quota" ? [{ where: placeOf(refusal.quota, zone), quota: refusal.quota }] : [],
  );
  const both = spec.spot && refused.some(({ spot }) => !spot);
  const lines = refused.map((one) => `  ${line(one, spec, both)}`);
  const others = refused.length > quotas.length;
  const advice = [
    ...(quotas.length > 0
      ? [`More quota: https://console.cloud.google.com/iam-admin/quotas?project=${environment.project}`]
      : []),
    ...(others ? ["Try again later, with another --machine-type, or add regions to mltraining:training."] : []),
  ];
  const kind = `${spec.machineType}${spec.spot && !both ? " (Spot)" : ""}`;
  const shared = quotas.filter(({ quota }) => !neverFits(quota, spec));
  const lacks = [
    ...new Set(shared.map(({ where, quota }) => `quota ${quota.name} ${where}${limitOf(quota)}`)),
    ...(others ? [`a free ${kind}`] : []),
  ].join(" or ");
  return new NoMachine([`No ${kind} is to be had:`, ...lines, ...advice].join("\n"), lacks, shared.length > 0);
}

function line({ zone, spot, refusal }: Refused, spec: RunSpec, both: boolean): string {
  const kind = both ? (spot ? " Spot" : " standard") : "";
  if (refusal.kind === "quota") {
    const { quota } = refusal;
    if (quota.name === "unknown") return `${regionOf(zone)}: a quota is used up (${refusal.message})`;
    const where = quota.global ? "all regions" : regionOf(zone);
    return neverFits(quota, spec)
      ? `${where}: quota ${quota.name} is too small for ${spec.machineType} (limit ${quota.limit}, it takes ${takes(quota, spec)})`
      : `${where}: quota ${quota.name} is used up${limitOf(quota)}`;
  }
  const why: Record<string, string> = {
    stockOut: `none${kind} free now`,
    preempted: "taken back while it was made",
    notHere: "not to be had there",
  };
  return `${zone}: ${why[refusal.kind] ?? refusal.kind} (${refusal.message})`;
}

function placeOf(quota: Quota, zone: string): string {
  return quota.global ? "in all regions" : `in ${regionOf(zone)}`;
}

function limitOf({ limit }: Quota): string {
  return limit === undefined ? "" : ` (limit ${limit})`;
}

/** Whether the machine would not fit even if nobody else used the quota. */
export function neverFits(quota: Quota, spec: RunSpec): boolean {
  return quota.limit !== undefined && quota.limit < takes(quota, spec);
}

/** How much of a quota the machine takes; at least one of whatever it is. */
function takes({ name }: Quota, spec: RunSpec): number {
  const shape = findMachineType(spec.machineType);
  if (/CPUS/i.test(name)) return shape?.vcpus ?? 1;
  if (/GPUS/i.test(name)) return shape?.gpu?.count ?? 1;
  return 1;
}
