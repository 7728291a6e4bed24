import assert from "node:assert/strict";
import { test } from "node:test";
import { type Attributes, compileCondition, extract } from "../../../localcloud/core/access/cel.ts";
import { GoogleError } from "../../../localcloud/core/errors.ts";

const machine: Attributes = {
  resource: {
    name: "projects/p/zones/us-central1-a/instances/mlt-dev-run-20261121080000-abcd-a01",
    type: "compute.googleapis.com/Instance",
    service: "compute.googleapis.com",
  },
  request: { time: new Date("2026-11-21T08:00:00Z") },
  api: {},
};

const holds = (expression: string, attributes: Attributes = machine) => compileCondition(expression)(attributes);

function refused(expression: string, code: number, text: RegExp): void {
  assert.throws(
    () => compileCondition(expression),
    (error) => error instanceof GoogleError && error.code === code && text.test(error.message),
    expression,
  );
}

test("extract takes what stands between the template's texts", () => {
  const name = "projects/_/buckets/acme-orders-aaa/objects/data_lake/orders/order_date=2019-11-03/aef87g87ae0876";
  const cases: [template: string, result: string][] = [
    ["/order_date={date}/", "2019-11-03"],
    ["buckets/{name}/", "acme-orders-aaa"],
    ["/orders/{empty}order_date", ""],
    ["{start}/objects/data_lake", "projects/_/buckets/acme-orders-aaa"],
    ["orders/{end}", "order_date=2019-11-03/aef87g87ae0876"],
    ["{all}", name],
    ["/orders/{none}/order_date=", ""],
    ["/orders/order_date={id}/none", ""],
    ["/missing/{x}/", ""],
  ];
  for (const [template, result] of cases) assert.equal(extract(name, template), result, template);
});

test("a template that is none is refused", () => {
  for (const template of ["plain", "{a}{b}", "{}", "a{b-c}"]) {
    assert.throws(() => extract("x", template), /needs one \{name\}/, template);
  }
});

test("conditions on name, type, service and time", () => {
  assert.equal(holds('resource.name.extract("/instances/{name}").startsWith("mlt-dev-run-")'), true);
  assert.equal(holds('resource.name.extract("/instances/{name}").startsWith("mlt-dev2-run-")'), false);
  assert.equal(
    holds('resource.type == "compute.googleapis.com/Instance" && resource.service != "storage.googleapis.com"'),
    true,
  );
  assert.equal(holds('request.time < timestamp("2026-11-21T08:00:01Z")'), true);
  assert.equal(holds('request.time < timestamp("2026-11-21T07:59:59Z")'), false);
  assert.equal(holds('request.time.getHours("Europe/Berlin") == 9 && request.time.getDayOfWeek() == 6'), true);
  assert.equal(holds('request.time - duration("3600s") < timestamp("2026-11-21T07:30:00Z")'), true);
  assert.equal(holds('resource.name.endsWith("-a01") ? true : false'), true);
});

test("what a list asks for is read by api.getAttribute", () => {
  const expression = 'api.getAttribute("storage.googleapis.com/objectListPrefix", "").startsWith("input/")';
  const listing = (prefix: string): Attributes => ({
    ...machine,
    api: { "storage.googleapis.com/objectListPrefix": prefix },
  });
  assert.equal(holds(expression, listing("input/census/")), true);
  assert.equal(holds(expression, listing("output/")), false);
  assert.equal(holds(expression), false);
});

test("an attribute that the resource lacks never grants, and spares what does not need it", () => {
  const nameless: Attributes = { ...machine, resource: { type: "cloudresourcemanager.googleapis.com/Project" } };
  assert.equal(holds('resource.name.startsWith("")', nameless), false);
  assert.equal(holds('!resource.name.startsWith("x")', nameless), false);
  assert.equal(
    holds('resource.name.startsWith("x") || resource.type == "cloudresourcemanager.googleapis.com/Project"', nameless),
    true,
  );
});

test("what the local cloud does not evaluate is refused by name when the policy is set", () => {
  refused('resource.name.matches("a.*")', 501, /matches\(\)/);
  refused('resource.name.contains("a")', 501, /contains\(\)/);
  refused('resource.matchTag("1/env", "prod")', 501, /matchTag\(\)/);
  refused("destination.port == 22", 501, /destination\.port/);
  refused('request.path == "/"', 501, /request\.path/);
  refused('api.getAttribute("iam.googleapis.com/modifiedGrantsByRole", "") == ""', 501, /modifiedGrantsByRole/);
  refused('resource.name in ["a"]', 501, /operator in/);
  refused("size(resource.name) > 3", 501, /size\(\)/);
  refused("has(resource.name)", 501, /has\(\)/);
});

test("an expression that is none is refused", () => {
  refused("resource.name ==", 400, /Invalid condition expression/);
  refused("resource.name == 3", 400, /Invalid condition expression/);
  refused("resource.name", 400, /is of type string, and bool is required/);
  refused('resource.name.extract("no braces") == "x"', 400, /needs one \{name\}/);
  const twelve = Array.from({ length: 13 }, (_, index) => `resource.name == "${index}"`).join(" || ");
  assert.equal(holds(twelve), false);
  refused(`${twelve} || resource.name == "13"`, 400, /13 logic operators, and at most 12/);
});
