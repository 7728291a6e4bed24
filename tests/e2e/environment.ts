import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { clientVariables } from "../../cli/local/variables.ts";
import { type OpenStack, openStack } from "../../engine/automation.ts";
import { providerEnvironment } from "../../engine/endpoints.ts";
import program from "../../index.ts";
import { LONG_TOKEN_SECONDS } from "../../localcloud/daemon.ts";
import { chooseDriver, type GuestDriver, type GuestLevel } from "../../localcloud/guests/index.ts";
import { type LocalCloud, startLocalCloud } from "../../localcloud/server.ts";
import type { RunSpec, RunStatus } from "../../training/contract.ts";
import { REPOSITORY } from "../helpers/shell.ts";

/** A program that ended. */
export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A program under way. */
export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Waits until stdout or stderr holds what fits; fails when the program ends without. */
  said(pattern: RegExp): Promise<string>;
}

export interface Compute {
  method?: string;
  body?: unknown;
}

/** An environment that the real engine made in a local cloud whose machines run, and `mlt` as its users run it. */
export interface LiveEnvironment {
  readonly cloud: LocalCloud;
  readonly level: GuestLevel;
  readonly folder: string;
  /** What the cloud says about its machines. */
  readonly log: string[];
  /** What `mlt local start` would print. */
  readonly clients: Record<string, string>;
  /** All variables of a user's shell. */
  readonly variables: NodeJS.ProcessEnv;
  readonly zones: string[];
  readonly buckets: { data: string; scratch: string };
  /** The stacks' outputs, by the stack's name. */
  readonly outputs: Record<string, Record<string, unknown>>;
  mlt(...args: string[]): Running;
  /** Writes a training package; returns its folder. `train.py` is its program. */
  pack(name: string, trainer: string, requirements?: string): string;
  /** Starts a run and does not follow it; returns its id. */
  detached(...args: string[]): Promise<string>;
  status(run: string): Promise<RunStatus>;
  spec(run: string): Promise<RunSpec>;
  /** Waits until the run's status is as wanted. */
  until(run: string, wanted: (status: RunStatus) => boolean): Promise<RunStatus>;
  /** An object's text; `undefined` if there is none. */
  object(bucket: string, name: string): Promise<string | undefined>;
  write(bucket: string, name: string, text: string): Promise<void>;
  /** A call of Compute Engine as the operator, below the project. */
  compute<T>(path: string, call?: Compute): Promise<T | undefined>;
  /** Names of the machines that are there. */
  machines(): Promise<string[]>;
  /** Waits until no machine of this run is there. */
  withoutMachine(run: string): Promise<void>;
  left(): Promise<Record<string, string[]>>;
  destroy(): Promise<void>;
  close(): Promise<void>;
}

/** Nothing here takes so long unless it hangs; the suite's own limit is shorter than this would be for all of it. */
const PATIENCE_MS = 120_000;

/** A stack and its settings; the project is the cloud's. */
export interface StackOf {
  name: string;
  config?: Record<string, unknown>;
}

/**
 * @param stacks made one after the other; the last is the environment that `mlt` works with
 * @param given boots the machines; else the most faithful way that works here
 */
