import assert from "node:assert/strict";
import { test } from "node:test";
import { machine, REGION, startCompute, ZONE } from "./fixture.ts";

test("networks, subnets, firewalls, routers and NAT live in the provider's order of calls", async (t) => {
  const cloud = await startCompute(t);
  const beta = `/compute/beta/projects/${cloud.project}`;
  const network = `projects/${cloud.project}/global/networks/net`;
  const link = `https://www.googleapis.com/compute/v1/${network}`;

  const made = await cloud.done("POST", `${beta}/global/networks`, {
    name: "net",
    autoCreateSubnetworks: false,
    routingConfig: { routingMode: "REGIONAL" },
  });
  assert.equal(made.targetLink, link);
  assert.match(String(made.targetId), /^\d+$/);
  assert.equal(made.user, "operator");
  const read = await cloud.ok("GET", `${beta}/global/networks/net`);
  assert.equal(read.id, made.targetId);
  assert.equal(read.selfLink, link);
  await cloud.done("PATCH", `${beta}/global/networks/net`, { routingConfig: { routingMode: "GLOBAL" } });

  const subnets = `${beta}/regions/${REGION}/subnetworks`;
  await cloud.done("POST", subnets, {
    name: "sub",
    network,
    ipCidrRange: "10.10.0.0/20",
    privateIpGoogleAccess: true,
    logConfig: {
      enable: true,
      aggregationInterval: "INTERVAL_10_MIN",
      flowSampling: 0.5,
      metadata: "INCLUDE_ALL_METADATA",
    },
  });
  const sub = await cloud.ok("GET", `${subnets}/sub`);
  assert.equal(sub.gatewayAddress, "10.10.0.1");
  assert.equal(sub.network, link);
  assert.deepEqual((await cloud.ok("GET", `${beta}/global/networks/net`)).subnetworks, [sub.selfLink]);
  await cloud.done("POST", `${subnets}/sub/setPrivateIpGoogleAccess`, { privateIpGoogleAccess: false });
  const changed = await cloud.ok("GET", `${subnets}/sub`);
  assert.equal(changed.privateIpGoogleAccess, false);
  assert.notEqual(changed.fingerprint, sub.fingerprint);
  const stale = { fingerprint: sub.fingerprint, logConfig: { enable: false } };
  await cloud.refused(412, "conditionNotMet", "PATCH", `${subnets}/sub`, stale);
  await cloud.done("PATCH", `${subnets}/sub`, { fingerprint: changed.fingerprint, logConfig: { enable: false } });

  await cloud.done("POST", `${beta}/global/firewalls`, {
    name: "ssh",
    network,
    direction: "INGRESS",
    sourceRanges: ["35.235.240.0/20"],
    allowed: [{ IPProtocol: "tcp", ports: ["22"] }],
    targetTags: ["ssh"],
  });
  await cloud.done("PATCH", `${beta}/global/firewalls/ssh`, {
    allowed: [{ IPProtocol: "tcp", ports: ["22", "8888"] }],
  });
  const rule = await cloud.ok("GET", `${beta}/global/firewalls/ssh`);
  assert.deepEqual(rule.allowed, [{ IPProtocol: "tcp", ports: ["22", "8888"] }]);
  assert.equal(rule.priority, 1000);

  const router = `${beta}/regions/${REGION}/routers`;
  await cloud.done("POST", router, { name: "r", network });
  const nat = { name: "nat", natIpAllocateOption: "AUTO_ONLY", sourceSubnetworkIpRangesToNat: "LIST_OF_SUBNETWORKS" };
  const subnetworks = [{ name: sub.selfLink, sourceIpRangesToNat: ["ALL_IP_RANGES"] }];
  await cloud.done("PATCH", `${router}/r`, { nats: [{ ...nat, subnetworks }] });
  const [kept] = (await cloud.ok("GET", `${router}/r`)).nats as Record<string, unknown>[];
  assert.equal(kept?.name, "nat");
  assert.equal((await cloud.call("GET", `${router}/r/getNatMappingInfo`)).status, 501);

  const refusal = await cloud.refused(400, "resourceInUseByAnotherResource", "DELETE", `${beta}/global/networks/net`);
  assert.match(refusal, /networks\/net' is already being used by '.*subnetworks\/sub'/);
  await cloud.refused(400, "resourceInUseByAnotherResource", "DELETE", `${subnets}/sub`);
  await cloud.done("PATCH", `${router}/r`, { nats: [] });
  for (const path of [`${router}/r`, `${beta}/global/firewalls/ssh`, `${subnets}/sub`, `${beta}/global/networks/net`]) {
    await cloud.done("DELETE", path);
    assert.match(await cloud.refused(404, "notFound", "GET", path), /^The resource 'projects\/.*' was not found$/);
  }
});

test("what Google refuses of networks is refused in its words", async (t) => {
  const cloud = await startCompute(t);
  await cloud.network();
  const subnets = `regions/${REGION}/subnetworks`;
  const invalid = (path: string, body: object) => cloud.refused(400, "invalid", "POST", path, body);
  const network = "global/networks/net";

  await cloud.refused(409, "alreadyExists", "POST", "global/networks", { name: "net", autoCreateSubnetworks: false });
  assert.equal(
    await invalid("global/networks", { name: "Net_1", autoCreateSubnetworks: false }),
    "Invalid value for field 'resource.name': 'Net_1'. Must be a match of regex '(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'",
  );
  assert.match(await invalid("global/networks", { name: "n", autoCreateSubnetworks: false, mtu: 100 }), /mtu/);
  assert.match(await invalid(subnets, { name: "s", network, ipCidrRange: "10.20.0.5/24" }), /host bits/);
  assert.match(
    await invalid(subnets, { name: "s", network, ipCidrRange: "10.10.0.128/25" }),
    /conflicts with existing subnetwork 'sub'/,
  );
  const unknown = { name: "s", network: "global/networks/none", ipCidrRange: "10.20.0.0/24" };
  assert.match(await invalid(subnets, unknown), /The referenced network resource cannot be found/);
  assert.match(await invalid("regions/mars-north1/subnetworks", {}), /Unknown region/);

  const rule = { name: "f", network, sourceRanges: ["10.0.0.0/8"] };
  assert.match(await invalid("global/firewalls", rule), /either allowed or denied/);
  assert.match(
    await invalid("global/firewalls", { ...rule, allowed: [{ IPProtocol: "tcp", ports: ["90-80"] }] }),
    /ports/,
  );
  assert.match(await invalid("global/firewalls", { ...rule, allowed: [{ IPProtocol: "icmp", ports: ["1"] }] }), /icmp/);
  assert.match(
    await invalid("global/firewalls", { ...rule, sourceRanges: ["10.0.0.1/8"], denied: [{ IPProtocol: "all" }] }),
    /host bits/,
  );
});

test("unknown fields are errors, and what Google has but the local cloud has not is named", async (t) => {
  const cloud = await startCompute(t);
  const message = await cloud.refused(400, "invalid", "POST", "global/networks", { name: "n", autoCreate: false });
  assert.equal(message, 'Invalid JSON payload received. Unknown name "autoCreate": Cannot find field.');
  const deep = machine("m", { scheduling: { preemtible: true } });
  const at = await cloud.refused(400, "invalid", "POST", `zones/${ZONE}/instances`, deep);
  assert.match(at, /Unknown name "preemtible" at 'resource\.scheduling': Cannot find field/);
  const typed = machine("m", { canIpForward: "yes" });
  const wrong = await cloud.refused(400, "invalid", "POST", `zones/${ZONE}/instances`, typed);
  assert.equal(wrong, `Invalid value at 'resource.can_ip_forward' (TYPE_BOOL), "yes"`);
  const auto = await cloud.call("POST", "global/networks", { name: "n", autoCreateSubnetworks: true });
  assert.equal(auto.status, 501);
  const bgp = await cloud.call("POST", `regions/${REGION}/routers`, { name: "r", bgp: { asn: 64512 } });
  assert.equal(bgp.status, 501);
  assert.match(JSON.stringify(bgp.body), /resource\.bgp/);
  await cloud.refused(400, "invalid", "GET", "global/networks?pretty=1");
});

test("lists are filtered, paged and gathered over all places", async (t) => {
  const cloud = await startCompute(t);
  await cloud.network();
  for (const name of ["one", "three", "two"]) {
    await cloud.done("POST", `zones/${ZONE}/disks`, { name, sizeGb: "10", labels: { odd: String(name !== "two") } });
  }
  const names = async (query: string) => {
    const { items } = await cloud.ok("GET", `zones/${ZONE}/disks?${query}`);
    return ((items ?? []) as { name: string }[]).map(({ name }) => name).join(" ");
  };
  assert.equal(await names(""), "one three two");
  assert.equal(await names(`filter=${encodeURIComponent("labels.odd=true")}`), "one three");
  assert.equal(await names(`filter=${encodeURIComponent("(labels.odd = true) AND NOT name = one")}`), "three");
  assert.equal(await names(`filter=${encodeURIComponent("labels.odd=true name != one")}`), "three");
  assert.equal(await names(`filter=${encodeURIComponent("name:t*")}`), "three two");
  assert.equal(await names(`filter=${encodeURIComponent("name eq t.*")}`), "three two");
  assert.equal(await names(`filter=${encodeURIComponent("labels.none:*")}`), "");
  await cloud.refused(400, "invalid", "GET", `zones/${ZONE}/disks?filter=${encodeURIComponent("name eq (?i)x")}`);
  await cloud.refused(400, "invalid", "GET", `zones/${ZONE}/disks?filter=name`);

  const first = await cloud.ok("GET", `zones/${ZONE}/disks?maxResults=2`);
  assert.equal((first.items as unknown[]).length, 2);
  assert.equal(await names(`maxResults=2&pageToken=${first.nextPageToken}`), "two");
  const all = (await cloud.ok("GET", "aggregated/disks")).items as Record<
    string,
    { disks?: unknown[]; warning?: unknown }
  >;
  assert.equal(all[`zones/${ZONE}`]?.disks?.length, 3);
  assert.ok(all["zones/europe-west4-a"]?.warning);
});
