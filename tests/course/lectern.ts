// What an instructor sees: a local cloud with students' buckets as their stacks would leave them, and the course's folder.
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Course, CourseRecord, Student } from "../../course/contract.ts";
import { placeOf } from "../../course/names.ts";
import type { OpenCourse } from "../../course/open.ts";
import { changeRecord } from "../../course/record.ts";
import { type LocalCloud, startLocalCloud } from "../../localcloud/server.ts";
import type { Environment, RunStatus } from "../../training/contract.ts";
import { Objects } from "../../training/storage.ts";
import { REPOSITORY } from "../helpers/shell.ts";

export const PROJECT = "local-project";

export interface Lectern {
  folder: string;
  cloud: LocalCloud;
  objects: Objects;
  env: Record<string, string>;
  course: Course;
  /** The course as `openCourse` would give it, with its record as it is now. */
  open(): Promise<OpenCourse>;
  change(change: (record: CourseRecord) => CourseRecord): Promise<void>;
  /** A student's buckets and environment.json; returns the data bucket. */
  bringUp(id: string, more?: Partial<Environment>): Promise<string>;
  bucket(name: string, labels?: Record<string, string>): Promise<string>;
  /** A call as the operator. */
  call<T>(method: string, path: string, body?: unknown): Promise<T>;
  /** A run's status in a student's bucket. */
  run(bucket: string, id: string, status: Partial<RunStatus>): Promise<void>;
  mlt(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }>;
  close(): Promise<void>;
}

export const STUDENTS: readonly (readonly [id: string, name: string])[] = [
  ["s001", "Ann Bern"],
  ["s002", "Zoë Müller-Łukasz"],
  ["s003", '=HYPERLINK("http://example.com")'],
];

/** @param students ids and names of the roster; everybody has a place, nobody is up */
export async function openLectern(students = STUDENTS): Promise<Lectern> {
  const folder = await mkdtemp(join(tmpdir(), "mlt-lectern-"));
  const cloud = await startLocalCloud({ stateFolder: join(folder, "cloud"), enabledServices: "all" });
  const env = {
    CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${cloud.url}/storage/v1/`,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${cloud.url}/compute/v1/`,
    GCE_METADATA_HOST: cloud.metadataUrl.replace(/^http:\/\//, ""),
    XDG_CONFIG_HOME: join(folder, "config"),
    XDG_CACHE_HOME: join(folder, "cache"),
    HOME: folder,
    GOOGLE_OAUTH_ACCESS_TOKEN: "",
    MLT_ENVIRONMENT: "",
  };
  Object.assign(process.env, env);
  const objects = new Objects();
  const course: Course = {
    name: "ml26",
    title: "Machine Learning 2026",
    expires: "2027-02-28",
    preset: "course",
    projects: [PROJECT],
    region: "us-central1",
    limits: { machineTypes: ["e2-standard-4"], gpus: 0, hoursPerWeek: 20, costPerRun: 5, maxHours: 3 },
    workstation: false,
    state: pathToFileURL(join(folder, "states")).href,
    secretsProvider: "passphrase",
    contact: "Prof. Ann <ann@example.com>",
    instructors: ["user:ann@example.com"],
    folder: join(folder, "course"),
  };
  const roster: Student[] = students.map(([id, name], index) => ({
    id,
    name,
    member: `user:${id}@example.com`,
    overrides: {},
    line: index + 2,
  }));
  await mkdir(course.folder);
  await writeFile(
    join(course.folder, "course.yaml"),
    `name: ml26\ntitle: Machine Learning 2026\nexpires: "2027-02-28"\nprojects: [${PROJECT}]\ncontact: Prof. Ann <ann@example.com>\ninstructors: ["user:ann@example.com"]\nstate: ${course.state}\nlimits: { machineTypes: [e2-standard-4] }\n`,
  );
  const cell = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const rows = roster.map(({ id, name, member }) => `${id},${cell(name)},${member.slice("user:".length)}\n`);
  await writeFile(join(course.folder, "roster.csv"), `id,name,email\n${rows.join("")}`);
  const change = async (how: (record: CourseRecord) => CourseRecord) => {
    await changeRecord(course, how);
  };
  await change((record) => ({
    ...record,
    places: Object.fromEntries(students.map(([id]) => [id, placeOf(course, id, PROJECT)])),
  }));

  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(`${cloud.operatorUrl}/${path}`, {
      method,
      headers: { "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === "" ? undefined : JSON.parse(text)) as T;
  };
  const bucket = async (name: string, labels: Record<string, string> = {}) => {
    const versioning = { enabled: true };
    await call("POST", `storage/v1/b?project=${PROJECT}`, { name, location: "US-CENTRAL1", labels, versioning });
    return name;
  };
  return {
    folder,
    cloud,
    objects,
    env,
    course,
    async open() {
      const record = await changeRecord(course, (found) => found);
      return { course, students: roster, record };
    },
    change,
    call,
    bucket,
    async bringUp(id, more = {}) {
      const environment = `ml26-${id}`;
      const labels = { "mlt-environment": environment };
      const data = await bucket(`${environment}-data-0123abc`, labels);
      const scratch = await bucket(`${environment}-scratch-0123abc`, labels);
      const record: Environment = {
        schema: 1,
        environment,
        project: PROJECT,
        scope: "student",
        region: "us-central1",
        zones: ["us-central1-a"],
        buckets: { data, scratch },
        serviceAccount: `${environment}-machines@${PROJECT}.iam.gserviceaccount.com`,
        labels,
        ...more,
      };
      await objects.writeJson(data, "environment.json", record);
      return data;
    },
    async run(data, id, status) {
      const submitted = new Date().toISOString();
      const whole: RunStatus = {
        schema: 1,
        id,
        phase: "succeeded",
        attempt: 1,
        restarts: 0,
        times: { submitted },
        deadline: new Date(Date.now() + 3_600_000).toISOString(),
        ...status,
      };
      await objects.writeJson(data, `runs/${id}/status.json`, whole);
    },
    mlt(...args) {
      return new Promise((resolve, reject) => {
        const child = spawn(process.execPath, [join(REPOSITORY, "cli", "mlt.js"), ...args], {
          cwd: course.folder,
          env: { ...process.env, ...env },
          stdio: ["ignore", "pipe", "pipe"],
          timeout: 60_000,
        });
        const ended = { code: -1 as number | null, stdout: "", stderr: "" };
        child.stdout.on("data", (chunk) => {
          ended.stdout += chunk;
        });
        child.stderr.on("data", (chunk) => {
          ended.stderr += chunk;
        });
        child.once("error", reject);
        child.once("close", (code) => resolve({ ...ended, code }));
      });
    },
    async close() {
      await cloud.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
