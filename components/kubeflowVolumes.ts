import { Disk } from "@pulumi/gcp/compute/disk.js";
import * as pulumi from "@pulumi/pulumi";
import { type ClaimName, KUBEFLOW_VOLUMES, type VolumeDisks } from "../kubeflow/transforms/volumes.ts";
import { marked } from "./marks.ts";

export interface KubeflowVolumesArgs {
  project: string;
  environment: string;
  /** A zone of the cluster's. */
  zone: string;
  diskType: "pd-standard" | "pd-balanced" | "pd-ssd";
  labels: Readonly<Record<string, string>>;
}

/**
 * The disks of Kubeflow's database and of its object store: 20 GB each, the environment's own, so that they go with it
 * whether or not the cluster still answers.
 *
 * Cost: about $0.04 (pd-standard) or $0.10 (pd-balanced) per GB and month.
 */
export class KubeflowVolumes extends pulumi.ComponentResource {
  /** By claim: `projects/PROJECT/zones/ZONE/disks/NAME`. */
  readonly handles: VolumeDisks["handles"];

  constructor(name: string, args: KubeflowVolumesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mltraining:index:KubeflowVolumes", name, args, opts);
    const { project, environment, zone, diskType, labels } = args;
    const handle = (claim: ClaimName) => {
      const { part, gb } = KUBEFLOW_VOLUMES[claim];
      const disk = new Disk(
        `${name}-kubeflow-${part}`,
        {
          project,
          zone,
          type: diskType,
          size: gb,
          description: marked(`Kubeflow's ${part}`, environment),
          labels: { ...labels },
        },
        { parent: this },
      );
      return pulumi.interpolate`projects/${project}/zones/${zone}/disks/${disk.name}`;
    };
    this.handles = { "mysql-pv-claim": handle("mysql-pv-claim"), "seaweedfs-pvc": handle("seaweedfs-pvc") };
    this.registerOutputs({ handles: this.handles });
  }
}
