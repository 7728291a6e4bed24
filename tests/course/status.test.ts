import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { courseStatus } from "../../course/usage/status.ts";
import { type Lectern, openLectern, PROJECT } from "./lectern.ts";

let room: Lectern;
const bucket: Record<string, string> = {};
const HOUR = 3_600_000;
/** A Wednesday. */
const NOW = Date.parse("2026-11-18T12:00:00Z");
const at = (hours: number) => new Date(NOW + hours * HOUR).toISOString();

before(async () => {
  room = await openLectern();
  bucket.s001 = await room.bringUp("s001", {
    workstation: {
      name: "ml26-s001-ws",
      zone: "us-central1-a",
      machineType: "e2-standard-2",
      spot: false,
      bootDiskGb: 50,
      idleMinutes: 45,
    },
  });
  bucket.s002 = await room.bringUp("s002");
  const machine = { name: "ml26-s001-run-x-a01", zone: "us-central1-a", type: "e2-standard-4", spot: true };
  await room.run(bucket.s001, "census-20261116000000-0001", {
    exitCode: 0,
    machine,
    times: { submitted: at(-60), provisioned: at(-60), running: at(-59.9), ended: at(-58) },
    cost: { amount: 0.1, currency: "USD", asOf: "2026-11-21" },
  });
  await room.run(bucket.s001, "census-20261117000000-0002", {
    phase: "failed",
    reason: "trainer failed: exit 3 (ValueError)",
    exitCode: 3,
    machine,
    times: { submitted: at(-2), provisioned: at(-2), running: at(-1.9), ended: at(-1) },
    cost: { amount: 0.05, currency: "USD", asOf: "2026-11-21" },
  });
});
after(() => room.close());

test("everybody has a line: up with runs, up without, never brought up", async () => {
  const { students, notes, ...course } = await courseStatus(await room.open(), { now: () => NOW });
  assert.deepEqual(course, {
    course: "ml26",
    title: "Machine Learning 2026",
    expires: "2027-02-28",
    at: "2026-11-18T12:00:00.000Z",
  });
  assert.deepEqual(notes, []);
  const [ann, zoe, third] = students;
  assert.deepEqual(
    students.map(({ id, name, stack }) => [id, name, stack]),
    [
      ["s001", "Ann Bern", "up"],
      ["s002", "Zoë Müller-Łukasz", "up"],
      ["s003", '=HYPERLINK("http://example.com")', "none"],
    ],
  );
  assert.deepEqual(
    ann?.runs.map(({ id, phase }) => [id, phase]),
    [
      ["census-20261117000000-0002", "failed"],
      ["census-20261116000000-0001", "succeeded"],
    ],
  );
  assert.equal(ann?.lastActivity, at(-1));
  assert.deepEqual(ann?.usage.hours, { training: 3, workstation: 0, total: 3, thisWeek: 3 });
  assert.deepEqual(ann?.usage.cost, { training: 0.15, workstation: 0, disks: 0, total: 0.15 });
  assert.deepEqual(ann?.workstation, { name: "ml26-s001-ws", state: "gone" });
  assert.deepEqual([zoe?.runs, zoe?.lastActivity, zoe?.problem], [[], undefined, undefined]);
  assert.deepEqual([third?.bucket, third?.problem], [undefined, undefined]);
});

test("a workstation's hours are counted from its heartbeats, and kept when the bucket has forgotten them", async () => {
  const data = bucket.s001!;
  for (let n = 0; n < 3; n += 1) {
    await room.objects.writeJson(data, "workstation/status.json", { idleSince: at(-0.5), heartbeat: at(0) });
  }
  const now = Date.now() + 90_000;
  const first = (await courseStatus(await room.open(), { only: ["s001"], now: () => now })).students[0]!;
  // Written within a second, each stands for the minute after it.
  const hours = first.usage.hours.workstation;
  assert.ok(Math.abs(hours - 1 / 60) < 0.01, String(hours));
  assert.ok(first.usage.cost.workstation > 0);
  const file = join(room.folder, "states", "usage.json");
  const kept = JSON.parse(await readFile(file, "utf8")) as { workstations: Record<string, unknown> };
  assert.deepEqual(Object.keys(kept.workstations), ["s001"]);

  type Listing = { items: { name: string; generation: string }[] };
  const { items } = await room.call<Listing>("GET", `storage/v1/b/${data}/o?versions=true&prefix=workstation/`);
  for (const { name, generation } of items) {
    const path = `storage/v1/b/${data}/o/${encodeURIComponent(name)}?generation=${generation}`;
    await room.call("DELETE", path);
  }
  const later = (await courseStatus(await room.open(), { only: ["s001"], now: () => now })).students[0]!;
  assert.equal(later.usage.hours.workstation, hours);
});

