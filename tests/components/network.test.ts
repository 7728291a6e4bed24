import assert from "node:assert/strict";
import { test } from "node:test";
import { Network } from "../../components/network.ts";
import { SshAccess } from "../../components/sshAccess.ts";
import { record } from "../helpers/record.ts";

const project = "my-project";

test("an own VPC, and per region a subnet with a way out", async () => {
  const { resources, only } = await record(
    () => new Network("mlt-dev", { project, environment: "mlt-dev", regions: ["us-central1", "europe-west4"] }),
  );
  assert.deepEqual(resources.map(({ type, name }) => `${type} ${name}`).sort(), [
    "gcp:compute/network:Network mlt-dev",
    "gcp:compute/router:Router mlt-dev-europe-west4",
    "gcp:compute/router:Router mlt-dev-us-central1",
    "gcp:compute/routerNat:RouterNat mlt-dev-europe-west4",
    "gcp:compute/routerNat:RouterNat mlt-dev-us-central1",
    "gcp:compute/subnetwork:Subnetwork mlt-dev-europe-west4",
    "gcp:compute/subnetwork:Subnetwork mlt-dev-us-central1",
    "mltraining:index:Network mlt-dev",
  ]);
  assert.deepEqual(only("gcp:compute/network:Network").inputs, {
    project,
    description: "Training machines (ml-training environment mlt-dev)",
    autoCreateSubnetworks: false,
    routingMode: "REGIONAL",
  });
  const network = "https://example.test/gcp:compute/network:Network/mlt-dev-0123abc";
  assert.deepEqual(only("gcp:compute/subnetwork:Subnetwork", "mlt-dev-europe-west4").inputs, {
    project,
    region: "europe-west4",
    network,
    description: "Training machines in europe-west4 (ml-training environment mlt-dev)",
    ipCidrRange: "10.37.0.0/20",
    privateIpGoogleAccess: true,
    logConfig: { aggregationInterval: "INTERVAL_10_MIN", flowSampling: 0.5, metadata: "INCLUDE_ALL_METADATA" },
  });
  assert.deepEqual(only("gcp:compute/router:Router", "mlt-dev-europe-west4").inputs, {
    project,
    region: "europe-west4",
    network,
    description: "The way out of europe-west4 (ml-training environment mlt-dev)",
  });
  assert.deepEqual(only("gcp:compute/routerNat:RouterNat", "mlt-dev-europe-west4").inputs, {
    project,
    region: "europe-west4",
    router: "mlt-dev-europe-west4-0123abc",
    natIpAllocateOption: "AUTO_ONLY",
    sourceSubnetworkIpRangesToNat: "LIST_OF_SUBNETWORKS",
    subnetworks: [
      {
        name: "https://example.test/gcp:compute/subnetwork:Subnetwork/mlt-dev-europe-west4-0123abc",
        sourceIpRangesToNats: ["ALL_IP_RANGES"],
      },
    ],
    logConfig: { enable: true, filter: "ERRORS_ONLY" },
  });
});

test("another region, put first, changes nothing of the first one's", async () => {
  const of = async (regions: string[]): Promise<unknown> =>
    (await record(() => new Network("mlt-dev", { project, environment: "mlt-dev", regions }))).only(
      "gcp:compute/subnetwork:Subnetwork",
      "mlt-dev-us-east1",
    ).inputs;
  assert.deepEqual(await of(["us-east1"]), await of(["asia-east1", "us-east1"]));
});

test("no region, an unknown one and one twice are refused before anything is registered", async () => {
  for (const regions of [[], ["us-central9"], ["us-east1", "us-east1"]]) {
    const { resources } = await record(() => {
      assert.throws(
        () => new Network("mlt-dev", { project, environment: "mlt-dev", regions }),
        /must be regions of Google's, each once; got/,
      );
    });
    assert.deepEqual(resources, []);
  }
});

test("SSH comes from Identity-Aware Proxy only, to one environment's machines per rule", async () => {
  const targets = { "mlt-ann": "ann@x.iam.gserviceaccount.com", "mlt-bob": "bob@x.iam.gserviceaccount.com" };
  const { ofType } = await record(
    () => new SshAccess("base", { project, environment: "base", network: "net", targets }),
  );
  assert.deepEqual(
    ofType("gcp:compute/firewall:Firewall").map(({ name, inputs }) => ({ name, ...inputs })),
    Object.entries(targets).map(([key, account]) => ({
      name: `base-ssh-${key}`,
      project,
      network: "net",
      description: `SSH to the machines of ${key} through Identity-Aware Proxy (ml-training environment base for ${key})`,
      direction: "INGRESS",
      allows: [{ protocol: "tcp", ports: ["22"] }],
      sourceRanges: ["35.235.240.0/20"],
      targetServiceAccounts: [account],
      logConfig: { metadata: "INCLUDE_ALL_METADATA" },
    })),
  );
});
