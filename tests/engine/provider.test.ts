import assert from "node:assert/strict";
import { test } from "node:test";
import { configure } from "../../engine/providers/gcp/configuration.ts";
import { check, create, diff } from "../../engine/providers/gcp/provider.ts";
import { type Props, UNKNOWN } from "../../engine/providers/gcp/values.ts";

// The attached provider without an engine: what a preview refuses, what a change means.

const configuration = configure({ project: "demo-project", region: "us-central1" }, {});
const seed = new Uint8Array([1, 2, 3]);
const urn = (token: string) => `urn:pulumi:dev::demo::${token}::thing`;

function problems(token: string, inputs: Props): string[] {
  return check(configuration, urn(token), seed, {}, inputs).problems.map(
    ({ property, reason }) => `${property}: ${reason}`,
  );
}

async function changes(token: string, olds: Props, news: Props, outputs: Props = olds): Promise<string[]> {
  const found = await diff(configuration, urn(token), olds, outputs, news);
  const lines = found.changes.map(({ path, kind, replace }) => `${kind} ${path}${replace ? " (replace)" : ""}`);
  return found.deleteBeforeReplace ? [...lines, "delete first"] : lines;
}

const NETWORK = "gcp:compute/network:Network";
const FIREWALL = "gcp:compute/firewall:Firewall";
const BUCKET = "gcp:storage/bucket:Bucket";

test("a name is made where there is none, kept as long as the resource, and gone with it", () => {
  const first = check(configuration, urn(NETWORK), seed, {}, {});
  assert.match(String(first.inputs.name), /^thing-[0-9a-f]{7}$/);
  const again = check(configuration, urn(NETWORK), new Uint8Array([9]), first.inputs, {});
  assert.equal(again.inputs.name, first.inputs.name);
  const other = check(configuration, urn(NETWORK), new Uint8Array([9]), {}, {});
  assert.notEqual(other.inputs.name, first.inputs.name);
  const own = check(configuration, urn(NETWORK), seed, first.inputs, { name: "mine" });
  assert.equal(own.inputs.name, "mine");
});

