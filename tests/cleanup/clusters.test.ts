import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { clusterParts, volumeOf } from "../../cleanup/clusters.ts";
import { inventory } from "../../cleanup/inventory.ts";
import { remove } from "../../cleanup/remove.ts";
import { planRemoval, verdict } from "../../cleanup/verdict.ts";
import { marked } from "../../components/marks.ts";
import { openBench, PROJECT, REGION, ZONE } from "./bench.ts";
import { refusal, startStub } from "./stub.ts";

const CLUSTER = "ml-a-kubeflow";
const PARENT = `container/v1/projects/${PROJECT}/locations/${ZONE}`;
const VOLUME = "pvc-0a1b2c3d-0000-4000-8000-0123456789ab";

test("a cluster is found, costed and removed before what it stands on, and Google's own rules go with it", async (t) => {
  const bench = await openBench(t);
  await bench.network("ml-a");
  await bench.compute("POST", `regions/${REGION}/subnetworks`, {
    name: "ml-a-cluster-0123abc",
    description: marked("Nodes", "ml-a"),
    network: `projects/${PROJECT}/global/networks/ml-a-0123abc`,
    ipCidrRange: "10.10.16.0/22",
    secondaryIpRanges: [
      { rangeName: "pods", ipCidrRange: "10.10.64.0/18" },
      { rangeName: "services", ipCidrRange: "10.10.32.0/20" },
    ],
  });
  const subnetwork = `projects/${PROJECT}/regions/${REGION}/subnetworks/ml-a-cluster-0123abc`;
  const cluster = {
    name: CLUSTER,
    initialNodeCount: 1,
    network: `projects/${PROJECT}/global/networks/ml-a-0123abc`,
    subnetwork,
    ipAllocationPolicy: { clusterSecondaryRangeName: "pods", servicesSecondaryRangeName: "services" },
    resourceLabels: { "mlt-environment": "ml-a" },
  };
  const { name } = await bench.call("POST", `${PARENT}/clusters`, { cluster });
  await done(String(name));
  // A volume's disk, as GKE's driver makes it.
  await bench.compute("POST", `zones/${ZONE}/disks`, {
    name: VOLUME,
    sizeGb: "20",
    type: `zones/${ZONE}/diskTypes/pd-balanced`,
    labels: { "goog-k8s-cluster-name": CLUSTER },
  });

  const found = await inventory(PROJECT, { environment: "ml-a" });
  assert.deepEqual(
    found.items.map(({ kind, name: each }) => `${kind} ${each}`).sort(),
    [
      `cluster ${CLUSTER}`,
      `disk ${VOLUME}`,
      "network ml-a-0123abc",
      `subnetwork ml-a-${REGION}-0123abc`,
      "subnetwork ml-a-cluster-0123abc",
    ].sort(),
  );
  const item = found.items.find(({ kind }) => kind === "cluster");
  assert.equal(item?.place, ZONE);
  assert.equal(item?.state, "RUNNING");
  assert.equal(item?.detail, "pools default-pool");
  assert.equal(item?.perMonth, 73);
  assert.deepEqual(found.lookalikes, []);
  assert.deepEqual(found.gaps, []);

  const { failed, removed } = await remove(found, planRemoval(found));
  assert.deepEqual(failed, []);
  assert.equal(removed[0]?.kind, "cluster");
  assert.equal(verdict(await inventory(PROJECT, { environment: "ml-a" })).code, 0);
  const { items = [] } = (await bench.call("GET", `compute/v1/projects/${PROJECT}/global/firewalls`)) as {
    items?: unknown[];
  };
  assert.deepEqual(items, []);

  async function done(operation: string): Promise<void> {
    for (;;) {
      const { status } = await bench.call("GET", `${PARENT}/operations/${operation}`);
      if (status === "DONE") return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
});

describe("what is a cluster's", () => {
  const cluster = { name: CLUSTER, location: ZONE };
  const labels = { "goog-k8s-cluster-name": CLUSTER };
  const networks = new Map([[`projects/${PROJECT}/global/networks/ml-a-0123abc`, "ml-a"]]);
  const network = `https://www.googleapis.com/compute/v1/projects/${PROJECT}/global/networks/ml-a-0123abc`;
  const node = { kind: "machine", name: `gke-${CLUSTER}-system-1-2`, path: "node", labels };
  const boot = { kind: "disk", name: `gke-${CLUSTER}-system-1-2`, path: "boot", labels };
  const volume = { kind: "disk", name: VOLUME, path: "volume", labels };
  const rule = { kind: "firewall", name: `gke-${CLUSTER}-0a1b2c3d-all`, path: "rule", thing: { network } };
  const balancer = { kind: "firewall", name: "k8s-fw-a0b1", path: "balancer", thing: { network } };
  const all = [node, boot, volume, rule, balancer];

  test("while it is there its nodes, their disks and its rules go with it, and volumes are things of their own", () => {
    const { folded, orphans } = clusterParts(all, [cluster], networks);
    assert.deepEqual([...folded.keys()], ["node", "boot", "rule", "balancer"]);
    assert.deepEqual([...orphans], []);
    assert.equal(volumeOf(volume), "ml-a");
  });

  test("when it is gone, all that it left is its environment's", () => {
    const { folded, orphans } = clusterParts(all, [], networks);
    assert.deepEqual([...folded], []);
    assert.deepEqual(
      [...orphans],
      all.map(({ path }) => [path, "ml-a"]),
    );
  });

  test("other people's clusters, networks and disks are nobody's of ours", () => {
    const theirs = { "goog-k8s-cluster-name": "team-cluster" };
    const foreign = [
      { ...node, labels: theirs },
      { ...volume, labels: theirs },
      { ...rule, thing: { network: "projects/x/global/networks/other" } },
      { ...rule, name: "gke-something-else" },
    ];
    const { folded, orphans } = clusterParts(foreign, [], networks);
    assert.deepEqual([[...folded], [...orphans]], [[], []]);
    assert.equal(volumeOf({ ...volume, labels: theirs }), undefined);
    assert.equal(volumeOf({ ...volume, name: "my-disk" }), undefined);
  });
});

test("where the API of clusters is off nothing is missing; where it may not be asked, that is told", async (t) => {
  let answer = refusal(
    403,
    "accessNotConfigured",
    "Kubernetes Engine API has not been used in project 1 before or it is disabled.",
  );
  await startStub(t, (route) => (route.includes("/container/") ? answer : undefined));
  assert.deepEqual((await inventory(PROJECT)).gaps, []);
  answer = refusal(403, "forbidden", "Required container.clusters.list permission.");
  assert.deepEqual((await inventory(PROJECT)).gaps, [
    {
      what: "clusters",
      why: "not allowed (Required container.clusters.list permission.)",
      permission: "container.clusters.list",
    },
  ]);
});