test("who cannot be read is a line that says why, and stops nobody else; the table and its exit code", async () => {
  await room.objects.write(bucket.s002!, "environment.json", "no JSON");
  const { code, stdout, stderr } = await room.mlt("course", "status");
  assert.equal(code, 70, stderr);
  const lines = stdout.split("\n");
  assert.equal(lines[0], "Machine Learning 2026: 3 students, until 2027-02-28");
  assert.match(lines[2]!, /^ID {4}NAME +STACK +LAST RUN +OUTCOME +HOURS +WEEK +COST +ACTIVE/);
  assert.match(
    lines[3]!,
    /^s001 {2}Ann Bern +up +census-20261117000000-0002 +failed +3\.0 +\d\.\d +0\.\d\d +\d+ [dh] ago +trainer failed: exit 3 \(ValueError\)$/,
  );
  assert.match(
    lines[4]!,
    /^s002 {2}Zoë Müller-Łukasz +unread .* gs:\/\/ml26-s002-data-0123abc\/environment\.json is not JSON: somebody wrote it by hand, or it is not ours\.$/,
  );
  assert.match(lines[5]!, /^s003 {2}=HYPERLINK\("http:\/\/example\.co… +none +- +- +0\.0 +0\.0 +0\.00 +-$/);
  assert.match(
    lines[7]!,
    /^0 machines running; 3\.0 machine hours, about 0\.\d\d USD in all \(list prices of 2026-11-21; /,
  );

  const json = await room.mlt("course", "status", "--json", "--only", "s001");
  assert.equal(json.code, 0, json.stderr);
  const { students } = JSON.parse(json.stdout) as { students: { id: string }[] };
  assert.deepEqual(
    students.map(({ id }) => id),
    ["s001"],
  );
  const unknown = await room.mlt("course", "status", "--only", "s001,s009");
  assert.deepEqual(
    [unknown.code, unknown.stderr],
    [64, "--only names ids that nobody of this course has (1 problem):\n  - s009; did you mean s001?\n"],
  );
});

test("frozen, leaving and left are told apart; a project whose buckets cannot be listed is told at its students", async () => {
  await room.change((record) => ({
    ...record,
    frozen: "2026-11-18T10:00:00.000Z",
    places: {
      ...record.places,
      s008: { id: "s008", project: PROJECT, environment: "ml26-s008", stack: "ml26-s008" },
      s009: { id: "s009", project: "another-project-9", environment: "ml26-s009", stack: "ml26-s009" },
      s010: { id: "s010", project: PROJECT, environment: "ml26-s010", stack: "ml26-s010" },
      // The canary of a check that is over: nobody of the class.
      test: { id: "test", project: PROJECT, environment: "ml26-test", stack: "ml26-test" },
    },
    left: { test: { destroyed: "2026-11-18T09:00:00.000Z" } },
  }));
  await room.bringUp("s008");
  const { students, frozen } = await courseStatus(await room.open(), { now: () => NOW });
  assert.equal(frozen, "2026-11-18T10:00:00.000Z");
  const stacks = Object.fromEntries(students.map(({ id, stack }) => [id, stack]));
  assert.deepEqual(
    { ...stacks, s009: undefined },
    { s001: "frozen", s002: "unread", s003: "none", s008: "leaving", s009: undefined, s010: "left" },
  );
  const other = students.find(({ id }) => id === "s009");
  assert.equal(other?.stack, "unread");
  assert.match(String(other?.problem), /^the buckets of another-project-9 cannot be listed: /);
});
