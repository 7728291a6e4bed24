import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { isMap, LineCounter, parseDocument } from "yaml";
import { REGIONS } from "../catalog/zones.ts";
import { readStructured } from "../components/configProblems.ts";
import { DEFAULTS, PRESETS, type TrainingInput } from "../components/configSchema.ts";
import { checkMachineType } from "../components/machineTypes.ts";
import { environmentProblem } from "../components/names.ts";
import { readWorkstation } from "../components/workstationConfig.ts";
import { fileReason, quotable } from "../training/files.ts";
import { decoded, offsetOf, yamlProblem } from "../training/manifest.ts";
import { nearest } from "../training/nearest.ts";
import type { Course, Limits } from "./contract.ts";
import { environmentOf, FOUNDATION_ID, LONGEST_ENVIRONMENT } from "./names.ts";
import { type CourseInput, courseSchema } from "./schema.ts";

export const COURSE_FILE = "course.yaml";

/** What a student may have where course.yaml does not say. */
export const DEFAULT_LIMITS = { gpus: 0, hoursPerWeek: 20, costPerRun: 5 } as const;

export interface CourseReading {
  /** Absent if there is a problem. */
  course?: Course;
  /** Each names the file and, where there is one, the line. */
  problems: string[];
}

/** Reads and checks a folder's course.yaml. Never throws for what is wrong with the file. */
export async function readCourseFile(folder: string): Promise<CourseReading> {
  const file = join(folder, COURSE_FILE);
  let data: Buffer;
  try {
    data = await readFile(file);
  } catch (error) {
    const missing = (error as { code?: unknown }).code === "ENOENT";
    return {
      problems: [
        missing
          ? `there is no ${COURSE_FILE}: copy the example, examples/course/course.yaml, and fill it in`
          : `${COURSE_FILE} cannot be read: ${fileReason(error) ?? (error as Error).message}`,
      ],
    };
  }
  return parseCourse(data, folder);
}

/** course.yaml, checked and with defaults, or every problem with its line. Pure. */
export function parseCourse(data: Buffer | string, folder: string): CourseReading {
  const text = decoded(data)?.replace(/^\ufeff/, "");
  if (text === undefined) return { problems: [`${COURSE_FILE} is no UTF-8 text; save it as UTF-8`] };
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const at = (offset: number) => `${COURSE_FILE} line ${lines.linePos(offset).line}`;
  const wrong = [...document.errors, ...document.warnings];
  if (wrong.length > 0) return { problems: wrong.map((error) => `${at(error.pos[0])}: ${yamlProblem(error, text)}`) };
  if (!isMap(document.contents)) {
    return {
      problems: [`${COURSE_FILE} must hold keys with values; keys: ${Object.keys(courseSchema.shape).join(", ")}`],
    };
  }
  let content: unknown;
  try {
    content = document.toJS();
  } catch (error) {
    return { problems: [`${COURSE_FILE}: ${(error as Error).message.split("\n")[0]}; write the value out`] };
  }

  const told: string[] = [];
  // `.limits.gpus must be …`: the reader of Pulumi's settings, with the file in the key's place.
  const input = readStructured("", JSON.stringify(content), courseSchema, told);
  told.push(...meaning(input ?? usable(content as Record<string, unknown>), folder).map((problem) => `.${problem}`));
  const lineOf = (path: (string | number)[]) => lines.linePos(offsetOf(document.contents, path) ?? 0).line;
  const problems = told
    .map((problem) => placed(problem, lineOf))
    .sort((one, other) => one.line - other.line)
    .map(({ text: problem }) => problem);
  return problems.length > 0 || !input ? { problems } : { course: complete(input, folder), problems };
}

