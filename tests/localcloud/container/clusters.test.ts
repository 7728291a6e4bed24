import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type Answer, startCompute } from "../compute/fixture.ts";

type Json = Record<string, unknown>;

const REGION = "us-central1";
const ZONE = "us-central1-a";

/** A project with a network that has ranges for two clusters, and calls of GKE's API. */
async function startGke(t: TestContext) {
  const cloud = await startCompute(t);
  const network = `projects/${cloud.project}/global/networks/net`;
  await cloud.done("POST", "global/networks", { name: "net", autoCreateSubnetworks: false });
  await cloud.done("POST", `regions/${REGION}/subnetworks`, {
    name: "sub",
    network,
    ipCidrRange: "10.10.16.0/22",
    secondaryIpRanges: [
      { rangeName: "pods", ipCidrRange: "10.10.64.0/18" },
      { rangeName: "services", ipCidrRange: "10.10.32.0/20" },
    ],
  });
  const location = `/container/v1/projects/${cloud.project}/locations/${ZONE}`;
  const cluster: Json = {
    name: "one",
    initialNodeCount: 1,
    network,
    subnetwork: `projects/${cloud.project}/regions/${REGION}/subnetworks/sub`,
    ipAllocationPolicy: {
      useIpAliases: true,
      clusterSecondaryRangeName: "pods",
      servicesSecondaryRangeName: "services",
    },
    nodeConfig: { machineType: "e2-medium", diskType: "pd-standard", diskSizeGb: 20 },
  };
  const call = (method: string, path: string, body?: unknown) => cloud.call(method, `${location}/${path}`, body);
  const ended = async (answer: Answer): Promise<Json> => {
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    for (let round = 0; round < 200; round += 1) {
      const { body } = await call("GET", `operations/${answer.body.name}`);
      if (body.status === "DONE") return body;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return assert.fail("the operation does not end");
  };
  const create = (change: Json = {}) => call("POST", "clusters", { cluster: { ...cluster, ...change } });
  return { cloud, call, ended, create, cluster, location };
}

type Gke = Awaited<ReturnType<typeof startGke>>;

function refusal({ status, body }: Answer): [number, string] {
  return [status, (body.error as { message?: string } | undefined)?.message ?? JSON.stringify(body)];
}

async function names({ cloud }: Gke, path: string): Promise<string[]> {
  const { items = [] } = (await cloud.ok("GET", path)) as { items?: { name: string }[] };
  return items.map(({ name }) => name);
}

test("a cluster that cannot be is refused before an operation begins", async (t) => {
  const gke = await startGke(t);
  const { create, cloud, call, location } = gke;
  const dns = (allowExternalTraffic: boolean) => ({
    dnsEndpointConfig: { allowExternalTraffic },
    ipEndpointsConfig: { enabled: false },
  });
  const cases: [Json, string][] = [
    [
      { name: "One" },
      `Invalid value for field "cluster.name": "One". Must be a match of regex '(?:[a-z](?:[-a-z0-9]{0,38}[a-z0-9])?)' (only alphanumerics and hyphens, 40 characters at most).`,
    ],
    [{ network: "none" }, 'Network "none" does not exist.'],
    [
      { subnetwork: "none" },
      `Subnetwork "projects/${cloud.project}/regions/${REGION}/subnetworks/none" does not exist in network "net".`,
    ],
    [
      { ipAllocationPolicy: { clusterSecondaryRangeName: "none", servicesSecondaryRangeName: "services" } },
      'Pod secondary range "none" does not exist in network "net", subnetwork "sub".',
    ],
    [
      { workloadIdentityConfig: { workloadPool: "other.svc.id.goog" } },
      `Workload Pool must be "${cloud.project}.svc.id.goog"; got "other.svc.id.goog".`,
    ],
    [
      { controlPlaneEndpointsConfig: dns(false) },
      "At least one of the DNS-based and IP-based control plane endpoints must be enabled.",
    ],
    [
      { networkPolicy: { enabled: true }, networkConfig: { datapathProvider: "ADVANCED_DATAPATH" } },
      "Enabling NetworkPolicy for clusters with DatapathProvider=ADVANCED_DATAPATH is not allowed.",
    ],
    [{ locations: ["europe-west1-b"] }, `Location "europe-west1-b" is not a zone of region "${REGION}".`],
    [{ locations: ["us-central1-b"] }, `The cluster's own zone ${ZONE} must be among its locations.`],
    [{ initialNodeCount: 0 }, "Cluster.initial_node_count must be greater than zero."],
    [
      { nodeConfig: { machineType: "z9-standard-4" } },
      `Machine type with name "z9-standard-4" does not exist in zone "${ZONE}".`,
    ],
    [
      { nodeConfig: { machineType: "e2-micro" } },
      "Node pools must not use e2-micro: it has too little memory for the cluster's own pods.",
    ],
    [
      { nodeConfig: { machineType: "e2-medium", serviceAccount: "none@x.iam.gserviceaccount.com" } },
      'Service account "none@x.iam.gserviceaccount.com" does not exist.',
    ],
  ];
  for (const [change, message] of cases) {
    assert.deepEqual(refusal(await create(change)), [400, message], JSON.stringify(change));
  }
  const [status] = refusal(await create({ noSuchField: 1 }));
  assert.equal(status, 400);
  assert.deepEqual((await call("GET", "clusters")).body, {});
  assert.deepEqual((await call("GET", "operations")).body, {});
  const nowhere = await cloud.call("GET", `${location.replace(ZONE, "us-central1-z")}/clusters`);
  assert.deepEqual(refusal(nowhere), [400, 'Location "us-central1-z" does not exist.']);
});

test("a cluster is busy while it is made; its range is nobody else's; Google's rules come and go with it", async (t) => {
  const gke = await startGke(t);
  const { create, call, ended, cloud } = gke;
  const making = await create();
  const busy = await call("DELETE", "clusters/one");
  assert.deepEqual(refusal(busy), [400, `Cluster is running incompatible operation ${making.body.name}.`]);
  const done = await ended(making);
  assert.deepEqual([done.operationType, done.error], ["CREATE_CLUSTER", undefined]);
  const { body } = await call("GET", "clusters/one");
  assert.equal(body.status, "RUNNING");
  assert.deepEqual(refusal(await create()), [
    409,
    `Already exists: projects/${cloud.project}/locations/${ZONE}/clusters/one.`,
  ]);
  assert.deepEqual(refusal(await create({ name: "two" })), [
    400,
    'Services range "services" in network "net", subnetwork "sub" is already used by another cluster.',
  ]);
  assert.equal((await names(gke, "global/firewalls")).filter((name) => name.startsWith("gke-one-")).length, 4);
  // The subnet cannot go before the cluster.
  const early = await cloud.call("DELETE", `regions/${REGION}/subnetworks/sub`);
  assert.equal(early.status, 400, JSON.stringify(early.body));
  assert.equal((await ended(await call("DELETE", "clusters/one"))).error, undefined);
  assert.deepEqual(await names(gke, "global/firewalls"), []);
  assert.deepEqual(refusal(await call("GET", "clusters/one")), [
    404,
    `Not found: projects/${cloud.project}/locations/${ZONE}/clusters/one.`,
  ]);
  await cloud.done("DELETE", `regions/${REGION}/subnetworks/sub`);
});

test("pools: what cannot be is refused; what the quotas do not hold fails in its operation and stays, in error", async (t) => {
  const { create, call, ended } = await startGke(t);
  await ended(await create());
  const pool = (change: Json) =>
    call("POST", "clusters/one/nodePools", {
      nodePool: { name: "system", initialNodeCount: 1, config: { machineType: "e2-standard-2" }, ...change },
    });
  const cases: [Json, number, string][] = [
    [{ name: "default-pool" }, 409, "Already exists: "],
    [{ locations: ["us-east1-b"] }, 400, `Location "us-east1-b" is not a zone of region "${REGION}".`],
    [{ initialNodeCount: 1001 }, 400, "Node count must be between 0 and 1000; got 1001."],
    [
      { autoscaling: { enabled: true, totalMinNodeCount: 3, totalMaxNodeCount: 2 } },
      400,
      "Autoscaling: the minimum number of nodes must not be greater than the maximum.",
    ],
    [
      { autoscaling: { enabled: true, maxNodeCount: 2, totalMaxNodeCount: 2 } },
      400,
      "Only one of max_node_count and total_max_node_count may be set.",
    ],
    [
      { upgradeSettings: { strategy: "SURGE", maxSurge: 0, maxUnavailable: 0 } },
      400,
      "At least one of maxSurge and maxUnavailable must be greater than 0.",
    ],
    [
      {
        config: {
          machineType: "e2-standard-2",
          accelerators: [{ acceleratorType: "nvidia-tesla-t4", acceleratorCount: "1" }],
        },
      },
      400,
      "Accelerators cannot be attached to machines of type e2-standard-2.",
    ],
  ];
  for (const [change, status, message] of cases) {
    const [code, said] = refusal(await pool(change));
    assert.equal(code, status, said);
    assert.ok(said.startsWith(message), said);
  }
  const failed = await ended(await pool({ initialNodeCount: 500 }));
  assert.match(String(failed.statusMessage), /^Google Compute Engine: Quota '\w+' exceeded\. Limit: [\d.]+ /);
  const left = (await call("GET", "clusters/one/nodePools/system")).body;
  assert.deepEqual([left.status, left.statusMessage], ["ERROR", failed.statusMessage]);
  assert.equal((await ended(await call("DELETE", "clusters/one/nodePools/system"))).error, undefined);
  assert.equal((await ended(await pool({}))).error, undefined);
});

test("a change names one thing; labels are changed by who has seen them; the way in cannot be closed altogether", async (t) => {
  const { create, call, ended } = await startGke(t);
  await ended(await create({ resourceLabels: { a: "b" } }));
  const change = (update: Json) => call("PUT", "clusters/one", { update });
  assert.deepEqual(refusal(await change({})), [400, "Must specify exactly one field to update; got none."]);
  assert.deepEqual(
    refusal(await change({ desiredShieldedNodes: { enabled: true }, desiredReleaseChannel: { channel: "REGULAR" } })),
    [400, "Must specify exactly one field to update; got desiredShieldedNodes, desiredReleaseChannel."],
  );
  assert.deepEqual(
    refusal(
      await change({
        desiredControlPlaneEndpointsConfig: {
          dnsEndpointConfig: { allowExternalTraffic: false },
          ipEndpointsConfig: { enabled: false },
        },
      }),
    ),
    [400, "At least one of the DNS-based and IP-based control plane endpoints must be enabled."],
  );
  const stale = { resourceLabels: { c: "d" }, labelFingerprint: "0000" };
  assert.deepEqual(refusal(await call("POST", "clusters/one:setResourceLabels", stale)), [
    412,
    "Labels could not be set due to fingerprint mismatch.",
  ]);
  const { labelFingerprint } = (await call("GET", "clusters/one")).body;
  await ended(await call("POST", "clusters/one:setResourceLabels", { ...stale, labelFingerprint }));
  assert.deepEqual((await call("GET", "clusters/one")).body.resourceLabels, { c: "d" });
  await ended(await change({ desiredShieldedNodes: { enabled: true } }));
  assert.deepEqual((await call("GET", "clusters/one")).body.shieldedNodes, { enabled: true });
});

test("an operation that fails leaves a cluster in error, which can be deleted; without a login nothing is to be seen", async (t) => {
  const { create, call, ended, cloud } = await startGke(t);
  const message = "Internal error.";
  cloud.local.cloud.faults.plan({
    id: "a",
    service: "container",
    method: "POST",
    times: 1,
    operationError: { code: "INTERNAL", message },
  });
  const failed = await ended(await create());
  assert.equal(failed.statusMessage, message);
  const { body } = await call("GET", "clusters/one");
  assert.deepEqual([body.status, body.statusMessage], ["ERROR", message]);
  assert.equal((await ended(await call("DELETE", "clusters/one"))).error, undefined);
  cloud.token = "nobody";
  assert.equal((await call("GET", "clusters")).status, 401);
});