export async function createEnvironment(
  stacks: readonly StackOf[] = [{ name: "live" }],
  given?: GuestDriver,
): Promise<LiveEnvironment> {
  const driver = given ?? (await chooseDriver(process.env.MLT_TEST_GUEST as GuestLevel | undefined));
  await driver.prepare((line) => console.log(line));
  const folder = mkdtempSync(join(tmpdir(), "mlt-e2e-"));
  const cloudFolder = join(folder, "cloud");
  const log: string[] = [];
  const cloud = await startLocalCloud({ stateFolder: cloudFolder, driver, log: (line) => log.push(line) });
  const opened: OpenStack[] = [];
  const close = async () => {
    for (const stack of opened) await stack.close();
    await cloud.close();
    rmSync(folder, { recursive: true, force: true });
  };
  const all: Record<string, Record<string, unknown>> = {};
  try {
    for (const { name, config } of stacks) {
      const stack = await openStack({
        stack: name,
        program,
        folder: join(folder, "pulumi"),
        environment: providerEnvironment({ url: cloud.operatorUrl }),
        config: { "gcp:project": cloud.project, ...config },
      });
      opened.push(stack);
      await stack.up();
      all[name] = await stack.outputs();
    }
  } catch (error) {
    await close();
    throw error;
  }
  const outputs = all[stacks.at(-1)?.name ?? ""] ?? {};
  const bucket = (output: string) => String(outputs[output]).replace("gs://", "");
  const buckets = { data: bucket("dataBucketUrl"), scratch: bucket("scratchBucketUrl") };
  const token = cloud.cloud.tokens.issue({ kind: "operator" }, LONG_TOKEN_SECONDS).access_token;
  const { project, url, operatorUrl, metadataUrl } = cloud;
  const startedAt = new Date().toISOString();
  const daemon = { pid: process.pid, startedAt, guest: driver.level, project, url, operatorUrl, metadataUrl, token };
  const clients = clientVariables(daemon, { stateFolder: cloudFolder });
  const variables: NodeJS.ProcessEnv = {
    ...process.env,
    ...clients,
    HOME: folder,
    XDG_CONFIG_HOME: join(folder, "config"),
    MLT_ENVIRONMENT: `gs://${buckets.data}`,
  };

  const get = async (address: string, init: RequestInit = {}) => {
    const response = await fetch(address, init);
    if (response.status === 404) return undefined;
    if (!response.ok) throw new Error(`${address} answered ${response.status}: ${await response.text()}`);
    return response;
  };
  const object = async (from: string, name: string) =>
    (await get(`${operatorUrl}/storage/v1/b/${from}/o/${encodeURIComponent(name)}?alt=media`))?.text();
  const json = async <T>(name: string): Promise<T> => {
    const text = await object(buckets.data, name);
    if (text === undefined) throw new Error(`gs://${buckets.data}/${name} is not there`);
    return JSON.parse(text) as T;
  };
  const compute = async <T>(path: string, { method = "GET", body }: Compute = {}) => {
    const headers = { "content-type": "application/json" };
    const init = { method, headers, body: body === undefined ? undefined : JSON.stringify(body) };
    const response = await get(`${operatorUrl}/compute/v1/projects/${project}/${path}`, init);
    return (await response?.json()) as T | undefined;
  };
  const machines = async () => {
    const list = await compute<{ items?: Record<string, { instances?: { name: string }[] }> }>("aggregated/instances");
    return Object.values(list?.items ?? {}).flatMap(({ instances = [] }) => instances.map(({ name }) => name));
  };
  const live: LiveEnvironment = {
    cloud,
    level: driver.level,
    folder,
    log,
    clients,
    variables,
    zones: (await json<{ zones: string[] }>("environment.json")).zones,
    buckets,
    outputs: all,
    object,
    compute,
    machines,
    mlt: (...args) => start(process.execPath, [join(REPOSITORY, "cli", "mlt.js"), ...args], { env: variables, folder }),
    pack(name, trainer, requirements = "") {
      const files = {
        "training.yaml": `name: ${name}\ncommand: [python, train.py]\nmachineType: e2-standard-2\nmaxHours: 1\n`,
        "train.py": trainer,
        "requirements.txt": requirements,
      };
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, "packages", name, path)), { recursive: true });
        writeFileSync(join(folder, "packages", name, path), text);
      }
      return join(folder, "packages", name);
    },
    async detached(...args) {
      const { code, stdout, stderr } = await live.mlt("train", "--yes", "--detach", "--json", ...args).ended;
      if (code !== 0) throw new Error(`mlt train ended with ${code}: ${stderr}`);
      return (JSON.parse(stdout) as RunStatus).id;
    },
    status: (run) => json<RunStatus>(`runs/${run}/status.json`),
    spec: (run) => json<RunSpec>(`runs/${run}/spec.json`),
    async until(run, wanted) {
      for (const limit = Date.now() + PATIENCE_MS; ; await pause()) {
        const status = await live.status(run);
        if (wanted(status)) return status;
        if (Date.now() > limit) throw new Error(`waited in vain for ${run}; its status is ${JSON.stringify(status)}`);
      }
    },
    async write(to, name, text) {
      const query = `uploadType=media&name=${encodeURIComponent(name)}`;
      await get(`${operatorUrl}/upload/storage/v1/b/${to}/o?${query}`, { method: "POST", body: text });
    },
    withoutMachine: (run) =>
      waitFor(`the end of ${run}'s machine`, async () => {
        const ending = run.replace(/^.*-(\d{14}-[0-9a-f]{4})$/, "$1");
        return !(await machines()).some((name) => name.includes(ending));
      }),
    async left() {
      const response = await fetch(`${operatorUrl}/local/v1/leftovers`);
      return ((await response.json()) as { resources: Record<string, string[]> }).resources;
    },
    async destroy() {
      for (const stack of opened.toReversed()) await stack.destroy();
    },
    close,
  };
  return live;
}

/** Starts a program; kills it if it takes longer than anything here should. */
export function start(
  command: string,
  args: string[],
  { env, folder, patienceMs = PATIENCE_MS }: { env: NodeJS.ProcessEnv; folder: string; patienceMs?: number },
): Running {
  const child = spawn(command, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"], timeout: patienceMs });
  const all: Ended = { code: null, stdout: "", stderr: "" };
  const listeners = new Set<() => void>();
  let over = false;
  const wake = () => {
    for (const listener of [...listeners]) listener();
  };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      all[name] += text;
      wake();
    });
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      over = true;
      all.code = code;
      resolve(all);
      wake();
    });
  });
  return {
    child,
    ended,
    said: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = pattern.exec(`${all.stdout}\n${all.stderr}`)?.[0];
          if (found === undefined && !over) return;
          listeners.delete(look);
          if (found !== undefined) resolve(found);
          else reject(new Error(`ended with ${all.code} and never said ${pattern}:\n${all.stdout}\n${all.stderr}`));
        };
        listeners.add(look);
        look();
      }),
  };
}

export async function waitFor(what: string, ready: () => Promise<boolean> | boolean): Promise<void> {
  const limit = Date.now() + PATIENCE_MS;
  while (!(await ready())) {
    if (Date.now() > limit) throw new Error(`waited ${PATIENCE_MS / 1000} s in vain for ${what}`);
    await pause();
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 100));
}
