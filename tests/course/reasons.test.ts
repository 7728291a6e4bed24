// What an instructor reads of a failure: one line, made of what Pulumi's engine says in many.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { EngineError } from "../../course/pulumi/engine.ts";
import { clean, EngineLog, errorLines } from "../../course/pulumi/engineEvents.ts";
import { reasonOf } from "../../course/reasons.ts";
import { UserError } from "../../training/errors.ts";

const ANN = { id: "s001", line: 3 };

test("an address that Google does not know names the roster's line and the command that goes on", () => {
  const said = "googleapi: Error 400: User ann@example.org does not exist., badRequest";
  assert.equal(
    reasonOf(new EngineError(["something before", `gcp:storage/bucketIAMMember:BucketIAMMember x: ${said}`]), ANN),
    "ann@example.org is no Google account (roster.csv line 3): correct it, or have the account made; then: mlt course up --only s001",
  );
  assert.equal(
    reasonOf(new EngineError(["Group team@example.org does not exist"])),
    "team@example.org is no Google group: correct it, or have the group made",
  );
});

test("an organisation that admits nobody of the domain", () => {
  const said = "One or more users named in the policy do not belong to a permitted customer., failedPrecondition";
  assert.equal(
    reasonOf(new EngineError([said]), ANN),
    "the organisation admits nobody of this address's domain (iam.allowedPolicyMemberDomains) (roster.csv line 3): see mlt course check; then: mlt course up --only s001",
  );
});

test("a foundation that does not stand", () => {
  const wanted = "the foundation ml26-foundation-course-a does not stand: mlt course up makes it";
  for (const said of [
    "no stack named 'ml26-foundation-course-a' found",
    'unknown stack "organization/mltraining/ml26-foundation-course-a"',
    'rpc error: code = Unknown desc = unknown stack "ml26-foundation-course-a"',
  ]) {
    assert.equal(reasonOf(new EngineError([said]), ANN), wanted);
  }
});

test("everything else in the engine's words: one line, without its type, without what drives a terminal, cut", () => {
  const said = "gcp:storage/bucket:Bucket ml26-s001-data: quota\n\u001b[31mexceeded";
  assert.equal(reasonOf(new EngineError([said])), "Bucket ml26-s001-data: quota [31mexceeded");
  assert.equal(reasonOf(new UserError("Nobody is logged in.")), "Nobody is logged in.");
  assert.equal(reasonOf(new EngineError([])), "it failed without a message");
  assert.equal(reasonOf(new EngineError(["x".repeat(400)])), `${"x".repeat(299)}…`);
});

test("of the engine's events, what failed is kept once, and what is done now is told", () => {
  const steps: string[] = [];
  const log = new EngineLog((step) => steps.push(step));
  const urn = "urn:pulumi:ml26-s001::mltraining::gcp:storage/bucket:Bucket::ml26-s001-data";
  const events: unknown[] = [
    { resourcePreEvent: { metadata: { op: "create", type: "gcp:storage/bucket:Bucket", urn } } },
    { resourcePreEvent: { metadata: { op: "same", type: "gcp:storage/bucket:Bucket", urn } } },
    { resourcePreEvent: { metadata: { op: "create", type: "pulumi:pulumi:Stack", urn } } },
    { diagnosticEvent: { severity: "error", message: "<{%reset%}>error: refused\n    at x.js:1<{%reset%}>", urn } },
    { diagnosticEvent: { severity: "error", message: "update failed" } },
    { diagnosticEvent: { severity: "warning", message: "mind" } },
    { resOutputsEvent: { metadata: { type: "pulumi:pulumi:Stack", new: { outputs: { bucket: "b" } } } } },
    { summaryEvent: { resourceChanges: { create: 1 } } },
  ];
  for (const event of events) log.note(event as EngineEvent);
  assert.deepEqual(steps, ["create Bucket ml26-s001-data"]);
  assert.deepEqual(log.errors, ["gcp:storage/bucket:Bucket ml26-s001-data: refused"]);
  assert.deepEqual([log.outputs, log.changes], [{ bucket: "b" }, { create: 1 }]);
});

test("where the engine sent no event, what the CLI printed is taken", () => {
  assert.deepEqual(errorLines("Updating\n  stderr: error: the lock is held\nerror: and more\n"), [
    "the lock is held",
    "and more",
  ]);
  assert.deepEqual(errorLines("Pulumi ended with 255"), ["Pulumi ended with 255"]);
  assert.equal(
    clean("Running program '/x/index.ts' failed with an unhandled exception:\n<ref *1> UserError: no region\n    at y"),
    "no region",
  );
});
