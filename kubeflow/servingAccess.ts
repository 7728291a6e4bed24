/** A Kubernetes object as it is sent to the cluster. */
export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace: string; labels?: Record<string, string> };
  [field: string]: unknown;
}

/** What every object of a served model carries, besides its component; `mlt kubeflow` finds them by it. */
export const SERVED_BY = { "app.kubernetes.io/managed-by": "ml-training-pipeline" } as const;
/** Label of what a served object is: one of SERVED_COMPONENTS. */
export const COMPONENT_LABEL = "app.kubernetes.io/component";
/** The model's server, and the page that asks it. */
export const SERVED_COMPONENTS = ["serving", "web-ui"] as const;
/** Identity of the served pods: no rights in the cluster, none in Google Cloud, no token. */
export const SERVED_ACCOUNT = "served-model";
/** The port that the served containers listen on; the Services lead port 80 there. */
export const SERVED_PORT = 8080;

export interface ServingAccessArgs {
  /** Namespace that runs' pods are in. @default "kubeflow" */
  namespace?: string;
  /** Service account of runs' pods. @default "pipeline-runner" */
  runner?: string;
  /** Names that served objects may have. @default ["mnist-serving", "mnist-web-ui"] */
  names?: readonly string[];
}

/**
 * What the steps `serve` and `web-ui` of a pipeline need in the cluster, and what their pods may do there: in the
 * runs' namespace only, nothing cluster-wide.
 *
 * - A Role for the runs' account: Deployments, Services and ConfigMaps. What is there already may be changed by the
 *   given names only; a new object's name cannot be limited (Kubernetes does not know it when it decides).
 * - A ServiceAccount without any rights for the served pods.
 * - NetworkPolicies: page → model, and nothing else in or out. `kubectl port-forward` enters through the node, which
 *   no NetworkPolicy stands in the way of.
 */
export function servingAccess({
  namespace = "kubeflow",
  runner = "pipeline-runner",
  names = ["mnist-serving", "mnist-web-ui"],
}: ServingAccessArgs = {}): KubernetesObject[] {
  const metadata = (name: string) => ({ name, namespace, labels: { "app.kubernetes.io/part-of": "ml-training" } });
  const rule = (apiGroups: string[], resources: string[]) => [
    { apiGroups, resources, verbs: ["create", "list"] },
    { apiGroups, resources, verbs: ["get", "update", "patch", "delete"], resourceNames: [...names] },
  ];
  const ports = [{ protocol: "TCP", port: SERVED_PORT }];
  return [
    {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: metadata(SERVED_ACCOUNT),
      automountServiceAccountToken: false,
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "Role",
      metadata: metadata("serve-models"),
      rules: [...rule(["apps"], ["deployments"]), ...rule([""], ["services", "configmaps"])],
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: metadata("serve-models"),
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "serve-models" },
      subjects: [{ kind: "ServiceAccount", name: runner, namespace }],
    },
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: metadata("served-model"),
      spec: {
        podSelector: selector("serving"),
        policyTypes: ["Ingress", "Egress"],
        ingress: [{ from: [{ podSelector: selector("web-ui") }], ports }],
        egress: [],
      },
    },
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: metadata("served-page"),
      spec: {
        podSelector: selector("web-ui"),
        policyTypes: ["Ingress", "Egress"],
        ingress: [],
        // By the Service's address: the page's server looks up no name.
        egress: [{ to: [{ podSelector: selector("serving") }], ports }],
      },
    },
  ];
}

function selector(component: (typeof SERVED_COMPONENTS)[number]) {
  return { matchLabels: { ...SERVED_BY, [COMPONENT_LABEL]: component } };
}
