import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Command, type CommandArgs } from "@pulumi/command/local/command.js";
import * as pulumi from "@pulumi/pulumi";
import { type OpenStack, openStack, type Step } from "../../engine/automation.ts";
import {
  changesOf,
  create,
  previewed,
  problemsOf,
  type Surroundings,
  update,
} from "../../engine/providers/command/command.ts";
import { run } from "../../engine/providers/command/run.ts";
import { type Props, secret, UNKNOWN } from "../../engine/providers/gcp/values.ts";
import { failure } from "./world.ts";

// `command:local:Command` as the attached provider runs it: its own rules, then in the real engine.

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "mlt-command-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

const around = (): Surroundings => ({ folder, environment: { PATH: process.env.PATH, WHO: "provider" } });

test("a command writes its outputs without the last line end, in the folder and with the environment it is given", async () => {
  const { id, outputs } = await create(
    "hello",
    { create: "pwd; echo $WHO-$TO; echo gone >&2; cat", environment: { TO: "you" }, stdin: "in" },
    around(),
  );
  assert.match(id, /^hello[0-9a-f]{8}$/);
  assert.deepEqual(
    { stdout: outputs.stdout, stderr: outputs.stderr },
    { stdout: `${folder}\nprovider-you\nin`, stderr: "gone" },
  );
  const elsewhere = await create("x", { create: "pwd", dir: "/" }, around());
  assert.equal(elsewhere.outputs.stdout, "/");
});

test("an interpreter gets the command as its last argument", async () => {
  const { outputs } = await create("x", { create: "a b", interpreter: ["/bin/echo", "-n", "with"] }, around());
  assert.equal(outputs.stdout, "with a b");
});

test("an update runs update, else create, and finds what the last run wrote", async () => {
  const script = 'echo "out=$PULUMI_COMMAND_STDOUT err=$PULUMI_COMMAND_STDERR"';
  const olds = { stdout: "one", stderr: "two" };
  assert.equal((await update(olds, { create: script }, around())).stdout, "out=one err=two");
  assert.equal((await update(olds, { create: "false", update: "echo u" }, around())).stdout, "u");
  const without = await update(olds, { create: script, addPreviousOutputInEnv: false }, around());
  assert.equal(without.stdout, "out= err=");
  assert.deepEqual(await update(olds, { delete: "true" }, around()), { delete: "true", ...olds });
});

test("what comes of a secret is a secret", async () => {
  const { outputs } = await create("x", { create: secret("echo s"), stdin: secret("t") }, around());
  assert.deepEqual(outputs, {
    create: secret("echo s"),
    stdin: secret("t"),
    stdout: secret("s"),
    stderr: secret(""),
  });
  assert.deepEqual(previewed({ create: secret("x") }).stdout, secret(UNKNOWN));
  assert.deepEqual(previewed({ create: UNKNOWN }), { create: UNKNOWN, stdout: UNKNOWN, stderr: UNKNOWN });
});

test("lines are logged as logging says", async () => {
  const lines = async (logging?: string): Promise<string[]> => {
    const seen: string[] = [];
    const inputs: Props = { create: "echo a; echo b >&2; printf c", ...(logging ? { logging } : {}) };
    await create("x", inputs, { ...around(), log: (line) => seen.push(line) });
    return seen.sort();
  };
  assert.deepEqual(await lines(), ["a", "b", "c"]);
  assert.deepEqual(await lines("stdoutAndStderr"), ["a", "b", "c"]);
  assert.deepEqual(await lines("stdout"), ["a", "c"]);
  assert.deepEqual(await lines("stderr"), ["b"]);
  assert.deepEqual(await lines("none"), []);
});

test("a failure tells how it ended, the command and what it wrote", async () => {
  const base = { folder, environment: process.env };
  const failed = (command: string, more = {}) => failure(run({ ...base, command, ...more }));
  assert.equal(
    (await failed("echo a; echo b >&2; exit 3")).message.replace("b\na", "a\nb"),
    'exit status 3: running "echo a; echo b >&2; exit 3":\na\nb\n',
  );
  assert.equal((await failed("kill -TERM $$")).message, 'signal: terminated: running "kill -TERM $$":\n');
  assert.equal(
    (await failed("x", { interpreter: ["no-such-program"] })).message,
    'exec: "no-such-program": executable file not found in $PATH: running "x":\n',
  );
  assert.equal(
    (await failed("x", { folder: "/no/such" })).message,
    'chdir /no/such: no such file or directory: running "x":\n',
  );
});

test("a cancelled command ends with everything that it started", async () => {
  const cancelled = new AbortController();
  const marker = join(folder, "alive");
  const running = run({
    command: `(sleep 1; touch ${marker}) & echo up; wait`,
    folder,
    environment: process.env,
    signal: cancelled.signal,
    onLine: () => cancelled.abort(),
  });
  assert.match((await failure(running)).message, /^cancelled: running/);
  await new Promise((resolve) => setTimeout(resolve, 1200));
  assert.equal(existsSync(marker), false);
});

