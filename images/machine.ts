import { randomBytes } from "node:crypto";
import type { Environment } from "../training/contract.ts";
import { EXIT, UserError } from "../training/errors.ts";
import { labelValue } from "../training/ids.ts";
import { type BaseImage, imagePath } from "./base.ts";
import { type ImageCloud, type Instance, Refused } from "./cloud.ts";
import type { MachineRole } from "./ids.ts";
import { LABELS, ownLabels } from "./labels.ts";
import type { Limits } from "./limits.ts";

/** Google's limits for metadata: one value, and all of them with their keys. */
export const METADATA_VALUE_BYTES = 256 * 1024;
export const METADATA_BYTES = 512 * 1024;
/** The shortest `maxRunDuration`. */
const SHORTEST_SECONDS = 30;

/** What a builder or a test machine is made from. */
export interface MachineWish {
  role: MachineRole;
  name: string;
  build: string;
  /** `projects/P/global/images/NAME` to boot from. */
  image: string;
  machineType: string;
  spot: boolean;
  diskGb: number;
  /** Whether the image has drivers that secure boot may refuse. */
  gpu: boolean;
  startupScript: string;
  nonce: string;
}

/** The environment as building needs it: its record in the bucket, or what the Pulumi program hands over. */
export type BuildEnvironment = Pick<
  Environment,
  "environment" | "project" | "buckets" | "serviceAccount" | "labels"
> & {
  imageFamily: NonNullable<Environment["imageFamily"]>;
};

/** A word that only this machine is told, so that no other can speak in its name. */
export function newNonce(): string {
  return randomBytes(16).toString("hex");
}

/** Metadata of a machine: ids only; everything else is in the bucket. */
export function metadataOf(environment: BuildEnvironment, wish: MachineWish): { key: string; value: string }[] {
  return Object.entries({
    "mlt-build": wish.build,
    "mlt-role": wish.role,
    "mlt-bucket": environment.buckets.data,
    "mlt-nonce": wish.nonce,
    "startup-script": wish.startupScript,
    "enable-oslogin": "TRUE",
    "block-project-ssh-keys": "TRUE",
    "serial-port-enable": "FALSE",
  }).map(([key, value]) => ({ key, value }));
}

/** What of a machine's metadata Google would refuse. */
export function metadataProblems(items: readonly { key: string; value: string }[]): string[] {
  const problems: string[] = [];
  for (const { key, value } of items) {
    const size = Buffer.byteLength(value);
    if (size > METADATA_VALUE_BYTES) {
      problems.push(
        `the builder's metadata value ${key} has ${size} bytes; Google takes at most ${METADATA_VALUE_BYTES}. What is large belongs into the recipe's folder, which travels through the bucket`,
      );
    }
  }
  const all = items.reduce((sum, { key, value }) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  if (all > METADATA_BYTES) {
    problems.push(`the builder's metadata has ${all} bytes in all; Google takes at most ${METADATA_BYTES}`);
  }
  return problems;
}

/** The body of `instances.insert`: no address of its own, no rights but the environment's machines', deleted by Google in time. */
export function machineRequest(
  environment: BuildEnvironment,
  wish: MachineWish,
  zone: string,
  limits: Limits,
): Instance {
  const seconds = Math.max(SHORTEST_SECONDS, Math.ceil(limits.machineMs / 1000));
  const { imageFamily } = environment;
  const labels = {
    ...environment.labels,
    ...ownLabels({ environment: environment.environment, family: imageFamily.family }, wish.build),
    [LABELS.role]: wish.role,
    [LABELS.expires]: labelValue(String(Math.ceil(limits.now() / 1000) + seconds)),
  };
  return {
    name: wish.name,
    description: `${wish.role === "build" ? "Builds" : "Tests"} an image of the family ${imageFamily.family} (ml-training)`,
    machineType: `zones/${zone}/machineTypes/${wish.machineType}`,
    disks: [
      {
        boot: true,
        autoDelete: true,
        initializeParams: {
          diskName: wish.name,
          sourceImage: wish.image,
          diskSizeGb: String(wish.diskGb),
          diskType: `zones/${zone}/diskTypes/pd-balanced`,
          labels,
        },
      },
    ],
    networkInterfaces: [{ subnetwork: imageFamily.subnetwork }],
    serviceAccounts: [
      { email: environment.serviceAccount, scopes: ["https://www.googleapis.com/auth/cloud-platform"] },
    ],
    scheduling: {
      ...(wish.spot
        ? { provisioningModel: "SPOT", preemptible: true, onHostMaintenance: "TERMINATE" }
        : { provisioningModel: "STANDARD", preemptible: false, onHostMaintenance: "MIGRATE" }),
      automaticRestart: false,
      maxRunDuration: { seconds: String(seconds) },
      instanceTerminationAction: "DELETE",
    },
    shieldedInstanceConfig: { enableSecureBoot: !wish.gpu, enableVtpm: true, enableIntegrityMonitoring: true },
    metadata: { items: metadataOf(environment, wish) },
    labels,
  };
}

/**
 * Makes the machine in the first zone that has one. `onZone` writes down where, before Google is asked; a machine of
 * the name that is there already is the same build's, from a launcher that is gone.
 */
export async function makeMachine(
  cloud: ImageCloud,
  environment: BuildEnvironment,
  wish: MachineWish,
  limits: Limits,
  onZone: (zone: string) => Promise<void>,
): Promise<void> {
  const { project } = environment;
  const refused: string[] = [];
  for (const zone of environment.imageFamily.zones) {
    await onZone(zone);
    try {
      await cloud.makeMachine(project, zone, machineRequest(environment, wish, zone, limits));
      return;
    } catch (error) {
      // What failed half way leaves nothing behind, in this zone or for the next one.
      await cloud.removeMachine(project, zone, wish.name);
      if (!(error instanceof Refused) || !["stockOut", "late"].includes(error.kind)) throw error;
      refused.push(`${zone}: ${error.message}`);
    }
  }
  throw new UserError(
    `No zone has a machine ${wish.machineType} for the image now: ${refused.join("; ")}`,
    EXIT.noCapacity,
  );
}

/** The nonce that a machine was given, from its own metadata: it need not be kept anywhere else. */
export function nonceOf(machine: Instance): string | undefined {
  return machine.metadata?.items?.find(({ key }) => key === "mlt-nonce")?.value ?? undefined;
}

export function isOff(machine: Instance | undefined): boolean {
  return ["TERMINATED", "STOPPED", "SUSPENDED"].includes(String(machine?.status));
}

export { type BaseImage, imagePath };
