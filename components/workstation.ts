import { AsyncLocalStorage } from "node:async_hooks";
import { Address } from "@pulumi/gcp/compute/address.js";
import { Disk } from "@pulumi/gcp/compute/disk.js";
import { getImage } from "@pulumi/gcp/compute/getImage.js";
import { Instance } from "@pulumi/gcp/compute/instance.js";
import { ResourcePolicy } from "@pulumi/gcp/compute/resourcePolicy.js";
import { BucketObject } from "@pulumi/gcp/storage/bucketObject.js";
import * as pulumi from "@pulumi/pulumi";
import { whenReady } from "./apiReadiness.ts";
import type { ImageChoice } from "./images.ts";
import { marked } from "./marks.ts";
import { workstationName } from "./names.ts";
import { METADATA_VALUE_LIMIT } from "./startupScript.ts";
import { WorkstationAccess } from "./workstationAccess.ts";
import { beforeChange, type WorkstationShape } from "./workstationChanges.ts";
import type { WorkstationConfig } from "./workstationConfig.ts";

/** Under this name the machine finds its data disk: /dev/disk/by-id/google-home. */
export const DATA_DEVICE = "home";
/** Where a requirements.txt of this computer goes in the data bucket. */
export const REQUIREMENTS_OBJECT = "workstation/requirements.txt";

export interface WorkstationArgs {
  project: string;
  environment: string;
  workstation: WorkstationConfig;
  /** Self links. */
  network: pulumi.Input<string>;
  subnetwork: pulumi.Input<string>;
  serviceAccount: pulumi.Input<string>;
  /** Whether the account is the workstation's own, so that nothing lets SSH in to it yet. */
  ownAccount: boolean;
  /** The data bucket. */
  bucket: pulumi.Input<string>;
  /** What the machine runs at every boot. */
  startupScript: string;
  /** The text of a requirements.txt of this computer. */
  requirements?: string;
  labels: Readonly<Record<string, string>>;
  /** The image is looked up once these are known. */
  after?: pulumi.Input<string[]>;
}

/**
 * One person's machine: no address of its own unless asked for, OS Login, shielded, stopped when idle and at night.
 *
 * What changes in place: startup script, requirements, idle time (all from the next boot on), schedule, people, labels,
 * addresses, larger disks, a data disk that comes or goes. What stops and starts it: another machine type. What makes it
 * anew, boot disk included: another zone, GPU, Spot or not, image or type of disk; the preview warns. The data disk
 * (`/home`) survives that, but for a move to another zone or type of disk, which is refused as long as there is one. A
 * newer image of the same family changes nothing: the disk stays as it was made.
 *
 * Cost: the machine by the second while it runs, its disks always, a static address always (about 0.005 USD per hour).
 */
export class Workstation extends pulumi.ComponentResource {
  readonly instanceName: pulumi.Output<string>;
  readonly internalIp: pulumi.Output<string>;
  /** Absent without `externalIp`. */
  readonly externalIp?: pulumi.Output<string>;