test("triggers replace, every other input updates, secret or not is the same value", () => {
  const changes = (olds: Props, news: Props) =>
    changesOf(olds, news).map(({ path, kind, replace }) => `${kind} ${path}${replace ? " (replace)" : ""}`);
  const olds: Props = { create: "a", triggers: [1, { k: "v" }], environment: { A: "1", "B.C": "2" } };
  assert.deepEqual(changes(olds, structuredClone(olds)), []);
  assert.deepEqual(changes(olds, { ...olds, create: secret("a") }), []);
  assert.deepEqual(changes(olds, { ...olds, triggers: [1, { k: "w" }] }), ["update triggers[1].k (replace)"]);
  assert.deepEqual(changes(olds, { ...olds, triggers: [1] }), ["delete triggers[1] (replace)"]);
  assert.deepEqual(changes(olds, { ...olds, triggers: [UNKNOWN, { k: "v" }] }), ["update triggers[0] (replace)"]);
  assert.deepEqual(changes(olds, { ...olds, create: "b", delete: "c" }), ["update create", "add delete"]);
  assert.deepEqual(changes(olds, { ...olds, environment: { A: "2" } }), [
    "update environment.A",
    'delete environment["B.C"]',
  ]);
});

test("inputs that are wrong or not made here are named", () => {
  const told = (inputs: Props) => problemsOf(inputs).map(({ property, reason }) => `${property}: ${reason}`);
  assert.deepEqual(told({ create: "a", dir: UNKNOWN, triggers: [1], environment: { A: "1" } }), []);
  assert.deepEqual(told({ assetPaths: ["*"], archivePaths: secret(["*"]) }), [
    "assetPaths: the attached command provider collects no files; Pulumi's own command plugin does",
    "archivePaths: the attached command provider collects no files; Pulumi's own command plugin does",
  ]);
  assert.deepEqual(told({ create: 1, interpreter: "sh", logging: "all", environment: { A: 1 } }), [
    "create: expected a text, got 1",
    'interpreter: expected a list of texts, got "sh"',
    'logging: expected one of stdout, stderr, stdoutAndStderr, none, got "all"',
    'environment: expected texts by name, got {"A":1}',
  ]);
  assert.deepEqual(told({ command: "x" }), [
    "command: command:local:Command has no such input; it has addPreviousOutputInEnv, create, delete, dir, environment, interpreter, logging, stdin, triggers, update",
  ]);
});

test("in the engine: created once, nothing to do, replaced by a trigger, updated by the rest, deleted", async () => {
  const trace = join(folder, "trace");
  // A relative path: commands run in the folder that the stack was opened with.
  const append = (what: string) => `echo ${what} >> trace; echo ${what}`;
  let args: CommandArgs = {};
  const stack = await open("life", () => args);
  try {
    const lines = () => readFileSync(trace, "utf8").split("\n").filter(Boolean);
    args = { create: append("create"), delete: append("delete"), triggers: ["a"] };
    const planned = await stack.preview();
    assert.equal(existsSync(trace), false, "a preview runs nothing");
    const up = await stack.up();
    assert.deepEqual(up.changes, planned.changes);
    assert.equal(up.outputs.stdout, "create");
    await stack.preview({ expectNoChanges: true, refresh: true });
    await stack.up();
    assert.deepEqual(lines(), ["create"]);

    args = { ...args, triggers: ["b"] };
    const replaced = await stack.up();
    assert.deepEqual(replaced.steps.map(op), ["create-replacement", "replace", "delete-replaced"]);
    assert.deepEqual(lines(), ["create", "create", "delete"]);

    args = { ...args, update: append("update"), environment: { A: "1" } };
    const updated = await stack.up();
    assert.deepEqual(updated.steps.map(op), ["update"]);
    assert.equal(updated.outputs.stdout, "update");
    await stack.destroy();
    assert.deepEqual(lines(), ["create", "create", "delete", "update", "delete"]);
  } finally {
    await stack.close();
  }
});

test("in the engine: a failing command fails the update and is run again by the next; secrets stay secret", async () => {
  let args: CommandArgs = { create: "echo almost; echo why >&2; exit 4" };
  const stack = await open("trouble", () => args);
  try {
    const { message } = await failure(stack.up());
    assert.match(message, /^command:local:Command thing: .*exit status 4: running /s);
    assert.match(message, /why/);
    args = { create: pulumi.secret("echo hush-hush") };
    const up = await stack.up();
    assert.equal(up.outputs.stdout, "hush-hush");
    assert.doesNotMatch(readFileSync(join(folder, "trouble", "state", stateFile("trouble")), "utf8"), /hush-hush/);
    await stack.destroy();
  } finally {
    await stack.close();
  }
});

const op = (step: Step): string => step.op;
const stateFile = (stack: string): string => join(".pulumi", "stacks", "commands", `${stack}.json`);

async function open(stack: string, args: () => CommandArgs): Promise<OpenStack> {
  return openStack({
    stack,
    config: {},
    project: { name: "commands" },
    program: async () => ({ stdout: new Command("thing", args()).stdout }),
    folder: join(folder, stack),
    commands: { folder },
  });
}
