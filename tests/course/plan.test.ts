import assert from "node:assert/strict";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readCourse } from "../../course/open.ts";
import { assign, withPlaces } from "../../course/places.ts";
import type { CoursePlan } from "../../course/plan.ts";
import { ranges } from "../../course/plan.ts";
import { changeRecord } from "../../course/record.ts";
import { openWorkbench, type Workbench } from "../cli/workbench.ts";

let bench: Workbench;
let folder: string;
before(async () => {
  bench = await openWorkbench();
  folder = join(bench.folder, "course");
  await mkdir(folder);
});
after(() => bench.close());

async function write(count: number, keys: Record<string, unknown> = {}): Promise<void> {
  const course = {
    name: "ml26",
    expires: "2099-02-28",
    projects: ["local-project", "course-two"],
    contact: "Ann",
    instructors: ["user:ann@example.com"],
    state: "file://./states",
    ...keys,
  };
  await writeFile(join(folder, "course.yaml"), JSON.stringify(course));
  const rows = Array.from({ length: count }, (_, index) => {
    const id = `s${String(index + 1).padStart(3, "0")}`;
    return `${id},"=Name ${id}",${id}@example.com`;
  });
  await writeFile(join(folder, "roster.csv"), `id,name,email\n${rows.join("\n")}\n`);
}

async function plan(...args: string[]): Promise<{ code: number; plan: CoursePlan }> {
  const { code, stdout, stderr } = await bench.mlt(["course", "plan", "--course", folder, "--json", ...args]);
  assert.equal(stderr, "");
  return { code, plan: JSON.parse(stdout) as CoursePlan };
}

