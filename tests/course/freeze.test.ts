import assert from "node:assert/strict";
import { test } from "node:test";
import type { CourseRecord } from "../../course/contract.ts";
import { isFrozen, standingPlaces, withFrozen } from "../../course/freeze.ts";
import { placeOf } from "../../course/names.ts";

const ALL = ["s001", "s002", "s003"];
const RECORD: CourseRecord = {
  schema: 1,
  course: "ml26",
  places: Object.fromEntries(ALL.map((id) => [id, placeOf({ name: "ml26" }, id, "course-a")])),
  left: {},
};

const freeze = (record: CourseRecord, ids?: string[], undo = false) =>
  withFrozen(record, { all: ALL, ids: ids ?? ALL, undo, everybody: ids === undefined });
const cold = (record: CourseRecord) => [...ALL, "s004"].filter((id) => isFrozen(record, id));

test("everybody: also who comes later; undone for everybody, nothing of it is left in the record", () => {
  const frozen = freeze(RECORD);
  assert.deepEqual(cold(frozen), ["s001", "s002", "s003", "s004"]);
  assert.equal(frozen.frozenStudents, undefined);
  assert.equal(freeze(frozen).frozen, frozen.frozen, "the first time counts");
  assert.deepEqual(freeze(frozen, undefined, true), RECORD);
});

test("some: one after the other, and back; the last one's thaw leaves nothing", () => {
  const one = freeze(RECORD, ["s002"]);
  assert.deepEqual(cold(one), ["s002"]);
  const two = freeze(one, ["s001", "s002"]);
  assert.deepEqual(
    [cold(two), two.frozenStudents],
    [
      ["s001", "s002"],
      ["s001", "s002"],
    ],
  );
  assert.deepEqual(cold(freeze(two, ["s002"], true)), ["s001"]);
  assert.deepEqual(freeze(two, ["s001", "s002"], true), RECORD);
});

test("everybody but one: who was frozen with all the others stays so, by name", () => {
  const all = freeze(RECORD);
  assert.equal(freeze(all, ["s001"]), all, "is frozen already");
  assert.deepEqual(cold(freeze(all, ["s003"], true)), ["s001", "s002"]);
  assert.deepEqual(freeze(RECORD, ["s001"], true), RECORD, "there was nothing to undo");
});

test("who was destroyed stands no more", () => {
  const left = { s001: { exported: "t" }, s002: { exported: "t", destroyed: "t" } };
  assert.deepEqual(
    standingPlaces({ ...RECORD, left }).map(({ id }) => id),
    ["s001", "s003"],
  );
});