test("a preview refuses what the real provider's preview refuses", () => {
  const refused: [string, Props, RegExp][] = [
    [NETWORK, { name: "Net_1" }, /name: "Net_1" doesn't match/],
    [FIREWALL, { network: "n", sourceRanges: ["10.0.0.0/8"] }, /one of `allows,denies` must be specified/],
    [FIREWALL, { network: "n", allows: [{ protocol: "tcp" }] }, /sourceRanges: one of/],
    [FIREWALL, { network: "n", direction: "IN", allows: [{ protocol: "tcp" }] }, /direction: expected to be one of/],
    [FIREWALL, { network: "n", allows: [{ protocol: "tcp", port: 22 }] }, /allows\[0\]\.port: .* does not know/],
    ["gcp:compute/subnetwork:Subnetwork", { network: "n", ipCidrRange: "10.0.0.0/64" }, /ipCidrRange/],
    ["gcp:serviceaccount/account:Account", { accountId: "abc" }, /accountId/],
    ["gcp:projects/service:Service", { service: "compute" }, /service: "compute" doesn't match/],
    [
      "gcp:projects/iAMMember:IAMMember",
      { project: "p", role: "roles/viewer", member: "a@b.c" },
      /invalid value for member/,
    ],
    ["gcp:projects/iAMCustomRole:IAMCustomRole", { roleId: "a-b-c", title: "t", permissions: [] }, /roleId/],
    [BUCKET, { location: "US", labels: { Team: "x" } }, /labels: "Team" is no label key/],
    [BUCKET, {}, /location: Missing required argument/],
    [BUCKET, { location: "US", softDeletePolicy: { retentionDurationSeconds: "a week" } }, /expected number/],
    [
      "gcp:compute/instance:Instance",
      { machineType: "e2-small", bootDisk: {}, networkInterfaces: [] },
      /zone: required/,
    ],
  ];
  for (const [token, inputs, message] of refused) assert.match(problems(token, inputs).join("\n"), message);
});

test("what is not known yet is not refused", () => {
  assert.deepEqual(
    problems(FIREWALL, { network: UNKNOWN, allows: [{ protocol: UNKNOWN }], sourceRanges: UNKNOWN }),
    [],
  );
  assert.deepEqual(problems("gcp:projects/iAMMember:IAMMember", { project: "p", role: UNKNOWN, member: UNKNOWN }), []);
});

test("a type that the provider does not have is named, with those that it has", () => {
  assert.throws(
    () => problems("gcp:sql/databaseInstance:DatabaseInstance", {}),
    /does not know the resource type gcp:sql\/databaseInstance:DatabaseInstance\. It knows: .*gcp:storage\/bucket:Bucket/,
  );
});

test("changes: in place, replacing, with a fixed name, and none where Google means the same", async () => {
  assert.deepEqual(
    await changes(
      BUCKET,
      { location: "US", versioning: { enabled: true } },
      { location: "US", versioning: { enabled: false } },
    ),
    ["update versioning.enabled"],
  );
  const generated = { location: "US", name: "b-1234567", __defaults: ["name"] };
  assert.deepEqual(await changes(BUCKET, generated, { ...generated, location: "EU" }), ["update location (replace)"]);
  const fixed = { location: "US", name: "mine", __defaults: [] };
  assert.deepEqual(await changes(BUCKET, fixed, { ...fixed, location: "EU" }), [
    "update location (replace)",
    "delete first",
  ]);

  const link = "https://www.googleapis.com/compute/v1/projects/demo-project/global/networks/net";
  for (const same of ["net", "projects/demo-project/global/networks/net", "global/networks/net"]) {
    assert.deepEqual(await changes(FIREWALL, { network: link, priority: 1000 }, { network: same }), []);
  }
  assert.deepEqual(await changes(FIREWALL, { network: "net" }, { network: "other" }), ["update network (replace)"]);
  assert.deepEqual(await changes(FIREWALL, { sourceRanges: ["a", "b"] }, { sourceRanges: ["b", "a"] }), []);
});

test("a machine's disks, addresses and schedule change in place, what it is made from does not", async () => {
  const instance = "gcp:compute/instance:Instance";
  const olds = {
    zone: "us-central1-a",
    bootDisk: { initializeParams: { image: "projects/p/global/images/family/f", size: 50, type: "pd-balanced" } },
    networkInterfaces: [{ subnetwork: "s" }],
    attachedDisks: [{ source: "projects/p/zones/us-central1-a/disks/d", deviceName: "home" }],
    scheduling: { provisioningModel: "STANDARD", preemptible: false },
  };
  const changed = (news: Props) => changes(instance, olds, { ...olds, ...news });
  const boot = (more: Props) => ({ bootDisk: { initializeParams: { ...olds.bootDisk.initializeParams, ...more } } });
  assert.deepEqual(await changed({}), []);
  assert.deepEqual(await changed(boot({ size: 60, labels: { a: "b" } })), [
    "update bootDisk.initializeParams.size",
    "add bootDisk.initializeParams.labels",
  ]);
  assert.deepEqual(await changed(boot({ image: "projects/p/global/images/other" })), [
    "update bootDisk.initializeParams.image (replace)",
  ]);
  assert.deepEqual(await changed({ attachedDisks: undefined }), ["delete attachedDisks"]);
  assert.deepEqual(await changed({ resourcePolicies: "projects/p/regions/r/resourcePolicies/x" }), [
    "add resourcePolicies",
  ]);
  assert.deepEqual(
    await changed({ networkInterfaces: [{ subnetwork: "s", accessConfigs: [{ natIp: "203.0.113.9" }] }] }),
    ["add networkInterfaces[0].accessConfigs"],
  );
  assert.deepEqual(await changed({ scheduling: { provisioningModel: "SPOT", preemptible: true } }), [
    "update scheduling.preemptible (replace)",
    "update scheduling.provisioningModel (replace)",
  ]);
  assert.deepEqual(await changed({ zone: "us-central1-b" }), ["update zone (replace)"]);
});

test("a disk grows in place and is another when it shrinks", async () => {
  const disk = "gcp:compute/disk:Disk";
  const olds = { zone: "us-central1-a", size: 20 };
  assert.deepEqual(await changes(disk, olds, { ...olds, size: 30 }), ["update size"]);
  assert.deepEqual(await changes(disk, olds, { ...olds, size: 10 }), ["update size (replace)"]);
  assert.deepEqual(await changes(disk, olds, { ...olds, type: "pd-ssd" }), ["add type (replace)"]);
});

test("members on a machine and on its tunnel are replaced by every change", async () => {
  for (const [token, property] of [
    ["gcp:compute/instanceIAMMember:InstanceIAMMember", "instanceName"],
    ["gcp:iap/tunnelInstanceIAMMember:TunnelInstanceIAMMember", "instance"],
  ] as const) {
    const olds = { zone: "us-central1-a", [property]: "m", role: "roles/compute.osLogin", member: "user:a@b.org" };
    assert.deepEqual(problems(token, olds), []);
    assert.deepEqual(problems(token, { ...olds, member: "a@b.org" }).length, 1);
    assert.deepEqual(await changes(token, olds, { ...olds, [property]: "n" }), [`update ${property} (replace)`]);
    assert.deepEqual(await changes(token, olds, { ...olds, [property]: "zones/us-central1-a/instances/m" }), []);
    assert.deepEqual(await changes(token, olds, { ...olds, role: "roles/compute.osAdminLogin" }), [
      "update role (replace)",
    ]);
  }
});

test("an unknown value counts as a change, and replaces where the input cannot change in place", async () => {
  assert.deepEqual(await changes(FIREWALL, { network: "net" }, { network: UNKNOWN }), ["update network (replace)"]);
  assert.deepEqual(await changes(BUCKET, { location: "US", labels: { a: "b" } }, { location: "US", labels: UNKNOWN }), [
    "update labels",
  ]);
});

test("another project in the provider's configuration is another resource", async () => {
  const inputs = { name: "net", __defaults: ["name"] };
  assert.deepEqual(await changes(NETWORK, inputs, inputs, { ...inputs, project: "elsewhere" }), [
    "update project (replace)",
  ]);
});

test("a preview knows the inputs and leaves open what only Google knows", async () => {
  const { id, outputs } = await create(configuration, urn(BUCKET), { location: "US", name: "b" }, 0, true);
  assert.equal(id, "");
  assert.equal(outputs.name, "b");
  assert.equal(outputs.url, UNKNOWN);
});

test("without endpoints nothing is ever asked of Google", async () => {
  await assert.rejects(
    create(configuration, urn(BUCKET), { location: "US", name: "b" }, 0, false),
    /never calls Google\. Set gcp:storageCustomEndpoint \(or GOOGLE_STORAGE_CUSTOM_ENDPOINT\)/,
  );
});
