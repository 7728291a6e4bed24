import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseConfig } from "../../components/config.ts";
import type { Course, Place, Student } from "../../course/contract.ts";
import { placeOf } from "../../course/names.ts";
import { accountOf, foundationPlans, type Standing, studentPlan } from "../../course/stacks.ts";
import { fingerprint, isUnchanged, programHash } from "../../course/unchanged.ts";

const course: Course = {
  name: "ml26",
  title: "Machine learning",
  expires: "2099-02-28",
  preset: "course",
  projects: ["course-a", "course-b", "course-c"],
  region: "us-central1",
  limits: { machineTypes: ["e2-standard-4", "e2-standard-2"], gpus: 0, hoursPerWeek: 20, costPerRun: 5, maxHours: 3 },
  workstation: false,
  state: "file:///nowhere",
  secretsProvider: "passphrase",
  contact: "ann@example.org",
  instructors: ["user:prof@example.org"],
  folder: "/nowhere",
};

const ann: Student = { id: "s001", name: "Ann Ôther", member: "user:ann@example.org", overrides: {}, line: 2 };

function standing(ids: Record<string, string>, record: Standing["record"] = {}): Standing {
  const places = Object.entries(ids).map(([id, project]): [string, Place] => [id, placeOf(course, id, project)]);
  return { course, record, places: Object.fromEntries(places) };
}

/** A plan's settings as Pulumi hands them to the program: structures as JSON. */
function raw(project: string, config: Record<string, unknown>): Record<string, string> {
  const own = Object.entries(config).map(([key, value]) => {
    const name = key.includes(":") ? key : `mltraining:${key}`;
    return [name, typeof value === "string" ? value : JSON.stringify(value)];
  });
  return { "gcp:project": project, ...Object.fromEntries(own) };
}

const two = standing({ s001: "course-a", s002: "course-b" });

describe("foundations", () => {
  test("one for each project that has students, the first project's last, which makes the course's bucket", () => {
    const plans = foundationPlans(two);
    assert.deepEqual(
      plans.map(({ name, project, scope }) => ({ name, project, scope })),
      [
        { name: "ml26-foundation-course-b", project: "course-b", scope: "foundation" },
        { name: "ml26-foundation-course-a", project: "course-a", scope: "foundation" },
      ],
    );
    assert.deepEqual(plans[1]?.config, {
      "gcp:region": "us-central1",
      environment: "ml26-base",
      scope: "foundation",
      preset: "course",
      expires: "2099-02-28",
      students: ["ml26-s001"],
      courseData: { readers: ["ml26-s002-machines@course-b.iam.gserviceaccount.com"] },
      training: { regions: ["us-central1"] },
    });
    assert.equal(plans[0]?.config.courseData, undefined);
  });

  test("the first project has one even without students of its own, for the bucket", () => {
    const names = foundationPlans(standing({ s001: "course-c" })).map(({ project }) => project);
    assert.deepEqual(names, ["course-c", "course-a"]);
  });

  test("nobody: none; a project that course.yaml names no more keeps its own", () => {
    assert.deepEqual(foundationPlans(standing({})), []);
    assert.deepEqual(
      foundationPlans(standing({ s001: "course-a", s002: "old-project" })).map(({ project }) => project),
      ["old-project", "course-a"],
    );
  });

  test("frozen: everybody of the project, or those named; a project without such a student is not changed", () => {
    const frozenOf = (record: Standing["record"]) =>
      foundationPlans(standing({ s001: "course-a", s002: "course-b", s003: "course-b" }, record)).map(
        ({ config }) => config.frozen,
      );
    assert.deepEqual(frozenOf({}), [undefined, undefined]);
    assert.deepEqual(frozenOf({ frozen: "2026-11-21" }), [["ml26-s002", "ml26-s003"], ["ml26-s001"]]);
    assert.deepEqual(frozenOf({ frozen: "2026-11-21", frozenStudents: ["s003"] }), [["ml26-s003"], undefined]);
  });
});

