import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { CourseRecord, Place } from "../../course/contract.ts";
import { assign, withPlaces } from "../../course/places.ts";
import { emptyRecord } from "../../course/record.ts";

const COURSE = { name: "ml26", projects: ["pr-a", "pr-b", "pr-c"] };
const ids = (...names: string[]) => names.map((id) => ({ id }));
const projectsOf = (places: Record<string, Place>) =>
  Object.fromEntries(Object.entries(places).map(([id, { project }]) => [id, project]));

test("a new class is spread evenly, neighbours together", () => {
  const { places, ...changes } = assign(COURSE, ids("s1", "s2", "s3", "s4", "s5"), emptyRecord(COURSE), () => 10);
  assert.deepEqual(projectsOf(places), { s1: "pr-a", s2: "pr-a", s3: "pr-b", s4: "pr-b", s5: "pr-c" });
  assert.deepEqual(places.s5, { id: "s5", project: "pr-c", environment: "ml26-s5", stack: "ml26-s5" });
  assert.deepEqual(changes, {
    added: ["s1", "s2", "s3", "s4", "s5"],
    unplaced: [],
    leaving: [],
    returning: [],
    stranded: [],
  });
});

test("who joins goes where least of the room is taken; who leaves keeps the place, and finds it again", () => {
  const first = assign(COURSE, ids("s1", "s2", "s3"), emptyRecord(COURSE), () => 10);
  let record = withPlaces(emptyRecord(COURSE), first);
  const gone = assign(COURSE, ids("s2", "s3"), record, () => 10);
  assert.deepEqual(gone.leaving, ["s1"]);
  record = { ...record, left: { s1: { exported: "t", destroyed: "t" } } };
  const joined = assign(COURSE, ids("s2", "s3", "s4"), record, (project) => (project === "pr-c" ? 30 : 10));
  assert.equal(joined.places.s4?.project, "pr-c");
  assert.deepEqual([joined.leaving, joined.added], [[], ["s4"]]);
  const back = assign(COURSE, ids("s1", "s2", "s3"), record, () => 10);
  assert.deepEqual([back.returning, back.places.s1?.project], [["s1"], "pr-a"]);
});

test("where nothing has room is told, and who is in a project that is named no more", () => {
  const full = assign(COURSE, ids("s1", "s2", "s3", "s4"), emptyRecord(COURSE), () => 1);
  assert.deepEqual([full.added, full.unplaced], [["s1", "s2", "s3"], ["s4"]]);
  const record = withPlaces(emptyRecord(COURSE), full);
  const fewer = assign({ ...COURSE, projects: ["pr-b"] }, ids("s1", "s2"), record, () => 10);
  assert.deepEqual(fewer.stranded, ["s1", "s3"]);
  assert.equal(fewer.places.s1?.project, "pr-a", "nobody is moved");
});

const someIds = fc
  .uniqueArray(fc.integer({ min: 0, max: 60 }), { maxLength: 40 })
  .map((numbers) => numbers.map((number) => `s${String(number).padStart(2, "0")}`));
const room = fc.integer({ min: 0, max: 30 });

test("nobody ever moves, whoever comes and goes, whatever projects and rooms become", () => {
  const step = fc.record({ roster: someIds, projects: fc.integer({ min: 1, max: 4 }), room });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), (steps) => {
      let record: CourseRecord = emptyRecord(COURSE);
      for (const { roster, projects, room: most } of steps) {
        const course = { ...COURSE, projects: Array.from({ length: projects }, (_, index) => `pr-${index}`) };
        const assignment = assign(course, ids(...roster), record, () => most);
        const next = withPlaces(record, assignment);
        for (const [id, place] of Object.entries(record.places)) assert.deepEqual(next.places[id], place);
        const held = Object.values(next.places).filter(({ id }) => !record.places[id]);
        for (const { project } of held) {
          const all = Object.values(next.places).filter((place) => place.project === project);
          assert.ok(all.length <= most);
        }
        assert.equal(assignment.added.length + assignment.unplaced.length, held.length + assignment.unplaced.length);
        record = next;
      }
    }),
    { numRuns: 200 },
  );
});

test("the roster's order changes nothing", () => {
  const orders = someIds.chain((roster) =>
    fc.tuple(fc.constant(roster), fc.shuffledSubarray(roster, { minLength: roster.length })),
  );
  fc.assert(
    fc.property(orders, someIds, room, ([roster, shuffled], before, most) => {
      const record = withPlaces(
        emptyRecord(COURSE),
        assign(COURSE, ids(...before), emptyRecord(COURSE), () => 50),
      );
      assert.deepEqual(
        assign(COURSE, ids(...roster), record, () => most),
        assign(COURSE, ids(...shuffled), record, () => most),
      );
    }),
  );
});

test("projects are filled evenly: no two differ by more than one student", () => {
  fc.assert(
    fc.property(someIds, (roster) => {
      const { places } = assign(COURSE, ids(...roster), emptyRecord(COURSE), () => 40);
      const counts = COURSE.projects.map(
        (name) => Object.values(places).filter(({ project }) => project === name).length,
      );
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1);
    }),
  );
});
