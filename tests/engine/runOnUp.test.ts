import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import type { PulumiFn } from "@pulumi/pulumi/automation/index.js";
import type { OpenStack, Outcome } from "../../engine/automation.ts";
import type { RunStatus } from "../../training/contract.ts";
import { createWorld, failure, type World } from "./world.ts";

// training.runOnUp in the real engine: mlt starts the runs, on a local cloud whose machines are played by this test.

const REPOSITORY = dirname(dirname(import.meta.dirname));
let world: World;
/** What Pulumi printed since the last look. */
let output = "";
/** How the next machine ends; machines that were made so far. */
let ending: Partial<RunStatus> & { log: string } = { phase: "succeeded", exitCode: 0, log: "all well\n" };
const machines: string[] = [];
let clock: NodeJS.Timeout;

before(async () => {
  world = await createWorld({ enabledServices: "all" });
  clone("one", "print(1)\n");
  let busy = false;
  clock = setInterval(async () => {
    if (busy) return;
    busy = true;
    await playMachines().finally(() => {
      busy = false;
    });
  }, 200);
});
after(async () => {
  clearInterval(clock);
  await world.close();
});

/** A clone of the repository with a package in it; all but the package are links. */
function clone(name: string, code: string): string {
  const folder = join(world.folder, "clones", name);
  mkdirSync(join(folder, "package"), { recursive: true });
  for (const part of ["Pulumi.yaml", "package.json", "node_modules"])
    symlinkSync(join(REPOSITORY, part), join(folder, part));
  for (const part of ["catalog", "cli", "components", "index.ts", "startup-scripts", "training"]) {
    cpSync(join(REPOSITORY, part), join(folder, part), { recursive: true });
  }
  writeFileSync(join(folder, "package", "training.yaml"), "name: demo\ncommand: [python, train.py]\n");
  writeFileSync(join(folder, "package", "train.py"), code);
  return folder;
}

async function open(name: string, runOnUp: Record<string, unknown>): Promise<OpenStack> {
  const folder = join(world.folder, "clones", name);
  const { default: program } = (await import(pathToFileURL(join(folder, "index.ts")).href)) as { default: PulumiFn };
  const { url, metadataUrl } = world.cloud;
  output = "";
  return world.open("runs", {
    program,
    config: { "mltraining:training": { runOnUp: { package: "package", ...runOnUp } } },
    commands: {
      folder,
      environment: {
        CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${url}/storage/v1/`,
        CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${url}/compute/v1/`,
        GCE_METADATA_HOST: new URL(metadataUrl).host,
        GOOGLE_OAUTH_ACCESS_TOKEN: "",
        // Another laptop: nothing of this one's settings.
        XDG_CONFIG_HOME: join(folder, "config"),
        XDG_CACHE_HOME: join(folder, "cache"),
        MLT_ENVIRONMENT: "",
      },
    },
    onOutput: (text) => {
      output += text;
    },
  });
}

/** What a machine does in its last second: log, status, and off. */
async function playMachines(): Promise<void> {
  const api = world.cloud.operatorUrl;
  const zone = `${api}/compute/v1/projects/${world.cloud.project}/aggregated/instances`;
  const { items = {} } = (await (await fetch(zone)).json()) as { items?: Record<string, { instances?: Instance[] }> };
  for (const instance of Object.values(items).flatMap(({ instances = [] }) => instances)) {
    if (machines.includes(instance.name)) continue;
    const value = (key: string) => instance.metadata.items.find((item) => item.key === key)?.value ?? "";
    const [bucket, run] = [value("mlt-bucket"), value("mlt-run")];
    const object = `${api}/storage/v1/b/${bucket}/o/${encodeURIComponent(`runs/${run}/status.json`)}?alt=media`;
    const status = (await (await fetch(object)).json()) as RunStatus;
    if (status.phase !== "provisioning" || !status.machine) continue;
    machines.push(instance.name);
    const { log, ...end } = ending;
    const ended = new Date().toISOString();
    await put(bucket, `runs/${run}/log.txt`, log);
    const last = { ...status, ...end, times: { ...status.times, running: ended, ended } };
    await put(bucket, `runs/${run}/status.json`, JSON.stringify(last));
    await fetch(instance.selfLink.replace(/^https?:\/\/[^/]+/, api), { method: "DELETE" });
  }
}

interface State {
  checkpoint: {
    latest: { resources: { type: string; inputs: Record<string, unknown>; outputs: Record<string, unknown> }[] };
  };
}

interface Instance {
  name: string;
  selfLink: string;
  metadata: { items: { key: string; value: string }[] };
}

async function put(bucket: string, name: string, body: string): Promise<void> {
  const query = `uploadType=media&name=${encodeURIComponent(name)}`;
  const address = `${world.cloud.operatorUrl}/upload/storage/v1/b/${bucket}/o?${query}`;
  const response = await fetch(address, { method: "POST", body });
  assert.equal(response.status, 200, await response.text());
}