/** The keys that are right by themselves: what they mean can be judged although others are wrong. */
function usable(content: Record<string, unknown>): Partial<CourseInput> {
  const shape: Record<string, { safeParse(value: unknown): { success: boolean; data?: unknown } }> = courseSchema.shape;
  const right = Object.entries(content).flatMap(([key, value]): [string, unknown][] => {
    const read = shape[key]?.safeParse(value);
    return read?.success ? [[key, read.data]] : [];
  });
  return Object.fromEntries(right) as Partial<CourseInput>;
}

/** `.limits.gpus must be 1` → `course.yaml line 7: limits.gpus must be 1`; what is missing has no line. */
function placed(problem: string, lineOf: (path: (string | number)[]) => number): { line: number; text: string } {
  const [, name = "", rest = ""] = /^\.?(\S*?):? (.*)$/s.exec(problem) ?? [];
  if (rest.endsWith("got nothing")) {
    const rule = rest.replace(/; got nothing$/, "").replace(/^must/, "it must");
    return { line: 0, text: `${COURSE_FILE}: ${name} is missing: ${rule}` };
  }
  const path = [...name.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, key]) => (index ? Number(index) : key!));
  const line = lineOf(path);
  return { line, text: `${COURSE_FILE} line ${line}: ${name} ${rest}` };
}

