import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { marked, nameFits, readMark } from "../../components/marks.ts";
import { environmentProblem } from "../../components/names.ts";

test("a mark says whose stack makes a resource, and for whom", () => {
  assert.equal(marked("Training machines", "mlt-dev"), "Training machines (ml-training environment mlt-dev)");
  assert.equal(marked("SSH", "base", "ann-01"), "SSH (ml-training environment base for ann-01)");
  assert.deepEqual(readMark(marked("a", "mlt-dev")), { environment: "mlt-dev" });
  assert.deepEqual(readMark(marked("a", "base", "ann-01")), { environment: "base", student: "ann-01" });
});

test("what only looks like a mark is none", () => {
  for (const text of [
    undefined,
    "",
    "Training machines",
    "(ml-training)",
    "(ml-training environment )",
    "(ml-training environment Mlt)",
    "(ml-training environment mlt-dev",
    "(ml-training environment mlt-dev) and more",
    "see ml-training environment mlt-dev",
  ]) {
    assert.equal(readMark(text), undefined, String(text));
  }
});

const name = fc
  .stringMatching(/^[a-z][a-z0-9-]{2,18}[a-z0-9]$/)
  .filter((text) => environmentProblem(text) === undefined);

test("whatever the environment is called, its mark is read again and no other's", () => {
  fc.assert(
    fc.property(name, name, (one, other) => {
      assert.deepEqual(readMark(marked("x", one)), { environment: one });
      assert.equal(readMark(marked("x", one))?.environment === other, one === other);
    }),
  );
});

test("a name fits its environment at a hyphen, in roles at an underscore", () => {
  for (const fits of ["ml-a", "ml-a-0123abc", "ml-a-machines", "ml_a_selfDelete_0123abc"]) {
    assert.ok(nameFits(fits, "ml-a"), fits);
  }
  for (const other of ["ml-ab", "ml-ab-0123abc", "xml-a-0123abc", "ml_ab_selfDelete_0123abc", "ml"]) {
    assert.ok(!nameFits(other, "ml-a"), other);
  }
});
