import { type KubeObject, NAMESPACE } from "../objects.ts";

/** Kubernetes' own Pod Security Standards (kubernetes.io/docs/concepts/security/pod-security-standards). */
const LABEL = "pod-security.kubernetes.io/enforce";

/**
 * The API server refuses pods of the namespace that would reach the node: privileged ones, those with the node's network,
 * processes or files, with more capabilities. That holds for whoever makes them, so also for a Deployment that a step
 * makes, and for a step itself. Release 2.17.0 says so of itself; a file that the user names may not. Stricter stays.
 */
export function withPodSecurity(objects: readonly KubeObject[]): KubeObject[] {
  return objects.map((object) => {
    if (object.kind !== "Namespace" || object.metadata.name !== NAMESPACE) return object;
    const { labels: given } = object.metadata;
    const labels = { ...given, [LABEL]: given?.[LABEL] === "restricted" ? "restricted" : "baseline" };
    return { ...object, metadata: { ...object.metadata, labels } };
  });
}
