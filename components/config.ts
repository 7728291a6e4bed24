import * as pulumi from "@pulumi/pulumi";
import { BUCKET_MULTI_REGIONS, REGIONS } from "../catalog/zones.ts";
import { nearest } from "../training/nearest.ts";
import { ConfigError, readStructured } from "./configProblems.ts";
import {
  bucketSchema,
  DEFAULTS,
  type ImageFamilyInput,
  imageFamilySchema,
  KEYS,
  labelsSchema,
  PRESETS,
  type Preset,
  studentsSchema,
  type TrainingInput,
  trainingSchema,
  type WorkstationInput,
  workstationSchema,
} from "./configSchema.ts";
import { readCourseData } from "./courseDataConfig.ts";
import { defaultFamily, type ImageFamilyConfig, readImageFamily } from "./imageFamilyConfig.ts";
import { type KubeflowConfig, type KubeflowReading, kubeflowSchema, readKubeflow } from "./kubeflowConfig.ts";
import { machinePart, type Part } from "./kubeflowQuota.ts";
import { environmentLabels, labelKeyProblem, labelValue } from "./labels.ts";
import { defaultEnvironment, environmentProblem } from "./names.ts";
import { type RunOnUpConfig, readRunOnUp } from "./runOnUpConfig.ts";
import { readFrozen, readStudent, type StudentConfig } from "./studentConfig.ts";
import { readTraining, type TrainingConfig } from "./trainingConfig.ts";
import { readWorkstation, type WorkstationConfig, type WorkstationReading } from "./workstationConfig.ts";

export { ConfigError } from "./configProblems.ts";
export type { TrainingConfig } from "./trainingConfig.ts";
export type { WorkstationConfig } from "./workstationConfig.ts";

export const SCOPES = ["solo", "foundation", "student"] as const;
export type Scope = (typeof SCOPES)[number];

export interface BucketConfig {
  location: string;
  softDeleteDays: number;
  noncurrentDays: number;
  scratchDays: number;
  retain: boolean;
}

/** All that the program is told, checked and complete. */
export interface Config {
  project: string;
  /** Prefix of every name. */
  environment: string;
  /** Whether the environment's name was made from the stack's. */
  environmentByDefault: boolean;
  scope: Scope;
  /** `student`: the foundation's stack. */
  foundation?: string;
  /** `foundation`: the students' environments. */
  students: string[];
  /** `foundation`: those of them who may start nothing for now. */
  frozen: string[];
  /** `student`: whose the environment is; absent: nobody gets rights. */
  student?: StudentConfig;
  /** `foundation`: the shared bucket is made here; besides its own students', these machines' accounts read it. */
  courseData?: { readers: string[] };
  /** `student`: the course's shared bucket, `gs://BUCKET`. */
  courseDataUrl?: string;
  preset: Preset;
  region: string;
  bucket: BucketConfig;
  /** Absent: no training machines. */
  training?: TrainingConfig;
  /** Absent: `pulumi up` starts no run. */
  runOnUp?: RunOnUpConfig;
  /** Absent: no workstation. */
  workstation?: WorkstationConfig;
  /** Absent: this environment builds no images. */
  imageFamily?: ImageFamilyConfig;
  /** Absent: no cluster. */
  kubeflow?: KubeflowConfig;
  labels: Record<string, string>;
  /** Doubts that stop nothing. */
  warnings: string[];
  /** Worth knowing, and no doubt. */
  notes: string[];
}

