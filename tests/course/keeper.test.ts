import assert from "node:assert/strict";
import { test } from "node:test";
import type { Course, CourseRecord } from "../../course/contract.ts";
import { RecordKeeper } from "../../course/keeper.ts";
import { emptyRecord, type RecordStore } from "../../course/record.ts";

const COURSE = { name: "ml26" } as Course;

/** A place in memory, with what was written to it; `fail` says what the next write does. */
function memory(fail: (write: number) => string | undefined = () => undefined) {
  let record: CourseRecord = emptyRecord(COURSE);
  let generation = 1;
  let writes = 0;
  const store: RecordStore = {
    at: "memory",
    read: async () => ({ record, generation: String(generation) }),
    async write(next, expected) {
      writes += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
      const why = fail(writes);
      if (why) throw new Error(why);
      assert.equal(expected, String(generation));
      record = next;
      generation += 1;
    },
  };
  return { store, now: () => record, writes: () => writes };
}

const left = (id: string) => (record: CourseRecord) => ({
  ...record,
  left: { ...record.left, [id]: { destroyed: "t" } },
});

test("changes that come at once are few writes, and none is lost", async () => {
  const place = memory();
  const keeper = await RecordKeeper.open(COURSE, place.store);
  const ids = Array.from({ length: 20 }, (_, index) => `s${index + 10}`);
  const seen = await Promise.all(ids.map((id) => keeper.change(left(id))));
  assert.deepEqual(Object.keys(place.now().left).sort(), ids);
  assert.ok(place.writes() <= 2, String(place.writes()));
  for (const [index, record] of seen.entries()) assert.ok(record.left[ids[index] ?? ""], ids[index]);
  assert.deepEqual(keeper.record, place.now());
});

test("a write that fails is told to whoever asked for it, and takes nobody else's change with it", async () => {
  const place = memory((write) => (write === 1 ? "the network is away" : undefined));
  const keeper = await RecordKeeper.open(COURSE, place.store);
  const ended = await Promise.allSettled([keeper.change(left("s001")), keeper.change(left("s002"))]);
  assert.deepEqual(
    ended.map(({ status }) => status),
    ["rejected", "fulfilled"],
  );
  assert.ok(place.now().left.s002, "what was said to be written is");
});

test("who is told that it is written was not told wrongly: a place that stays away fails everybody", async () => {
  const place = memory(() => "the network is away");
  const keeper = await RecordKeeper.open(COURSE, place.store);
  const ended = await Promise.allSettled(["s001", "s002", "s003"].map((id) => keeper.change(left(id))));
  assert.deepEqual(
    ended.map(({ status }) => status),
    ["rejected", "rejected", "rejected"],
  );
  assert.deepEqual(place.now().left, {});
});
