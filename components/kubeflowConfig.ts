import { z } from "zod";
import { CLUSTER_FEE, ZONAL_CLUSTER_CREDIT } from "../catalog/gke.ts";
import { GPUS } from "../catalog/gpus.ts";
import { DEFAULT_KUBEFLOW, KUBEFLOW_RELEASES } from "../catalog/kubeflow.ts";
import { KUBEFLOW_SIZES } from "../catalog/kubeflowSizes.ts";
import { GPU_MACHINE_TYPES } from "../catalog/machineTypes.ts";
import { AS_OF, diskPerMonth, HOURS_PER_MONTH, hourlyPrice } from "../catalog/prices.ts";
import { QUOTAS } from "../catalog/quotas.ts";
import { allZones, REGIONS, regionOf, zonesOf } from "../catalog/zones.ts";
import { nearest } from "../training/nearest.ts";
import { planMachine } from "./accelerators.ts";
import type { Preset } from "./configSchema.ts";
import { firstNodes, momentsOf, overQuota, type Part, roomProblem } from "./kubeflowQuota.ts";

const text = z.string().trim();
/** Nodes of a pool: its subnet has room for 64 nodes' pods. */
const MOST_NODES = 32;
const nodeCount = (least: number) => z.number().int().min(least).max(MOST_NODES);
const disk = z.number().int().min(20).max(2048);

/** `mltraining:kubeflow`; `true` means all defaults. */
export const kubeflowSchema = z.strictObject({
  /** A zone, or a region for a control plane and nodes in three zones. @default the first zone of the home region */
  location: text.optional(),
  /** Release of Kubeflow Pipelines. */
  version: text.optional(),
  /** Where runs leave their artefacts: a path in the data bucket, or `gs://` that bucket `/PATH`. @default kubeflow */
  pipelineRoot: text.optional(),
  /** Manifests instead of those that the network has: a folder of checkouts, or a rendered YAML or JSON file. */
  manifests: text.optional(),
  /** Nodes for Kubeflow and for steps that ask for no GPU. */
  systemPool: z
    .strictObject({
      machineType: text.optional(),
      /** Nodes in all, over every zone. */
      min: nodeCount(1).optional(),
      max: nodeCount(1).optional(),
      diskGb: disk.optional(),
      diskType: z
        .enum(["pd-standard", "pd-balanced", "pd-ssd"], { error: "must be pd-standard, pd-balanced or pd-ssd" })
        .optional(),
    })
    .optional(),
  /** Nodes with GPUs, none of which stands while no step asks for one. */
  gpuPool: z
    .strictObject({
      /** @default nvidia-tesla-t4, or what the machine type carries */
      type: text.optional(),
      /** GPUs of a node. */
      count: z.number().int().min(1).max(16).optional(),
      machineType: text.optional(),
      /** Nodes in all, over every zone; the least is always 0. */
      max: nodeCount(1).optional(),
      spot: z.boolean().optional(),
      diskGb: disk.optional(),
    })
    .optional(),
});

export type KubeflowInput = z.infer<typeof kubeflowSchema>;

export interface NodePoolConfig {
  machineType: string;
  /** In all, over every zone. */
  min: number;
  max: number;
  diskGb: number;
  diskType: string;
  spot: boolean;
  /** Where its nodes may stand. */
  zones: string[];
  /** Of each node. */
  gpu?: { type: string; count: number };
}

/** What decides how much exists at a time. */
export interface KubeflowSizes {
  version: string;
  systemPool: NodePoolConfig;
  /** Absent: no node has a GPU. */
  gpuPool?: NodePoolConfig;
}

/** The cluster and Kubeflow Pipelines on it, checked and complete. */
export interface KubeflowConfig extends KubeflowSizes {
  /** Zone or region of the control plane. */
  location: string;
  region: string;
  /** Path in the data bucket, without slashes around it. */
  pipelineRoot: string;
  /** The bucket as the settings name it; it must turn out to be the data bucket. */
  pipelineBucket?: string;
  /** Folder or file relative to Pulumi.yaml's. */
  manifests?: string;
}

