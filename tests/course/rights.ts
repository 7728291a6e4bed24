// Every right that a course's stacks grant, as the program registers it under mocks from the plans that `mlt course up`
// brings up, and the things that belong to each student.

import { roomOf } from "../../course/arithmetic.ts";
import type { Course, CourseRecord, Place, StackPlan, Student } from "../../course/contract.ts";
import { assign } from "../../course/places.ts";
import { foundationPlan, studentPlan } from "../../course/stacks.ts";
import program from "../../index.ts";
import { IMAGE_CALL, type Recorded, record } from "../helpers/record.ts";

export const COURSE: Course = {
  name: "ml26",
  title: "Machine learning 2026",
  expires: "2027-03-31",
  preset: "course",
  projects: ["course-one", "course-two", "course-three", "course-four", "course-five"],
  region: "us-central1",
  limits: {
    machineTypes: ["e2-standard-4", "e2-standard-8"],
    gpus: 0,
    hoursPerWeek: 20,
    costPerRun: 2,
    maxHours: 3,
  },
  workstation: { machineType: "e2-standard-2" },
  state: "file:///tmp/none",
  secretsProvider: "passphrase",
  contact: "teacher@example.edu",
  instructors: ["user:teacher@example.edu"],
  folder: "/tmp/none",
};

/** What mocks call the foundation's. */
export const SUBNETWORK = "ml26-base-us-central1-0123abc";

/** A right: whoever is `member` has `role` on `on`, if the condition holds. */
export interface Grant {
  member: string;
  role: string;
  /** `project`, or the resource that the grant lies on. */
  on: string;
  condition?: string;
  /** The stack that grants it. */
  stack: string;
}

/** Something that somebody has, in the words that conditions see. */
export interface Thing {
  type: string;
  name: string;
  service: string;
}

export interface Rights {
  places: Place[];
  grants: Grant[];
  /** Permissions of the custom roles, by their full name. */
  roles: Map<string, string[]>;
  /** Project-level grants of each stack. */
  onProject: Map<string, number>;
}

export function studentsOf(count: number): Student[] {
  return Array.from({ length: count }, (_, index) => {
    const id = `s${String(index + 1).padStart(3, "0")}`;
    return { id, name: `Student ${id}`, member: `user:${id}@example.edu`, overrides: {}, line: index + 2 };
  });
}

export const accountOf = (environment: string, project: string) =>
  `${environment}-machines@${project}.iam.gserviceaccount.com`;

/** All stacks of a course of so many, planned and recorded. */
export async function rightsOf(students: readonly Student[], course = COURSE): Promise<Rights> {
  const empty: CourseRecord = { schema: 1, course: course.name, places: {}, left: {} };
  const { places } = assign(course, students, empty, (project) => roomOf(course, project, 4).students);
  const standing = { course, record: { dataBucket: "ml26-base-course-0123abc" }, places };
  const rights: Rights = { places: Object.values(places), grants: [], roles: new Map(), onProject: new Map() };
  for (const project of new Set(rights.places.map((place) => place.project))) {
    add(rights, foundationPlan(standing, project), await recorded(foundationPlan(standing, project)));
  }
  for (const student of students) {
    const place = places[student.id];
    if (!place) throw new Error(`no project of the course has room for ${student.id}`);
    const plan = studentPlan(standing, student, place);
    add(rights, plan, await recorded(plan));
  }
  return rights;
}

/** What the program registers for a plan. */
export async function recorded(plan: StackPlan): Promise<Recorded[]> {
  return (await recording(plan)).resources;
}

/** The same with the stack's outputs. */
export async function recording({ name, project, config }: StackPlan) {
  const settings = Object.entries(config).map(([key, value]) => [
    key.includes(":") ? key : `mltraining:${key}`,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  const environment = String(config.environment);
  const foundation = {
    project,
    network: `https://example.test/projects/${project}/global/networks/n`,
    subnetworks: {
      "us-central1": `https://example.test/projects/${project}/regions/us-central1/subnetworks/${SUBNETWORK}`,
    },
    students: { [environment]: accountOf(environment, project) },
  };
  // Pulumi's library keeps a stack trace with every promise, which takes longer than all the rest of 200 programs.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  const made = await record(program, {
    config: { "gcp:project": project, ...Object.fromEntries(settings) },
    calls: IMAGE_CALL,
    stack: name,
    state: ({ type }) =>
      type === "pulumi:pulumi:StackReference" ? { outputs: { foundation }, secretOutputNames: [] } : undefined,
  });
  Error.stackTraceLimit = stackTraceLimit;
  return made;
}

