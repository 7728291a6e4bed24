import assert from "node:assert/strict";
import { test } from "node:test";
import { QUOTAS, type QuotaRow } from "../../catalog/quotas.ts";
import { ConfigError, parseConfig } from "../../components/config.ts";
import { KUBEFLOW_PRESETS, type KubeflowConfig } from "../../components/kubeflowConfig.ts";
import { machinePart, momentsOf, overQuota, peakOf } from "../../components/kubeflowQuota.ts";

type Raw = Record<string, string>;
const config = (kubeflow: unknown, more: Raw = {}) =>
  parseConfig(
    {
      "gcp:project": "my-project",
      "mltraining:kubeflow": typeof kubeflow === "string" ? kubeflow : JSON.stringify(kubeflow),
      ...more,
    },
    "dev",
  );
const TRIAL = { "mltraining:preset": "freeTrial" };

function read(kubeflow: unknown, more: Raw = {}): KubeflowConfig {
  const found = config(kubeflow, more).kubeflow;
  assert.ok(found);
  return found;
}

function problems(kubeflow: unknown, more: Raw = {}): string[] {
  try {
    config(kubeflow, more);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return assert.fail("these settings should have been refused");
}

test("without the setting there is no cluster; true and {} are all defaults", () => {
  assert.equal(parseConfig({ "gcp:project": "my-project" }, "dev").kubeflow, undefined);
  assert.equal(config("false").kubeflow, undefined);
  const defaults = {
    version: "2.17.0",
    location: "us-central1-a",
    region: "us-central1",
    systemPool: {
      machineType: "e2-standard-4",
      min: 1,
      max: 3,
      diskGb: 50,
      diskType: "pd-balanced",
      spot: false,
      zones: ["us-central1-a"],
    },
    pipelineRoot: "kubeflow",
  };
  assert.deepEqual(read("true"), defaults);
  assert.deepEqual(read({}), defaults);
});

test("every member is taken", () => {
  const asked = {
    location: "europe-west4",
    version: "2.17.0",
    pipelineRoot: "gs://mlt-dev-data-0a1b2c3/pipelines/mnist/",
    manifests: "vendor/kfp/",
    systemPool: { machineType: "n2-standard-4", min: 3, max: 6, diskGb: 80, diskType: "pd-ssd" },
    gpuPool: { type: "nvidia-l4", count: 1, machineType: "g2-standard-8", max: 4, spot: false, diskGb: 120 },
  };
  const zones = ["europe-west4-a", "europe-west4-b", "europe-west4-c"];
  assert.deepEqual(read(asked), {
    version: "2.17.0",
    location: "europe-west4",
    region: "europe-west4",
    systemPool: { ...asked.systemPool, spot: false, zones },
    gpuPool: {
      machineType: "g2-standard-8",
      min: 0,
      max: 4,
      diskGb: 120,
      diskType: "pd-balanced",
      spot: false,
      zones,
      gpu: { type: "nvidia-l4", count: 1 },
    },
    pipelineRoot: "pipelines/mnist",
    pipelineBucket: "mlt-dev-data-0a1b2c3",
    manifests: "vendor/kfp",
  });
});

test("a GPU pool is Spot, one node, and begins at none; what carries a GPU names it", () => {
  assert.deepEqual(read({ gpuPool: {} }).gpuPool, {
    machineType: "n1-standard-4",
    min: 0,
    max: 1,
    diskGb: 100,
    diskType: "pd-balanced",
    spot: true,
    zones: ["us-central1-a"],
    gpu: { type: "nvidia-tesla-t4", count: 1 },
  });
  const carried = read({ gpuPool: { type: "nvidia-l4", count: 2 } }).gpuPool;
  assert.equal(carried?.machineType, "g2-standard-24");
  assert.deepEqual(read({ gpuPool: { machineType: "g2-standard-4" } }).gpuPool?.gpu, { type: "nvidia-l4", count: 1 });
});

test("the home region's first zone is where it stands, and a preset has its sizes", () => {
  assert.equal(read({}, { "gcp:region": "europe-west1" }).location, "europe-west1-b");
  for (const preset of ["default", "freeTrial", "course"] as const) {
    const { machineType, min, max, diskGb, diskType } = read({}, { "mltraining:preset": preset }).systemPool;
    assert.deepEqual({ machineType, min, max, diskGb, diskType }, KUBEFLOW_PRESETS[preset]);
  }
});

test("a free trial's cluster fits its quotas at every time of its life, beside a training machine, without a GPU", () => {
  const found = read({}, TRIAL);
  const moments = momentsOf(found);
  const most = (metric: keyof QuotaRow) => peakOf(metric, moments).amount;
  // Two nodes and a spare one; the first pool's node and the first system nodes are fewer.
  assert.equal(most("CPUS"), 6);
  // 3 × 40 GB of nodes, and two volumes of 20 GB.
  assert.equal(most("SSD_TOTAL_GB"), 160);
  assert.equal(most("DISKS_TOTAL_GB"), 20);
  assert.equal(most("IN_USE_ADDRESSES"), 1);
  assert.equal(most("GPUS_ALL_REGIONS"), 0);
  assert.deepEqual(
    moments.map(({ when }) => when),
    ["while the cluster is made", "with every pool at its largest", "while GKE upgrades the nodes"],
  );
  assert.deepEqual(overQuota(moments, QUOTAS.freeTrial), []);
  const training = machinePart("training machine", 1, "e2-standard-2", "pd-balanced", 20);
  const beside = moments.map(({ when, parts }) => ({ when, parts: [...parts, training] }));
  assert.deepEqual(overQuota(beside, QUOTAS.freeTrial), []);
  assert.deepEqual(config({}, TRIAL).warnings, []);
});

const LOCAL = "the same pipeline runs on one machine without a cluster: examples/mnist-pipeline";

test("a free trial refuses what its quotas do not hold, with the arithmetic, and says what does without", () => {
  assert.deepEqual(problems({ systemPool: { machineType: "e2-standard-8" } }, TRIAL), [
    `mltraining:kubeflow.systemPool is too large for a free trial: 2 × system node e2-standard-8 (8) + 1 × spare node e2-standard-8 (8) = 24 vCPUs while GKE upgrades the nodes, and the quota CPUS is 8 in a region; ${LOCAL}`,
  ]);
  assert.deepEqual(problems({ systemPool: { diskGb: 100 } }, TRIAL), [
    `mltraining:kubeflow.systemPool is too large for a free trial: 2 × system node e2-standard-2 (100) + 1 × volume (20) + 1 × volume (20) + 1 × spare node e2-standard-2 (100) = 340 GB of SSD disks while GKE upgrades the nodes, and the quota SSD_TOTAL_GB is 250 in a region; ${LOCAL}`,
  ]);
  assert.deepEqual(problems({ gpuPool: { diskGb: 50 }, systemPool: { max: 2 } }, TRIAL), [
    `mltraining:kubeflow.gpuPool is too large for a free trial: 2 × system node e2-standard-2 (2) + 1 × GPU node n1-standard-4 (4) + 1 × spare node e2-standard-2 (2) = 10 vCPUs while GKE upgrades the nodes, and the quota CPUS is 8 in a region; ${LOCAL}`,
    `mltraining:kubeflow.gpuPool is too large for a free trial: 1 × GPU node n1-standard-4 (1) = 1 GPU with every pool at its largest, and the quota GPUS_ALL_REGIONS is 0 over all regions; ${LOCAL}`,
  ]);
});

test("nodes that cannot hold Kubeflow are refused with the arithmetic, in a free trial with the way without a cluster", () => {
  assert.deepEqual(problems({ systemPool: { machineType: "e2-standard-2", min: 1, max: 1 } }, TRIAL), [
    `mltraining:kubeflow.systemPool is too small for Kubeflow Pipelines 2.17.0: 1 × e2-standard-2 leave pods 1.9 vCPUs, and GKE's own (0.9), Kubeflow's (1.1) and one step of a run (0.5) come to 2.5; take 2 × e2-standard-2 or 1 × e2-standard-4 at least; ${LOCAL}`,
  ]);
  assert.deepEqual(problems({ systemPool: { machineType: "e2-highcpu-4", max: 1 } }), [
    "mltraining:kubeflow.systemPool is too small for Kubeflow Pipelines 2.17.0: 1 × e2-highcpu-4 leave pods 2.9 GiB, and GKE's own (1.3), Kubeflow's (4.0) and one step of a run (1.0) come to 6.3; take 2 × e2-standard-2 or 1 × e2-standard-4 at least",
  ]);
  assert.equal(read({ systemPool: { machineType: "e2-standard-4", max: 1 } }).systemPool.max, 1);
});

test("a full trial and a new project's quotas are doubts, and so is a machine type that the catalog lacks", () => {
  assert.deepEqual(config({}, { ...TRIAL, "mltraining:workstation": "true" }).warnings, [
    "mltraining:kubeflow.systemPool: with the environment's other machines a free trial is full: 1 × first node e2-medium (2) + 2 × system node e2-standard-2 (2) + 1 × workstation e2-standard-2 (2) + 1 × training machine e2-standard-2 (2) = 10 vCPUs while the cluster is made, and the quota CPUS is 8 in a region; what comes last is refused",
  ]);
  assert.deepEqual(config({ gpuPool: {} }).warnings, [
    "mltraining:kubeflow.gpuPool: a new project may have too little: 1 × GPU node n1-standard-4 (1) = 1 GPU with every pool at its largest, and the quota GPUS_ALL_REGIONS is 0 over all regions; `npx mlt doctor --kubeflow` reads this project's quotas",
  ]);
  assert.deepEqual(config({ systemPool: { machineType: "z9-megamem-40" } }).warnings, [
    "mltraining:kubeflow.systemPool.machineType: z9-megamem-40 is not in this program's catalog: it may be newer, and is passed on unchecked",
  ]);
});

test("what it costs is told; a regional cluster's fee is not given back", () => {
  assert.deepEqual(config({}).notes, [
    "kubeflow: about 180 USD a month with 1 node, 385 with 3, as long as it is there (list prices of 2026-11-21), of which Google gives 73 back for one zonal cluster of a billing account",
  ]);
  assert.deepEqual(config({ location: "us-central1", systemPool: { min: 3 }, gpuPool: { diskGb: 50 } }).notes, [
    "kubeflow: about 385 USD a month with 3 nodes, as long as it is there (list prices of 2026-11-21); a GPU node costs only while a step asks for it",
  ]);
});

test("every mistake is told at once, in whole sentences", () => {
  assert.deepEqual(
    problems({
      version: "2.16.0",
      location: "us-centrall1-a",
      pipelineRoot: "gs://somebody-elses/kubeflow",
      manifests: "/home/me/kfp",
      systemPool: { machineType: "e2-standard-5", min: 4, max: 2 },
    }),
    [
      'mltraining:kubeflow.version must be a release of Kubeflow Pipelines that this program installs (2.17.0); got "2.16.0"',
      'mltraining:kubeflow.location names no zone or region of Google\'s; the nearest: us-central1-a; got "us-centrall1-a"',
      'mltraining:kubeflow.pipelineRoot must lie in this environment\'s data bucket (mlt-dev-data-…), the only one that runs may write to; give the path alone, such as kubeflow; got "gs://somebody-elses/kubeflow"',
      'mltraining:kubeflow.manifests must be a folder or a file relative to Pulumi.yaml\'s, with /, so that every clone finds it; got "/home/me/kfp"',
      "mltraining:kubeflow.systemPool.machineType: there is no machine type e2-standard-5; the nearest are e2-standard-4, e2-standard-8, e2-standard-2",
      "mltraining:kubeflow.systemPool.min must not be over systemPool.max (2); got 4",
    ],
  );
  assert.deepEqual(
    problems({ locaton: "us-central1-a", systemPool: { min: 0, diskType: "hdd" }, gpuPool: { max: 99 } }),
    [
      "mltraining:kubeflow.systemPool.min must be at least 1; got 0",
      'mltraining:kubeflow.systemPool.diskType must be pd-standard, pd-balanced or pd-ssd; got "hdd"',
      "mltraining:kubeflow.gpuPool.max must be at most 32; got 99",
      "mltraining:kubeflow.locaton is not a setting; did you mean location?",
    ],
  );
  assert.deepEqual(problems('"yes"'), ['mltraining:kubeflow must be a structure with members; got "yes"']);
});

test("a zone without the GPU, a pool that carries one, an arm pool, counts that are not carried", () => {
  const [withoutT4] = problems({ location: "us-south1-a", gpuPool: {} });
  assert.match(
    String(withoutT4),
    /^mltraining:kubeflow\.gpuPool\.machineType: nvidia-tesla-t4 is not in us-south1-a; it is in us-central1-a, /,
  );
  assert.deepEqual(problems({ systemPool: { machineType: "g2-standard-4" } }), [
    "mltraining:kubeflow.systemPool.machineType carries a GPU, which would stand idle; give kubeflow.gpuPool for it; got g2-standard-4",
  ]);
  assert.deepEqual(problems({ systemPool: { machineType: "t2a-standard-4" } }), [
    "mltraining:kubeflow.systemPool.machineType is for arm64, and Kubeflow's images are for x86_64; got t2a-standard-4",
  ]);
  assert.deepEqual(problems({ gpuPool: { machineType: "g2-standard-4", type: "nvidia-tesla-t4", count: 2 } }), [
    "mltraining:kubeflow.gpuPool: g2-standard-4 carries 1 × nvidia-l4, not 2 × nvidia-tesla-t4; leave type and count away",
  ]);
  assert.deepEqual(problems({ gpuPool: { machineType: "e2-standard-4" } }), [
    "mltraining:kubeflow.gpuPool.machineType: nvidia-tesla-t4 can be attached to N1 machines only, such as n1-standard-8; got e2-standard-4",
  ]);
  assert.deepEqual(problems({ location: "us-central1", systemPool: { max: 2 } }), [
    "mltraining:kubeflow.systemPool.max must be at least 3 in a region: the pool begins with as many nodes in each of us-central1-a, us-central1-b, us-central1-c; got 2",
  ]);
});

test("a pipeline root is a path of its own in the data bucket", () => {
  assert.equal(read({ pipelineRoot: "a/b.c/d_e" }).pipelineRoot, "a/b.c/d_e");
  for (const wrong of ["runs/x", "code", "environment.json", "input/a"]) {
    assert.deepEqual(problems({ pipelineRoot: wrong }), [
      `mltraining:kubeflow.pipelineRoot must not lie in runs, code, images, input, output, environment.json, which are not the runs' of a pipeline; got "${wrong}"`,
    ]);
  }
  for (const wrong of ["/a", "a//b", "../x", "gs://mlt-dev-data-0a1b2c3", "a b"]) {
    assert.deepEqual(problems({ pipelineRoot: wrong }), [
      `mltraining:kubeflow.pipelineRoot must be a path in the data bucket, letters, digits, ".", "_" and "-" between slashes; got "${wrong}"`,
    ]);
  }
  // Another environment's data bucket, whose name merely begins alike.
  assert.equal(problems({ pipelineRoot: "gs://mlt-dev-2-data-0a1b2c3/x" }).length, 1);
});

test("a cluster belongs to a stack that has bucket and project roles of its own", () => {
  for (const scope of ["foundation", "student"]) {
    const more = { "mltraining:scope": scope, ...(scope === "student" ? { "mltraining:foundation": "base" } : {}) };
    assert.deepEqual(problems({}, more), [
      `mltraining:kubeflow belongs to a stack with mltraining:scope solo: a cluster's nodes need a role on the project, and its runs the stack's own bucket; this one is ${scope}`,
    ]);
  }
});

test("an environment's name outside 4 to 20 characters is refused before anything of a cluster", () => {
  const [short] = problems({}, { "mltraining:environment": "abc" });
  assert.equal(
    short,
    'mltraining:environment must be 4 to 20 lower case letters, digits and hyphens, beginning with a letter and ending with a letter or digit, because it begins every resource\'s name; got "abc" (3 characters)',
  );
});
