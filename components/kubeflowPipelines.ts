import { randomBytes } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { installation } from "../kubeflow/installation.ts";
import { lockedDigests } from "../kubeflow/lockFile.ts";
import { type Manifests, type ManifestsWish, readManifests } from "../kubeflow/manifests.ts";
import { isNamespaced, type KubeObject, NAMESPACE } from "../kubeflow/objects.ts";
import { KubeflowError } from "../kubeflow/problem.ts";
import { GENERATED_SECRETS } from "../kubeflow/transforms/credentials.ts";
import type { Digests } from "../kubeflow/transforms/images.ts";
import { KubeflowIdentity } from "./kubeflowIdentity.ts";
import { KubeflowVolumes, type KubeflowVolumesArgs } from "./kubeflowVolumes.ts";
import { KubernetesObject } from "./kubernetesObject.ts";
import { Provider } from "./kubernetesProvider.ts";

/** What has to be read before anything is registered: manifests, and digests of images if there is a lock file. */
export interface KubeflowPlan {
  manifests: Manifests;
  digests: Digests;
}

export interface KubeflowPipelinesArgs {
  project: string;
  /** The project's number, as IAM names identity pools. */
  projectNumber: pulumi.Input<string>;
  environment: string;
  /** Of the cluster; the one on this computer is never looked at. */
  kubeconfig: pulumi.Input<string>;
  plan: KubeflowPlan;
  dataBucket: pulumi.Input<string>;
  /** Where artefacts go in the data bucket. @default "kubeflow" */
  pipelinePath?: string;
  /** A zone of the cluster's, for the disks of Kubeflow's database and object store. */
  zone: string;
  /** @default "pd-balanced" */
  diskType?: KubeflowVolumesArgs["diskType"];
  /** Whether `pulumi up` ends only when everything runs. @default true */
  wait?: boolean;
  labels: Readonly<Record<string, string>>;
}

/** How long a Deployment may take: a node may have to come up first, and MySQL fills a disk. */
const PATIENCE = { create: "20m", update: "20m" };

/**
 * Reads what `KubeflowPipelines` needs; without a network once it is in the cache.
 * @throws {pulumi.RunError} in the user's words
 */
export async function planKubeflowPipelines(wish: ManifestsWish): Promise<KubeflowPlan> {
  try {
    const manifests = await readManifests({ progress: (line) => void pulumi.log.info(line), ...wish });
    for (const warning of manifests.warnings) void pulumi.log.warn(warning);
    return { manifests, digests: lockedDigests(manifests.release) };
  } catch (error) {
    throw error instanceof KubeflowError ? new pulumi.RunError(error.message) : error;
  }
}

/**
 * Kubeflow Pipelines in a cluster, closed: every image pinned, every flow denied but those that it needs, its own
 * passwords, artefacts in the data bucket by Workload Identity, nothing that is reached from outside. What is changed in
 * its manifests is in `kubeflow/transforms/`.
 *
 * Order: schemas, volumes, then the namespace, then rights, settings and policies, then what runs. It is taken down the
 * other way round. The namespace is deleted as a whole, with all that pipelines have made in it, before the volumes and
 * the cluster; objects in it are not deleted one by one.
 *
 * Cost: two disks (see `KubeflowVolumes`); it asks for about 0.8 CPU and 3.5 GiB of the cluster.
 */
export class KubeflowPipelines extends pulumi.ComponentResource {
  /** `gs://BUCKET/PATH`, known once the bucket is. */
  readonly pipelineRoot: pulumi.Output<string>;
  readonly namespace: string;
  readonly version: string;

