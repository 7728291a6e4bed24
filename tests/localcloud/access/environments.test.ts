import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { environmentProblem, machineCondition, runPrefix } from "../../../components/names.ts";
import { compileCondition } from "../../../localcloud/core/access/cel.ts";

/** Legal names of environments, near each other as often as not: one is the other's beginning, or shares its parts. */
const segment = fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/);
const environment = fc
  .array(segment, { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join("-"))
  .filter((name) => environmentProblem(name) === undefined);
const pair = fc.oneof(
  fc.tuple(environment, environment),
  fc.tuple(environment, segment).map(([name, more]): [string, string] => [name, `${name}-${more}`]),
  fc
    .tuple(environment, fc.stringMatching(/^[a-z0-9]{1,3}$/))
    .map(([name, more]): [string, string] => [name, name + more]),
);

test("no environment's condition fits another environment's machine", () => {
  const fits = (owner: string, machineOf: string) =>
    compileCondition(machineCondition(owner))({
      resource: {
        name: `projects/some-project/zones/us-central1-a/instances/${runPrefix(machineOf)}20261121080000-abcd-a01`,
        type: "compute.googleapis.com/Instance",
        service: "compute.googleapis.com",
      },
      request: { time: new Date(0) },
      api: {},
    });
  fc.assert(
    fc.property(pair, ([one, other]) => {
      fc.pre(environmentProblem(one) === undefined && environmentProblem(other) === undefined && one !== other);
      assert.equal(fits(one, one), true);
      assert.equal(fits(one, other), false);
      assert.equal(fits(other, one), false);
    }),
    { numRuns: 500 },
  );
});
