import { type KubeObject, nameOf, podSpecOf, withPodSpec } from "../objects.ts";

/** Deployments that never call the cluster's API: their pods get no token for it. */
export const WITHOUT_TOKEN: readonly string[] = [
  "metadata-envoy-deployment",
  "metadata-grpc-deployment",
  "ml-pipeline-visualizationserver",
  "mysql",
  "seaweedfs",
];

/**
 * What the steps of a pipeline may do in the namespace. Steps run code that somebody wrote or downloaded; upstream's
 * role lets it change every Deployment, Service and Job, enter every pod and read every Secret. This one holds what the
 * driver, the launcher and Argo's executor call (release 2.17.0); what serving a model needs on top is a role of its own.
 */
export const RUNNER_RULES = [
  { apiGroups: [""], resources: ["configmaps"], verbs: ["get", "list", "watch"] },
  // The object store's key, for artefacts that are kept in the cluster.
  { apiGroups: [""], resources: ["secrets"], resourceNames: ["mlpipeline-minio-artifact"], verbs: ["get"] },
  { apiGroups: [""], resources: ["pods", "pods/log"], verbs: ["get", "list", "watch"] },
  // Volumes that a pipeline makes and deletes by itself.
  { apiGroups: [""], resources: ["persistentvolumeclaims"], verbs: ["create", "delete", "get", "list", "watch"] },
  { apiGroups: ["argoproj.io"], resources: ["workflows"], verbs: ["get", "list", "watch"] },
  { apiGroups: ["argoproj.io"], resources: ["workflowtaskresults"], verbs: ["create", "patch"] },
] as const;

/** Fewer rights in the cluster for the steps and for what needs none. */
export function withLeastRights(objects: readonly KubeObject[]): KubeObject[] {
  return objects.map((object) => {
    if (nameOf(object) === "Role pipeline-runner")
      return { ...object, rules: RUNNER_RULES.map((rule) => ({ ...rule })) };
    const tokenless = object.kind === "Deployment" && WITHOUT_TOKEN.includes(object.metadata.name);
    if (!tokenless || !podSpecOf(object)) return object;
    return withPodSpec(object, (spec) => {
      spec.automountServiceAccountToken = false;
    });
  });
}
