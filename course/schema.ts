import { z } from "zod";
import { workstationSchema } from "../components/configSchema.ts";

const text = z.string().trim().min(1, "must not be empty");

/** What a course's limits may be set to; the roster's columns are held to the same. */
export const LIMIT_RULES = {
  gpus: { least: 0, most: 64, whole: true, unit: "GPUs at once" },
  hoursPerWeek: { least: 0.5, most: 1000, whole: false, unit: "machine hours a week" },
  costPerRun: { least: 0.01, most: 10_000, whole: false, unit: "US dollars" },
  maxHours: { least: 0.1, most: 168, whole: false, unit: "hours" },
} as const;

const limit = (name: keyof typeof LIMIT_RULES) => {
  const { least, most, whole, unit } = LIMIT_RULES[name];
  const message = `must be ${whole ? "a whole number of" : "a number of"} ${unit} from ${least} to ${most}, without quotes`;
  const number = whole ? z.int(message) : z.number(message);
  return number.min(least, message).max(most, message);
};

/** `limits` of course.yaml: those of one student. */
export const limitsSchema = z.strictObject({
  machineTypes: z.array(text).min(1).max(50).optional(),
  gpus: limit("gpus").optional(),
  hoursPerWeek: limit("hoursPerWeek").optional(),
  costPerRun: limit("costPerRun").optional(),
  maxHours: limit("maxHours").optional(),
});

/** course.yaml as it is written. */
export const courseSchema = z.strictObject({
  name: text,
  title: text.max(120).optional(),
  expires: text,
  preset: z.enum(["default", "freeTrial", "course"], "must be one of default, freeTrial, course").optional(),
  projects: z.array(text).min(1).max(50),
  region: text.optional(),
  limits: limitsSchema.optional(),
  workstation: z.union([z.boolean(), workstationSchema]).optional(),
  state: text.optional(),
  secretsProvider: text.optional(),
  contact: text.max(200),
  instructors: z.array(text).min(1).max(50),
});

export type CourseInput = z.infer<typeof courseSchema>;

const DESCRIPTIONS: Readonly<Record<keyof CourseInput, string>> = {
  name: "Prefix of every environment's name, such as ml26; with a hyphen and a student's id at most 20 characters.",
  title: "What students read; default: the name.",
  expires: "The day after which everything may be removed, as 2027-02-28.",
  preset: "Defaults of the environments: course (default), freeTrial or default.",
  projects: "Google Cloud projects; students are spread over them once and stay there.",
  region: "Region of buckets and machines; default us-central1.",
  limits:
    "Limits of one student: machineTypes (the first is the default one), gpus (0), hoursPerWeek (20), costPerRun (5 US dollars), maxHours (the preset's).",
  workstation: "true or settings of mltraining:workstation: everybody has one; default false.",
  state:
    "Where Pulumi keeps the stacks' states: gs://BUCKET[/PREFIX] (default, in the first project) or file:///FOLDER.",
  secretsProvider: "gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K (default with gs://) or passphrase.",
  contact: "Whom students ask: a name, an address, a room.",
  instructors: "IAM members who may do everything: user:… or group:….",
};

/** The schema that editors load for course.yaml. */
export function courseJsonSchema(): unknown {
  const schema = z.toJSONSchema(courseSchema, { io: "input" }) as { properties: Record<string, object> };
  for (const [key, description] of Object.entries(DESCRIPTIONS))
    Object.assign(schema.properties[key] ?? {}, { description });
  return { ...schema, title: "course.yaml of ml-training" };
}
