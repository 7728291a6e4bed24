import { getImage } from "@pulumi/gcp/compute/getImage.js";
import { InstanceTemplate, type InstanceTemplateArgs } from "@pulumi/gcp/compute/instanceTemplate.js";
import * as pulumi from "@pulumi/pulumi";
import { whenReady } from "./apiReadiness.ts";
import type { ImageFamily } from "./imageFamily.ts";
import type { ImageChoice } from "./images.ts";
import { METADATA_VALUE_LIMIT } from "./startupScript.ts";
import type { TrainingConfig } from "./trainingConfig.ts";

/** Google's bounds of `scheduling.maxRunDuration`. */
const RUN_SECONDS = { least: 30, most: 120 * 24 * 3600 };

export interface TrainingTemplateArgs {
  project: string;
  training: TrainingConfig;
  /** Self links, by region. */
  subnetworks: Readonly<Record<string, pulumi.Input<string>>>;
  serviceAccount: pulumi.Input<string>;
  /** What the machine runs at every boot. */
  startupScript: string;
  labels: Readonly<Record<string, string>>;
  /** The image is looked up once these are known. */
  after?: pulumi.Input<string[]>;
  /** The environment's own: a template that names it is made when there is an image in it. */
  imageFamily?: ImageFamily;
}

/**
 * What every training machine is made from, one template per region: Spot, deleted by Google when its time is over, no
 * address of its own, shielded, OS Login, an exact image. A template cannot be changed: a change makes a new one under
 * a new automatic name before the old one goes, and running machines keep what they have.
 *
 * Cost: nothing; a template is a description.
 */
export class TrainingTemplate extends pulumi.ComponentResource {
  /** The templates' names, by region. */
  readonly names: Readonly<Record<string, pulumi.Output<string>>>;
  /** The exact image, `projects/P/global/images/NAME`; of a family of one's own the family. */
  readonly image: pulumi.Output<string>;

  constructor(name: string, args: TrainingTemplateArgs, opts?: pulumi.ComponentResourceOptions) {
    const seconds = Math.round(args.training.maxHours * 3600);
    check(args, seconds);
    // The script's text is in the template; as the component's own input it would stand in the state a second time.
    const { startupScript, ...shown } = args;
    super("mltraining:index:TrainingTemplate", name, { project: shown.project, labels: shown.labels }, opts);
    const { training, project, labels } = args;

    // A family of one's own stays a family here: launchers resolve it at each run's start, so that a promotion or a
    // rollback is felt at once.
    this.image =
      training.image.own && args.imageFamily
        ? pulumi.output(args.imageFamily.path)
        : exactImage(training.image, args.after ?? [], this);
    const shared: InstanceTemplateArgs = {
      project,
      instanceDescription: "Training machine: runs once, saves its results, deletes itself (ml-training)",
      machineType: training.machineType,
      guestAccelerators: training.guestAccelerators.length > 0 ? training.guestAccelerators : undefined,
      canIpForward: false,
      disks: [
        {
          boot: true,
          autoDelete: true,
          sourceImage: this.image,
          diskSizeGb: training.bootDiskGb,
          diskType: training.bootDiskType,
          labels: { ...labels },
        },
      ],
      serviceAccount: { email: args.serviceAccount, scopes: ["https://www.googleapis.com/auth/cloud-platform"] },
      scheduling: {
        provisioningModel: training.spot ? "SPOT" : "STANDARD",
        preemptible: training.spot,
        automaticRestart: !training.spot,
        onHostMaintenance: training.onHostMaintenance,
        instanceTerminationAction: "DELETE",
        maxRunDuration: { seconds },
      },
      // Drivers of NVIDIA's are not signed for secure boot in every image.
      shieldedInstanceConfig: { enableSecureBoot: !training.hasGpu, enableVtpm: true, enableIntegrityMonitoring: true },
      metadata: {
        "startup-script": startupScript,
        "enable-oslogin": "TRUE",
        "block-project-ssh-keys": "TRUE",
        "serial-port-enable": "FALSE",
      },
      labels: { ...labels },
    };
    const child = { parent: this, ...(args.imageFamily ? { dependsOn: [args.imageFamily] } : {}) };
    this.names = Object.fromEntries(
      training.regions.map((region) => {
        const networkInterfaces = [{ subnetwork: args.subnetworks[region] as pulumi.Input<string> }];
        const template = new InstanceTemplate(`${name}-${region}`, { ...shared, networkInterfaces }, child);
        return [region, template.name];
      }),
    );
    this.registerOutputs({ names: this.names, image: this.image });
  }
}

function check({ training, subnetworks, startupScript }: TrainingTemplateArgs, seconds: number): void {
  const errors: pulumi.InputPropertyErrorDetails[] = [];
  if (seconds < RUN_SECONDS.least || seconds > RUN_SECONDS.most) {
    errors.push({
      propertyPath: "training.maxHours",
      reason: `must be 30 seconds to 120 days; got ${training.maxHours} hours`,
    });
  }
  for (const region of training.regions) {
    if (!subnetworks[region]) errors.push({ propertyPath: "subnetworks", reason: `holds none for ${region}` });
  }
  if (!startupScript.startsWith("#!") || Buffer.byteLength(startupScript) > METADATA_VALUE_LIMIT) {
    errors.push({
      propertyPath: "startupScript",
      reason: `must begin with #! and have at most ${METADATA_VALUE_LIMIT} bytes`,
    });
  }
  if (errors.length > 0)
    throw new pulumi.InputPropertiesError({ message: "the training template cannot be made so", errors });
}

/**
 * A family becomes the image that is its newest now: machines of one template boot the same bytes. The next
 * `pulumi up` after a newer image was published shows the change. Unknown in the first preview, as long as the APIs are
 * not enabled.
 */
function exactImage(image: ImageChoice, after: pulumi.Input<string[]>, parent: pulumi.Resource): pulumi.Output<string> {
  const { project, family, name } = image;
  if (name) return pulumi.output(`projects/${project}/global/images/${name}`);
  return pulumi
    .output(after)
    .apply(() => whenReady(() => getImage({ project, family }, { parent })))
    .apply((found) => `projects/${project}/global/images/${found.name}`);
}