/** Where a grant lies, by the property that names it. */
const OWNERS: Record<string, (inputs: Record<string, unknown>) => string> = {
  "gcp:projects/iAMMember:IAMMember": () => "project",
  "gcp:storage/bucketIAMMember:BucketIAMMember": ({ bucket }) => `projects/_/buckets/${bucket}`,
  "gcp:serviceaccount/iAMMember:IAMMember": ({ serviceAccountId }) => String(serviceAccountId),
  "gcp:compute/instanceIAMMember:InstanceIAMMember": ({ project, zone, instanceName }) =>
    `projects/${project}/zones/${zone}/instances/${instanceName}`,
  "gcp:iap/tunnelInstanceIAMMember:TunnelInstanceIAMMember": ({ project, zone, instance }) =>
    `projects/${project}/iap_tunnel/zones/${zone}/instances/${instance}`,
  "gcp:compute/subnetworkIAMMember:SubnetworkIAMMember": ({ project, region, subnetwork }) =>
    `projects/${project}/regions/${region}/subnetworks/${String(subnetwork).split("/").at(-1)}`,
};

/** Adds what a stack grants. */
export function add(rights: Rights, { name, scope }: StackPlan, resources: readonly Recorded[]): void {
  let onProject = 0;
  for (const { type, inputs } of resources) {
    if (type === "gcp:projects/iAMCustomRole:IAMCustomRole") {
      rights.roles.set(`projects/${inputs.project}/roles/${inputs.roleId}`, inputs.permissions as string[]);
    }
    if (/IAM(Policy|Binding)/i.test(type)) throw new Error(`${type} takes away what others were given`);
    const owner = OWNERS[type];
    if (!owner && /iam\w*member/i.test(type)) throw new Error(`a grant of a type that is not known here: ${type}`);
    if (!owner) continue;
    const on = owner(inputs);
    if (on === "project") onProject += 1;
    const { expression } = (inputs.condition ?? {}) as { expression?: string };
    const { member, role } = inputs as { member: string; role: string };
    rights.grants.push({
      member,
      role,
      on,
      stack: name,
      ...(expression === undefined ? {} : { condition: expression }),
    });
  }
  if (scope === "student" || onProject > 0) rights.onProject.set(name, onProject);
}

const COMPUTE = "compute.googleapis.com";
const STORAGE = "storage.googleapis.com";

/** What an environment has, or could have, in a project: several of the names that its machines bear. */
export function thingsOf(environment: string, project: string): Thing[] {
  const zone = `projects/${project}/zones/us-central1-a`;
  const runs = [`${environment}-run-20261121080000-ab12-a01`, `${environment}-run-x`];
  const compute = (kind: string, plural: string, names: string[], place = zone): Thing[] =>
    names.map((name) => ({ service: COMPUTE, type: `${COMPUTE}/${kind}`, name: `${place}/${plural}/${name}` }));
  const objects = (bucket: string, names: string[]): Thing[] =>
    names.map((name) => ({
      service: STORAGE,
      type: `${STORAGE}/Object`,
      name: `projects/_/buckets/${bucket}/objects/${name}`,
    }));
  return [
    ...compute("Instance", "instances", [...runs, `${environment}-ws`]),
    ...compute("Disk", "disks", runs),
    ...compute(
      "InstanceTemplate",
      "instanceTemplates",
      [`${environment}-run-us-central1-0123abc`],
      `projects/${project}/global`,
    ),
    ...compute("Image", "images", [`${environment}-img-census-1`], `projects/${project}/global`),
    ...objects(`${environment}-data-0123abc`, ["input/a.csv", "runs/r/status.json", "environment.json"]),
    ...objects(`${environment}-scratch-0123abc`, ["runs/r/checkpoints/1"]),
  ];
}