test("a plan says what is needed, who goes where and what it costs, and changes nothing", async () => {
  await write(4);
  const { code, stdout, stderr } = await bench.mlt(["course", "plan", "--course", folder]);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^local-project: 2 students: s001–s002\n/);
  assert.match(stdout, /\ncourse-two: 2 students: s003–s004\n/);
  assert.match(stdout, /\n {2}ok +service accounts +4 +100 +Google's limit\n/);
  assert.match(stdout, /\n {2}ok +vCPUs \(E2, N1\), us-central1 +8 +24 +usual quota\n/);
  assert.match(
    stdout,
    /\n4 students need 1 project \(what is full first: bytes of the policy\); course\.yaml has 2\.\n/,
  );
  assert.match(stdout, /at most \d+ USD a week \(everybody's hours used up on the dearest machine allowed\)/);
  assert.match(stdout, /\nAgainst the course's record: new: s001, s002, s003, s004\.\n$/);
  assert.doesNotMatch(stdout, /=Name|@example/, "no names, no addresses");
  assert.deepEqual((await readdir(folder)).sort(), ["course.yaml", "roster.csv"]);
});

test("usual quotas that are too small are advice; quotas that were read and are too small end with 1", async () => {
  await write(20, { projects: ["local-project"] });
  const usual = await plan();
  assert.deepEqual([usual.code, usual.plan.problems, usual.plan.quotas], [0, [], "usual"]);
  assert.match(usual.plan.advice.join(), /^quotas are those that new projects usually have/);
  const env = { CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${bench.cloud.url}/compute/v1/` };
  const read = await bench.mlt(["course", "plan", "--course", folder, "--json", "--quotas"], { env });
  assert.deepEqual([read.code, read.stderr], [1, ""]);
  const found = JSON.parse(read.stdout) as CoursePlan;
  const cpus = found.sums[0]?.needs.find(({ key }) => key === "CPUS");
  assert.deepEqual(cpus, {
    key: "CPUS",
    what: "vCPUs (E2, N1)",
    region: "us-central1",
    need: 80,
    have: 24,
    source: "quota",
    used: 0,
    fits: false,
  });
  const text = await bench.mlt(["course", "plan", "--course", folder, "--quotas"], { env });
  assert.match(text.stdout, /\n {2}SHORT +vCPUs \(E2, N1\), us-central1 +80 +24 +quota\n/);

  const headers = { "content-type": "application/json" };
  for (const [region, metric] of [
    ["us-central1", "CPUS"],
    ["us-central1", "SSD_TOTAL_GB"],
    [undefined, "CPUS_ALL_REGIONS"],
  ]) {
    const body = JSON.stringify({ ...(region ? { region } : {}), metric, limit: 1000 });
    assert.ok((await fetch(`${bench.cloud.operatorUrl}/local/v1/quotas`, { method: "POST", headers, body })).ok);
  }
  assert.equal((await bench.mlt(["course", "plan", "--course", folder, "--json", "--quotas"], { env })).code, 0);
});

test("quotas of a project that is not there, or not ours", async () => {
  await write(2);
  const env = { CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${bench.cloud.url}/compute/v1/` };
  const { code, stderr } = await bench.mlt(["course", "plan", "--course", folder, "--quotas"], { env });
  assert.equal(code, 64);
  assert.equal(
    stderr,
    "The quotas of course-two cannot be read: The resource 'projects/course-two' was not found (404). You need roles/compute.viewer there\n",
  );
});

test("a class that no project has room for is told, with how many projects it needs", async () => {
  await write(120);
  const { code, plan: found } = await plan();
  assert.equal(code, 1);
  const { unplaced } = found.changes;
  assert.equal(unplaced.length, 120 - Object.keys(found.places).length);
  assert.match(
    found.problems.join(),
    /^no project has room for s\d+, s\d+, s\d+ and \d+ more: a project holds as many as its bytes of the policy allow\. The course needs 3 projects; add 1 to projects in course\.yaml$/,
  );
});

test("against the record: who is new, who left, who came back, whose project is gone", async () => {
  await write(4);
  const { course, students } = await readCourse(folder);
  await changeRecord(course, (record) =>
    withPlaces(
      record,
      assign(course, students, record, () => 10),
    ),
  );
  const same = await bench.mlt(["course", "plan", "--course", folder]);
  assert.match(same.stdout, /Against the course's record: everybody has a place already\.\n$/);

  await changeRecord(course, (record) => ({ ...record, left: { s001: { destroyed: "t" } } }));
  await writeFile(
    join(folder, "roster.csv"),
    "id,name,email\ns005,E,e@example.com\ns003,C,c@example.com\ns001,A,a@example.com\n",
  );
  const { plan: changed } = await plan();
  assert.deepEqual(changed.changes, {
    added: ["s005"],
    unplaced: [],
    leaving: ["s002", "s004"],
    returning: ["s001"],
    stranded: [],
  });
  assert.deepEqual([changed.places.s001?.project, changed.places.s003?.project], ["local-project", "course-two"]);

  const keys = { name: "ml26", expires: "2099-02-28", contact: "Ann", instructors: ["user:ann@example.com"] };
  await writeFile(
    join(folder, "course.yaml"),
    JSON.stringify({ ...keys, state: "file://./states", projects: ["course-two"] }),
  );
  const moved = await plan();
  assert.equal(moved.code, 1);
  assert.deepEqual(moved.plan.problems, [
    "s001, s002 are in local-project, which course.yaml does not name any more; nobody is moved. Put it back into projects",
  ]);
  assert.equal(moved.plan.places.s001?.project, "local-project");
});

test("everything that is wrong with the files is told at once, with 64", async () => {
  await writeFile(join(folder, "course.yaml"), "name: ml26\n");
  await writeFile(join(folder, "roster.csv"), "id;name\n");
  const { code, stdout, stderr } = await bench.mlt(["course", "plan", "--course", folder]);
  assert.deepEqual([code, stdout], [64, ""]);
  assert.match(stderr, /^The course in .* cannot be used \(5 problems\):\n/);
  assert.match(stderr, /roster\.csv line 1 is separated by semicolons/);
});

test("neighbouring ids are told as ranges", () => {
  assert.equal(ranges(["s001", "s003", "s002", "s007"].map((id) => ({ id }))), "s001–s003, s007");
  assert.equal(ranges(["ann", "bob"].map((id) => ({ id }))), "ann, bob");
  assert.equal(ranges([]), "");
  assert.match(
    ranges(Array.from({ length: 30 }, (_, index) => ({ id: `s${index * 2 + 10}` }))),
    /^s10, .* and 23 more$/,
  );
});
