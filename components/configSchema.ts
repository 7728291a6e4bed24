import { z } from "zod";
import { LONGEST_CHECKPOINT_SECONDS, SHORTEST_CHECKPOINT_SECONDS } from "../training/contract.ts";

/** Ceilings that Google sets, with where they are written. */
const MAX_RUN_HOURS = 120 * 24; // scheduling.maxRunDuration: 120 days

const text = z.string().trim();
const days = (least: number, most: number) => z.number().int().min(least).max(most);

/** `mltraining:bucket` */
export const bucketSchema = z.strictObject({
  location: text.optional(),
  softDeleteDays: z
    .number()
    .int()
    .refine((value) => value === 0 || (value >= 7 && value <= 90), {
      error: "must be 0 (off) or 7 to 90, the days that Google allows",
    })
    .optional(),
  noncurrentDays: days(1, 3650).optional(),
  scratchDays: days(1, 365).optional(),
  retain: z.boolean().optional(),
});

/** `mltraining:training` */
export const trainingSchema = z.strictObject({
  enabled: z.boolean().optional(),
  regions: z.array(text).min(1).max(10).optional(),
  zones: z.array(text).min(1).max(40).optional(),
  machineType: text.optional(),
  gpu: z
    .strictObject({
      type: text,
      count: z
        .number()
        .int()
        .refine((value) => [1, 2, 4, 8].includes(value), { error: "must be 1, 2, 4 or 8" })
        .default(1),
    })
    .optional(),
  spot: z.boolean().optional(),
  maxHours: z.number().min(0.1).max(MAX_RUN_HOURS).optional(),
  maxRestarts: z.number().int().min(0).max(99).optional(),
  /** Seconds between two checkpoints at most. */
  checkpointSeconds: z.number().int().min(SHORTEST_CHECKPOINT_SECONDS).max(LONGEST_CHECKPOINT_SECONDS).optional(),
  /** Whether a run that finds no Spot machine in any zone may take a standard one, at its price. */
  fallbackToStandard: z.boolean().optional(),
  allowedMachineTypes: z.array(text).min(1).max(200).optional(),
  image: text.optional(),
  bootDiskGb: z.number().int().min(10).max(65536).optional(),
  /** A run that `pulumi up` starts and waits for. */
  runOnUp: z
    .strictObject({
      package: text,
      arguments: z
        .array(z.union([z.string(), z.number(), z.boolean()], { error: "must be a text or a number" }))
        .max(200)
        .optional(),
      runId: z.union([text, z.number()], { error: "must be a text or a number" }).optional(),
    })
    .optional(),
});

const schedule = z.strictObject({ stop: text.optional(), start: text.optional(), timeZone: text.optional() });

/** `mltraining:workstation`; `true` means all defaults. */
export const workstationSchema = z.strictObject({
  zone: text.optional(),
  machineType: text.optional(),
  gpu: trainingSchema.shape.gpu,
  spot: z.boolean().optional(),
  image: text.optional(),
  bootDiskGb: z.number().int().min(10).max(65536).optional(),
  dataDiskGb: z.number().int().min(10).max(65536).optional(),
  idleMinutes: z
    .number()
    .int()
    .refine((value) => value === 0 || (value >= 5 && value <= 10_080), {
      error: "must be 0 (never) or 5 to 10080 minutes (a week)",
    })
    .optional(),
  schedule: z.union([z.literal(false), schedule], { error: "must be false or {stop, start, timeZone}" }).optional(),
  externalIp: z.boolean().optional(),
  sshFrom: z.array(text).max(50).optional(),
  people: z
    .array(
      z.union([text, z.strictObject({ member: text, sudo: z.boolean().optional() })], {
        error: "must be user:NAME@DOMAIN or {member, sudo}",
      }),
    )
    .max(50)
    .optional(),
  requirements: text.optional(),
});

/** `mltraining:imageFamily`; without a recipe there is none. */
export const imageFamilySchema = z.strictObject({
  recipe: text,
  family: text.optional(),
  zone: text.optional(),
  machineType: text.optional(),
  spot: z.boolean().optional(),
  diskGb: z.number().int().min(10).max(2048).optional(),
  maxMinutes: z.number().int().min(5).max(360).optional(),
  retainImages: z.boolean().optional(),
  baseProjects: z.array(text).max(20).optional(),
});

export type ImageFamilyInput = z.infer<typeof imageFamilySchema>;
export type WorkstationInput = z.infer<typeof workstationSchema>;
export type ScheduleInput = NonNullable<WorkstationInput["schedule"]>;
export type RunOnUpInput = NonNullable<z.infer<typeof trainingSchema>["runOnUp"]>;
export type BucketInput = z.infer<typeof bucketSchema>;
export type TrainingInput = z.infer<typeof trainingSchema>;

/** What each preset puts in the place of the program's defaults; any key of the stack overrides it. */
export const PRESETS = {
  default: { bucket: {}, training: {}, workstation: {} },
  /** A trial account has no GPU and 8 vCPUs in all. */
  freeTrial: {
    bucket: { softDeleteDays: 0, noncurrentDays: 7 },
    training: {
      machineType: "e2-standard-2",
      maxHours: 2,
      maxRestarts: 2,
      bootDiskGb: 20,
      allowedMachineTypes: ["e2-medium", "e2-standard-2", "e2-standard-4", "e2-standard-8"],
    },
    workstation: { machineType: "e2-standard-2", bootDiskGb: 30 },
  },
  /** Many people, one bill: short limits and small machines. */
  course: {
    bucket: { noncurrentDays: 14 },
    training: {
      machineType: "e2-standard-4",
      maxHours: 3,
      maxRestarts: 3,
      allowedMachineTypes: ["e2-standard-2", "e2-standard-4", "e2-standard-8", "n2-standard-4", "n2-standard-8"],
    },
    workstation: { machineType: "e2-standard-2", idleMinutes: 45 },
  },
} as const satisfies Record<string, { bucket: BucketInput; training: TrainingInput; workstation: WorkstationInput }>;

export type Preset = keyof typeof PRESETS;

export const DEFAULTS = {
  region: "us-central1",
  bucket: { softDeleteDays: 7, noncurrentDays: 30, scratchDays: 14, retain: false },
  training: {
    machineType: "e2-standard-4",
    spot: true,
    maxHours: 8,
    maxRestarts: 5,
    checkpointSeconds: 30,
    fallbackToStandard: false,
    bootDiskGb: 50,
  },
} as const;

/** Every `mltraining:` key; Pulumi.yaml describes the same ones (a test compares). */
export const KEYS = [
  "environment",
  "scope",
  "foundation",
  "students",
  "frozen",
  "student",
  "courseData",
  "preset",
  "bucket",
  "training",
  "workstation",
  "imageFamily",
  "kubeflow",
  "owner",
  "labels",
  "expires",
] as const;

export const studentsSchema = z.array(text).max(500);
export const labelsSchema = z.record(z.string(), z.string());
