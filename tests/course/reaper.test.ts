import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Round, reap } from "../../course/limits/reaper.ts";
import { recordStore } from "../../course/record.ts";
import type { RunStatus } from "../../training/contract.ts";
import { start } from "../e2e/environment.ts";
import { REPOSITORY } from "../helpers/shell.ts";
import { type Answer, type Classroom, openClassroom, type Seat, seat } from "./classroom.ts";
import { SUBNETWORK } from "./rights.ts";

// Students who make, with their own tokens, machines that the course's limits forbid and that no right can forbid them.

const ZONE = "us-central1-a";
const MINUTE = 60_000;

let room: Classroom;
let ann: Seat;
let ben: Seat;
let env: NodeJS.ProcessEnv;

before(async () => {
  room = await openClassroom(2);
  [ann, ben] = [seat(room, 0), seat(room, 1)];
  const { cloud } = room;
  env = {
    CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${cloud.url}/storage/v1/`,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${cloud.url}/compute/v1/`,
    GOOGLE_OAUTH_ACCESS_TOKEN: cloud.cloud.tokens.issue({ kind: "operator" }).access_token,
  };
  Object.assign(process.env, env);
});
after(() => room.close());

const zone = () => `compute/v1/projects/${room.project}/zones/${ZONE}`;
const runName = ({ place }: Seat, word: string) => `${place.environment}-run-${word}`;

async function done(answer: Answer): Promise<void> {
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  const { body } = await room.operator("POST", `${zone()}/operations/${answer.body.name}/wait`);
  assert.equal(body.error, undefined, JSON.stringify(body.error));
}

/** A machine as a student makes it by hand: of the own template, with what the template says changed. */
async function make(owner: Seat, word: string, change: object = {}): Promise<string> {
  const name = runName(owner, word);
  const template = `projects/${room.project}/global/instanceTemplates/${owner.environment.training?.templates["us-central1"]}`;
  const path = `${zone()}/instances?sourceInstanceTemplate=${encodeURIComponent(template)}`;
  await done(await owner.call("account", "POST", path, { name, ...change }));
  return name;
}

/** A machine as anybody makes one who has read Google's documentation. */
function bare(name: string, type: string): object {
  const initializeParams = { sourceImage: "projects/debian-cloud/global/images/family/debian-12" };
  return {
    name,
    machineType: `zones/${ZONE}/machineTypes/${type}`,
    networkInterfaces: [{ subnetwork: `projects/${room.project}/regions/us-central1/subnetworks/${SUBNETWORK}` }],
    disks: [{ boot: true, autoDelete: true, initializeParams }],
  };
}

async function names(): Promise<string[]> {
  const { body } = await room.operator("GET", `${zone()}/instances`);
  return ((body.items ?? []) as { name: string; status: string }[])
    .filter(({ status }) => status !== "STOPPING")
    .map(({ name }) => name)
    .sort();
}

