// `mlt course up` with the real engine and a program that makes nothing: whose failure stops whom, and what a second call
// does. The whole program is in tests/e2e/course.test.ts.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { openCourse } from "../../course/open.ts";
import type { CourseRun } from "../../course/run.ts";
import { type UpOptions, up } from "../../course/up.ts";
import { findPulumi } from "../../engine/cli.ts";

const folder = mkdtempSync(join(tmpdir(), "mlt-up-run-"));
after(() => rmSync(folder, { recursive: true, force: true }));

before(async () => {
  const { path } = await findPulumi();
  process.env.PATH = `${dirname(path)}:${process.env.PATH}`;
  process.env.PULUMI_CONFIG_PASSPHRASE = "test";
});

/** What the program of a stack ends with; absent: well. */
const failures = new Map<string, string>();
const program = async () => {
  const stack = pulumi.getStack();
  const failure = failures.get(stack);
  // Said, not thrown: what a program throws, Pulumi's library leaves lying about, and the test runner finds it.
  if (failure) await pulumi.log.error(failure);
  if (!stack.includes("foundation")) return {};
  return { foundation: { students: {} }, courseDataBucketUrl: "gs://ml26-base-course-0123abc" };
};

function write(projects: string[], ids: string[]): void {
  const course = {
    name: "ml26",
    expires: "2099-02-28",
    projects,
    state: "file://./states",
    contact: "Ann",
    instructors: ["user:prof@example.org"],
  };
  writeFileSync(join(folder, "course.yaml"), JSON.stringify(course));
  writeFileSync(
    join(folder, "roster.csv"),
    `id,name,email\n${ids.map((id) => `${id},${id},${id}@example.org\n`).join("")}`,
  );
}

const call = async (options: Partial<UpOptions> = {}): Promise<CourseRun> =>
  up(await openCourse(folder), { engine: { program }, ...options });
const told = ({ outcomes }: CourseRun) =>
  Object.fromEntries(outcomes.map(({ stack, result, reason }) => [stack, reason ? `${result}: ${reason}` : result]));

test("a project that is not ours fails its own students, and nobody in the other", async () => {
  write(["course-a", "course-b"], ["s001", "s002", "s003", "s004"]);
  failures.set("ml26-foundation-course-b", "Error 403: Required 'compute.networks.create' permission for course-b");
  failures.set("ml26-s002", "User s002@example.org does not exist., badRequest");
  assert.deepEqual(told(await call()), {
    "ml26-foundation-course-b": "failed: Error 403: Required 'compute.networks.create' permission for course-b",
    "ml26-foundation-course-a": "done: 1 made",
    "ml26-s001": "done: 1 made",
    "ml26-s002":
      "failed: s002@example.org is no Google account (roster.csv line 3): correct it, or have the account made; then: mlt course up --only s002",
    "ml26-s003": "failed: its foundation failed: Error 403: Required 'compute.networks.create' permission for course-b",
    "ml26-s004": "failed: its foundation failed: Error 403: Required 'compute.networks.create' permission for course-b",
  });
});

test("the next call does what was left, and no engine for the rest; one after that changes nothing", async () => {
  failures.clear();
  assert.deepEqual(told(await call()), {
    // Those that failed had come as far as having a stack, and this program makes nothing else.
    "ml26-foundation-course-b": "unchanged",
    "ml26-foundation-course-a": "unchanged",
    // The course's bucket is known since the first call.
    "ml26-s001": "unchanged",
    "ml26-s002": "unchanged",
    "ml26-s003": "done: 1 made",
    "ml26-s004": "done: 1 made",
  });
  // A program that would fail everybody shows that it is not asked.
  for (const stack of ["ml26-s001", "ml26-s002", "ml26-foundation-course-a"]) failures.set(stack, "asked");
  const again = await call();
  assert.deepEqual(
    again.outcomes.map(({ result }) => result),
    Array(6).fill("unchanged"),
  );
  assert.equal(told(await call({ all: true, only: ["s001"] }))["ml26-s001"], "failed: its foundation failed: asked");
  failures.clear();
});

test("a project that course.yaml names no more, and a roster that no project has room for", async () => {
  write(["course-a"], ["s001", "s002", "s003", "s004", "s005"]);
  const run = await call({ room: () => 2 });
  const { "ml26-s003": stranded, "ml26-s005": roomless, "ml26-s001": well } = told(run);
  assert.equal(
    stranded,
    "failed: its project course-b is not in course.yaml any more: name it there again; a student's project never changes",
  );
  assert.equal(roomless, "failed: no project has room: name another in course.yaml (mlt course plan)");
  assert.equal(well, "unchanged");
});

test("who left stays until somebody says so, and is exported then, whatever was exported before", async () => {
  write(["course-a", "course-b"], ["s001", "s002", "s003"]);
  const run = await call();
  assert.deepEqual(run.notes, [
    "Not in the roster any more, and still standing: s004. They go, their results exported first, by: mlt course up --only s004",
  ]);
  const refused = call({
    remove: ["s004"],
    exportFirst: async () => {
      throw new Error("the archive is full");
    },
  });
  await assert.rejects(refused, { message: "the archive is full" });
  assert.deepEqual((await openCourse(folder)).record.left, {});
  await assert.rejects(call({ remove: ["s001"] }), {
    message:
      "s001 cannot be removed: only who has an environment and is not in the roster any more can. Those are s004.",
  });
  const exported: string[][] = [];
  const exportFirst = async (ids: readonly string[]) => {
    exported.push([...ids]);
  };
  const gone = await call({ only: [], remove: ["s004"], exportFirst });
  assert.deepEqual([told(gone)["ml26-s004"], exported, gone.notes], ["done: 1 removed", [["s004"]], []]);
  const { left, places } = (await openCourse(folder)).record;
  assert.ok(left.s004?.exported && left.s004.destroyed, JSON.stringify(left));
  assert.equal(places.s004?.project, "course-b", "the place stays");
});

test("stopped before the beginning nothing is done, and everybody is told so", async () => {
  const run = await call({ signal: AbortSignal.abort(), all: true });
  assert.deepEqual(new Set(Object.values(told(run))), new Set(["skipped: stopped"]));
});