/** What each preset puts in the place of the defaults. */
export const KUBEFLOW_PRESETS: Readonly<Record<Preset, Required<NonNullable<KubeflowInput["systemPool"]>>>> = {
  default: { machineType: "e2-standard-4", min: 1, max: 3, diskGb: 50, diskType: "pd-balanced" },
  /** Kubeflow needs two such nodes; a third comes while they are upgraded. Leaves 2 of a trial's 8 vCPUs. */
  freeTrial: { machineType: "e2-standard-2", min: 2, max: 2, diskGb: 40, diskType: "pd-balanced" },
  course: { machineType: "e2-standard-4", min: 1, max: 2, diskGb: 50, diskType: "pd-balanced" },
};

/** What a preset's cluster is, without a GPU pool, for what reckons with it before there are settings. */
export function defaultSizes(preset: Preset): KubeflowSizes {
  return { version: DEFAULT_KUBEFLOW, systemPool: { ...KUBEFLOW_PRESETS[preset], spot: false, zones: ["any"] } };
}

const GPU_DEFAULTS = {
  type: "nvidia-tesla-t4",
  machineType: "n1-standard-4",
  max: 1,
  spot: true,
  diskGb: 100,
} as const;
/** Zones of a regional cluster's nodes, as many as GKE takes by itself. */
const REGIONAL_ZONES = 3;
const ONE_MACHINE = "the same pipeline runs on one machine without a cluster: examples/mnist-pipeline";
/** Top folders of the data bucket that are others'. */
const TAKEN = ["runs", "code", "images", "input", "output", "environment.json"] as const;

interface Surroundings {
  scope: string;
  environment: string;
  preset: Preset;
  /** Where it stands if no location is given. */
  region: string;
  /** What else of the environment may exist at the same time: its workstation, one training machine. */
  beside: readonly Part[];
}

export interface KubeflowReading {
  config?: KubeflowConfig;
  problems: string[];
  warnings: string[];
  notes: string[];
}

/** Problems, warnings and notes begin with the member's name, without the key before it. Pure. */
export function readKubeflow(input: KubeflowInput, around: Surroundings): KubeflowReading {
  const problems: string[] = [];
  const warnings: string[] = [];
  if (around.scope !== "solo") {
    const problem = `belongs to a stack with mltraining:scope solo: a cluster's nodes need a role on the project, and its runs the stack's own bucket; this one is ${around.scope}`;
    return { problems: [problem], warnings, notes: [] };
  }
  const version = input.version ?? DEFAULT_KUBEFLOW;
  if (!KUBEFLOW_RELEASES[version]) {
    problems.push(
      `version must be a release of Kubeflow Pipelines that this program installs (${Object.keys(KUBEFLOW_RELEASES).join(", ")}); got ${JSON.stringify(version)}`,
    );
  }
  const location = input.location ?? zonesOf(around.region)[0] ?? "";
  const zones = nodeZones(location);
  if (!zones) problems.push(locationProblem(location));
  const root = readRoot(input.pipelineRoot, around.environment, problems);
  if (input.manifests !== undefined && /^([\\/~]|[A-Za-z]:)|\\|^$/.test(input.manifests)) {
    problems.push(
      `manifests must be a folder or a file relative to Pulumi.yaml's, with /, so that every clone finds it; got ${JSON.stringify(input.manifests)}`,
    );
  }
  const preset = KUBEFLOW_PRESETS[around.preset];
  const systemPool = readSystemPool({ ...preset, ...input.systemPool }, zones ?? [], problems, warnings);
  const gpuPool = input.gpuPool && readGpuPool(input.gpuPool, location, zones ?? [], problems, warnings);
  const config: KubeflowConfig = {
    version,
    location,
    region: regionOf(location),
    systemPool,
    ...(gpuPool ? { gpuPool } : {}),
    ...root,
    ...(input.manifests === undefined ? {} : { manifests: input.manifests.replace(/\/+$/, "") }),
  };
  if (problems.length === 0) judgeSizes(config, around, problems, warnings);
  if (problems.length > 0) return { problems, warnings, notes: [] };
  return { config, problems, warnings, notes: [priceNote(config)] };
}

/** The zones of a location's nodes; `undefined` for what is no location of Google's. */
function nodeZones(location: string): string[] | undefined {
  if (allZones().includes(location)) return [location];
  return REGIONS[location] ? zonesOf(location).slice(0, REGIONAL_ZONES) : undefined;
}