  constructor(name: string, args: WorkstationArgs, opts?: pulumi.ComponentResourceOptions) {
    const { workstation, project, environment, labels } = args;
    check(args);
    // The engine calls from outside; bound to this program, its lines are shown where the program's are.
    const hook = new pulumi.ResourceHook(`${name}-workstation`, AsyncLocalStorage.bind(beforeChange), {
      onDryRun: true,
    });
    const hooks = { beforeUpdate: [hook] };
    super("mltraining:index:Workstation", name, { ...shapeOf(workstation) }, pulumi.mergeOptions(opts, { hooks }));
    const { zone, region } = workstation;
    const child = { parent: this };

    const address = workstation.externalIp
      ? new Address(
          `${name}-ws`,
          { project, region, description: marked("The workstation's address", environment), labels: { ...labels } },
          child,
        )
      : undefined;
    const disk =
      workstation.dataDiskGb === undefined
        ? undefined
        : new Disk(
            `${name}-ws-home`,
            {
              project,
              zone,
              description: marked("The workstation's /home", environment),
              size: workstation.dataDiskGb,
              type: workstation.diskType,
              labels: { ...labels },
            },
            child,
          );
    const requirements = this.#requirements(name, args);
    const image = existing(workstation, args.after ?? [], this);
    const instance = new Instance(
      `${name}-ws`,
      {
        project,
        zone,
        name: workstationName(environment),
        description: marked("Workstation", environment),
        machineType: workstation.machineType,
        guestAccelerators: workstation.guestAccelerators.length > 0 ? workstation.guestAccelerators : undefined,
        canIpForward: false,
        bootDisk: {
          autoDelete: true,
          initializeParams: {
            image,
            size: workstation.bootDiskGb,
            type: workstation.diskType,
            labels: { ...labels },
          },
        },
        attachedDisks: disk ? [{ source: disk.selfLink, deviceName: DATA_DEVICE, mode: "READ_WRITE" }] : undefined,
        networkInterfaces: [
          { subnetwork: args.subnetwork, accessConfigs: address ? [{ natIp: address.address }] : undefined },
        ],
        serviceAccount: { email: args.serviceAccount, scopes: ["https://www.googleapis.com/auth/cloud-platform"] },
        scheduling: schedulingOf(workstation),
        // Drivers of NVIDIA's are not signed for secure boot in every image.
        shieldedInstanceConfig: {
          enableSecureBoot: !workstation.hasGpu,
          enableVtpm: true,
          enableIntegrityMonitoring: true,
        },
        resourcePolicies: this.#schedule(name, args),
        metadata: {
          "startup-script": args.startupScript,
          "enable-oslogin": "TRUE",
          "block-project-ssh-keys": "TRUE",
          "serial-port-enable": "FALSE",
          "mlt-bucket": args.bucket,
          "mlt-environment": environment,
          "mlt-region": region,
          "mlt-idle-minutes": String(workstation.idleMinutes),
          ...(disk ? { "mlt-data-disk": DATA_DEVICE } : {}),
          ...(requirements ? { "mlt-requirements": requirements } : {}),
        },
        allowStoppingForUpdate: true,
        labels: { ...labels },
      },
      // Its name is fixed, and a disk is in one machine at a time.
      { ...child, deleteBeforeReplace: true },
    );
    new WorkstationAccess(
      `${name}-ws`,
      {
        project,
        environment,
        zone,
        instance: instance.name,
        network: args.network,
        serviceAccount: args.serviceAccount,
        bucket: args.bucket,
        throughIap: args.ownAccount,
        sshFrom: workstation.sshFrom,
        people: workstation.people,
      },
      child,
    );
    this.instanceName = instance.name;
    this.internalIp = instance.networkInterfaces.apply((interfaces) => interfaces[0]?.networkIp ?? "");
    this.externalIp = address?.address;
    this.registerOutputs({ instanceName: this.instanceName, internalIp: this.internalIp, externalIp: this.externalIp });
  }

  /** Stops it at night. Google's agent acts by it, with the right that the foundation gives it. */
  #schedule(name: string, { project, environment, workstation }: WorkstationArgs): pulumi.Output<string> | undefined {
    const { schedule, region } = workstation;
    if (!schedule) return undefined;
    const policy = new ResourcePolicy(
      `${name}-ws`,
      {
        project,
        region,
        description: marked("When the workstation stops", environment),
        instanceSchedulePolicy: {
          timeZone: schedule.timeZone,
          vmStopSchedule: { schedule: schedule.stop },
          ...(schedule.start ? { vmStartSchedule: { schedule: schedule.start } } : {}),
        },
      },
      { parent: this },
    );
    return policy.selfLink;
  }

  /** Where the machine finds its requirements: an object of the data bucket, or of another. */
  #requirements(
    name: string,
    { workstation, bucket, requirements }: WorkstationArgs,
  ): pulumi.Input<string> | undefined {
    const wish = workstation.requirements;
    if (!wish) return undefined;
    if ("object" in wish) return wish.object;
    const object = new BucketObject(
      `${name}-ws-requirements`,
      { bucket, name: REQUIREMENTS_OBJECT, content: requirements, contentType: "text/plain", cacheControl: "no-store" },
      { parent: this },
    );
    return object.name;
  }
}

