// The run contract: what the launcher (this folder), the machine (startup-scripts/) and everyone who reads a run agree on.
// Object names are in docs/run-contract.md; startup-scripts/supervisor/ reads and writes the same shapes in Python.

/** Raised when a shape below changes in a way that an older reader would misread. */
export const SCHEMA = 1;

/** Bounds of `checkpointSeconds`: Google takes one write a second of an object at most, and a checkpoint is several. */
export const SHORTEST_CHECKPOINT_SECONDS = 5;
export const LONGEST_CHECKPOINT_SECONDS = 86_400;

/** `gs://DATA/environment.json`, written by the Pulumi program; how every `mlt` command knows its environment. */
export interface Environment {
  schema: number;
  environment: string;
  project: string;
  scope: "solo" | "foundation" | "student";
  region: string;
  /** Zones in the order in which machines are tried. */
  zones: string[];
  buckets: { data: string; scratch: string };
  /** The machines' service account. */
  serviceAccount: string;
  training?: {
    /** Instance template by region: its name in `project`. */
    templates: Record<string, string>;
    machineType: string;
    spot: boolean;
    /** Longest a run may take, in hours, all attempts together; the default and the ceiling. */
    maxHours: number;
    /** How often a preempted run is started again at most. */
    maxRestarts: number;
    /** Machine types that a package or flag may ask for; absent: any. */
    allowedMachineTypes?: string[];
    /** The image's exact name or family, for the record. */
    image: string;
    /** Seconds between two checkpoints at most; absent (an older environment): 30. */
    checkpointSeconds?: number;
    /** Whether a run that finds no Spot machine in any zone may take a standard one, at its price. */
    fallbackToStandard?: boolean;
  };
  /** The person's machine; absent: none. */
  workstation?: {
    name: string;
    zone: string;
    machineType: string;
    spot: boolean;
    bootDiskGb: number;
    /** Absent: no disk of its own for data. */
    dataDiskGb?: number;
    /** Minutes without activity after which the machine stops itself; 0: never. */
    idleMinutes: number;
    /** Nightly stop and optional morning start, as cron lines, and their time zone. */
    schedule?: { stop: string; start?: string; timeZone: string };
    /** A public address; absent: reached through Identity-Aware Proxy only. */
    externalIp?: string;
  };
  /** The image family that this environment builds; absent: none. */
  imageFamily?: {
    family: string;
    /** Where its images are: the environment's own project. */
    project: string;
    /** Zones of one region, in the order in which builders and test machines are tried. */
    zones: string[];
    /** The subnetwork of that region, without a way in from outside. */
    subnetwork: string;
    machineType: string;
    /** Whether Google may take a builder back: cheaper, and a build may have to be begun anew. */
    spot: boolean;
    diskGb: number;
    /** Minutes that a builder or a test machine lives at most; Google deletes it then. */
    maxMinutes: number;
    /** Whether the images stay when the environment goes. */
    retainImages: boolean;
    /** The recipe's folder, relative to the Pulumi program's. */
    recipe: string;
    /** Projects whose images a recipe may build on, besides Google's public ones and the environment's own. */
    baseProjects: string[];
  };
  /** The cluster and Kubeflow Pipelines on it; absent: none. */
  kubeflow?: {
    /** The GKE cluster's name. */
    cluster: string;
    /** Its zone or region. */
    location: string;
    /** Namespace of Kubeflow Pipelines, and of runs. */
    namespace: string;
    /** Where runs leave their artefacts: `gs://BUCKET/PATH`. */
    pipelineRoot: string;
    /** Release of Kubeflow Pipelines, as `2.17.0`. */
    version: string;
  };
  /** A student's environment: how `mlt` works in it, and what it keeps to. */
  student?: {
    /** The service account that `mlt` asks Compute Engine as; the student's own account has rights on the buckets only. */
    impersonate: string;
    /** Most that one run may cost at its time limit, US dollars, estimated; absent: no limit. */
    costPerRun?: number;
    /** Machine hours a week, all machines together; absent: no limit. The course's reaper counts them. */
    hoursPerWeek?: number;
    /** GPUs at once; absent: no limit. */
    gpus?: number;
  };
  /** The course that this environment is part of; absent: none. */
  course?: {
    /** `gs://BUCKET` that all students' machines read; what packages name as `course://NAME` is below it. */
    dataBucketUrl: string;
  };
  /** Labels that every machine and disk of this environment carries. */
  labels: Record<string, string>;
}