function locationProblem(location: string): string {
  const near = zonesOf(regionOf(location));
  const meant = near.length > 0 ? near.join(", ") : nearest(location, [...allZones(), ...Object.keys(REGIONS)]);
  return `location names no zone or region of Google's${meant ? `; the nearest: ${meant}` : ""}; got ${JSON.stringify(location)}`;
}

type SystemWish = Required<NonNullable<KubeflowInput["systemPool"]>>;

function readSystemPool(wish: SystemWish, zones: string[], problems: string[], warnings: string[]): NodePoolConfig {
  const plan = planMachine({ machineType: wish.machineType, spot: false, zones, candidates: zones, key: "kubeflow" });
  problems.push(...plan.problems.map((problem) => `systemPool.machineType: ${problem}`));
  warnings.push(...plan.warnings.map((warning) => `systemPool.machineType: ${warning}`));
  if (plan.gpu && plan.problems.length === 0) {
    problems.push(
      `systemPool.machineType carries a GPU, which would stand idle; give kubeflow.gpuPool for it; got ${wish.machineType}`,
    );
  }
  if (plan.architecture === "arm64") {
    problems.push(`systemPool.machineType is for arm64, and Kubeflow's images are for x86_64; got ${wish.machineType}`);
  }
  if (wish.min > wish.max)
    problems.push(`systemPool.min must not be over systemPool.max (${wish.max}); got ${wish.min}`);
  const pool = { ...wish, spot: false, zones };
  const first = firstNodes(pool) * zones.length;
  if (wish.min <= wish.max && first > wish.max) {
    problems.push(
      `systemPool.max must be at least ${first} in a region: the pool begins with as many nodes in each of ${zones.join(", ")}; got ${wish.max}`,
    );
  }
  return pool;
}

function readGpuPool(
  wish: NonNullable<KubeflowInput["gpuPool"]>,
  location: string,
  zones: string[],
  problems: string[],
  warnings: string[],
): NodePoolConfig {
  const carried = wish.machineType ? GPU_MACHINE_TYPES[wish.machineType] : undefined;
  const type = wish.type ?? carried?.gpu ?? GPU_DEFAULTS.type;
  const count = wish.count ?? carried?.count ?? 1;
  const machineType = wish.machineType ?? smallestWith(type, count) ?? GPU_DEFAULTS.machineType;
  const spot = wish.spot ?? GPU_DEFAULTS.spot;
  const inside = GPU_MACHINE_TYPES[machineType];
  if (inside && (inside.gpu !== type || inside.count !== count)) {
    problems.push(
      `gpuPool: ${machineType} carries ${inside.count} × ${inside.gpu}, not ${count} × ${type}; leave type and count away`,
    );
  }
  const regional = Boolean(REGIONS[location]);
  const plan = planMachine({
    machineType,
    ...(inside ? {} : { gpu: { type, count } }),
    spot,
    ...(regional ? {} : { zones }),
    candidates: regional ? zonesOf(location) : zones,
    key: "kubeflow.gpuPool",
  });
  problems.push(...plan.problems.map((problem) => `gpuPool.machineType: ${problem}`));
  warnings.push(...plan.warnings.map((warning) => `gpuPool.machineType: ${warning}`));
  return {
    machineType,
    min: 0,
    max: wish.max ?? GPU_DEFAULTS.max,
    diskGb: wish.diskGb ?? GPU_DEFAULTS.diskGb,
    diskType: plan.bootDiskType,
    spot,
    zones: plan.zones.slice(0, REGIONAL_ZONES),
    gpu: { type, count },
  };
}

/** The smallest machine type that carries just so many. */
function smallestWith(type: string, count: number): string | undefined {
  if (GPUS[type]?.attach) return undefined;
  const [smallest] = Object.entries(GPU_MACHINE_TYPES)
    .filter(([, shape]) => shape.gpu === type && shape.count === count && !shape.reservedOnly)
    .sort(([, a], [, b]) => a.vcpus - b.vcpus);
  return smallest?.[0];
}

