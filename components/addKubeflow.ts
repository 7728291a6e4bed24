import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as pulumi from "@pulumi/pulumi";
import { findAuthPlugin } from "../kubeflow/authPlugin.ts";
import type { KubeflowRecord } from "../kubeflow/environment.ts";
import { AUTH_PLUGIN, AUTH_PLUGIN_HINT } from "../kubeflow/kubeconfig.ts";
import type { Buckets } from "./buckets.ts";
import type { Config } from "./config.ts";
import type { Ground } from "./foundation.ts";
import { GkeCluster } from "./gkeCluster.ts";
import { KubeflowPipelines, type KubeflowPlan, planKubeflowPipelines } from "./kubeflowPipelines.ts";
import { requireMachineTypesEarly } from "./offeredMachineTypes.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The cluster and Kubeflow Pipelines on it. */
export interface Kubeflow {
  cluster: GkeCluster;
  /** `gs://BUCKET/PATH`. */
  pipelineRoot: pulumi.Output<string>;
  /** For the record in the bucket; known once Kubeflow Pipelines runs. */
  record: pulumi.Output<KubeflowRecord>;
}

/**
 * What must be there before anything is made: gcloud's plugin, by which Pulumi logs in to the cluster, the pools' machine
 * types in their zones, and the release's manifests.
 * @throws {pulumi.RunError}
 */
export async function planKubeflow(
  { kubeflow, project }: Config,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<KubeflowPlan | undefined> {
  if (!kubeflow) return undefined;
  if (!findAuthPlugin(environment)) {
    throw new pulumi.RunError(
      `mltraining:kubeflow needs ${AUTH_PLUGIN} on this computer, by which Pulumi logs in to the cluster; nothing was changed.\n  ${AUTH_PLUGIN_HINT}`,
    );
  }
  await requireMachineTypesEarly(project, kubeflow);
  const { version, manifests } = kubeflow;
  return planKubeflowPipelines({ version, ...(manifests ? { from: join(ROOT, manifests) } : {}) });
}

/** Cluster, rights and Kubeflow Pipelines, if they were planned. */
export function addKubeflow(
  { kubeflow, project, environment, labels }: Config,
  plan: KubeflowPlan | undefined,
  { ground, buckets }: { ground: Ground; buckets: Buckets },
): Kubeflow | undefined {
  if (!kubeflow || !plan) return undefined;
  const { location, systemPool, version } = kubeflow;
  const dataBucket = buckets.data.apply((name) => requireOwnBucket(name, kubeflow.pipelineBucket));
  const after = pulumi.all([ground.ready, dataBucket]).apply(([ready]) => ready);
  const cluster = new GkeCluster(
    environment,
    { project, environment, cluster: kubeflow, network: ground.network ?? "", labels, after },
    { dependsOn: ground.apis },
  );
  const pipelines = new KubeflowPipelines(
    environment,
    {
      project,
      projectNumber: cluster.projectNumber,
      environment,
      kubeconfig: cluster.kubeconfig,
      plan,
      dataBucket,
      pipelinePath: kubeflow.pipelineRoot,
      zone: systemPool.zones[0] ?? location,
      labels,
    },
    { dependsOn: [cluster] },
  );
  const { pipelineRoot, namespace } = pipelines;
  const record = pulumi
    .all([cluster.clusterName, pipelineRoot, pipelines.urn])
    .apply(([name, root]) => ({ cluster: name, location, namespace, pipelineRoot: root, version }));
  return { cluster, pipelineRoot, record };
}

/** The settings may name the bucket; the random part of its name is known only now. */
function requireOwnBucket(name: string, wish: string | undefined): string {
  if (wish === undefined || wish === name) return name;
  throw new pulumi.RunError(
    `mltraining:kubeflow.pipelineRoot must lie in this environment's data bucket, gs://${name}; got gs://${wish}; nothing of the cluster was made`,
  );
}
