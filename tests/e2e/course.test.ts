// A class of twelve over two projects, through the real engine, from the canary to the proof that nothing is left: one
// joins, one leaves, one breaks, and two times the power is cut in the middle.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chooseDriver } from "../../localcloud/guests/index.ts";
import { type CourseWorld, createCourseWorld, type Line, powerCut, students } from "../course/world.ts";
import { type Ended, waitFor } from "./environment.ts";

let world: CourseWorld;
let roster: Line[];
before(async () => {
  const driver = await chooseDriver("process");
  await driver.prepare((line) => console.log(line));
  world = await createCourseWorld({ driver, enabledServices: "all" });
  roster = students(12);
  world.writeCourse();
  world.writeRoster(roster);
  await world.unknown("s007@example.org");
});
after(() => world?.close());

interface Told {
  outcomes: { stack: string; student?: string; result: string; reason?: string }[];
  notes: string[];
  ok: boolean;
}

/** Runs `mlt course …` to its end; its exit code must be the one expected. */
async function mlt(expected: number, ...args: string[]): Promise<Ended> {
  const ended = await world.mlt(...args).ended;
  assert.equal(ended.code, expected, `mlt course ${args.join(" ")}\n${ended.stdout}\n${ended.stderr}`);
  return ended;
}

async function json<T = Told>(expected: number, ...args: string[]): Promise<T> {
  return JSON.parse((await mlt(expected, ...args, "--json")).stdout) as T;
}

const stackOf = ({ id }: Line) => `ml26-${id}`;
const by = ({ outcomes }: Told, result: string) =>
  outcomes
    .filter((each) => each.result === result)
    .map(({ stack }) => stack)
    .sort();
const one = (told: Told, stack: string) => told.outcomes.find((each) => each.stack === stack);

/** Names of what is in both projects, of one kind. */
async function all(kind: string): Promise<string[]> {
  const both = await Promise.all(world.projects.map((project) => world.left(project)));
  return both.flatMap((left) => left[kind] ?? []).sort();
}

/** Types of what Pulumi's states say is being made. */
const creating = (): string[] =>
  [...roster.map(stackOf), "ml26-foundation-course-a", "ml26-foundation-course-b"].flatMap((stack) =>
    (world.state(stack)?.pending_operations ?? []).map(({ resource }) => resource.type),
  );

