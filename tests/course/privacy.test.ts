// Names and addresses stay in the roster: of what a course's stacks put into Pulumi's state, only bindings hold an address.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Student } from "../../course/contract.ts";
import { placeOf } from "../../course/names.ts";
import { foundationPlan, studentPlan } from "../../course/stacks.ts";
import { COURSE, recording } from "./rights.ts";

const [PROJECT = ""] = COURSE.projects;
const ANN: Student = {
  id: "s001",
  name: "Zenobia Quux",
  member: "user:zenobia.quux@example.edu",
  overrides: {},
  line: 2,
};
const TEAM: Student = { ...ANN, id: "s002", member: "group:zenobia-team@example.edu" };
const PERSONAL = /zenobia|quux/i;

for (const student of [ANN, TEAM]) {
  const kind = student.member.split(":")[0];
  test(`a ${kind}'s stack: no name anywhere, the address in bindings' members alone`, async () => {
    const place = placeOf(COURSE, student.id, PROJECT);
    const plan = studentPlan(
      { course: COURSE, record: { dataBucket: "gs://ml26-base-course-0123abc" } },
      student,
      place,
    );
    const { resources, result } = await recording(plan);
    let bindings = 0;
    for (const { type, name, inputs } of resources) {
      const { member, ...rest } = inputs;
      assert.doesNotMatch(`${name} ${JSON.stringify(rest)}`, PERSONAL, `${type} ${name}`);
      if (!PERSONAL.test(JSON.stringify(member ?? ""))) continue;
      assert.match(type, /IAMMember$/);
      assert.equal(member, student.member);
      bindings += 1;
    }
    // Three on the two buckets, two on the account, two on the workstation.
    assert.equal(bindings, 7);
    assert.doesNotMatch(JSON.stringify(result), PERSONAL, "the stack's outputs");
  });
}

test("a foundation knows neither names nor addresses", async () => {
  const places = { s001: placeOf(COURSE, "s001", PROJECT), s002: placeOf(COURSE, "s002", PROJECT) };
  const plan = foundationPlan({ course: COURSE, record: {}, places }, PROJECT);
  assert.doesNotMatch(JSON.stringify(plan), /@example\.edu/);
  const { resources, result } = await recording(plan);
  assert.doesNotMatch(JSON.stringify([resources, result]), /@example\.edu/);
});