const PROJECT = /^(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$/;
const INSTRUCTOR = /^(user|group|serviceAccount):[^\s@:]+@[^\s@:]+\.[^\s@:]+$/;
const KMS = /^gcpkms:\/\/projects\/[^/\s]+\/locations\/[^/\s]+\/keyRings\/[^/\s]+\/cryptoKeys\/[^/\s]+$/;

/** What the schema cannot say, of the keys that are there; each begins with the key. */
function meaning(input: Partial<CourseInput>, folder: string): string[] {
  const { projects = [], instructors = [], workstation, preset = "course" } = input;
  const problems = input.name === undefined ? [] : nameProblems(input.name);
  if (input.expires !== undefined && !isDay(input.expires)) {
    problems.push(`expires must be a day such as 2027-02-28; got ${show(input.expires)}`);
  }
  projects.forEach((project, index) => {
    if (!PROJECT.test(project)) {
      problems.push(
        `projects[${index}] must be a project's id (6 to 30 lower case letters, digits and hyphens), not its name or number; got ${show(project)}`,
      );
    } else if (projects.indexOf(project) !== index) problems.push(`projects[${index}] is there twice: ${project}`);
  });
  const region = input.region ?? DEFAULTS.region;
  if (!REGIONS[region]) {
    const meant = nearest(region, Object.keys(REGIONS));
    problems.push(
      `region names no region of Google's; ${meant ? `did you mean ${meant}?` : "for example us-central1, europe-west4"}; got ${show(region)}`,
    );
  }
  if (input.limits?.machineTypes) problems.push(...machineTypeProblems(limitsOf(input)));
  instructors.forEach((member, index) => {
    if (!INSTRUCTOR.test(member)) {
      problems.push(`instructors[${index}] must be user:NAME@DOMAIN or group:NAME@DOMAIN; got ${show(member)}`);
    } else if (instructors.findIndex((each) => each.toLowerCase() === member.toLowerCase()) !== index)
      problems.push(`instructors[${index}] is there twice: ${member}`);
  });
  if (input.state !== undefined) {
    const state = stateOf(input.state, folder);
    if (!/^gs:\/\/[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](\/[^\s/?#]+)*$/.test(state) && !isFolder(state))
      problems.push(`state must be gs://BUCKET, gs://BUCKET/PREFIX or file:///FOLDER; got ${show(input.state)}`);
  }
  if (input.secretsProvider && input.secretsProvider !== "passphrase" && !KMS.test(input.secretsProvider)) {
    problems.push(
      `secretsProvider must be passphrase, or a key gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K; got ${show(input.secretsProvider)}`,
    );
  }
  if (typeof workstation === "object" && REGIONS[region]) {
    const around = { project: projects[0] ?? "", region, scope: "student", preset: PRESETS[preset].workstation };
    const { problems: found } = readWorkstation(workstation, { ...around, today: today() });
    problems.push(...found.map((problem) => `workstation.${problem}`));
    if (workstation.people) {
      problems.push(
        `workstation.people belongs to the roster: each student comes onto the own workstation; got ${show(workstation.people)}`,
      );
    }
  }
  return problems;
}

function nameProblems(name: string): string[] {
  // Whether a student's id still fits behind it, the roster says; the shortest id has one character.
  const longest = LONGEST_ENVIRONMENT - 1 - FOUNDATION_ID.length;
  if (!/^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(name) || name.includes("--") || name.length > longest) {
    return [
      `name must be at most ${longest} lower case letters, digits and single hyphens, beginning with a letter, because it begins every resource's name; got ${show(name)}`,
    ];
  }
  const problem = environmentProblem(environmentOf({ name }, FOUNDATION_ID));
  return problem ? [`name ${problem}`] : [];
}

/** Problems of a list of machine types and its GPUs; each begins with the key. */
function machineTypeProblems(limits: Pick<Limits, "machineTypes" | "gpus">): string[] {
  return limits.machineTypes.flatMap((type, index) => {
    const key = `limits.machineTypes[${index}]`;
    if (limits.machineTypes.indexOf(type) !== index) return [`${key} is there twice: ${type}`];
    const { problems, shape } = checkMachineType(type);
    const carried = shape?.gpu?.count ?? 0;
    if (carried > limits.gpus) {
      return [`${key} carries ${carried} ${shape?.gpu?.type}, which gpus: ${limits.gpus} does not allow; got ${type}`];
    }
    return problems.map((problem) => `${key} ${problem}`);
  });
}

function limitsOf({ limits = {}, preset = "course" }: Pick<CourseInput, "limits" | "preset">): Limits {
  const training: TrainingInput = PRESETS[preset].training;
  const machineType = training.machineType ?? DEFAULTS.training.machineType;
  const allowed = training.allowedMachineTypes ?? [];
  return {
    ...DEFAULT_LIMITS,
    maxHours: training.maxHours ?? DEFAULTS.training.maxHours,
    // The first is what a run takes that names none.
    machineTypes: [machineType, ...allowed.filter((type) => type !== machineType)],
    ...limits,
  };
}

/** `file://./states` is Pulumi's own way to say "below this folder"; here that is course.yaml's. */
function stateOf(state: string, folder: string): string {
  const [, below] = /^file:\/\/(\.{1,2}(?:\/.*)?)$/.exec(state) ?? [];
  return below === undefined ? state.replace(/\/+$/, "") : pathToFileURL(resolve(folder, below)).href;
}

function defaultState({ projects, name }: CourseInput): string {
  return `gs://${projects[0]?.replaceAll(/[.:]/g, "-")}-mlt-courses/${name}`;
}

function isFolder(state: string): boolean {
  try {
    const url = new URL(state);
    return url.protocol === "file:" && url.host === "" && url.pathname.length > 1;
  } catch {
    return false;
  }
}

function complete(input: CourseInput, folder: string): Course {
  const { name, projects, region = DEFAULTS.region, workstation = false } = input;
  const state = input.state === undefined ? defaultState(input) : stateOf(input.state, folder);
  const key = `gcpkms://projects/${projects[0]}/locations/${region}/keyRings/mlt-courses/cryptoKeys/state`;
  return {
    name,
    title: input.title ?? name,
    expires: input.expires,
    preset: input.preset ?? "course",
    projects,
    region,
    limits: limitsOf(input),
    workstation: workstation === true ? {} : workstation,
    state,
    secretsProvider: input.secretsProvider ?? (state.startsWith("gs://") ? key : "passphrase"),
    contact: input.contact,
    instructors: input.instructors,
    folder: resolve(folder),
  };
}

function isDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

function show(value: unknown): string {
  return quotable(JSON.stringify(value) ?? "nothing");
}
