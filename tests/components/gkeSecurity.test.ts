import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseConfig } from "../../components/config.ts";
import { GkeCluster } from "../../components/gkeCluster.ts";
import { record } from "../helpers/record.ts";
import { RULES, type Seen } from "./gkeRules.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SETTINGS = [
  {},
  { gpuPool: { type: "nvidia-l4", max: 3 } },
  { location: "us-central1", systemPool: { min: 3 }, gpuPool: { spot: false } },
];

/** What Pulumi registers of a cluster with these settings. */
async function seen(kubeflow: object): Promise<Seen> {
  const raw = { "gcp:project": "my-project", "mltraining:kubeflow": JSON.stringify(kubeflow) };
  const { kubeflow: cluster } = parseConfig(raw, "dev");
  assert.ok(cluster);
  const labels = { app: "ml-training" };
  const args = { project: "my-project", environment: "mlt-dev", cluster, network: "n", labels };
  const { only, ofType } = await record(() => new GkeCluster("mlt-dev", args), {
    calls: {
      "gcp:compute/getMachineTypes:getMachineTypes": ({ filter }) => ({
        machineTypes: [{ name: /"(.+)"/.exec(String(filter))?.[1] }],
      }),
      "gcp:organizations/getProject:getProject": () => ({ number: "1" }),
    },
    state: ({ type }) =>
      type === "gcp:container/cluster:Cluster"
        ? { controlPlaneEndpointsConfig: { dnsEndpointConfig: { endpoint: "e.gke.goog" } }, masterAuth: {} }
        : undefined,
  });
  return {
    cluster: only("gcp:container/cluster:Cluster").inputs,
    pools: ofType("gcp:container/nodePool:NodePool").map(({ inputs }) => inputs),
    subnetwork: only("gcp:compute/subnetwork:Subnetwork").inputs,
  };
}

test("every rule that is not waived is kept, whatever the settings", async () => {
  for (const settings of SETTINGS) {
    const found = await seen(settings);
    const broken = RULES.filter((rule) => rule.passes && !rule.passes(found)).map(({ title }) => title);
    assert.deepEqual(broken, [], JSON.stringify(settings));
  }
});

/** The value at a path, taken away or turned round; the rules must see it. */
function spoilt(found: Seen, path: string): Seen {
  const copy = structuredClone(found);
  const parts = path.split(".");
  const last = parts.pop() as string;
  const owners = parts[0] === "pool" ? copy.pools : [copy.cluster, ...(parts[0] === "nodeConfig" ? copy.pools : [])];
  for (const owner of owners) {
    let target = owner as Record<string, unknown>;
    for (const part of parts[0] === "pool" ? parts.slice(1) : parts) target = target[part] as Record<string, unknown>;
    const value = target[last];
    if (typeof value === "boolean") target[last] = !value;
    else Reflect.deleteProperty(target, last);
  }
  return copy;
}

const SECURE = [
  "loggingConfig",
  "monitoringConfig",
  "enableLegacyAbac",
  "masterAuth.clientCertificateConfig.issueClientCertificate",
  "pool.management.autoRepair",
  "pool.management.autoUpgrade",
  "releaseChannel",
  "datapathProvider",
  "privateClusterConfig.enablePrivateEndpoint",
  "privateClusterConfig.enablePrivateNodes",
  "pool.networkConfig.enablePrivateNodes",
  "networkingMode",
  "ipAllocationPolicy",
  "resourceLabels",
  "enableIntranodeVisibility",
  "enableShieldedNodes",
  "nodeConfig.shieldedInstanceConfig.enableIntegrityMonitoring",
  "nodeConfig.shieldedInstanceConfig.enableSecureBoot",
  "nodeConfig.workloadMetadataConfig",
  "workloadIdentityConfig.workloadPool",
  "nodeConfig.serviceAccount",
  "nodeConfig.imageType",
  "removeDefaultNodePool",
  "enableKubernetesAlpha",
  "securityPostureConfig",
  "controlPlaneEndpointsConfig.ipEndpointsConfig.enabled",
  "controlPlaneEndpointsConfig.dnsEndpointConfig.enableK8sTokensViaDns",
  "rbacBindingConfig.enableInsecureBindingSystemUnauthenticated",
  "addonsConfig.httpLoadBalancing.disabled",
];

test("turning any of these round breaks a rule", async () => {
  const found = await seen({ gpuPool: {} });
  const unseen = SECURE.filter((path) => {
    const changed = spoilt(found, path);
    assert.notDeepEqual(changed, found, path);
    return RULES.every((rule) => rule.passes?.(changed) !== false);
  });
  assert.deepEqual(unseen, []);
});

test("docs/kubeflow-security.md has a row for each rule, and a reason for each that is waived", () => {
  const text = readFileSync(join(ROOT, "docs/kubeflow-security.md"), "utf8");
  const rows = text
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) =>
      line
        .slice(2, -2)
        .split(" | ")
        .map((cell) => cell.trim()),
    )
    .filter(([, , state]) => state === "passed" || state === "waived");
  assert.deepEqual(
    rows.map(([title, ids, state]) => ({ title, ids, state })),
    RULES.map(({ title, ids, passes }) => ({ title, ids: ids.join(", "), state: passes ? "passed" : "waived" })),
  );
  const passed = RULES.filter(({ passes }) => passes).length;
  assert.match(text, new RegExp(`\\b${passed} are passed, ${RULES.length - passed} waived\\b`));
  for (const [title, , , reason] of rows) assert.ok((reason ?? "").length > 5, title);
});
