import { type KubeObject, NAMESPACE } from "./objects.ts";
import { COMPONENT_LABEL, SERVED_ACCOUNT, SERVED_BY, SERVED_COMPONENTS } from "./servingAccess.ts";

// What the API server itself refuses, whoever is allowed to ask. A role says who may create a Deployment, not which: with
// "create" alone a step could run a pod as any account of the namespace, mount any of its Secrets, or wear the labels by
// which network policies know a part; and make a Service that Google gives a public address.

const ALL_CONTAINERS =
  "(variables.pod.containers + (has(variables.pod.initContainers) ? variables.pod.initContainers : []))";
/** Labels that network policies know the parts by; a served pod has none of them. */
const PARTS_LABELS = ["app", "application-crd-id", "component", "workflows.argoproj.io/workflow"];

const [MANAGED_LABEL, MANAGED] = Object.entries(SERVED_BY)[0] as [string, string];

const text = (value: string) => JSON.stringify(value);
const list = (values: readonly string[]) => `[${values.map(text).join(", ")}]`;

/** What a step's Deployment must be. */
const DEPLOYMENT = [
  {
    expression: `has(variables.pod.serviceAccountName) && variables.pod.serviceAccountName == ${text(SERVED_ACCOUNT)}`,
    message: `a step's Deployment runs as ${SERVED_ACCOUNT}, which has no rights`,
  },
  {
    expression:
      "!has(variables.pod.volumes) || variables.pod.volumes.all(volume, has(volume.configMap) || has(volume.emptyDir))",
    message: "a step's Deployment mounts ConfigMaps and empty folders only",
  },
  {
    expression: `${ALL_CONTAINERS}.all(container, !has(container.envFrom) && (!has(container.env) || container.env.all(variable, !has(variable.valueFrom))))`,
    message: "a step's Deployment has variables with plain values only",
  },
  {
    expression:
      `${text(MANAGED_LABEL)} in variables.labels && variables.labels[${text(MANAGED_LABEL)}] == ${text(MANAGED)} && ` +
      `${text(COMPONENT_LABEL)} in variables.labels && variables.labels[${text(COMPONENT_LABEL)}] in ${list(SERVED_COMPONENTS)} && ` +
      `variables.labels.all(label, !(label in ${list(PARTS_LABELS)}))`,
    message: `a step's pods have the labels ${MANAGED_LABEL}: ${MANAGED} and ${COMPONENT_LABEL}: ${SERVED_COMPONENTS.join(" or ")}, and none of ${PARTS_LABELS.join(", ")}`,
  },
];

/** What a step's Service must be. */
const SERVICE = [
  {
    expression:
      '(!has(object.spec.type) || object.spec.type == "ClusterIP") && (!has(object.spec.externalIPs) || size(object.spec.externalIPs) == 0)',
    message: "a step's Service is reached inside the cluster only: ClusterIP, without externalIPs",
  },
];

const POD_VARIABLES = [
  { name: "pod", expression: "object.spec.template.spec" },
  {
    name: "labels",
    expression: "has(object.spec.template.metadata.labels) ? object.spec.template.metadata.labels : {}",
  },
];

/**
 * What steps may create, as rules of the API server, and a quota for the whole namespace: no load balancers, no ports of
 * nodes. `runner` is the steps' account.
 */
export function admissionRules(runner = "pipeline-runner"): KubeObject[] {
  const username = `system:serviceaccount:${NAMESPACE}:${runner}`;
  const rules = (name: string, group: string, resource: string, validations: object[], variables: object[]) => [
    {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingAdmissionPolicy",
      metadata: { name },
      spec: {
        failurePolicy: "Fail",
        matchConstraints: {
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": NAMESPACE } },
          resourceRules: [
            { apiGroups: [group], apiVersions: ["*"], operations: ["CREATE", "UPDATE"], resources: [resource] },
          ],
        },
        matchConditions: [{ name: "steps", expression: `request.userInfo.username == ${text(username)}` }],
        ...(variables.length > 0 ? { variables } : {}),
        validations,
      },
    },
    {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingAdmissionPolicyBinding",
      metadata: { name },
      spec: { policyName: name, validationActions: ["Deny"] },
    },
  ];
  return [
    {
      apiVersion: "v1",
      kind: "ResourceQuota",
      metadata: { name: "no-ways-in", namespace: NAMESPACE },
      spec: { hard: { "services.loadbalancers": "0", "services.nodeports": "0" } },
    },
    ...rules("kubeflow-steps-deployments", "apps", "deployments", DEPLOYMENT, POD_VARIABLES),
    ...rules("kubeflow-steps-services", "", "services", SERVICE, []),
  ];
}