describe("a student's stack", () => {
  const place = placeOf(course, "s001", "course-a");

  test("exactly these settings; the student's name is nowhere", () => {
    const plan = studentPlan({ course, record: { dataBucket: "gs://ml26-base-course-1" } }, ann, place);
    assert.deepEqual(plan.config, {
      "gcp:region": "us-central1",
      environment: "ml26-s001",
      scope: "student",
      foundation: "ml26-foundation-course-a",
      preset: "course",
      expires: "2099-02-28",
      student: { member: "user:ann@example.org", costPerRun: 5, hoursPerWeek: 20, gpus: 0 },
      training: {
        regions: ["us-central1"],
        machineType: "e2-standard-4",
        allowedMachineTypes: ["e2-standard-4", "e2-standard-2"],
        maxHours: 3,
      },
      courseData: "gs://ml26-base-course-1",
    });
    assert.doesNotMatch(JSON.stringify(plan.config), /Ann Ôther/);
    assert.deepEqual([plan.name, plan.project, plan.scope], ["ml26-s001", "course-a", "student"]);
  });

  test("overrides go before the course's limits; a workstation for one alone, or for all but one", () => {
    const overrides = { machineTypes: ["n2-standard-8"], maxHours: 12, workstation: true };
    const { config } = studentPlan({ course, record: {} }, { ...ann, overrides }, place);
    assert.deepEqual(config.training, {
      regions: ["us-central1"],
      machineType: "n2-standard-8",
      allowedMachineTypes: ["n2-standard-8"],
      maxHours: 12,
    });
    assert.deepEqual(config.workstation, {});
    assert.equal("courseData" in config, false);
    const all = { ...course, workstation: { dataDiskGb: 20 } };
    assert.deepEqual(studentPlan({ course: all, record: {} }, ann, place).config.workstation, { dataDiskGb: 20 });
    const without = { ...ann, overrides: { workstation: false } };
    assert.equal("workstation" in studentPlan({ course: all, record: {} }, without, place).config, false);
  });

  test("the program takes what the plans say, workstation and bucket included", () => {
    const all = { ...course, workstation: {} };
    const plan = studentPlan({ course: all, record: { dataBucket: "gs://ml26-base-course-1" } }, ann, place);
    const read = parseConfig(raw(plan.project, plan.config), plan.name);
    assert.equal(read.student?.member, "user:ann@example.org");
    assert.equal(read.training?.maxHours, 3);
    for (const foundation of foundationPlans({ ...two, record: { frozen: "2026-11-21" } })) {
      assert.equal(parseConfig(raw(foundation.project, foundation.config), foundation.name).scope, "foundation");
    }
  });

  test("the account is the one that the foundation makes", () => {
    assert.equal(accountOf(place), "ml26-s001-machines@course-a.iam.gserviceaccount.com");
  });
});

describe("what need not be run again", () => {
  const place = placeOf(course, "s001", "course-a");
  const plan = studentPlan({ course, record: {} }, ann, place);
  const of = fingerprint(plan, "program", { network: "n" });

  test("a new name, and another line of the roster, are no change", () => {
    const renamed = studentPlan({ course, record: {} }, { ...ann, name: "Ann Married", line: 9 }, place);
    assert.equal(fingerprint(renamed, "program", { network: "n" }), of);
  });

  test("address, limits, program and foundation are", () => {
    const other = (student: Student) => studentPlan({ course, record: {} }, student, place);
    const all = [
      fingerprint(other({ ...ann, member: "user:ann@example.com" }), "program", { network: "n" }),
      fingerprint(other({ ...ann, overrides: { maxHours: 4 } }), "program", { network: "n" }),
      fingerprint(plan, "another program", { network: "n" }),
      fingerprint(plan, "program", { network: "m" }),
    ];
    assert.equal(new Set([of, ...all]).size, 5);
  });

  test("only with the state that the last up left, byte for byte", () => {
    const record = { schema: 1 as const, course: "ml26", places: {}, left: {} };
    const applied = { ...record, applied: { "ml26-s001": { of, mark: "m" } } };
    assert.equal(isUnchanged(applied, "ml26-s001", of, "m"), true);
    assert.equal(isUnchanged(applied, "ml26-s001", of, "another"), false);
    assert.equal(isUnchanged(applied, "ml26-s001", "another", "m"), false);
    assert.equal(isUnchanged(applied, "ml26-s001", of, undefined), false);
    assert.equal(isUnchanged(applied, "ml26-s002", of, "m"), false);
    assert.equal(isUnchanged(record, "ml26-s001", of, "m"), false);
  });

  test("the program's hash is the same twice", async () => {
    assert.match(await programHash(), /^[0-9a-f]{64}$/);
    assert.equal(await programHash(), await programHash());
  });
});
