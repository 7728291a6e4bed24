import { getProject } from "@pulumi/gcp/organizations/getProject.js";
import { BucketIAMMember } from "@pulumi/gcp/storage/bucketIAMMember.js";
import * as pulumi from "@pulumi/pulumi";
import { whenReady } from "./apiReadiness.ts";
import { kubernetesMember } from "./gkeCluster.ts";

/** The Kubernetes account that the pods of runs have. */
export const PIPELINE_RUNNER = { namespace: "kubeflow", account: "pipeline-runner" } as const;

export interface KubeflowAccessArgs {
  project: string;
  /** The data bucket. */
  bucket: pulumi.Input<string>;
  /** Path in it where runs leave their artefacts. */
  pipelineRoot: string;
  /** `PROJECT.svc.id.goog`, known once there is a cluster: before that Google knows none of its accounts. */
  workloadPool: pulumi.Input<string>;
}

/** IAM condition: objects of `bucket` below the pipeline root. */
export function rootCondition(bucket: string, pipelineRoot: string): string {
  return `resource.name.startsWith("projects/_/buckets/${bucket}/objects/${pipelineRoot}/")`;
}

/**
 * What runs of pipelines may do in Google Cloud: read the data bucket, and write below the pipeline root. The grant names
 * the Kubernetes account itself: no Google account, no key, no secret. Every cluster of a project shares one pool of
 * names, so whoever may make the account `kubeflow/pipeline-runner` in another cluster of it has these rights as well.
 * Costs nothing.
 */
export class KubeflowAccess extends pulumi.ComponentResource {
  /** Who runs are, in Google's policies. */
  readonly member: pulumi.Output<string>;

  constructor(name: string, args: KubeflowAccessArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mltraining:index:KubeflowAccess", name, args, opts);
    const { project, bucket, pipelineRoot } = args;
    const child = { parent: this };
    this.member = pulumi
      .output(args.workloadPool)
      .apply(() => whenReady(() => getProject({ projectId: project }, child)))
      .apply(({ number }) => kubernetesMember(number, project, PIPELINE_RUNNER));
    const { member } = this;
    new BucketIAMMember(`${name}-pipelines-read`, { bucket, role: "roles/storage.objectViewer", member }, child);
    new BucketIAMMember(
      `${name}-pipelines-write`,
      {
        bucket,
        role: "roles/storage.objectUser",
        member,
        condition: {
          title: "the pipeline root only",
          description: `Objects below ${pipelineRoot}/`,
          expression: pulumi.output(bucket).apply((text) => rootCondition(text, pipelineRoot)),
        },
      },
      child,
    );
    this.registerOutputs({ member: this.member });
  }
}
