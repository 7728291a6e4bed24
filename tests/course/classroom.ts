// A course of a few students, brought up by the real engine in a local cloud whose machines boot nothing: each student
// at a computer of their own, with a token of their own, and what IAM is asked on the way.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { clientVariables } from "../../cli/local/variables.ts";
import type { Course, CourseRecord, Place, Student } from "../../course/contract.ts";
import { environmentOf, foundationStackOf, placeOf } from "../../course/names.ts";
import { accountOf, foundationPlan, studentPlan } from "../../course/stacks.ts";
import type { Principal } from "../../localcloud/core/access.ts";
import type { Daemon } from "../../localcloud/daemon.ts";
import type { LocalCloudOptions } from "../../localcloud/server.ts";
import type { Environment } from "../../training/contract.ts";
import { type Ended, start } from "../e2e/environment.ts";
import { createWorld, type World } from "../engine/world.ts";
import { REPOSITORY } from "../helpers/shell.ts";
import { fakeDriver } from "../localcloud/compute/fixture.ts";
import { COURSE, studentsOf } from "./rights.ts";

/** One question to IAM. */
export interface Asked {
  /** `user:…` or `serviceAccount:…` */
  who: string;
  permission: string;
  resource: string;
  allowed: boolean;
}

export interface Seat {
  student: Student;
  place: Place;
  environment: Environment;
  /** The student's machines' account. */
  account: string;
  mlt(...args: string[]): Promise<Ended>;
  /** A call to the local cloud as the person, or as the account; the answer is read. */
  call(as: "person" | "account", method: string, path: string, body?: unknown): Promise<Answer>;
}

export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

export interface Classroom {
  world: World;
  course: Course;
  students: Student[];
  record: CourseRecord;
  seats: Seat[];
  asked: Asked[];
  project: string;
  /** A call as the project's owner. */
  operator(method: string, path: string, body?: unknown): Promise<Answer>;
  /** Brings the foundation up again, as `mlt course freeze` does. */
  freeze(frozen: boolean): Promise<void>;
  /** A file below the classroom's folder. */
  file(path: string, text: string): string;
  close(): Promise<void>;
}

export async function openClassroom(count = 2, options: Partial<LocalCloudOptions> = {}): Promise<Classroom> {
  const { driver } = fakeDriver();
  const world = await createWorld({ driver, ...options });
  try {
    return await furnish(world, count);
  } catch (error) {
    await world.close();
    throw error;
  }
}

async function furnish(world: World, count: number): Promise<Classroom> {
  const { project } = world.cloud;
  const asked = listen(world);
  const students = studentsOf(count);
  const course: Course = { ...COURSE, projects: [project], state: `file://${world.folder}/course-state` };
  const places = Object.fromEntries(students.map(({ id }) => [id, placeOf(course, id, project)]));
  const record: CourseRecord = { schema: 1, course: course.name, places, left: {} };
  const plan = (frozen: boolean) =>
    foundationPlan({ course, record: frozen ? { frozen: "2026-11-21T12:00:00Z" } : {}, places }, project);
  const stackConfig = ({ expires: _expires, ...config }: Record<string, unknown>) =>
    Object.fromEntries(
      Object.entries(config).map(([key, value]) => [key.includes(":") ? key : `mltraining:${key}`, value]),
    );

  const base = await world.open(foundationStackOf(course, project), { config: stackConfig(plan(false).config) });
  await base.up();
  const operator = (method: string, path: string, body?: unknown) =>
    answer(world.cloud.operatorUrl, method, path, body);
  const seats = await inTurn(students, async (student): Promise<Seat> => {
    const place = placeOf(course, student.id, project);
    const { config } = studentPlan({ course, record: {} }, student, place);
    const stack = await world.open(place.stack, { config: stackConfig(config) });
    const { outputs } = await stack.up();
    const bucket = String(outputs.dataBucketUrl).replace("gs://", "");
    const { body } = await operator("GET", `storage/v1/b/${bucket}/o/environment.json?alt=media`);
    const account = accountOf(place);
    const token = (principal: Principal) => world.cloud.cloud.tokens.issue(principal).access_token;
    const person = token({ kind: "user", email: student.member.replace("user:", "") });
    const tokens = { person, account: token({ kind: "serviceAccount", email: account }) };
    const home = join(world.folder, "homes", student.id);
    mkdirSync(home, { recursive: true });
    const variables = clientVariables({ ...world.cloud, token: person } as unknown as Daemon, { stateFolder: home });
    const env = {
      ...process.env,
      ...variables,
      HOME: home,
      XDG_CONFIG_HOME: join(home, ".config"),
      MLT_ENVIRONMENT: `gs://${bucket}`,
      MLT_IMPERSONATE: "",
    };
    return {
      student,
      place,
      account,
      environment: body as unknown as Environment,
      mlt: (...args) =>
        start(process.execPath, [join(REPOSITORY, "cli", "mlt.js"), ...args], { env, folder: home }).ended,
      call: (as, method, path, sent) => answer(world.cloud.url, method, path, sent, tokens[as]),
    };
  });
  return {
    world,
    course,
    students,
    record,
    seats,
    asked,
    project,
    operator,
    async freeze(frozen) {
      const stack = await world.open(foundationStackOf(course, project), { config: stackConfig(plan(frozen).config) });
      await stack.up();
    },
    file(path, text) {
      const at = join(world.folder, path);
      mkdirSync(dirname(at), { recursive: true });
      writeFileSync(at, text);
      return at;
    },
    close: () => world.close(),
  };
}

/** Writes down every decision about somebody who is not the operator. */
function listen(world: World): Asked[] {
  const asked: Asked[] = [];
  const { access } = world.cloud.cloud;
  const { allowed, require } = access;
  const note = (principal: Principal, permission: string, resource: string, answer: boolean) => {
    if (!("email" in principal)) return;
    const who = `${principal.kind}:${principal.email}`;
    asked.push({ who, permission, resource, allowed: answer });
  };
  access.allowed = (principal, permission, resource) => {
    const answer = allowed(principal, permission, resource);
    note(principal, permission, resource.name || resource.type, answer);
    return answer;
  };
  access.require = (principal, permission, resource) => {
    note(principal, permission, resource.name || resource.type, allowed(principal, permission, resource));
    require(principal, permission, resource);
  };
  return asked;
}

async function answer(url: string, method: string, path: string, body?: unknown, token?: string): Promise<Answer> {
  const response = await fetch(`${url}/${path}`, {
    method,
    headers: { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  let read: Record<string, unknown> = {};
  try {
    read = JSON.parse(text || "{}") as Record<string, unknown>;
  } catch {
    read = { text };
  }
  return { status: response.status, body: read };
}

async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}

/** One of the seats, by place in the row. */
export function seat(room: Classroom, index: number): Seat {
  const found = room.seats[index];
  assert.ok(found);
  return found;
}

export { environmentOf };