/** `gs://DATA/runs/ID/spec.json`: all that the machine needs to know, written once, before the machine exists. */
export interface RunSpec {
  schema: number;
  /** `<package ≤ 20>-<yyyymmddhhmmss>-<4 hex>` */
  id: string;
  environment: string;
  project: string;
  package: {
    name: string;
    /** `code/<sha256>.tar.gz` in the data bucket. */
    object: string;
    sha256: string;
  };
  /** Program and arguments, as training.yaml gives them; run without a shell. */
  command: string[];
  /** What followed `--` on the command line; appended to `command`. */
  arguments: string[];
  /** The Python that the package asks for: a lower bound such as `3.11`; absent: any that the machine has. */
  python?: string;
  /**
   * Prefixes below `input/` in the data bucket, copied to `$DATA_DIR/<prefix>` before the command starts. `gs://BUCKET/NAME`
   * is in a course's shared bucket, copied to `$DATA_DIR/NAME`.
   */
  inputs: string[];
  buckets: { data: string; scratch: string };
  /** RFC 3339: no attempt runs past it. */
  deadline: string;
  maxRestarts: number;
  /** Seconds between two checkpoints at most; absent (an older launcher): 30. */
  checkpointSeconds?: number;
  /** Whether an attempt that finds no Spot machine in any zone may take a standard one. */
  fallbackToStandard?: boolean;
  /** Minutes that a failed machine stays up, within the deadline; 0: it goes at once. */
  keepMinutes: number;
  machineType: string;
  spot: boolean;
  /** The zones that the run was asked to stay in, in their order; absent: all of the environment's. */
  zones?: string[];
  createdAt: string;
}

export const PHASES = [
  "submitted",
  "queued",
  "provisioning",
  "booting",
  "installing",
  "running",
  "saving",
  "succeeded",
  "failed",
  "timedOut",
  "cancelled",
  "preempted",
  "lost",
] as const;
export type Phase = (typeof PHASES)[number];

/** `gs://DATA/runs/ID/status.json`. Every write carries `ifGenerationMatch` and the writer's attempt. */
export interface RunStatus {
  schema: number;
  id: string;
  phase: Phase;
  /**
   * From 1; the launcher alone raises it. A number belongs to the launcher that wrote it: whoever goes on for another
   * takes the next one, so that two never ask for machines of one attempt.
   */
  attempt: number;
  /** Random; names the launcher that this attempt belongs to. */
  launcher?: string;
  /** The machine of this attempt; absent before `provisioning`. */
  machine?: { name: string; zone: string; type: string; spot: boolean; image?: string; region?: string };
  /** The trainer's exit code, if it ran to its end; a signal n counts as 128 + n. */
  exitCode?: number;
  /** One line in the user's words: `pip install failed: exit 1, requirements.txt line 14`. */
  reason?: string;
  restarts: number;
  /** The exact image of every attempt, `projects/P/global/images/NAME`; absent before the first machine. */
  image?: string;
  /** When a zone last took a machine back or had none free, RFC 3339 by zone: such zones are tried last. */
  setbacks?: Record<string, string>;
  /** The newest checkpoint that is whole in the bucket; written by the guest. */
  checkpoint?: { n: number; at: string; bytes: number; files: number };
  /** The checkpoint that this attempt went on from; absent: it began anew. */
  resumedFrom?: number;
  cancelRequested?: boolean;
  /** RFC 3339; absent until the thing happened. */
  times: {
    submitted: string;
    /** Google had made this attempt's machine. */
    provisioned?: string;
    /** First sign of this attempt's machine. */
    booting?: string;
    installing?: string;
    /** The trainer's start. */
    running?: string;
    saving?: string;
    ended?: string;
  };
  /** RFC 3339, rewritten every 10 s by the guest, before that by whoever asks for its machine; absent: nobody does. */
  heartbeat?: string;
  deadline: string;
  /** Estimated cost so far in `currency`, from catalog/prices with its date; absent when the price is unknown. */
  cost?: { amount: number; currency: "USD"; asOf: string };
  /** Estimated cost of the attempts before this one. */
  costBefore?: { amount: number; currency: "USD"; asOf: string };
  /** `$OUTPUT_DIR/metrics.json` of the trainer, if it wrote one of at most 16 KiB. */
  metrics?: Record<string, unknown>;
}
