import assert from "node:assert/strict";
import { test } from "node:test";
import { networkPolicies } from "../../kubeflow/networkPolicies.ts";
import type { KubeObject } from "../../kubeflow/objects.ts";

interface Rule {
  from?: Peer[];
  to?: Peer[];
  ports: { protocol: string; port: number }[];
}

interface Peer {
  podSelector?: Selector;
  namespaceSelector?: Selector;
  ipBlock?: { cidr: string; except?: string[] };
}

interface Selector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string }[];
}

interface Spec {
  podSelector: Selector;
  policyTypes: string[];
  ingress?: Rule[];
  egress?: Rule[];
}

const POLICIES = networkPolicies();
const specOf = (name: string) => find(name).spec as Spec;

function find(name: string): KubeObject {
  const found = POLICIES.find(({ metadata }) => metadata.name === name);
  assert.ok(found, name);
  return found;
}

function selects(selector: Selector, labels: Record<string, string>): boolean {
  const all = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  return all && (selector.matchExpressions ?? []).every(({ key, operator }) => operator === "Exists" && key in labels);
}

const KFP = { "application-crd-id": "kubeflow-pipelines" };
/** Labels as the pods of each part have them. */
const PODS: Record<string, Record<string, string>> = {
  api: { ...KFP, app: "ml-pipeline" },
  page: { ...KFP, app: "ml-pipeline-ui" },
  mysql: { ...KFP, app: "mysql" },
  store: { ...KFP, app: "seaweedfs" },
  metadata: { ...KFP, component: "metadata-grpc-server" },
  envoy: { ...KFP, component: "metadata-envoy" },
  step: { "workflows.argoproj.io/workflow": "train-1", "pipeline/runid": "1" },
  stranger: { app: "something" },
};

/** Whether a pod may call another one on a port: the caller may go there, and the called lets it in. */
function flows(from: string, to: string, port: number): boolean {
  const [caller = {}, called = {}] = [PODS[from], PODS[to]];
  const specs = POLICIES.map(({ spec }) => spec as Spec);
  const passes = (own: Record<string, string>, other: Record<string, string>, side: "ingress" | "egress") =>
    specs
      .filter(
        (spec) =>
          selects(spec.podSelector, own) && spec.policyTypes.includes(side === "ingress" ? "Ingress" : "Egress"),
      )
      .flatMap((spec) => spec[side] ?? [])
      .some(
        (rule) =>
          rule.ports.some((one) => one.port === port) &&
          (rule[side === "ingress" ? "from" : "to"] ?? []).some(
            ({ podSelector, namespaceSelector }) => podSelector && !namespaceSelector && selects(podSelector, other),
          ),
      );
  return passes(caller, called, "egress") && passes(called, caller, "ingress");
}

test("every pod is denied everything; each part has one policy for both directions", () => {
  assert.deepEqual(find("default-deny"), {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "default-deny", namespace: "kubeflow" },
    spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
  });
  assert.deepEqual(
    POLICIES.map(({ metadata }) => metadata.name),
    [
      "default-deny",
      "metadata-envoy",
      "metadata-grpc",
      "metadata-writer",
      "ml-pipeline",
      "ml-pipeline-persistenceagent",
      "ml-pipeline-scheduledworkflow",
      "ml-pipeline-ui",
      "ml-pipeline-viewer-crd",
      "ml-pipeline-visualizationserver",
      "mysql",
      "pipeline-steps",
      "seaweedfs",
      "viewers",
      "workflow-controller",
    ],
  );
  for (const { spec } of POLICIES) assert.deepEqual((spec as Spec).policyTypes, ["Ingress", "Egress"]);
});

test("parts reach what they need of each other, and nothing else", () => {
  const allowed: [string, string, number][] = [
    ["api", "mysql", 3306],
    ["api", "store", 8333],
    ["page", "api", 8888],
    ["page", "envoy", 9090],
    ["envoy", "metadata", 8080],
    ["metadata", "mysql", 3306],
    ["step", "api", 8887],
    ["step", "metadata", 8080],
    ["step", "store", 8333],
  ];
  for (const [from, to, port] of allowed) assert.equal(flows(from, to, port), true, `${from} → ${to}:${port}`);
  const denied: [string, string, number][] = [
    ["step", "mysql", 3306],
    ["step", "page", 3000],
    ["step", "step", 8080],
    ["page", "mysql", 3306],
    ["stranger", "api", 8888],
    ["stranger", "store", 8333],
    ["api", "stranger", 80],
    ["store", "api", 8888],
    // The object store's own administration, without a password, is nobody's.
    ["step", "store", 8888],
    ["step", "store", 9333],
  ];
  for (const [from, to, port] of denied) assert.equal(flows(from, to, port), false, `${from} → ${to}:${port}`);
});

test("databases and the object store call nobody, not even for a name", () => {
  for (const name of ["mysql", "seaweedfs", "ml-pipeline-visualizationserver"]) {
    assert.equal(specOf(name).egress, undefined, name);
  }
});

test("only steps and pages that show artefacts reach Google's credentials", () => {
  const blocks = (name: string) =>
    (specOf(name).egress ?? []).flatMap(({ to = [], ports }) =>
      to.flatMap(({ ipBlock }) => (ipBlock ? ports.map(({ port }) => `${ipBlock.cidr}:${port}`) : [])),
    );
  const credentials = ["169.254.169.254/32:80", "169.254.169.252/32:987", "169.254.169.252/32:988"];
  const names = POLICIES.map(({ metadata }) => metadata.name);
  const having = names.filter((name) => credentials.some((block) => blocks(name).includes(block)));
  assert.deepEqual(having, ["ml-pipeline-ui", "pipeline-steps", "viewers"]);
  for (const name of having)
    for (const block of credentials) assert.ok(blocks(name).includes(block), `${name} ${block}`);
  // What goes outside goes by HTTPS, and not to link-local addresses.
  const outside = names.flatMap((name) =>
    (specOf(name).egress ?? []).filter(({ to = [] }) => to.some(({ ipBlock }) => ipBlock?.cidr === "0.0.0.0/0")),
  );
  assert.equal(outside.length, 9);
  for (const rule of outside) {
    assert.deepEqual(rule, {
      to: [{ ipBlock: { cidr: "0.0.0.0/0", except: ["169.254.0.0/16"] } }],
      ports: [{ protocol: "TCP", port: 443 }],
    });
  }
});

test("who calls somebody by name may ask for names", () => {
  for (const { metadata } of POLICIES) {
    const { egress } = specOf(metadata.name);
    if (!egress) continue;
    assert.deepEqual(
      egress[0],
      {
        to: [
          { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } } },
          { ipBlock: { cidr: "169.254.20.10/32" } },
          { ipBlock: { cidr: "169.254.169.254/32" } },
        ],
        ports: [
          { protocol: "UDP", port: 53 },
          { protocol: "TCP", port: 53 },
        ],
      },
      metadata.name,
    );
  }
});
