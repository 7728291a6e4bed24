// Workstations of a class, started at a bounded rate before it comes and stopped when it has gone.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { CourseRecord } from "../../course/contract.ts";
import { withFrozen } from "../../course/freeze.ts";
import type { OpenCourse } from "../../course/open.ts";
import { cool, momentOf, warm } from "../../course/power.ts";
import { type Classroom, openClassroom } from "./classroom.ts";

const ZONE = "us-central1-a";
let room: Classroom;

before(async () => {
  room = await openClassroom(3);
  const { cloud } = room;
  Object.assign(process.env, {
    CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${cloud.url}/storage/v1/`,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${cloud.url}/compute/v1/`,
    GOOGLE_OAUTH_ACCESS_TOKEN: cloud.cloud.tokens.issue({ kind: "operator" }).access_token,
  });
});
after(() => room.close());

const opened = (record: Partial<CourseRecord> = {}): OpenCourse => ({
  course: room.course,
  students: room.students,
  record: { ...room.record, ...record },
});

async function states(): Promise<Record<string, string>> {
  const { body } = await room.operator("GET", `compute/v1/projects/${room.project}/zones/${ZONE}/instances`);
  const items = (body.items ?? []) as { name: string; status: string }[];
  return Object.fromEntries(items.map(({ name, status }) => [name, status]));
}

const told = (outcomes: Awaited<ReturnType<typeof warm>>) =>
  outcomes.map(({ student, result, reason }) => [student, result, reason]);

test("cool stops every workstation, and finds them off the next time", async () => {
  assert.deepEqual(told(await cool(opened())), [
    ["s001", "done", "stopped"],
    ["s002", "done", "stopped"],
    ["s003", "done", "stopped"],
  ]);
  assert.deepEqual(await states(), {
    "ml26-s001-ws": "TERMINATED",
    "ml26-s002-ws": "TERMINATED",
    "ml26-s003-ws": "TERMINATED",
  });
  assert.deepEqual(told(await cool(opened(), { only: ["s002"] })), [["s002", "unchanged", "is off already"]]);
});

test("warm starts so many a minute, none of a frozen student's, and leaves alone what runs", async () => {
  const waits: number[] = [];
  const sleep = async (milliseconds: number) => {
    waits.push(milliseconds);
  };
  const { frozen, frozenStudents } = withFrozen(room.record, {
    all: ["s001", "s002", "s003"],
    ids: ["s003"],
    undo: false,
    everybody: false,
  });
  const record = { frozen: frozen ?? "", frozenStudents: frozenStudents ?? [] };
  assert.deepEqual(told(await warm(opened(record), { perMinute: 2, sleep })), [
    ["s001", "done", "started"],
    ["s002", "done", "started"],
    ["s003", "skipped", "frozen: mlt course freeze --undo gives the right back"],
  ]);
  assert.deepEqual(await states(), {
    "ml26-s001-ws": "RUNNING",
    "ml26-s002-ws": "RUNNING",
    "ml26-s003-ws": "TERMINATED",
  });
  // The first at once, the second half a minute later, less what has passed meanwhile.
  assert.equal(waits.length, 2);
  assert.ok(Math.min(...waits) < 1000 && Math.max(...waits) > 20_000 && Math.max(...waits) <= 30_000, String(waits));
  assert.deepEqual(told(await warm(opened(), { only: ["s001"], sleep })), [["s001", "unchanged", "runs already"]]);
});

test("one that cannot be started is told and stops nobody else; Ctrl-C leaves the rest as it is", async () => {
  const fault = { path: "ml26-s002-ws/stop", method: "POST", error: { code: 403, message: "no", reason: "forbidden" } };
  await room.operator("POST", "local/v1/faults", fault);
  const outcomes = await cool(opened());
  await room.operator("DELETE", "local/v1/faults");
  assert.deepEqual(told(outcomes), [
    ["s001", "done", "stopped"],
    ["s002", "failed", "Stopping ml26-s002-ws is not allowed: no"],
    ["s003", "unchanged", "is off already"],
  ]);
  const stopped = AbortSignal.abort();
  assert.deepEqual(told(await warm(opened(), { signal: stopped })), [
    ["s001", "skipped", "stopped"],
    ["s002", "skipped", "stopped"],
    ["s003", "skipped", "stopped"],
  ]);
});

test("--at is the next such time of this computer's clock, or a day's", () => {
  const now = new Date(2027, 0, 11, 9, 30);
  assert.deepEqual(momentOf("10:15", now), new Date(2027, 0, 11, 10, 15));
  assert.deepEqual(momentOf("08:45", now), new Date(2027, 0, 12, 8, 45));
  assert.deepEqual(momentOf("2027-01-12T08:45", now), new Date(2027, 0, 12, 8, 45));
  for (const [text, why] of [
    ["soon", "it has another form"],
    ["25:00", "it has another form"],
    ["2027-02-30T08:45", "there is no such day"],
    ["2027-01-11T09:00", "it is past"],
    ["2027-02-12T08:45", "it is more than a week ahead"],
  ] as const) {
    assert.throws(() => momentOf(text, now), {
      name: "UserError",
      message: `--at must be a time of this computer's clock, as 08:45 or 2027-01-12T08:45; ${why}; got "${text}".`,
    });
  }
});
