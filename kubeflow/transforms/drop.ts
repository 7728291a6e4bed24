import { type KubeObject, nameOf } from "../objects.ts";

/**
 * What is not installed, and why.
 *
 * - **The cache of v1 pipelines** (`cache-deployer`, `cache-server`). Steps of v2 pipelines are cached by the API server;
 *   this part serves v1 pipelines, which are blocked here. Its deployer downloads a kubectl without a checksum when it
 *   starts, holds the right to approve any certificate of the cluster, and makes a webhook that nothing removes again:
 *   after a destroy it would stay.
 * - **Its own network policy of seaweedfs**, which lets namespaces of other installations in: `networkPolicies.ts` has
 *   a narrower one.
 */
export const DROPPED: readonly string[] = [
  "ClusterRole kubeflow-pipelines-cache-deployer-clusterrole",
  "ClusterRoleBinding kubeflow-pipelines-cache-deployer-clusterrolebinding",
  "Deployment cache-deployer-deployment",
  "Deployment cache-server",
  "NetworkPolicy seaweedfs",
  "Role kubeflow-pipelines-cache-deployer-role",
  "Role kubeflow-pipelines-cache-role",
  "RoleBinding kubeflow-pipelines-cache-binding",
  "RoleBinding kubeflow-pipelines-cache-deployer-rolebinding",
  "Service cache-server",
  "ServiceAccount kubeflow-pipelines-cache",
  "ServiceAccount kubeflow-pipelines-cache-deployer-sa",
];

/** Without those, and without what only the cluster writes (some generated schemas carry an empty `status`). */
export function withoutDropped(objects: readonly KubeObject[]): KubeObject[] {
  return objects
    .filter((object) => !DROPPED.includes(nameOf(object)))
    .map(({ status: _status, ...object }) => {
      const { creationTimestamp: _created, ...metadata } = object.metadata;
      return { ...object, metadata } as KubeObject;
    });
}