  constructor(name: string, args: KubeflowPipelinesArgs, opts?: pulumi.ComponentResourceOptions) {
    const { project, environment, plan, zone, labels, pipelinePath = "kubeflow", diskType = "pd-balanced" } = args;
    if (!PATH.test(pipelinePath)) {
      const reason = `must be a folder's path in the bucket, such as kubeflow; got ${JSON.stringify(pipelinePath)}`;
      throw new pulumi.InputPropertyError({ propertyPath: "pipelinePath", reason });
    }
    // What cannot be installed is refused before anything is registered; what is known later does not matter to that.
    const later = { "mysql-pv-claim": "", "seaweedfs-pvc": "" };
    plannedObjects(environment, plan, { pipelineRoot: "", volumes: { zone, handles: later } });
    super("mltraining:index:KubeflowPipelines", name, { environment, version: plan.manifests.release.version }, opts);
    this.namespace = NAMESPACE;
    this.version = plan.manifests.release.version;
    this.pipelineRoot = pulumi.interpolate`gs://${args.dataBucket}/${pipelinePath}`;
    const child = { parent: this };

    const { projectNumber, dataBucket } = args;
    const identity = new KubeflowIdentity(name, { project, projectNumber, dataBucket, pipelinePath }, child);
    const volumes = new KubeflowVolumes(name, { project, environment, zone, diskType, labels }, child);
    const provider = new Provider(
      `${name}-kubeflow`,
      { kubeconfig: args.kubeconfig, enableServerSideApply: true },
      child,
    );
    const objects = plannedObjects(environment, plan, {
      pipelineRoot: this.pipelineRoot,
      volumes: { zone, handles: volumes.handles },
    });
    this.#register(name, objects, { provider, wait: args.wait ?? true, identity });
    this.registerOutputs({ pipelineRoot: this.pipelineRoot, namespace: this.namespace, version: this.version });
  }

  #register(
    name: string,
    objects: readonly KubeObject[],
    around: { provider: pulumi.ProviderResource; wait: boolean; identity: pulumi.Resource },
  ): void {
    const { provider, wait, identity } = around;
    const add = (object: KubeObject, opts: pulumi.CustomResourceOptions) =>
      new KubernetesObject(`${name}-${object.metadata.name}`, object, { parent: this, provider, ...opts });
    const of = (test: (object: KubeObject) => boolean) => objects.filter(test);

    const namespaces = of(({ kind }) => kind === "Namespace");
    const wide = of((object) => !isNamespaced(object) && object.kind !== "Namespace");
    const ground = wide.map((object) => add(object, {}));
    const [namespace] = namespaces.map((object) => add(object, { dependsOn: ground }));
    const inside = { deletedWith: namespace, dependsOn: namespace ? [namespace] : ground };

    const binds = (object: KubeObject) => object.kind === "RoleBinding";
    const runs = (object: KubeObject) => object.kind === "Deployment";
    const base = of((object) => isNamespaced(object) && !binds(object) && !runs(object)).map((object) =>
      add(waited(object, wait), { ...inside, ...secretOptions(object) }),
    );
    const bindings = of(binds).map((object) => add(object, { ...inside, dependsOn: base }));
    const before = { ...inside, dependsOn: [...base, ...bindings, identity], customTimeouts: PATIENCE };
    for (const object of of(runs)) add(waited(object, wait), before);
  }
}

const PATH = /^[A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/;

function plannedObjects(
  environment: string,
  { manifests, digests }: KubeflowPlan,
  known: { pipelineRoot: pulumi.Input<string>; volumes: Parameters<typeof installation>[1]["volumes"] },
): KubeObject[] {
  try {
    const credentials = { database: password(), accessKey: password(), secretKey: password() };
    return installation(manifests, { environment, credentials, digests, ...known });
  } catch (error) {
    throw error instanceof KubeflowError ? new pulumi.RunError(error.message) : error;
  }
}

/** In base64, as a Secret's `data` has it. Each plan makes another one; what a Secret was made with stays (below). */
function password(): pulumi.Output<string> {
  return pulumi.secret(Buffer.from(randomBytes(24).toString("hex")).toString("base64"));
}

function secretOptions(object: KubeObject): pulumi.CustomResourceOptions {
  if (object.kind !== "Secret" || !GENERATED_SECRETS.includes(object.metadata.name)) return {};
  return { ignoreChanges: ["data"], additionalSecretOutputs: ["data"] };
}

function waited(object: KubeObject, wait: boolean): KubeObject {
  if (wait) return object;
  const annotations = { ...object.metadata.annotations, "pulumi.com/skipAwait": "true" };
  return { ...object, metadata: { ...object.metadata, annotations } };
}