function readRoot(
  wish: string | undefined,
  environment: string,
  problems: string[],
): Pick<KubeflowConfig, "pipelineRoot" | "pipelineBucket"> {
  const [, bucket, rest] = /^gs:\/\/([^/]*)\/?(.*)$/.exec(wish ?? "") ?? [];
  const path = (bucket === undefined ? (wish ?? "kubeflow") : (rest ?? "")).replace(/\/+$/, "");
  const own = new RegExp(`^${environment}-data-[0-9a-f]{7}$`);
  if (bucket !== undefined && !own.test(bucket)) {
    problems.push(
      `pipelineRoot must lie in this environment's data bucket (${environment}-data-…), the only one that runs may write to; ` +
        `give the path alone, such as kubeflow; got ${JSON.stringify(wish)}`,
    );
  } else if (!/^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/.test(path)) {
    problems.push(
      `pipelineRoot must be a path in the data bucket, letters, digits, ".", "_" and "-" between slashes; got ${JSON.stringify(wish)}`,
    );
  } else if ((TAKEN as readonly string[]).includes(path.split("/")[0] ?? "")) {
    problems.push(
      `pipelineRoot must not lie in ${TAKEN.join(", ")}, which are not the runs' of a pipeline; got ${JSON.stringify(wish)}`,
    );
  }
  return { pipelineRoot: path, ...(bucket === undefined ? {} : { pipelineBucket: bucket }) };
}

function judgeSizes(config: KubeflowConfig, around: Surroundings, problems: string[], warnings: string[]): void {
  const trial = around.preset === "freeTrial";
  const row = trial ? QUOTAS.freeTrial : QUOTAS.newProject;
  const room = roomProblem(config);
  if (room) problems.push(`systemPool ${room}${trial ? `; ${ONE_MACHINE}` : ""}`);
  // What the system pool asks for alone is told as its own; what only the GPU pool brings over, as that one's.
  const alone = overQuota(momentsOf({ ...config, gpuPool: undefined }), row);
  const more = overQuota(momentsOf(config), row).filter(({ metric }) => alone.every((each) => each.metric !== metric));
  const told = [
    ...alone.map(({ text: sum }) => ({ pool: "systemPool", sum })),
    ...more.map(({ text: sum }) => ({ pool: "gpuPool", sum })),
  ];
  for (const { pool, sum } of told) {
    if (trial) problems.push(`${pool} is too large for a free trial: ${sum}; ${ONE_MACHINE}`);
    else
      warnings.push(
        `${pool}: a new project may have too little: ${sum}; \`npx mlt doctor --kubeflow\` reads this project's quotas`,
      );
  }
  if (!trial || problems.length > 0 || around.beside.length === 0) return;
  const together = momentsOf(config).map(({ when, parts }) => ({ when, parts: [...parts, ...around.beside] }));
  for (const { text: sum } of overQuota(together, row)) {
    warnings.push(
      `systemPool: with the environment's other machines a free trial is full: ${sum}; what comes last is refused`,
    );
  }
}

/** What stands all the time costs all the time. */
function priceNote({ location, systemPool, gpuPool, version }: KubeflowConfig): string {
  const node = hourlyPrice(systemPool.machineType, false, {
    bootDiskGb: systemPool.diskGb,
    bootDiskType: systemPool.diskType,
  });
  const volumes = (KUBEFLOW_SIZES[version]?.volumesGb ?? []).reduce(
    (sum, gb) => sum + (diskPerMonth("pd-balanced", gb) ?? 0),
    0,
  );
  const fee = CLUSTER_FEE * HOURS_PER_MONTH;
  const back = REGIONS[location] ? 0 : Math.min(fee, ZONAL_CLUSTER_CREDIT);
  const month = (nodes: number) =>
    node === undefined ? undefined : Math.round(nodes * node.perHour * HOURS_PER_MONTH + volumes + fee);
  const least = month(systemPool.min);
  const most = systemPool.max > systemPool.min ? `, ${month(systemPool.max)} with ${systemPool.max}` : "";
  const gpus = gpuPool ? `; a GPU node costs only while a step asks for it` : "";
  const given =
    back > 0 ? `, of which Google gives ${Math.round(back)} back for one zonal cluster of a billing account` : "";
  return least === undefined
    ? `the price of ${systemPool.machineType} is not in the catalog; the control plane costs ${fee.toFixed(0)} USD a month${given}${gpus}`
    : `about ${least} USD a month with ${systemPool.min} ${systemPool.min === 1 ? "node" : "nodes"}${most}, as long as it is there (list prices of ${AS_OF})${given}${gpus}`;
}