/** Until the operations of a round are done. */
async function settled(wanted: readonly string[]): Promise<void> {
  const until = Date.now() + 20_000;
  for (;;) {
    const { body } = await room.operator("GET", `${zone()}/instances`);
    const found = ((body.items ?? []) as { name: string }[]).map(({ name }) => name).sort();
    if (JSON.stringify(found) === JSON.stringify([...wanted].sort())) return;
    if (Date.now() > until) assert.deepEqual(found, [...wanted].sort());
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const look = (later = 0, dryRun = false): Promise<Round> =>
  reap(
    { course: room.course, students: room.students, record: room.record },
    { now: () => Date.now() + later, dryRun },
  );

const told = ({ reaped }: Round) =>
  reaped.map(({ student, name, action, reasons }) => [student, name, action, reasons]);

async function notice({ environment }: Seat): Promise<string> {
  const path = `storage/v1/b/${environment.buckets.data}/o/course-notice.txt?alt=media`;
  const { status, body } = await room.operator("GET", path);
  if (status === 404) return "";
  assert.equal(status, 200, JSON.stringify(body));
  return String(body.text ?? "");
}

/** Somebody else's of the project, larger than everything, and without a limit. */
const STRANGE = "not-of-the-course";
const STATIONS = ["ml26-s001-ws", "ml26-s002-ws"];
const big = { machineType: `zones/${ZONE}/machineTypes/n2-standard-32` };

test("nothing is wrong at first", async () => {
  const round = await look();
  assert.deepEqual([round.looked, round.reaped, round.gaps], [2, [], []]);
});

test("machines that break a limit, made with a student's token, go; those within, and others', stay", async () => {
  const bad = await make(ann, "too-large", big);
  const good = await make(ben, "20261121080000-ab12-a01");
  // Without a template nothing of it holds.
  const endless = runName(ben, "endless");
  await done(await ben.call("account", "POST", `${zone()}/instances`, bare(endless, "e2-standard-4")));
  await done(await room.operator("POST", `${zone()}/instances`, bare(STRANGE, "n2-standard-32")));

  const seen = await look(0, true);
  const reasons = {
    large: ["machine type n2-standard-32 is none of e2-standard-4, e2-standard-8"],
    endless: ["it has no time limit (scheduling.maxRunDuration)"],
  };
  assert.deepEqual(told(seen), [
    ["s001", bad, "would be deleted", reasons.large],
    ["s002", endless, "would be deleted", reasons.endless],
  ]);
  assert.equal((await names()).length, 6, "a dry run touches nothing");
  assert.equal(await notice(ann), "");

  const round = await look();
  assert.deepEqual(told(round), [
    ["s001", bad, "deleted", reasons.large],
    ["s002", endless, "deleted", reasons.endless],
  ]);
  assert.deepEqual(round.gaps, []);
  await settled([...STATIONS, good, STRANGE]);
  assert.match(
    await notice(ann),
    /^\S+Z ml26-s001-run-too-large was deleted by the course: machine type n2-standard-32 is none of e2-standard-4, e2-standard-8\n$/,
  );
  assert.match(await notice(ben), /^\S+Z ml26-s002-run-endless was deleted by the course: it has no time limit/);
  assert.deepEqual((await look()).reaped, []);
});

test("a student reads the reason with mlt status, and cannot write it away", async () => {
  const { stdout, code } = await ann.mlt("status");
  assert.equal(code, 0);
  assert.match(stdout, /course: \S+Z ml26-s001-run-too-large was deleted by the course: machine type n2-standard-32/);
  const path = `upload/storage/v1/b/${ann.environment.buckets.data}/o?uploadType=media&name=course-notice.txt`;
  assert.equal((await ann.call("person", "POST", path, "all is well")).status, 403);
});

test("a machine without a run on record goes after two minutes, one with a record stays, and its run says why it ended", async () => {
  const good = runName(ben, "20261121080000-ab12-a01");
  const early = await look(MINUTE);
  assert.deepEqual(early.reaped, []);
  const late = await look(3 * MINUTE);
  assert.deepEqual(told(late), [["s002", good, "deleted", ["it is for no run (metadata mlt-run)"]]]);

  // A run as `mlt train` makes it is within the limits, and stays.
  const pack = room.file("pack/training.yaml", "command: python3 train.py\n").replace("/training.yaml", "");
  room.file("pack/train.py", "print(1)\n");
  room.file("pack/requirements.txt", "");
  const { stdout, stderr, code } = await ann.mlt("train", pack, "--detach", "--yes", "--json");
  assert.equal(code, 0, stderr);
  const run = JSON.parse(stdout) as RunStatus;
  assert.deepEqual((await look(3 * MINUTE)).reaped, []);
  // When its time is over and it is still there, it goes, and the run's status says so.
  const over = await look(181 * MINUTE + 5000);
  assert.deepEqual(told(over), [["s001", run.machine?.name, "deleted", ["it is older than 3 h"]]]);
  const { body } = await room.operator(
    "GET",
    `storage/v1/b/${ann.environment.buckets.data}/o/runs%2F${run.id}%2Fstatus.json?alt=media`,
  );
  assert.deepEqual(
    [body.phase, body.reason],
    ["lost", `${run.machine?.name} was deleted by the course: it is older than 3 h`],
  );
  const shown = await ann.mlt("status", run.id);
  assert.match(shown.stdout, /lost[\s\S]*was deleted by the course: it is older than 3 h/);
});

test("hours of the week: over them a run's machine goes and the workstation stops", async () => {
  const state = room.course.state;
  const folder = state.replace("file://", "");
  mkdirSync(folder, { recursive: true });
  const now = Date.now();
  // The week of the look: hours that were used on other machines of these days.
  const later = 30 * MINUTE;
  const monday = (time: number) => time - ((((time - 4 * 24 * 3_600_000) % 604_800_000) + 604_800_000) % 604_800_000);
  const from = new Date(monday(now + later)).toISOString();
  const to = new Date(monday(now + later) + 21 * 3_600_000).toISOString();
  const ledger = JSON.parse(readFileSync(join(folder, "reaper.json"), "utf8")) as { spans: object };
  writeFileSync(
    join(folder, "reaper.json"),
    JSON.stringify({ schema: 1, spans: { ...ledger.spans, "p/9/0": { environment: "ml26-s002", from, to } } }),
  );
  const course = { ...room.course, limits: { ...room.course.limits, hoursPerWeek: 0.1 } };
  const round = await reap({ course, students: room.students, record: room.record }, { now: () => now + later });
  const [annStops, benStops] = round.reaped;
  for (const stops of [annStops, benStops]) {
    assert.equal(stops?.action, "stopped");
    assert.match(stops?.reasons.join() ?? "", /of this week's 0\.1 h are used/);
  }
  assert.deepEqual(
    round.reaped.map(({ name }) => name),
    STATIONS,
  );
  assert.match(await notice(ben), /ml26-s002-ws was stopped by the course: /);
});

test("a disk under a student's prefix that no machine holds goes", async () => {
  const name = runName(ann, "hoard");
  await done(await ann.call("account", "POST", `${zone()}/disks`, { name, sizeGb: "2000" }));
  assert.deepEqual(
    (await look()).reaped.filter(({ kind }) => kind === "disk"),
    [],
  );
  const round = await look(6 * MINUTE);
  assert.deepEqual(
    round.reaped.filter(({ kind }) => kind === "disk").map(({ name, reasons }) => [name, reasons]),
    [[name, ["no machine holds this disk of 2000 GB"]]],
  );
});

test("what cannot be seen is told and the rest is done", async () => {
  const bad = await make(ben, "too-large", big);
  const place = { id: "s099", project: "not-ours-at-all", environment: "ml26-s099", stack: "ml26-s099" };
  const record = { places: { ...room.record.places, s099: place } };
  const round = await reap({ course: room.course, students: room.students, record });
  assert.deepEqual(
    told(round).map(([, name]) => name),
    [bad],
  );
  assert.equal(round.gaps.length, 2);
  assert.match(round.gaps[0] ?? "", /^not-ours-at-all: (instances|disks) cannot be listed: /);
});

test("mlt course reap --watch sees one come and lets it go", async () => {
  const folder = room.file("course/course.yaml", courseYaml()).replace("/course.yaml", "");
  room.file(
    "course/roster.csv",
    `id,name,email\n${room.students.map(({ id, name, member }) => `${id},${name},${member.replace("user:", "")}`).join("\n")}\n`,
  );
  await recordStore(room.course.state).write(room.record, "0");
  const program = [join(REPOSITORY, "cli", "mlt.js"), "course", "reap", "--course", folder];
  const once = await start(process.execPath, program, { env: { ...process.env, ...env }, folder }).ended;
  assert.equal(once.code, 0, once.stderr);
  assert.equal(once.stdout, "2 machines looked at, none over the limits\n");

  const watching = start(process.execPath, [...program, "--watch", "--every", "1"], {
    env: { ...process.env, ...env },
    folder,
  });
  await watching.said(/looking every 1 s; Ctrl-C ends it/);
  const began = Date.now();
  const bad = await make(ann, "while-watched", big);
  await watching.said(
    new RegExp(`s001: machine ${bad} \\(${ZONE}, ${room.project}\\) deleted: machine type n2-standard-32 is none of`),
  );
  await settled([...STATIONS, STRANGE]);
  assert.ok(Date.now() - began < 5 * MINUTE);
  watching.child.kill("SIGINT");
  const { code } = await watching.ended;
  assert.equal(code, 0);
});

function courseYaml(): string {
  const { name, title, expires, region, limits, state, contact } = room.course;
  return [
    `name: ${name}`,
    `title: ${title}`,
    `expires: ${expires}`,
    "preset: course",
    `projects: [${room.project}]`,
    `region: ${region}`,
    `limits: ${JSON.stringify(limits)}`,
    "workstation: {machineType: e2-standard-2}",
    `state: ${state}`,
    "secretsProvider: passphrase",
    `contact: ${contact}`,
    "instructors: [user:teacher@example.edu]",
    "",
  ].join("\n");
}
