import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { REGIONS } from "../../catalog/zones.ts";
import {
  AUTOMATIC_SUFFIX,
  automaticSuffix,
  defaultEnvironment,
  environmentProblem,
  LENGTHS,
  machineCondition,
  RESERVED_SEGMENTS,
  roleId,
  runPrefix,
  serviceAccountId,
  shorten,
} from "../../components/names.ts";
import { machineName, runId } from "../../training/ids.ts";

const environments = fc
  .stringMatching(/^[a-z][a-z0-9-]{2,18}[a-z0-9]$/)
  .filter((name) => environmentProblem(name) === undefined);
const COMPUTE_NAME = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;

/** What Google's `extract` and `startsWith` make of a machine's resource name. */
function matches(condition: string, resource: string): boolean {
  const [, template, prefix] = /extract\("([^"]+)"\)\.startsWith\("([^"]+)"\)/.exec(condition) ?? [];
  assert.ok(template && prefix, condition);
  const [before = "", after = ""] = template.split("{name}");
  const at = resource.indexOf(before);
  if (at < 0) return false;
  const rest = resource.slice(at + before.length);
  return (after ? rest.slice(0, rest.indexOf(after)) : rest).startsWith(prefix);
}

test("an environment's name is 4 to 20 legal characters without a reserved segment", () => {
  for (const legal of ["mlt-dev", "abcd", "a234567890123456789z", "ann-b2", "runner", "prun", "a--b", "imgs-x"]) {
    assert.equal(environmentProblem(legal), undefined, legal);
  }
  for (const bad of ["abc", "a23456789012345678901", "Abcd", "1abc", "abc-", "ab_c", "ab.c", "", "äbcd", "ab cd"]) {
    assert.match(environmentProblem(bad) ?? "", /must be 4 to 20 lower case/, bad);
  }
  for (const word of RESERVED_SEGMENTS) {
    for (const bad of [`${word}-abc`, `abc-${word}`, `a-${word}-b`]) {
      assert.match(environmentProblem(bad) ?? "", new RegExp(`must not hold "${word}" between hyphens`), bad);
    }
  }
  for (const bad of ["goog-env", "my-google-env", "my-g00gle"]) {
    assert.match(environmentProblem(bad) ?? "", /Google refuses such bucket names/, bad);
  }
});

test("the message for a name of 3 or 21 characters is exact", () => {
  assert.equal(
    environmentProblem("abc"),
    "must be 4 to 20 lower case letters, digits and hyphens, beginning with a letter and ending with a letter or digit, " +
      'because it begins every resource\'s name; got "abc" (3 characters)',
  );
  assert.match(environmentProblem("a".repeat(21)) ?? "", /\(21 characters\)$/);
});

test("every stack's name gives a legal environment, and two long ones two", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9._-]{1,100}$/), (stack) => {
      assert.equal(environmentProblem(defaultEnvironment(stack)), undefined, `${stack} → ${defaultEnvironment(stack)}`);
    }),
    { numRuns: 500 },
  );
  assert.equal(defaultEnvironment("dev"), "mlt-dev");
  assert.equal(defaultEnvironment("Prod.EU_1"), "mlt-prod-eu-1");
  assert.equal(defaultEnvironment("run"), "mlt-run0");
  assert.equal(defaultEnvironment("..."), "mlt-env");
  const [one, two] = ["a-very-long-stack-name-1", "a-very-long-stack-name-2"].map(defaultEnvironment);
  assert.notEqual(one, two);
  assert.equal(one?.length, LENGTHS.environment);
});

test("every generated name is legal at the longest inputs", () => {
  const longestRegion = Object.keys(REGIONS).reduce((a, b) => (b.length > a.length ? b : a));
  fc.assert(
    fc.property(environments, environments, fc.string({ maxLength: 60 }), (environment, other, packageName) => {
      const machine = machineName(environment, runId(packageName, new Date(0)), 99);
      assert.match(machine, COMPUTE_NAME);
      assert.ok(machine.length <= LENGTHS.instance, machine);
      const account = serviceAccountId(environment);
      assert.match(account, /^[a-z][a-z0-9-]{4,28}[a-z0-9]$/);
      assert.match(roleId(environment, "watchOperations", "0123abc"), /^[A-Za-z0-9_.]{3,64}$/);
      for (const name of [`${environment}-${longestRegion}`, `${environment}-ssh-${other}`, environment]) {
        assert.match(name, COMPUTE_NAME);
        assert.ok(name.length + AUTOMATIC_SUFFIX <= LENGTHS.compute, name);
      }
      for (const bucket of [`${environment}-data`, `${environment}-scratch`]) {
        assert.match(bucket, /^[a-z0-9][a-z0-9-]*[a-z0-9]$/);
        assert.ok(bucket.length + AUTOMATIC_SUFFIX <= LENGTHS.bucket, bucket);
      }
    }),
    { numRuns: 500 },
  );
});

test("no environment's condition matches another's machine, and each matches its own in every zone", () => {
  // Names that begin alike are the dangerous ones: `ann`, `ann-run`, `ann-1`, `ann-10`.
  const alike = fc
    .tuple(environments, fc.stringMatching(/^[-a-z0-9]{0,6}$/))
    .map(([base, tail]) => [base, `${base}${tail}`.slice(0, 20)] as const);
  fc.assert(
    fc.property(fc.oneof(alike, fc.tuple(environments, environments)), ([one, two]) => {
      const at = (name: string): string =>
        `projects/p-12345/zones/europe-west4-a/instances/${machineName(name, runId("census", new Date(0)), 1)}`;
      assert.ok(matches(machineCondition(one), at(one)));
      if (one === two || environmentProblem(two) !== undefined) return;
      assert.ok(!matches(machineCondition(one), at(two)), `${one} matches ${at(two)}`);
      assert.ok(!matches(machineCondition(two), at(one)), `${two} matches ${at(one)}`);
    }),
    { numRuns: 1000 },
  );
});

test("a condition's prefix ends in a separator and its text is Google's CEL", () => {
  assert.equal(runPrefix("mlt-dev"), "mlt-dev-run-");
  assert.equal(
    machineCondition("mlt-dev"),
    'resource.type == "compute.googleapis.com/Instance" && resource.name.extract("/instances/{name}").startsWith("mlt-dev-run-")',
  );
});

test("a long text is shortened with a hash, never cut to another's", () => {
  assert.equal(shorten("short", 10), "short");
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z]{30,60}$/), fc.stringMatching(/^[a-z]{30,60}$/), (one, two) => {
      fc.pre(one !== two);
      assert.notEqual(shorten(one, 30), shorten(two, 30));
      assert.ok(shorten(`${one}x`, 30).length <= 30);
    }),
  );
});

test("the random part of an automatic name is what follows its last hyphen", () => {
  assert.equal(automaticSuffix("mlt-dev-0123abc"), "0123abc");
});