test("check: one canary student comes up, trains as itself, and goes without a trace", async () => {
  const folder = join(world.folder, "tiny");
  mkdirSync(folder);
  writeFileSync(join(folder, "training.yaml"), "name: tiny\ncommand: [python, train.py]\nmaxHours: 1\n");
  writeFileSync(
    join(folder, "train.py"),
    'import os, pathlib\npathlib.Path(os.environ["OUTPUT_DIR"], "model.txt").write_text("trained")\n',
  );
  writeFileSync(join(folder, "requirements.txt"), "");
  const ended = await world.mlt("check", "--yes", "--package", folder).ended;
  assert.match(ended.stdout, /^ok +canary up +2 stacks, \d+ s$/m, ended.stderr);
  assert.match(ended.stdout, /^ok +canary trains +tiny as the student's service account, \d+ s$/m);
  assert.match(ended.stdout, /^ok +canary down /m);
  for (const project of world.projects) assert.deepEqual(await world.left(project), {});
});

test("up, with the power cut twice in the middle: the next call goes on, and makes nothing twice", async () => {
  // First while a foundation is made, then while students' stacks are.
  const moments = [
    ["networks$", "gcp:compute/network:Network"],
    ["instanceTemplates$", "gcp:compute/instanceTemplate:InstanceTemplate"],
  ] as const;
  for (const [path, type] of moments) {
    const body = JSON.stringify({ path, method: "POST", delayMs: 2000, times: 2 });
    await fetch(`${world.cloud.operatorUrl}/local/v1/faults`, { method: "POST", body });
    const running = world.mlt("up");
    // What takes two seconds is still being made when the power goes; anything else may have come to its end.
    await waitFor(`${type} is being made`, () => creating().includes(type) && world.locks().length > 0);
    powerCut(running.child.pid ?? 0);
    assert.equal((await running.ended).code, null);
    assert.ok(creating().includes(type), "Pulumi's state holds an operation of which nobody knows the end");
    await fetch(`${world.cloud.operatorUrl}/local/v1/faults`, { method: "DELETE" });
    // Whatever the killed process had begun comes to its end in the cloud.
    await new Promise((resolve) => setTimeout(resolve, 2100));
  }
  const ended = await mlt(1, "up");
  assert.match(ended.stdout, /took away the lock of \S+@\S+ \(process \d+\) since \S+: its process is gone/);
  assert.match(ended.stdout, /: was broken off; looking for /);
  assert.match(ended.stdout, /^FAILED +STACK +WHY\ns007 +ml26-s007 +s007@example\.org is no Google account/m);
  assert.deepEqual([creating(), world.locks()], [[], []]);
  // One network for each project, one account and two buckets for each student: nothing twice.
  assert.equal((await all("compute.networks")).length, 2);
  const accounts = (await all("iam.serviceAccounts")).map((email) => email.split("@"));
  assert.deepEqual(
    accounts.map(([account]) => account),
    roster.map((line) => `${stackOf(line)}-machines`),
  );
  const inA = accounts.filter(([, host]) => host === "course-a.iam.gserviceaccount.com");
  assert.equal(inA.length, 6, "half of the students in each project");
  const buckets = (await all("storage.buckets")).map((name) => name.replace(/-[0-9a-f]{7}$/, ""));
  const whole = roster.filter(({ id }) => id !== "s007");
  // How far the failed student's stack came before it failed is chance.
  assert.deepEqual(
    buckets.filter((name) => !name.startsWith("ml26-s007-")),
    ["ml26-base-course", ...whole.flatMap((line) => [`${stackOf(line)}-data`, `${stackOf(line)}-scratch`])],
  );
  assert.equal(new Set(buckets).size, buckets.length);
  const templates = (await all("compute.instanceTemplates")).map((name) => name.replace(/-[0-9a-f]{7}$/, ""));
  assert.equal(new Set(templates).size, templates.length);
});

test("again: nothing but the student who failed; a correct address makes that one whole", async () => {
  const again = await json(1, "up");
  assert.deepEqual(by(again, "failed"), ["ml26-s007"]);
  assert.equal(
    one(again, "ml26-s007")?.reason,
    "s007@example.org is no Google account (roster.csv line 8): correct it, or have the account made; then: mlt course up --only s007",
  );
  assert.equal(by(again, "unchanged").length, 13);
  roster[6] = { id: "s007", email: "sevi@example.org" };
  world.writeRoster(roster);
  const only = await json(0, "up", "--only", "s007");
  assert.deepEqual([by(only, "done"), by(only, "failed")], [["ml26-s007"], []]);
  assert.deepEqual(
    by(only, "unchanged"),
    ["ml26-foundation-course-a", "ml26-foundation-course-b"],
    "--only looks at nobody else",
  );
});

test("one joins, one leaves, one gets another name, one another limit: only theirs changes", async () => {
  await write("ml26-s012", "output/thesis.txt", "the work of a term");
  const before = Object.fromEntries(roster.map((line) => [line.id, JSON.stringify(world.state(stackOf(line)))]));
  roster = [
    { ...roster[0]!, name: "Anna Renamed" },
    { ...roster[1]!, more: "2" },
    ...roster.slice(2, 11),
    { id: "s013" },
  ];
  world.writeRoster(roster);
  // Nobody goes because a line is missing: somebody has to say so.
  const asked = await json(0, "up");
  assert.deepEqual(asked.notes, [
    "Not in the roster any more, and still standing: s012. They go, their results exported first, by: mlt course up --only s012",
  ]);
  assert.deepEqual(by(asked, "done"), [
    "ml26-foundation-course-a",
    // The course's bucket, in the first project, is read by every project's students.
    ...(one(asked, "ml26-foundation-course-b")?.result === "done" ? ["ml26-foundation-course-b"] : []),
    "ml26-s002",
    "ml26-s013",
  ]);
  for (const { id } of roster.filter((line) => !["s002", "s013"].includes(line.id))) {
    assert.equal(JSON.stringify(world.state(`ml26-${id}`)), before[id], `${id}'s state is as it was`);
  }
  // What was exported before, and has been worked on since, is exported again.
  await mlt(0, "export", "--only", "s012");
  await write("ml26-s012", "output/thesis.txt", "the work of a term, corrected");
  const gone = await json(0, "up", "--yes");
  assert.equal(one(gone, "ml26-s012")?.result, "done");
  assert.equal(world.state("ml26-s012"), undefined);
  assert.equal(
    readFileSync(join(world.course, "export", "s012", "output", "thesis.txt"), "utf8"),
    "the work of a term, corrected",
  );
  assert.deepEqual(
    (await all("storage.buckets")).filter((name) => name.startsWith("ml26-s012")),
    [],
  );
  assert.deepEqual(
    (await all("iam.serviceAccounts")).filter((name) => name.startsWith("ml26-s012")),
    [],
  );
  assert.doesNotMatch(JSON.stringify(roster.map((line) => world.state(stackOf(line)))), /Anna Renamed|Student s0/);
});

test("freeze: the right to start is gone, a machine that ran is gone, files are there; undo gives it back", async () => {
  const insert = () => machine("s003", "ml26-s003-run-20990101000000-abcd-a01");
  assert.equal(await insert(), 200);
  const frozen = await json(0, "freeze", "--yes");
  assert.deepEqual((frozen as unknown as { machines: unknown }).machines, {
    deleted: ["ml26-s003-run-20990101000000-abcd-a01"],
    stopped: [],
    failed: [],
  });
  assert.equal(await insert(), 403);
  assert.deepEqual(await all("compute.instances"), []);
  await json(0, "freeze", "--undo", "--only", "s003");
  assert.equal(await insert(), 200);
  await json(0, "freeze", "--yes", "--only", "s003");
  assert.deepEqual([await insert(), await all("compute.instances")], [403, []]);
});

test("report, export: everybody's results, verified", async () => {
  for (const line of roster) await write(stackOf(line), "output/result.txt", `of ${line.id}`);
  await mlt(0, "report");
  assert.ok(existsSync(join(world.course, "report", "report.html")));
  await mlt(0, "export");
  for (const { id } of roster) {
    assert.equal(readFileSync(join(world.course, "export", id, "output", "result.txt"), "utf8"), `of ${id}`);
  }
});

test("down: refused while an export fails, then everything goes, and the projects are proven empty", async () => {
  await write("ml26-s005", "output/late.txt", "handed in at the last minute");
  const body = JSON.stringify({
    path: "late",
    method: "GET",
    error: { code: 403, message: "no", reason: "forbidden" },
  });
  await fetch(`${world.cloud.operatorUrl}/local/v1/faults`, { method: "POST", body });
  const refused = await mlt(70, "down", "--yes");
  assert.match(
    refused.stderr,
    /^Nothing was destroyed, because not everybody's results are in .+ and verified:\n {2}- s005: /m,
  );
  assert.equal((await all("storage.buckets")).length, 25);
  await fetch(`${world.cloud.operatorUrl}/local/v1/faults`, { method: "DELETE" });

  const ended = await mlt(0, "down", "--yes");
  assert.match(ended.stdout, /^Nothing of ml26 is left in course-a, course-b\.$/m);
  assert.equal(
    readFileSync(join(world.course, "export", "s005", "output", "late.txt"), "utf8"),
    "handed in at the last minute",
  );
  for (const project of world.projects) assert.deepEqual(await world.left(project), {});
  for (const line of roster) assert.equal(world.state(stackOf(line)), undefined);
});

/** Puts an object into a student's data bucket, as the operator. */
async function write(stack: string, name: string, text: string): Promise<void> {
  const bucket = (await all("storage.buckets")).find((each) => each.startsWith(`${stack}-data-`));
  const query = `uploadType=media&name=${encodeURIComponent(name)}`;
  const url = `${world.cloud.operatorUrl}/upload/storage/v1/b/${bucket}/o?${query}`;
  assert.equal((await fetch(url, { method: "POST", body: text })).status, 200);
}

/** Makes a machine with a token of the student's service account; returns the answer's status. */
async function machine(id: string, name: string): Promise<number> {
  const project = world.projects[0];
  const email = `ml26-${id}-machines@${project}.iam.gserviceaccount.com`;
  const { access_token } = world.cloud.cloud.tokens.issue({ kind: "serviceAccount", email });
  const [subnetwork = ""] = (await world.left(project))["compute.subnetworks"] ?? [];
  const [region, network] = subnetwork.split("/");
  const body = {
    name,
    machineType: "zones/us-central1-a/machineTypes/e2-standard-2",
    disks: [
      {
        boot: true,
        autoDelete: true,
        initializeParams: { sourceImage: "projects/debian-cloud/global/images/family/debian-12" },
      },
    ],
    networkInterfaces: [{ subnetwork: `projects/${project}/regions/${region}/subnetworks/${network}` }],
    labels: { "mlt-environment": `ml26-${id}` },
  };
  const headers = { authorization: `Bearer ${access_token}`, "content-type": "application/json" };
  const url = `${world.cloud.url}/compute/v1/projects/${project}/zones/us-central1-a/instances`;
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  await response.arrayBuffer();
  return response.status;
}
