import * as pulumi from "@pulumi/pulumi";
import type { Kubeflow } from "./addKubeflow.ts";
import type { Buckets } from "./buckets.ts";
import type { Config } from "./config.ts";
import type { Ground } from "./foundation.ts";
import type { ImageFamily } from "./imageFamily.ts";
import { runPrefix } from "./names.ts";
import type { TrainingTemplate } from "./trainingTemplate.ts";
import type { Workstation } from "./workstation.ts";

export interface Parts {
  ground: Ground;
  buckets?: Buckets;
  template?: TrainingTemplate;
  workstation?: Workstation;
  imageFamily?: ImageFamily;
  kubeflow?: Kubeflow;
}

/** What `pulumi stack output` shows. No secrets. A part that is not there has no output. */
export function outputs(
  config: Config,
  { ground, buckets, template, workstation, imageFamily, kubeflow }: Parts,
): Record<string, unknown> {
  const { project, environment, scope } = config;
  const all: Record<string, unknown> = { environment, consoleUrls: consoleUrls(config, buckets) };
  if (scope === "foundation") {
    const { network, subnetworks, serviceAccounts: students } = ground;
    all.foundation = { project, network, subnetworks, students };
    if (ground.courseData) all.courseDataBucketUrl = pulumi.interpolate`gs://${ground.courseData}`;
  }
  if (buckets) {
    all.dataBucketUrl = pulumi.interpolate`gs://${buckets.data}`;
    all.scratchBucketUrl = pulumi.interpolate`gs://${buckets.scratch}`;
    all.inputUrl = pulumi.interpolate`gs://${buckets.data}/input`;
    all.outputUrl = pulumi.interpolate`gs://${buckets.data}/output`;
  }
  if (buckets && template && config.training) {
    all.training = {
      template: template.names,
      zones: config.training.zones,
      image: template.image,
      runCommand: pulumi.interpolate`npx mlt train examples/census --environment gs://${buckets.data}`,
    };
  }
  if (buckets && workstation && config.workstation) {
    const command = (verb: string) => pulumi.interpolate`npx mlt ${verb} --environment gs://${buckets.data}`;
    all.workstation = {
      name: workstation.instanceName,
      zone: config.workstation.zone,
      internalIp: workstation.internalIp,
      ...(workstation.externalIp ? { externalIp: workstation.externalIp } : {}),
      sshCommand: command("ssh"),
      jupyterCommand: command("jupyter"),
      tensorboardCommand: command("tensorboard"),
    };
  }
  if (buckets && kubeflow) {
    const from = pulumi.interpolate`--environment gs://${buckets.data}`;
    all.kubeflow = {
      cluster: kubeflow.cluster.clusterName,
      location: kubeflow.cluster.location,
      pipelineRoot: kubeflow.pipelineRoot,
      openCommand: pulumi.interpolate`npx mlt kubeflow open pipelines ${from}`,
      submitCommand: pulumi.interpolate`npx mlt kubeflow submit PIPELINE.yaml ${from}`,
    };
  }
  if (imageFamily) all.imageFamily = { family: imageFamily.path, image: imageFamily.image };
  return all;
}

function consoleUrls(
  { project, environment }: Config,
  buckets: Buckets | undefined,
): Record<string, pulumi.Input<string>> {
  const console = "https://console.cloud.google.com";
  const query = (text: string): string => encodeURIComponent(text);
  return {
    ...(buckets && { bucket: pulumi.interpolate`${console}/storage/browser/${buckets.data}?project=${project}` }),
    machines: `${console}/compute/instances?project=${project}`,
    logs: `${console}/logs/query;query=${query(`resource.type="gce_instance"\nprotoPayload.resourceName:"/instances/${runPrefix(environment)}"`)}?project=${project}`,
    cost: `${console}/billing/linkedaccount?project=${project}`,
  };
}
