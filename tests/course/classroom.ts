// A course of a few students in a local cloud whose machines boot nothing: each student at a computer of their own, with a
// token of their own, and what IAM is asked on the way.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { clientVariables } from "../../cli/local/variables.ts";
import type { Course, CourseRecord, Place, Student } from "../../course/contract.ts";
import { placeOf } from "../../course/names.ts";
import { accountOf, foundationPlan, studentPlan } from "../../course/stacks.ts";
import type { Principal } from "../../localcloud/core/access.ts";
import type { Daemon } from "../../localcloud/daemon.ts";
import { type LocalCloud, startLocalCloud } from "../../localcloud/server.ts";
import type { Environment } from "../../training/contract.ts";
import { type Ended, start } from "../e2e/environment.ts";
import { REPOSITORY } from "../helpers/shell.ts";
import { fakeDriver } from "../localcloud/compute/fixture.ts";
import { type Answer, Builder } from "./builder.ts";
import { COURSE, studentsOf } from "./rights.ts";

export type { Answer } from "./builder.ts";

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

export interface Classroom {
  cloud: LocalCloud;
  folder: string;
  course: Course;
  students: Student[];
  record: CourseRecord;
  seats: Seat[];
  asked: Asked[];
  project: string;
  /** A call as the project's owner. */
  operator(method: string, path: string, body?: unknown): Promise<Answer>;
  /** The project's policy as the foundation makes it when `mlt course freeze` was called, or undone. */
  freeze(frozen: boolean): Promise<void>;
  /** A file below the classroom's folder. */
  file(path: string, text: string): string;
  close(): Promise<void>;
}

export async function openClassroom(count = 2): Promise<Classroom> {
  const folder = mkdtempSync(join(tmpdir(), "mlt-classroom-"));
  const { driver } = fakeDriver();
  const cloud = await startLocalCloud({ stateFolder: join(folder, "cloud"), enabledServices: "all", driver });
  try {
    return await furnish(cloud, folder, count);
  } catch (error) {
    await cloud.close();
    throw error;
  }
}

async function furnish(cloud: LocalCloud, folder: string, count: number): Promise<Classroom> {
  const { project } = cloud;
  const asked = listen(cloud);
  const students = studentsOf(count);
  const course: Course = { ...COURSE, projects: [project], state: `file://${folder}/course-state` };
  const places = Object.fromEntries(students.map(({ id }) => [id, placeOf(course, id, project)]));
  const record: CourseRecord = { schema: 1, course: course.name, places, left: {} };
  const operator = (method: string, path: string, body?: unknown) => answer(cloud.operatorUrl, method, path, body);
  const builder = new Builder(operator, project);
  const foundation = (frozen: boolean) =>
    foundationPlan({ course, record: frozen ? { frozen: "2026-11-21T12:00:00Z" } : {}, places }, project);
  await builder.foundation(foundation(false));

  const seats = await inTurn(students, async (student): Promise<Seat> => {
    const place = placeOf(course, student.id, project);
    const environment = await builder.student(studentPlan({ course, record: {} }, student, place));
    const account = accountOf(place);
    const token = (principal: Principal) => cloud.cloud.tokens.issue(principal).access_token;
    const person = token({ kind: "user", email: student.member.replace("user:", "") });
    const tokens = { person, account: token({ kind: "serviceAccount", email: account }) };
    const home = join(folder, "homes", student.id);
    mkdirSync(home, { recursive: true });
    const variables = clientVariables({ ...cloud, token: person } as unknown as Daemon, { stateFolder: home });
    const env = {
      ...process.env,
      ...variables,
      HOME: home,
      XDG_CONFIG_HOME: join(home, ".config"),
      MLT_ENVIRONMENT: `gs://${environment.buckets.data}`,
      MLT_IMPERSONATE: "",
    };
    const mlt = (...args: string[]) =>
      start(process.execPath, [join(REPOSITORY, "cli", "mlt.js"), ...args], { env, folder: home }).ended;
    const call: Seat["call"] = (as, method, path, sent) => answer(cloud.url, method, path, sent, tokens[as]);
    return { student, place, account, environment, mlt, call };
  });
  return {
    cloud,
    folder,
    course,
    students,
    record,
    seats,
    asked,
    project,
    operator,
    freeze: (frozen) => builder.foundation(foundation(frozen)),
    file(path, text) {
      const at = join(folder, path);
      mkdirSync(dirname(at), { recursive: true });
      writeFileSync(at, text);
      return at;
    },
    async close() {
      await cloud.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Writes down every decision about somebody who is not the operator. */
function listen({ cloud }: LocalCloud): Asked[] {
  const asked: Asked[] = [];
  const { access } = cloud;
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
