// A local cloud with one environment in it, and `mlt` as a process that works against it.
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LocalCloud } from "../../localcloud/server.ts";
import { startLocalCloud } from "../../localcloud/server.ts";
import type { Environment, RunSpec, RunStatus } from "../../training/contract.ts";
import { Objects } from "../../training/storage.ts";
import { FakeCompute } from "../training/fakeCompute.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

export const ENVIRONMENT: Environment = {
  schema: 1,
  environment: "mlt-test",
  project: "local-project",
  scope: "solo",
  region: "us-central1",
  zones: ["us-central1-a", "us-central1-b", "us-east1-b"],
  buckets: { data: "mlt-test-data", scratch: "mlt-test-scratch" },
  serviceAccount: "mlt-test-train@local-project.iam.gserviceaccount.com",
  training: {
    templates: { "us-central1": "mlt-test-training-central", "us-east1": "mlt-test-training-east" },
    machineType: "e2-standard-2",
    spot: true,
    maxHours: 4,
    maxRestarts: 2,
    image: "debian-12",
  },
  labels: {},
};

export interface Workbench {
  folder: string;
  cloud: LocalCloud;
  /** Answers for Compute Engine; machines there run nothing. */
  compute: FakeCompute;
  objects: Objects;
  /** The variables that lead every client to the local cloud. */
  env: Record<string, string>;
  mlt(
    args: string[],
    options?: {
      env?: Record<string, string | undefined>;
      until?: RegExp;
      signal?: NodeJS.Signals;
      /** Sends SIGINT when it is aborted. */
      interrupt?: AbortSignal;
    },
  ): Promise<Ended>;
  /** Writes files below the bench's folder; returns the folder `name`. */
  files(name: string, contents: Record<string, string | Buffer>): Promise<string>;
  close(): Promise<void>;
}

/** Starts the local cloud with two buckets and an `environment.json`. Sets this process's variables, too. */
export async function openWorkbench(): Promise<Workbench> {
  const folder = await mkdtemp(join(tmpdir(), "mlt-cli-"));
  const cloud = await startLocalCloud({ stateFolder: join(folder, "cloud"), enabledServices: "all" });
  const compute = new FakeCompute();
  const env = {
    CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${cloud.url}/storage/v1/`,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: await compute.start(),
    GCE_METADATA_HOST: cloud.metadataUrl.replace(/^http:\/\//, ""),
    XDG_CONFIG_HOME: join(folder, "config"),
    XDG_CACHE_HOME: join(folder, "cache"),
    HOME: folder,
    GOOGLE_OAUTH_ACCESS_TOKEN: "",
    MLT_ENVIRONMENT: "",
  };
  Object.assign(process.env, env);
  const objects = new Objects();
  try {
    for (const name of Object.values(ENVIRONMENT.buckets)) {
      const body = JSON.stringify({ name, location: "US-CENTRAL1" });
      const address = `${cloud.operatorUrl}/storage/v1/b?project=${ENVIRONMENT.project}`;
      const made = await fetch(address, { method: "POST", headers: { "content-type": "application/json" }, body });
      if (!made.ok) throw new Error(`bucket ${name}: ${made.status} ${await made.text()}`);
    }
    await objects.writeJson(ENVIRONMENT.buckets.data, "environment.json", ENVIRONMENT);
  } catch (error) {
    // A server that listens would keep a failed test alive.
    compute.close();
    await cloud.close();
    throw error;
  }

  return {
    folder,
    cloud,
    compute,
    objects,
    env,
    mlt(args, options = {}) {
      return new Promise((resolve, reject) => {
        const child = spawn(process.execPath, [join(ROOT, "cli", "mlt.js"), ...args], {
          cwd: folder,
          env: { ...process.env, ...env, ...options.env },
          stdio: ["ignore", "pipe", "pipe"],
          timeout: 120_000,
        });
        options.interrupt?.addEventListener("abort", () => child.kill("SIGINT"));
        const ended: Ended = { code: -1, stdout: "", stderr: "" };
        let signalled = false;
        const heard = () => {
          if (signalled || !options.until?.test(ended.stdout + ended.stderr)) return;
          signalled = true;
          child.kill(options.signal ?? "SIGINT");
        };
        child.stdout.on("data", (chunk) => {
          ended.stdout += chunk;
          heard();
        });
        child.stderr.on("data", (chunk) => {
          ended.stderr += chunk;
          heard();
        });
        child.once("error", reject);
        child.once("close", (code) => resolve({ ...ended, code: code ?? -1 }));
      });
    },
    async files(name, contents) {
      for (const [path, data] of Object.entries(contents)) {
        const file = join(folder, name, path);
        await mkdir(dirname(file), { recursive: true });
        await writeFile(file, data);
      }
      return join(folder, name);
    },
    async close() {
      compute.close();
      await cloud.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A run as the launcher and a machine would have left it. */
export async function leaveRun(
  { objects }: Workbench,
  id: string,
  status: Partial<RunStatus> = {},
  spec: Partial<RunSpec> = {},
): Promise<void> {
  const { data } = ENVIRONMENT.buckets;
  const submitted = new Date().toISOString();
  const deadline = new Date(Date.now() + 3_600_000).toISOString();
  const wholeSpec: RunSpec = {
    schema: 1,
    id,
    environment: ENVIRONMENT.environment,
    project: ENVIRONMENT.project,
    package: { name: "demo", object: `code/${"0".repeat(64)}.tar.gz`, sha256: "0".repeat(64) },
    command: ["python", "train.py"],
    arguments: [],
    inputs: [],
    buckets: ENVIRONMENT.buckets,
    deadline,
    maxRestarts: 2,
    keepMinutes: 0,
    machineType: "e2-standard-2",
    spot: true,
    createdAt: submitted,
    ...spec,
  };
  const whole: RunStatus = {
    schema: 1,
    id,
    phase: "running",
    attempt: 1,
    restarts: 0,
    times: { submitted },
    heartbeat: submitted,
    deadline,
    ...status,
  };
  await objects.writeJson(data, `runs/${id}/spec.json`, wholeSpec);
  await objects.writeJson(data, `runs/${id}/status.json`, whole);
}
