import * as pulumi from "@pulumi/pulumi";
import type { Buckets } from "./buckets.ts";
import type { Config } from "./config.ts";
import type { Ground } from "./foundation.ts";
import { runPrefix } from "./names.ts";
import type { TrainingTemplate } from "./trainingTemplate.ts";

export interface Parts {
  ground: Ground;
  buckets?: Buckets;
  template?: TrainingTemplate;
}

/** What `pulumi stack output` shows. No secrets. A part that is not there has no output. */
export function outputs(config: Config, { ground, buckets, template }: Parts): Record<string, unknown> {
  const { project, environment, scope } = config;
  const all: Record<string, unknown> = { environment, consoleUrls: consoleUrls(config, buckets) };
  if (scope === "foundation") {
    all.foundation = { project, subnetworks: ground.subnetworks, students: ground.serviceAccounts };
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