const PROJECT = /^(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$/;

/**
 * The whole configuration from Pulumi's raw values (`mltraining:training` → JSON, `gcp:project` → text). Pure.
 * @throws {ConfigError} with every problem at once
 */
export function parseConfig(raw: Readonly<Record<string, string>>, stack: string): Config {
  const problems: string[] = [];
  const warnings: string[] = [];
  const value = (key: string): string | undefined => raw[`mltraining:${key}`]?.trim() || undefined;

  for (const key of Object.keys(raw)) {
    const [, name] = /^mltraining:(.*)$/.exec(key) ?? [];
    if (name === undefined || (KEYS as readonly string[]).includes(name)) continue;
    const meant = nearest(name, KEYS);
    problems.push(
      `${key} is not a setting; ${meant ? `did you mean mltraining:${meant}?` : `those are ${KEYS.join(", ")}`}`,
    );
  }

  const project = readProject(raw["gcp:project"]?.trim(), problems);
  const scope = choice("scope", value("scope"), SCOPES, "solo", problems);
  const preset = choice("preset", value("preset"), Object.keys(PRESETS) as Preset[], "default", problems);
  const environment = value("environment") ?? defaultEnvironment(stack);
  const nameProblem = environmentProblem(environment);
  if (nameProblem) problems.push(`mltraining:environment ${nameProblem}`);

  const region = raw["gcp:region"]?.trim() || undefined;
  if (region && !REGIONS[region]) problems.push(`gcp:region ${unknownRegion(region)}`);

  const training = readStructured("mltraining:training", value("training"), trainingSchema, problems);
  const bucket = readStructured("mltraining:bucket", value("bucket"), bucketSchema, problems);
  const images = imageFamilyOf(value("imageFamily"), problems);
  const ownFamily = images && (images.family ?? defaultFamily(environment, images.recipe));
  const read = readTraining(withPreset(preset, training), { region, project, ownFamily });
  problems.push(...read.problems.map((problem) => `mltraining:training.${problem}`));
  warnings.push(...read.warnings.map((warning) => `mltraining:training.${warning}`));
  const run = readRunOnUp(training?.runOnUp, { scope, trains: training?.enabled !== false });
  problems.push(...run.problems.map((problem) => `mltraining:training.${problem}`));
  const home = region ?? read.config?.regions[0] ?? DEFAULTS.region;

  const station = workstationOf(value("workstation"), { project, region: home, scope, preset }, problems);
  problems.push(...station.problems.map((problem) => `mltraining:workstation${memberOf(problem)}`));
  warnings.push(...station.warnings.map((warning) => `mltraining:workstation.${warning}`));

  const regions = read.config?.regions ?? [home];
  const family = images && readImageFamily(images, { scope, environment, project, region: home, regions });
  problems.push(...(family?.problems ?? []).map((problem) => `mltraining:imageFamily${memberOf(problem)}`));

  const beside = [...besideCluster(station.config), ...besideCluster(read.config)];
  const cluster = kubeflowOf(value("kubeflow"), { scope, environment, preset, region: home, beside }, problems);
  problems.push(...cluster.problems.map((problem) => `mltraining:kubeflow${memberOf(problem)}`));
  warnings.push(...cluster.warnings.map((warning) => `mltraining:kubeflow.${warning}`));

  const course = readCourseData(value("courseData"), scope, problems);
  const students = readStudents(value("students"), scope, environment, problems);
  const config: Config = {
    project,
    environment,
    environmentByDefault: value("environment") === undefined,
    scope,
    foundation: value("foundation"),
    students,
    frozen: readFrozen(value("frozen"), { scope, students }, problems),
    student: readStudent(value("student"), scope, problems),
    ...(course.made ? { courseData: course.made } : {}),
    ...(course.url ? { courseDataUrl: course.url } : {}),
    preset,
    region: home,
    bucket: { ...DEFAULTS.bucket, location: home, ...PRESETS[preset].bucket, ...bucket },
    training: read.config,
    runOnUp: run.config,
    workstation: station.config,
    imageFamily: family?.config,
    ...(cluster.config ? { kubeflow: cluster.config } : {}),
    labels: readLabels(value, environment, problems),
    warnings,
    notes: [
      ...station.notes.map((note) => `workstation: ${note}`),
      ...cluster.notes.map((note) => `kubeflow: ${note}`),
    ],
  };
  if (bucket?.location) checkLocation(config.bucket, problems);
  checkScope(config, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/** Reads the stack's configuration; the only reader of Pulumi's. Prints doubts; ends the program on a problem. */
export function loadConfig(): Config {
  try {
    const config = parseConfig(pulumi.runtime.allConfig(), pulumi.getStack());
    if (config.environmentByDefault) {
      void pulumi.log.info(
        `environment ${config.environment}, named after the stack; another: pulumi config set environment NAME`,
      );
    }
    for (const note of config.notes) void pulumi.log.info(note);
    for (const warning of config.warnings) void pulumi.log.warn(warning);
    return config;
  } catch (error) {
    // A RunError is shown without a stack trace: the mistake is in the settings, not in the program.
    throw error instanceof ConfigError ? new pulumi.RunError(error.message) : error;
  }
}

/** `true` and `{}`: all defaults; absent, `false` and nothing: none. */
function workstationOf(
  raw: string | undefined,
  around: { project: string; region: string; scope: Scope; preset: Preset },
  problems: string[],
): WorkstationReading {
  const none: WorkstationReading = { problems: [], warnings: [], notes: [] };
  if (raw === undefined || raw === "false") return none;
  const structured = raw === "true" ? "{}" : raw;
  const input = readStructured("mltraining:workstation", structured, workstationSchema, problems);
  if (!input) return none;
  const preset: WorkstationInput = PRESETS[around.preset].workstation;
  return readWorkstation(input, { ...around, preset, today: new Date().toISOString().slice(0, 10) });
}

/** `true` and `{}`: all defaults; absent, `false` and nothing: no cluster. */
function kubeflowOf(
  raw: string | undefined,
  around: Parameters<typeof readKubeflow>[1],
  problems: string[],
): KubeflowReading {
  const none: KubeflowReading = { problems: [], warnings: [], notes: [] };
  if (raw === undefined || raw === "false") return none;
  const input = readStructured("mltraining:kubeflow", raw === "true" ? "{}" : raw, kubeflowSchema, problems);
  return input ? readKubeflow(input, around) : none;
}

/** A machine that stands beside the cluster: the workstation, or one training machine. */
function besideCluster(machine: WorkstationConfig | TrainingConfig | undefined): Part[] {
  if (!machine) return [];
  const [what, diskType] =
    "diskType" in machine ? ["workstation", machine.diskType] : ["training machine", machine.bootDiskType];
  return [machinePart(what, 1, machine.machineType, diskType, machine.bootDiskGb)];
}

/** Without a recipe there is none, and nothing to be wrong with it. */
function imageFamilyOf(raw: string | undefined, problems: string[]): ImageFamilyInput | undefined {
  if (raw === undefined || raw === "{}") return undefined;
  return readStructured("mltraining:imageFamily", raw, imageFamilySchema, problems);
}

/** A problem of the whole setting has no member before it. */
function memberOf(problem: string): string {
  return /^belongs /.test(problem) ? ` ${problem}` : `.${problem}`;
}

/** A preset's ceiling makes room for a machine type that the stack names itself. */
function withPreset(preset: Preset, training: TrainingInput = {}): TrainingInput {
  const defaults: TrainingInput = PRESETS[preset].training;
  const { allowedMachineTypes } = defaults;
  const { machineType } = training;
  if (!allowedMachineTypes || !machineType || allowedMachineTypes.includes(machineType))
    return { ...defaults, ...training };
  return { ...defaults, allowedMachineTypes: [...allowedMachineTypes, machineType], ...training };
}

function readProject(project: string | undefined, problems: string[]): string {
  if (!project) {
    problems.push(
      "gcp:project is missing: the Google Cloud project to work in; set it with: pulumi config set gcp:project PROJECT",
    );
  } else if (!PROJECT.test(project)) {
    problems.push(
      `gcp:project must be a project's id (6 to 30 lower case letters, digits and hyphens), not its name or number; got ${JSON.stringify(project)}`,
    );
  }
  return project ?? "";
}

function choice<T extends string>(
  key: string,
  value: string | undefined,
  allowed: readonly T[],
  fallback: T,
  problems: string[],
): T {
  if (value === undefined) return fallback;
  if ((allowed as readonly string[]).includes(value)) return value as T;
  problems.push(`mltraining:${key} must be one of ${allowed.join(", ")}; got ${JSON.stringify(value)}`);
  return fallback;
}

export function unknownRegion(region: string): string {
  const meant = nearest(region, Object.keys(REGIONS));
  return `names no region of Google's; ${meant ? `did you mean ${meant}?` : "for example us-central1, europe-west4"}; got ${JSON.stringify(region)}`;
}

function readStudents(raw: string | undefined, scope: Scope, environment: string, problems: string[]): string[] {
  const students = readStructured("mltraining:students", raw, studentsSchema, problems) ?? [];
  if (students.length > 0 && scope !== "foundation") {
    problems.push(`mltraining:students belongs to a stack with mltraining:scope foundation; this one is ${scope}`);
  }
  students.forEach((student, index) => {
    const problem = environmentProblem(student);
    if (problem) problems.push(`mltraining:students[${index}] ${problem}`);
    else if (students.indexOf(student) !== index)
      problems.push(`mltraining:students[${index}] is there twice: ${student}`);
    else if (student === environment)
      problems.push(`mltraining:students[${index}] is the foundation's own environment: ${student}`);
  });
  return [...students].sort();
}

function readLabels(
  value: (key: string) => string | undefined,
  environment: string,
  problems: string[],
): Record<string, string> {
  const labels = readStructured("mltraining:labels", value("labels"), labelsSchema, problems) ?? {};
  for (const key of Object.keys(labels)) {
    const problem = labelKeyProblem(key);
    if (problem) problems.push(`mltraining:labels.${key} ${problem}`);
  }
  // Google takes 64 labels; four are the program's, a machine has two of its run.
  if (Object.keys(labels).length > 50)
    problems.push(`mltraining:labels must hold at most 50; got ${Object.keys(labels).length}`);
  const [owner, expires] = [value("owner"), value("expires")];
  if (owner && !labelValue(owner))
    problems.push(`mltraining:owner must hold a letter or digit; got ${JSON.stringify(owner)}`);
  if (expires && (!/^\d{4}-\d{2}-\d{2}$/.test(expires) || !isDay(expires))) {
    problems.push(`mltraining:expires must be a day such as 2027-01-31; got ${JSON.stringify(expires)}`);
  }
  return environmentLabels({ environment, owner, expires, labels });
}

function isDay(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

function checkLocation(bucket: BucketConfig, problems: string[]): void {
  const location = bucket.location.toLowerCase();
  if (!REGIONS[location] && !BUCKET_MULTI_REGIONS.includes(location)) {
    const meant = nearest(location, [...Object.keys(REGIONS), ...BUCKET_MULTI_REGIONS]);
    problems.push(
      `mltraining:bucket.location must be a region or one of ${BUCKET_MULTI_REGIONS.join(", ")}${meant ? `; did you mean ${meant}?` : ""}; got ${JSON.stringify(bucket.location)}`,
    );
  }
  bucket.location = location;
}

function checkScope(config: Config, problems: string[]): void {
  if (config.scope === "student" && !config.foundation) {
    problems.push(
      "mltraining:foundation is missing: a student's stack needs the name of the foundation's stack; set it with: pulumi config set foundation STACK",
    );
  }
  if (config.scope !== "student" && config.foundation) {
    problems.push(
      `mltraining:foundation belongs to a stack with mltraining:scope student; this one is ${config.scope}`,
    );
  }
}