const changed = ({ steps }: Outcome): string[] =>
  steps.filter(({ type }) => type.startsWith("command:")).map(({ op, name }) => `${op} ${name}`);
const told = (): string[] => [...output.matchAll(/training\.runOnUp: (.*)/g)].map(([, line]) => line ?? "");

test("up runs the package once, and never again", async () => {
  const stack = await open("one", {});
  const planned = await stack.preview();
  assert.deepEqual(changed(planned), ["create mlt-runs-run"]);
  assert.deepEqual(told().slice(0, 1), [
    "package: pulumi up will start a run and wait for it, because it has not run yet",
  ]);
  assert.equal(machines.length, 0);
  await stack.up();
  assert.equal(machines.length, 1);

  output = "";
  const again = await stack.preview({ expectNoChanges: true });
  assert.deepEqual(changed(again), []);
  assert.ok(told().includes("package: no run starts; package, arguments and runId are as they were"), output);
});

test("from another clone at another path nothing changes", async () => {
  clone("two", "print(1)\n");
  rmSync(join(world.folder, "clones", "one"), { recursive: true });
  const stack = await open("two", {});
  const planned = await stack.preview({ expectNoChanges: true });
  assert.deepEqual(changed(planned), []);
  const state = readFileSync(join(world.folder, "stacks/state/.pulumi/stacks/mltraining/runs.json"), "utf8");
  const { resources } = (JSON.parse(state) as State).checkpoint.latest;
  const command = resources.find(({ type }) => type === "command:local:Command");
  const key = String(command?.outputs.stdout);
  assert.match(key, /^up-demo-[0-9a-f]{32}$/);
  const { environment, ...rest } = command?.inputs ?? {};
  assert.deepEqual(rest, { create: "cli/runOnUp.js", interpreter: ["node"] });
  const { MLT_UP_SHA256, MLT_UP_ENVIRONMENT, ...variables } = environment as Record<string, string>;
  assert.match(`${MLT_UP_SHA256} ${MLT_UP_ENVIRONMENT}`, /^[0-9a-f]{64} gs:\/\/mlt-runs-data-[0-9a-f]{7}$/);
  assert.deepEqual(variables, {
    MLT_UP_KEY: key,
    MLT_UP_PACKAGE: "package",
    MLT_UP_ARGUMENTS: "[]",
    MLT_UP_RUN_ID: "1",
  });
});

test("another argument runs it again, and what changed is told first; a run that is on record is not repeated", async () => {
  const stack = await open("two", { arguments: ["--epochs", 3] });
  await stack.preview();
  assert.deepEqual(told().slice(0, 1), [
    "package: pulumi up will start a run and wait for it, because the arguments changed",
  ]);
  assert.deepEqual(changed(await stack.up()), ["update mlt-runs-run"]);
  assert.equal(machines.length, 2);
  const back = await open("two", {});
  assert.deepEqual(changed(await back.up()), ["update mlt-runs-run"]);
  assert.equal(machines.length, 2, "the same package and arguments have run");
});

test("a package that fails fails the up with its last lines, every time, and runs once", async () => {
  ending = { phase: "failed", exitCode: 3, reason: "trainer failed: exit 3", log: "reading\nValueError: no column\n" };
  writeFileSync(join(world.folder, "clones", "two", "package", "train.py"), "print(2)\n");
  const stack = await open("two", { runId: "again" });
  for (const attempt of [1, 2]) {
    const { message } = await failure(stack.up());
    assert.match(message, /command:local:Command mlt-runs-run: .*exit status 3: running "cli\/runOnUp\.js":\n/s);
    assert.match(message, /\nreading\nValueError: no column\nmlt: demo-.*: failed: trainer failed: exit 3\n/);
    assert.equal(machines.length, 3, `up ${attempt}`);
  }
  assert.ok(told().includes("package: starting a run, because the package and runId changed"), output);
});

test("without runOnUp the resource goes, and the runs stay", async () => {
  const stack = await world.open("runs", { config: {} });
  const gone = await stack.up();
  assert.deepEqual(changed(gone), ["delete mlt-runs-run"]);
  const { outputs } = gone;
  const bucket = String(outputs.dataBucketUrl).replace("gs://", "");
  const list = `${world.cloud.operatorUrl}/storage/v1/b/${bucket}/o?prefix=runs/&delimiter=/`;
  const { prefixes } = (await (await fetch(list)).json()) as { prefixes: string[] };
  assert.equal(prefixes.filter((prefix) => prefix.startsWith("runs/demo-")).length, 3);
  await stack.destroy();
  assert.deepEqual(await world.left(), {});
});
