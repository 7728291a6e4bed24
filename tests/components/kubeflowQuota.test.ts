import assert from "node:assert/strict";
import { test } from "node:test";
import { findMachineType } from "../../catalog/machineTypes.ts";
import { QUOTAS, type QuotaRow } from "../../catalog/quotas.ts";
import { parseConfig } from "../../components/config.ts";
import { GkeCluster } from "../../components/gkeCluster.ts";
import { momentsOf, peakOf } from "../../components/kubeflowQuota.ts";
import { KubeflowVolumes } from "../../components/kubeflowVolumes.ts";
import { record } from "../helpers/record.ts";

// What exists at a time, summed from what Pulumi registers and not from the settings that the sums before it are made of.

interface NodeConfig {
  machineType: string;
  diskType: string;
  diskSizeGb: number;
  guestAccelerators?: { count: number }[];
}

interface PoolInputs {
  nodeConfig: NodeConfig;
  nodeLocations: string[];
  initialNodeCount: number;
  autoscaling: { totalMaxNodeCount: number };
  upgradeSettings: { maxSurge: number };
}

type Sum = Pick<QuotaRow, "CPUS" | "SSD_TOTAL_GB" | "DISKS_TOTAL_GB" | "GPUS_ALL_REGIONS">;

const NOTHING: Sum = { CPUS: 0, SSD_TOTAL_GB: 0, DISKS_TOTAL_GB: 0, GPUS_ALL_REGIONS: 0 };

function disks(type: string, gb: number): Sum {
  return { ...NOTHING, [type === "pd-standard" ? "DISKS_TOTAL_GB" : "SSD_TOTAL_GB"]: gb };
}

function nodes(count: number, { machineType, diskType, diskSizeGb, guestAccelerators = [] }: NodeConfig): Sum {
  return {
    ...disks(diskType, count * diskSizeGb),
    CPUS: count * (findMachineType(machineType)?.vcpus ?? Number.NaN),
    GPUS_ALL_REGIONS: count * guestAccelerators.reduce((sum, gpu) => sum + gpu.count, 0),
  };
}

function together(...sums: Sum[]): Sum {
  const keys = Object.keys(NOTHING) as (keyof Sum)[];
  return Object.fromEntries(keys.map((key) => [key, sums.reduce((all, sum) => all + sum[key], 0)])) as unknown as Sum;
}

/** What exists while the cluster is made, with every pool at its largest, and while the pools are upgraded. */
async function registered(kubeflow: object, more: Record<string, string> = {}) {
  const raw = { "gcp:project": "my-project", "mltraining:kubeflow": JSON.stringify(kubeflow), ...more };
  const { kubeflow: cluster } = parseConfig(raw, "dev");
  assert.ok(cluster);
  const args = { project: "my-project", environment: "mlt-dev", labels: {} };
  const made = await record(
    () => {
      new GkeCluster("mlt-dev", { ...args, cluster, network: "n" });
      new KubeflowVolumes("mlt-dev", { ...args, zone: cluster.systemPool.zones[0] ?? "", diskType: "pd-balanced" });
    },
    {
      calls: {
        "gcp:compute/getMachineTypes:getMachineTypes": ({ filter }) => ({
          machineTypes: [{ name: /"(.+)"/.exec(String(filter))?.[1] }],
        }),
        "gcp:organizations/getProject:getProject": () => ({ number: "1" }),
      },
      state: ({ type }) =>
        type === "gcp:container/cluster:Cluster"
          ? { controlPlaneEndpointsConfig: { dnsEndpointConfig: { endpoint: "gke-1.us-central1.gke.goog" } } }
          : undefined,
    },
  );
  const { nodeConfig, initialNodeCount, nodeLocations } = made.only("gcp:container/cluster:Cluster")
    .inputs as unknown as Omit<PoolInputs, "nodeLocations"> & { nodeLocations?: string[] };
  const pools = made.ofType("gcp:container/nodePool:NodePool").map(({ inputs }) => inputs as unknown as PoolInputs);
  const volumes = made
    .ofType("gcp:compute/disk:Disk")
    .map(({ inputs }) => disks(String(inputs.type), Number(inputs.size)));
  const largest = together(
    ...pools.map((pool) => nodes(pool.autoscaling.totalMaxNodeCount, pool.nodeConfig)),
    ...volumes,
  );
  return {
    cluster,
    moments: [
      together(
        nodes(initialNodeCount * (nodeLocations?.length ?? 1), nodeConfig),
        ...pools.map((pool) => nodes(pool.initialNodeCount * pool.nodeLocations.length, pool.nodeConfig)),
      ),
      largest,
      together(largest, ...pools.map((pool) => nodes(pool.upgradeSettings.maxSurge, pool.nodeConfig))),
    ],
  };
}

test("freeTrial: what Pulumi registers is within the quota row at every moment, without a GPU", async () => {
  const { moments, cluster } = await registered({}, { "mltraining:preset": "freeTrial" });
  assert.deepEqual(moments, [
    { CPUS: 6, SSD_TOTAL_GB: 80, DISKS_TOTAL_GB: 20, GPUS_ALL_REGIONS: 0 },
    { CPUS: 4, SSD_TOTAL_GB: 120, DISKS_TOTAL_GB: 0, GPUS_ALL_REGIONS: 0 },
    { CPUS: 6, SSD_TOTAL_GB: 160, DISKS_TOTAL_GB: 0, GPUS_ALL_REGIONS: 0 },
  ]);
  for (const moment of moments) {
    for (const [metric, amount] of Object.entries(moment) as [keyof Sum, number][]) {
      assert.ok(amount <= QUOTAS.freeTrial[metric], `${metric} ${amount}`);
    }
  }
  // Zonal, and the pool that Google insists on is one small node with a disk that counts on no SSD quota.
  assert.equal(cluster.location, "us-central1-a");
});

test("the sums that settings are refused by are those of what is registered, with any settings", async () => {
  const cases: [object, Record<string, string>?][] = [
    [{}, { "mltraining:preset": "freeTrial" }],
    [{}],
    [{}, { "mltraining:preset": "course" }],
    [{ systemPool: { min: 2, max: 7, diskType: "pd-standard", diskGb: 33 }, gpuPool: { count: 2, max: 3 } }],
    [{ location: "europe-west4", systemPool: { min: 4, max: 9 }, gpuPool: { type: "nvidia-l4", max: 5 } }],
  ];
  for (const [kubeflow, more] of cases) {
    const { moments, cluster } = await registered(kubeflow, more);
    for (const metric of Object.keys(NOTHING) as (keyof Sum)[]) {
      const most = Math.max(...moments.map((moment) => moment[metric]));
      assert.equal(peakOf(metric, momentsOf(cluster)).amount, most, `${metric} of ${JSON.stringify(kubeflow)}`);
    }
  }
});
