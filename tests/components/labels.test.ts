import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { environmentLabels, labelKeyProblem, labelValue } from "../../components/labels.ts";

test("any text becomes a legal label value", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200, unit: "binary" }), (text) => {
      assert.match(labelValue(text), /^[a-z0-9_-]{0,63}$/);
    }),
  );
});

test("an e-mail address is not spelt out", () => {
  assert.equal(labelValue("Ann.Lee@example.com"), "ann-lee");
  assert.equal(labelValue("Dr. Ann Lee"), "dr-ann-lee");
});

test("keys that Google or the program keeps are refused in words", () => {
  assert.equal(labelKeyProblem("team"), undefined);
  assert.match(labelKeyProblem("Team") ?? "", /must begin with a lower case letter/);
  assert.match(labelKeyProblem("1st") ?? "", /must begin with a lower case letter/);
  assert.match(labelKeyProblem("goog-x") ?? "", /Google keeps for itself/);
  assert.equal(labelKeyProblem("owner"), "is set by the program itself: use mltraining:owner");
  assert.equal(labelKeyProblem("mlt-environment"), "is set by the program itself");
  assert.match(
    labelKeyProblem("mlt-run") ?? "",
    /^must not begin with "mlt-", by which `mlt` knows what is its own; got "mlt-run"$/,
  );
});

test("the environment's labels", () => {
  assert.deepEqual(environmentLabels({ environment: "mlt-dev" }), { app: "ml-training", "mlt-environment": "mlt-dev" });
  assert.deepEqual(
    environmentLabels({
      environment: "mlt-dev",
      owner: "a.b@c.de",
      expires: "2027-01-31",
      labels: { team: "Data Science" },
    }),
    { app: "ml-training", "mlt-environment": "mlt-dev", owner: "a-b", expires: "2027-01-31", team: "data-science" },
  );
});
