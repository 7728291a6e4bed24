import assert from "node:assert/strict";
import { test } from "node:test";
import { PROJECT, provider } from "./provider.ts";

const LINK = `https://www.googleapis.com/compute/v1/projects/${PROJECT}`;
const NETWORK = `projects/${PROJECT}/global/networks/mlt-dev-0123abc`;
const SUBNET = `projects/${PROJECT}/regions/us-central1/subnetworks/mlt-dev-us-central1-0123abc`;
const SUBNETS = "regions/us-central1/subnetworks";
const ROUTER = "regions/us-central1/routers/mlt-dev-us-central1-0123abc";

const NAT = {
  name: "mlt-dev-us-central1-0123abc",
  natIpAllocateOption: "AUTO_ONLY",
  initialNatIps: [],
  natIps: [],
  drainNatIps: [],
  sourceSubnetworkIpRangesToNat: "LIST_OF_SUBNETWORKS",
  subnetworks: [{ name: SUBNET, sourceIpRangesToNat: ["ALL_IP_RANGES"] }],
  nat64Subnetworks: [],
  udpIdleTimeoutSec: 30,
  icmpIdleTimeoutSec: 30,
  tcpEstablishedIdleTimeoutSec: 1200,
  tcpTransitoryIdleTimeoutSec: 30,
  tcpTimeWaitTimeoutSec: 120,
  logConfig: { enable: true, filter: "ERRORS_ONLY" },
  rules: [],
  type: "PUBLIC",
};

/** What a plan compares, so that a difference would show as a change in the next preview. */
function assertKept(read: Record<string, unknown>, sent: Record<string, unknown>, without: string[] = []): void {
  for (const [name, value] of Object.entries(sent)) {
    if (!without.includes(name)) assert.deepEqual(read[name], value, name);
  }
}

