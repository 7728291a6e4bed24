import assert from "node:assert/strict";
import { test } from "node:test";
import { admissionRules } from "../../kubeflow/admission.ts";
import { isNamespaced, type KubeObject, nameOf } from "../../kubeflow/objects.ts";

const RULES = admissionRules();

function find(kind: string, name: string): KubeObject {
  const found = RULES.find((object) => object.kind === kind && object.metadata.name === name);
  assert.ok(found, `${kind} ${name}`);
  return found;
}

interface Policy {
  validations: { expression: string; message: string }[];
  [member: string]: unknown;
}

const policy = (name: string) => find("ValidatingAdmissionPolicy", name).spec as Policy;

test("two policies, each bound and denying, and a quota for the namespace", () => {
  assert.deepEqual(
    RULES.map((object) => [nameOf(object), isNamespaced(object)]),
    [
      ["ResourceQuota no-ways-in", true],
      ["ValidatingAdmissionPolicy kubeflow-steps-deployments", false],
      ["ValidatingAdmissionPolicyBinding kubeflow-steps-deployments", false],
      ["ValidatingAdmissionPolicy kubeflow-steps-services", false],
      ["ValidatingAdmissionPolicyBinding kubeflow-steps-services", false],
    ],
  );
  assert.deepEqual(find("ResourceQuota", "no-ways-in").spec, {
    hard: { "services.loadbalancers": "0", "services.nodeports": "0" },
  });
  for (const name of ["kubeflow-steps-deployments", "kubeflow-steps-services"]) {
    assert.deepEqual(find("ValidatingAdmissionPolicyBinding", name).spec, {
      policyName: name,
      validationActions: ["Deny"],
    });
  }
});

test("they hold for the steps' account in the namespace, for what is new and what is changed, and fail closed", () => {
  const wanted = (group: string, resource: string) => ({
    failurePolicy: "Fail",
    matchConstraints: {
      namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kubeflow" } },
      resourceRules: [
        { apiGroups: [group], apiVersions: ["*"], operations: ["CREATE", "UPDATE"], resources: [resource] },
      ],
    },
    matchConditions: [
      { name: "steps", expression: 'request.userInfo.username == "system:serviceaccount:kubeflow:pipeline-runner"' },
    ],
  });
  for (const [resource, group] of [
    ["deployments", "apps"],
    ["services", ""],
  ] as const) {
    const { validations: _validations, variables: _variables, ...rest } = policy(`kubeflow-steps-${resource}`);
    assert.deepEqual(rest, wanted(group, resource));
  }
  const [, other] = admissionRules("someone");
  assert.match(JSON.stringify(other), /system:serviceaccount:kubeflow:someone/);
});

test("what a step's Deployment and Service must be", () => {
  // What these expressions admit and refuse was seen on a real API server; here they are held as they were then.
  assert.deepEqual(policy("kubeflow-steps-deployments").validations, [
    {
      expression: 'has(variables.pod.serviceAccountName) && variables.pod.serviceAccountName == "served-model"',
      message: "a step's Deployment runs as served-model, which has no rights",
    },
    {
      expression:
        "!has(variables.pod.volumes) || variables.pod.volumes.all(volume, has(volume.configMap) || has(volume.emptyDir))",
      message: "a step's Deployment mounts ConfigMaps and empty folders only",
    },
    {
      expression:
        "(variables.pod.containers + (has(variables.pod.initContainers) ? variables.pod.initContainers : [])).all(container, !has(container.envFrom) && (!has(container.env) || container.env.all(variable, !has(variable.valueFrom))))",
      message: "a step's Deployment has variables with plain values only",
    },
    {
      expression:
        '"app.kubernetes.io/managed-by" in variables.labels && variables.labels["app.kubernetes.io/managed-by"] == "ml-training-pipeline" && "app.kubernetes.io/component" in variables.labels && variables.labels["app.kubernetes.io/component"] in ["serving", "web-ui"] && variables.labels.all(label, !(label in ["app", "application-crd-id", "component", "workflows.argoproj.io/workflow"]))',
      message:
        "a step's pods have the labels app.kubernetes.io/managed-by: ml-training-pipeline and app.kubernetes.io/component: serving or web-ui, and none of app, application-crd-id, component, workflows.argoproj.io/workflow",
    },
  ]);
  assert.deepEqual(policy("kubeflow-steps-services").validations, [
    {
      expression:
        '(!has(object.spec.type) || object.spec.type == "ClusterIP") && (!has(object.spec.externalIPs) || size(object.spec.externalIPs) == 0)',
      message: "a step's Service is reached inside the cluster only: ClusterIP, without externalIPs",
    },
  ]);
});
