import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { ConfigError, parseConfig } from "../../components/config.ts";
import { changedParts, keyOf, planRunOnUp, RunOnUp } from "../../components/runOnUp.ts";
import { outputValue, record } from "../helpers/record.ts";

const root = mkdtempSync(join(tmpdir(), "mlt-run-on-up-"));
after(() => rmSync(root, { recursive: true, force: true }));

function parse(training: unknown, more: Record<string, string> = {}) {
  return parseConfig(
    { "gcp:project": "demo-project", "mltraining:training": JSON.stringify(training), ...more },
    "dev",
  );
}

function problems(training: unknown, more: Record<string, string> = {}): string[] {
  try {
    parse(training, more);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test("the setting, complete and by default", () => {
  assert.equal(parse({}).runOnUp, undefined);
  assert.deepEqual(parse({ runOnUp: { package: "examples/census/" } }).runOnUp, {
    package: "examples/census",
    arguments: [],
    runId: "1",
  });
  assert.deepEqual(parse({ runOnUp: { package: "p", arguments: ["--n", 3, true], runId: 7 } }).runOnUp, {
    package: "p",
    arguments: ["--n", "3", "true"],
    runId: "7",
  });
});

test("every mistake in it is named", () => {
  const folder = (got: string) =>
    `mltraining:training.runOnUp.package must be a folder relative to Pulumi.yaml's, with /, such as examples/census, so that every clone finds it; got ${JSON.stringify(got)}`;
  for (const wrong of ["", "/", "/home/me/p", "~/p", "C:/p", "C:\\p", "a\\b"]) {
    assert.deepEqual(problems({ runOnUp: { package: wrong } }), [folder(wrong)]);
  }
  assert.deepEqual(problems({ runOnUp: { package: "../beside" } }), []);
  assert.deepEqual(problems({ runOnUp: { package: "p", runId: "a b" } }), [
    'mltraining:training.runOnUp.runId must be 1 to 64 letters, digits, ".", "_" and "-", beginning with a letter or digit; got "a b"',
  ]);
  assert.deepEqual(problems({ enabled: false, runOnUp: { package: "p" } }), [
    "mltraining:training.runOnUp needs training machines; training.enabled is false",
  ]);
  assert.deepEqual(problems({ runOnUp: { package: "p" } }, { "mltraining:scope": "foundation" }), [
    "mltraining:training.runOnUp belongs to a stack with machines of its own (solo, student); this one is foundation",
  ]);
  assert.deepEqual(problems({ runOnUp: { folder: "p" } }), [
    "mltraining:training.runOnUp.package must be a text; got nothing",
    "mltraining:training.runOnUp.folder is not a setting; those are package, arguments, runId",
  ]);
});

test("the key follows from content, arguments and runId alone", async () => {
  const write = (name: string, code: string) => {
    mkdirSync(join(root, name), { recursive: true });
    writeFileSync(join(root, name, "training.yaml"), "name: demo\ncommand: [python, train.py]\n");
    writeFileSync(join(root, name, "train.py"), code);
  };
  write("a", "1");
  write("elsewhere/a", "1");
  write("b", "2");
  const plan = (folder: string, args: string[] = [], runId = "1") =>
    planRunOnUp({ package: folder, arguments: args, runId }, root).then(({ key }) => key);
  const key = await plan("a");
  assert.match(key, /^up-demo-[0-9a-f]{32}$/);
  assert.equal(await plan("elsewhere/a"), key);
  const others = [await plan("b"), await plan("a", ["x"]), await plan("a", [], "2"), await plan("a", ["x", "y"])];
  assert.equal(new Set([key, ...others, await plan("a", ["xy"])]).size, 6);
  assert.ok(keyOf("x".repeat(63), "s", { package: "p", arguments: [], runId: "1" }).length <= 200);
});

test("a package that cannot be used ends the program before anything is registered", async () => {
  await assert.rejects(planRunOnUp({ package: "nothing", arguments: [], runId: "1" }, root), (error: Error) => {
    assert.ok(pulumi.RunError.isInstance(error));
    assert.equal(
      error.message,
      `mltraining:training.runOnUp.package cannot be used; nothing was changed.\nA training package is a folder with a training.yaml; there is no ${join(root, "nothing")}.`,
    );
    return true;
  });
});

test("one command, with neither shell nor folder, called for its key alone, and nothing when it goes", async () => {
  const run = { package: "p", arguments: ["--n", "3"], runId: "1", sha256: "ab", key: "up-p-1" };
  const { resources, result } = await record(() => new RunOnUp("env", { run, bucket: "the-bucket" }), {
    state: ({ type }) => (type.startsWith("command:") ? { stdout: "up-p-1" } : undefined),
  });
  assert.deepEqual(
    resources.map(({ type, name, inputs }) => ({ type, name, inputs })),
    [
      {
        type: "mltraining:index:RunOnUp",
        name: "env",
        inputs: { package: "p", arguments: ["--n", "3"], runId: "1" },
      },
      {
        type: "command:local:Command",
        name: "env-run",
        inputs: {
          interpreter: ["node"],
          create: "cli/runOnUp.js",
          environment: {
            MLT_UP_KEY: "up-p-1",
            MLT_UP_PACKAGE: "p",
            MLT_UP_SHA256: "ab",
            MLT_UP_ARGUMENTS: '["--n","3"]',
            MLT_UP_RUN_ID: "1",
            MLT_UP_ENVIRONMENT: "gs://the-bucket",
          },
        },
      },
    ],
  );
  assert.equal(await outputValue(result.done), "up-p-1");
});

test("what of the key changed is told in words", () => {
  const before = {
    MLT_UP_KEY: "1",
    MLT_UP_PACKAGE: "p",
    MLT_UP_SHA256: "a",
    MLT_UP_ARGUMENTS: "[]",
    MLT_UP_RUN_ID: "1",
  };
  assert.deepEqual(changedParts(undefined, before), []);
  assert.equal(changedParts(before, { ...before, MLT_UP_ENVIRONMENT: "gs://another" }), undefined);
  assert.deepEqual(changedParts(before, { ...before, MLT_UP_KEY: "2", MLT_UP_SHA256: "b", MLT_UP_RUN_ID: "2" }), [
    "the package",
    "runId",
  ]);
  assert.deepEqual(changedParts(before, { ...before, MLT_UP_KEY: "2", MLT_UP_ARGUMENTS: "[1]" }), ["the arguments"]);
  assert.deepEqual(changedParts(before, { ...before, MLT_UP_KEY: "2" }), ["the package's name"]);
});
