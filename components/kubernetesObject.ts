import * as pulumi from "@pulumi/pulumi";
import type { KubeObject } from "../kubeflow/objects.ts";

/** Pulumi's type of a Kubernetes object: `kubernetes:core/v1:Service`, `kubernetes:apps/v1:Deployment`. */
export function typeToken({ apiVersion, kind }: Pick<KubeObject, "apiVersion" | "kind">): string {
  return `kubernetes:${apiVersion.includes("/") ? apiVersion : `core/${apiVersion}`}:${kind}`;
}

/**
 * An object as it is, under the type that the library's own classes have; loading those takes longer than planning all
 * of Kubeflow. `metadata.name` is the object's name in the cluster: none is made up.
 */
export class KubernetesObject extends pulumi.CustomResource {
  constructor(
    name: string,
    object: KubeObject,
    opts: pulumi.CustomResourceOptions & { provider: pulumi.ProviderResource },
  ) {
    super(typeToken(object), name, { ...object }, opts);
  }
}
