import { BucketIAMMember } from "@pulumi/gcp/storage/bucketIAMMember.js";
import * as pulumi from "@pulumi/pulumi";
import { NAMESPACE } from "../kubeflow/objects.ts";

/** Account of the steps' pods, and of the page that shows their artefacts. */
export const RUNNER = "pipeline-runner";
const PAGE = "ml-pipeline-ui";

export interface KubeflowIdentityArgs {
  project: string;
  projectNumber: pulumi.Input<string>;
  dataBucket: pulumi.Input<string>;
  /** Where artefacts go in the bucket, without slashes at the ends: `kubeflow`. */
  pipelinePath: string;
}

/** IAM's name of a Kubernetes account, by Workload Identity: no Google service account, no key. */
export function workloadPrincipal(project: string, number: string, account: string): string {
  return `principal://iam.googleapis.com/projects/${number}/locations/global/workloadIdentityPools/${project}.svc.id.goog/subject/ns/${NAMESPACE}/sa/${account}`;
}

/** IAM condition: objects of `bucket` below `path`. */
export function below(bucket: string, path: string): string {
  return `resource.name.startsWith("projects/_/buckets/${bucket}/objects/${path}/")`;
}

/** The same, and listing below `path`: a list is a call on the bucket, whose prefix IAM knows as an attribute. */
export function belowWithLists(bucket: string, path: string): string {
  const listed = 'api.getAttribute("storage.googleapis.com/objectListPrefix", "")';
  return `${below(bucket, path)} || ${listed}.startsWith("${path}/")`;
}

/**
 * What Kubeflow may do in the environment's data bucket, granted on that bucket and nowhere else: steps read all of it
 * and write below the pipeline root; the page that shows artefacts reads there. The other parts get nothing. Every
 * cluster of a project shares its identity pool, so `kubeflow/pipeline-runner` of another cluster in the project is the
 * same principal. Costs nothing.
 */
export class KubeflowIdentity extends pulumi.ComponentResource {
  constructor(name: string, args: KubeflowIdentityArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mltraining:index:KubeflowIdentity", name, args, opts);
    const { project, dataBucket, pipelinePath } = args;
    const member = (account: string) =>
      pulumi.output(args.projectNumber).apply((number) => workloadPrincipal(project, number, account));
    const bucket = dataBucket;
    const child = { parent: this };
    new BucketIAMMember(
      `${name}-kubeflow-read`,
      { bucket, role: "roles/storage.objectViewer", member: member(RUNNER) },
      child,
    );
    new BucketIAMMember(
      `${name}-kubeflow-write`,
      {
        bucket,
        role: "roles/storage.objectUser",
        member: member(RUNNER),
        condition: {
          title: "pipeline artefacts only",
          description: `Objects below ${pipelinePath}/`,
          expression: pulumi.output(bucket).apply((known) => below(known, pipelinePath)),
        },
      },
      child,
    );
    new BucketIAMMember(
      `${name}-kubeflow-show`,
      {
        bucket,
        role: "roles/storage.objectViewer",
        member: member(PAGE),
        condition: {
          title: "pipeline artefacts only",
          description: `Objects below ${pipelinePath}/`,
          expression: pulumi.output(bucket).apply((known) => belowWithLists(known, pipelinePath)),
        },
      },
      child,
    );
    this.registerOutputs({});
  }
}