function check({ workstation, startupScript, requirements }: WorkstationArgs): void {
  const errors: pulumi.InputPropertyErrorDetails[] = [];
  if (!startupScript.startsWith("#!") || Buffer.byteLength(startupScript) > METADATA_VALUE_LIMIT) {
    errors.push({
      propertyPath: "startupScript",
      reason: `must begin with #! and have at most ${METADATA_VALUE_LIMIT} bytes`,
    });
  }
  if (workstation.externalIp !== workstation.sshFrom.length > 0) {
    errors.push({ propertyPath: "workstation.sshFrom", reason: "must name ranges if and only if there is externalIp" });
  }
  if (workstation.requirements && "file" in workstation.requirements && requirements === undefined) {
    errors.push({ propertyPath: "requirements", reason: "must hold the file's text" });
  }
  if (errors.length > 0)
    throw new pulumi.InputPropertiesError({ message: "the workstation cannot be made so", errors });
}

/** The component's own inputs: what `beforeChange` compares. */
export function shapeOf(config: WorkstationConfig): WorkstationShape {
  const gpu = config.guestAccelerators.map(({ count, type }) => `${count} × ${type}`).join(", ");
  return {
    zone: config.zone,
    machineType: config.machineType,
    ...(gpu ? { gpu } : {}),
    spot: config.spot,
    image: imagePath(config.image),
    bootDiskGb: config.bootDiskGb,
    diskType: config.diskType,
    ...(config.dataDiskGb === undefined ? {} : { dataDiskGb: config.dataDiskGb }),
  };
}

/** A Spot machine that is taken back is stopped, not deleted: what is on its disk is somebody's work. */
function schedulingOf({ spot, onHostMaintenance }: WorkstationConfig) {
  return {
    provisioningModel: spot ? "SPOT" : "STANDARD",
    preemptible: spot,
    automaticRestart: !spot,
    onHostMaintenance,
    ...(spot ? { instanceTerminationAction: "STOP" } : {}),
  };
}

function imagePath({ project, family, name }: ImageChoice): string {
  return `projects/${project}/global/images/${name ?? `family/${family}`}`;
}

/**
 * The image as it was asked for, once it is known to be there and to fit on the disk: a family stays a family, so that a
 * newer image of it does not make the workstation anew. Unknown in the first preview, as long as the APIs are not enabled.
 */
function existing(
  { image, bootDiskGb }: WorkstationConfig,
  after: pulumi.Input<string[]>,
  parent: pulumi.Resource,
): pulumi.Output<string> {
  const { project, family, name } = image;
  return pulumi
    .output(after)
    .apply(() =>
      whenReady(() => getImage(name ? { project, name } : { project, family }, { parent })).catch((error: unknown) => {
        if (!isMissing(error)) throw error;
        throw new pulumi.RunError(
          `mltraining:workstation.image: there is no ${imagePath(image)}, or you may not see it. Those there are: gcloud compute images list --project ${project} --no-standard-images`,
        );
      }),
    )
    .apply(({ diskSizeGb }) => {
      if (diskSizeGb > bootDiskGb) {
        throw new pulumi.RunError(
          `mltraining:workstation.bootDiskGb must be at least ${diskSizeGb}, the size of ${imagePath(image)}; got ${bootDiskGb}`,
        );
      }
      return imagePath(image);
    });
}

/** What the provider says of an image that is not there. */
function isMissing(error: unknown): boolean {
  return /could not find image|was not found|notFound|\b404\b/i.test(error instanceof Error ? error.message : "");
}