test("the provider's calls for a network with a subnet, a NAT and a firewall rule", async (t) => {
  const gcp = await provider(t);

  await t.test("network", async () => {
    const body = {
      name: "mlt-dev-0123abc",
      description: "Training machines",
      autoCreateSubnetworks: false,
      routingConfig: { routingMode: "REGIONAL", deleteBgpAlwaysCompareMed: false },
      networkFirewallPolicyEnforcementOrder: "AFTER_CLASSIC_FIREWALL",
    };
    await gcp.read("global/networks/mlt-dev-0123abc", 404);
    await gcp.change("POST", "global/networks", body);
    const read = await gcp.read("global/networks/mlt-dev-0123abc");
    assertKept(read, body, ["routingConfig"]);
    assert.equal((read.routingConfig as { routingMode: string }).routingMode, "REGIONAL");
    assert.equal(
      (read.routingConfig as object as { deleteBgpAlwaysCompareMed?: boolean }).deleteBgpAlwaysCompareMed,
      undefined,
    );
    assert.equal(read.selfLink, `${LINK}/global/networks/mlt-dev-0123abc`);

    await gcp.change("PATCH", "global/networks/mlt-dev-0123abc", {
      routingConfig: { routingMode: "GLOBAL", bgpBestPathSelectionMode: "LEGACY", deleteBgpAlwaysCompareMed: false },
      networkFirewallPolicyEnforcementOrder: "AFTER_CLASSIC_FIREWALL",
    });
    const changed = await gcp.read("global/networks/mlt-dev-0123abc");
    assert.equal((changed.routingConfig as { routingMode: string }).routingMode, "GLOBAL");
  });

  await t.test("subnetwork", async () => {
    const body = {
      name: "mlt-dev-us-central1-0123abc",
      ipCidrRange: "10.10.0.0/20",
      network: NETWORK,
      secondaryIpRanges: [],
      privateIpGoogleAccess: true,
      region: `projects/${PROJECT}/global/regions/us-central1`,
      logConfig: {
        enable: true,
        aggregationInterval: "INTERVAL_10_MIN",
        flowSampling: 0.5,
        metadata: "INCLUDE_ALL_METADATA",
        filterExpr: "true",
        metadataFields: [],
      },
    };
    await gcp.change("POST", SUBNETS, body);
    const read = await gcp.read(`${SUBNETS}/mlt-dev-us-central1-0123abc`);
    assertKept(read, body, ["network", "region"]);
    assert.deepEqual(
      [read.network, read.region],
      [`https://www.googleapis.com/compute/v1/${NETWORK}`, `${LINK}/regions/us-central1`],
    );

    const { fingerprint } = read;
    const logConfig = { ...body.logConfig, flowSampling: 1 };
    await gcp.change("PATCH", `${SUBNETS}/mlt-dev-us-central1-0123abc`, { fingerprint, logConfig });
    await gcp.change("POST", `${SUBNETS}/mlt-dev-us-central1-0123abc/setPrivateIpGoogleAccess`, {
      privateIpGoogleAccess: true,
    });
    assertKept(await gcp.read(`${SUBNETS}/mlt-dev-us-central1-0123abc`), { logConfig, privateIpGoogleAccess: true });
    // Without a log configuration in the program.
    const now = await gcp.read(`${SUBNETS}/mlt-dev-us-central1-0123abc`);
    await gcp.change("PATCH", `${SUBNETS}/mlt-dev-us-central1-0123abc`, {
      fingerprint: now.fingerprint,
      logConfig: { enable: false },
    });
    const off = await gcp.read(`${SUBNETS}/mlt-dev-us-central1-0123abc`);
    assert.equal((off.logConfig as { enable: boolean }).enable, false);
  });

  await t.test("router and NAT", async () => {
    await gcp.change("POST", "regions/us-central1/routers", {
      name: "mlt-dev-us-central1-0123abc",
      network: NETWORK,
      bgp: null,
      region: `projects/${PROJECT}/global/regions/us-central1`,
    });
    const router = await gcp.read(ROUTER);
    assert.equal(router.nats, undefined);
    assert.equal(router.bgp, undefined, "the provider would see a block that the program has not");
    assert.equal(router.network, `https://www.googleapis.com/compute/v1/${NETWORK}`);

    await gcp.change("PATCH", ROUTER, { nats: [NAT] });
    const [nat] = (await gcp.read(ROUTER)).nats as Record<string, unknown>[];
    assert.ok(nat);
    assertKept(nat, NAT, ["initialNatIps", "nat64Subnetworks", "rules", "subnetworks"]);
    assert.deepEqual([nat.initialNatIps, nat.nat64Subnetworks, nat.rules], [undefined, undefined, undefined]);
    assert.deepEqual(nat.subnetworks, [
      { name: `https://www.googleapis.com/compute/v1/${SUBNET}`, sourceIpRangesToNat: ["ALL_IP_RANGES"] },
    ]);
    assert.deepEqual(nat.endpointTypes, ["ENDPOINT_TYPE_VM"]);

    // A changed setting: what was read, with what is wanted over it.
    await gcp.change("PATCH", ROUTER, { nats: [{ ...nat, ...NAT, logConfig: { enable: true, filter: "ALL" } }] });
    const changed = (await gcp.read(ROUTER)).nats as Record<string, unknown>[];
    assert.deepEqual(
      changed.map(({ logConfig }) => logConfig),
      [{ enable: true, filter: "ALL" }],
    );
  });

  await t.test("firewall rule", async () => {
    const body = {
      name: "mlt-dev-ssh-mlt-dev-0123abc",
      description: "SSH to the machines of mlt-dev through Identity-Aware Proxy",
      allowed: [{ IPProtocol: "tcp", ports: ["22"] }],
      direction: "INGRESS",
      logConfig: { enable: true, metadata: "INCLUDE_ALL_METADATA" },
      network: NETWORK,
      priority: 1000,
      sourceRanges: ["35.235.240.0/20"],
      targetServiceAccounts: [`mlt-dev-machines@${PROJECT}.iam.gserviceaccount.com`],
    };
    const path = "global/firewalls/mlt-dev-ssh-mlt-dev-0123abc";
    await gcp.change("POST", "global/firewalls", body);
    const read = await gcp.read(path);
    assertKept(read, body, ["network"]);
    assert.deepEqual(
      [read.denied, read.sourceTags, read.targetTags, read.destinationRanges, read.disabled],
      [undefined, undefined, undefined, undefined, false],
    );
    const { name: _, direction: __, ...change } = body;
    await gcp.change("PATCH", path, { ...change, sourceRanges: ["35.235.240.0/20", "10.0.0.0/8"] });
    assert.deepEqual((await gcp.read(path)).sourceRanges, ["35.235.240.0/20", "10.0.0.0/8"]);
  });

  await t.test("everything goes again, dependents first", async () => {
    await gcp.call("COMPUTE", "DELETE", `projects/${PROJECT}/global/networks/mlt-dev-0123abc`, undefined, 400);
    await gcp.change("DELETE", "global/firewalls/mlt-dev-ssh-mlt-dev-0123abc");
    await gcp.change("PATCH", ROUTER, { nats: [] });
    assert.deepEqual((await gcp.read(ROUTER)).nats ?? [], []);
    await gcp.change("DELETE", ROUTER);
    await gcp.change("DELETE", `${SUBNETS}/mlt-dev-us-central1-0123abc`);
    await gcp.change("DELETE", "global/networks/mlt-dev-0123abc");
    await gcp.read("global/networks/mlt-dev-0123abc", 404);
  });
});
