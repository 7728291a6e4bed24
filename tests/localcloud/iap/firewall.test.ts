import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Instance } from "../../../localcloud/services/compute/types.ts";
import { IAP_RANGE, letsIn } from "../../../localcloud/services/iap/firewall.ts";
import { type ComputeFixture, fakeDriver, machine, startCompute, ZONE } from "../compute/fixture.ts";

async function withRules(
  t: TestContext,
  ...rules: object[]
): Promise<{ cloud: ComputeFixture; open: (port: number) => boolean }> {
  const cloud = await startCompute(t, { driver: fakeDriver().driver });
  await cloud.network();
  await cloud.done("POST", "global/networks", { name: "another", autoCreateSubnetworks: false });
  for (const [index, rule] of rules.entries()) {
    await cloud.done("POST", "global/firewalls", { name: `rule-${index}`, network: "global/networks/net", ...rule });
  }
  await cloud.done("POST", `zones/${ZONE}/instances`, machine("m", { tags: { items: ["ssh"] } }));
  const open = (port: number) => {
    const { state } = cloud.local.cloud;
    const instance = state.collection<Instance>("compute.instances").values()[0] as Instance;
    return letsIn(state, instance, IAP_RANGE, port);
  };
  return { cloud, open };
}

const tcp = (...ports: string[]) => [{ IPProtocol: "tcp", ...(ports.length > 0 ? { ports } : {}) }];
const sourceRanges = [IAP_RANGE];

const CASES: [name: string, rules: object[], open: number[], closed: number[]][] = [
  ["nothing is let in without a rule", [], [], [22]],
  ["a rule for the range and the port", [{ sourceRanges, allowed: tcp("22", "8000-8010") }], [22, 8005], [21, 8011]],
  ["every port, every protocol, everybody", [{ allowed: [{ IPProtocol: "all" }] }], [22, 65535], []],
  ["a wider range will do", [{ sourceRanges: ["35.235.0.0/16"], allowed: tcp() }], [22], []],
  ["a narrower range lets only some tunnels in", [{ sourceRanges: ["35.235.240.0/24"], allowed: tcp() }], [], [22]],
  ["another source", [{ sourceRanges: ["10.0.0.0/8"], allowed: tcp() }], [], [22]],
  ["another protocol", [{ sourceRanges, allowed: [{ IPProtocol: "udp", ports: ["22"] }] }], [], [22]],
  ["another network", [{ sourceRanges, allowed: tcp(), network: "global/networks/another" }], [], [22]],
  ["for machines with a tag that it has", [{ sourceRanges, allowed: tcp("22"), targetTags: ["ssh"] }], [22], []],
  ["for machines with another tag", [{ sourceRanges, allowed: tcp("22"), targetTags: ["web"] }], [], [22]],
  ["a disabled rule", [{ sourceRanges, allowed: tcp(), disabled: true }], [], [22]],
  ["what goes out says nothing of what comes in", [{ direction: "EGRESS", allowed: tcp() }], [], [22]],
  [
    "the lower number decides",
    [
      { sourceRanges, allowed: tcp(), priority: 1000 },
      { denied: tcp("22"), priority: 900 },
    ],
    [23],
    [22],
  ],
  [
    "at one number what denies goes first",
    [
      { sourceRanges, allowed: tcp() },
      { sourceRanges, denied: tcp("22") },
    ],
    [23],
    [22],
  ],
];

for (const [name, rules, open, closed] of CASES) {
  test(name, async (t) => {
    const world = await withRules(t, ...rules);
    for (const port of open) assert.ok(world.open(port), `${port} is open`);
    for (const port of closed) assert.ok(!world.open(port), `${port} is closed`);
  });
}
