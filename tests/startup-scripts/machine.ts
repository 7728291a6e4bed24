import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import type { RunSpec, RunStatus } from "../../training/contract.ts";
import { REPOSITORY, temporaryFolder } from "../helpers/shell.ts";
import { type FakeCloud, fakeCloud } from "./fakeCloud.ts";

export const RUN = "demo-20261121080000-00ff";
export const DATA = "mlt-test-data";
export const SCRATCH = "mlt-test-scratch";
export const STATUS = `runs/${RUN}/status.json`;

/** A machine that is a folder, in front of a fake cloud: what a boot needs, all of it right until a test changes it. */
export interface Bench {
  cloud: FakeCloud;
  root: string;
  spec: RunSpec;
  /** Stores the package that `files` make and names it in the spec. */
  pack(files: Record<string, string>): void;
  /** Stores spec.json and a status in `phase`. */
  submit(status?: Partial<RunStatus>): void;
  status(): RunStatus;
  log(): string;
  /** Boots the supervisor and waits for its end. */
  boot(env?: Record<string, string>): Promise<Boot>;
  /** Boots it and gives the running process. */
  start(env?: Record<string, string>): { child: ChildProcess; ended: Promise<Boot> };
}

export interface Boot {
  code: number | null;
  output: string;
}

export async function bench(t: TestContext): Promise<Bench> {
  const cloud = await fakeCloud(t);
  const root = temporaryFolder(t);
  const now = Date.now();
  for (const [key, value] of Object.entries({
    "instance/attributes/mlt-run": RUN,
    "instance/attributes/mlt-attempt": "1",
    "instance/attributes/mlt-bucket": DATA,
    "instance/name": "mlt-test-run-20261121080000-00ff-a01",
    "instance/zone": "projects/123456789012/zones/us-central1-a",
    "instance/machine-type": "projects/123456789012/machineTypes/e2-standard-2",
    "instance/scheduling/preemptible": "TRUE",
    "instance/image": "projects/debian-cloud/global/images/debian-12-bookworm-v20261110",
    "instance/preempted": "FALSE",
    "instance/service-accounts/default/token": JSON.stringify({
      access_token: "secret-token",
      expires_in: 3600,
      token_type: "Bearer",
    }),
    "project/project-id": "test-project",
  })) {
    cloud.metadata.set(key, value);
  }
  const spec: RunSpec = {
    schema: 1,
    id: RUN,
    environment: "mlt-test",
    project: "test-project",
    package: { name: "demo", object: "", sha256: "" },
    command: ["python", "train.py"],
    arguments: [],
    inputs: [],
    buckets: { data: DATA, scratch: SCRATCH },
    deadline: new Date(now + 3_600_000).toISOString(),
    maxRestarts: 3,
    keepMinutes: 0,
    machineType: "e2-standard-2",
    spot: true,
    createdAt: new Date(now).toISOString(),
  };

  const pack = (files: Record<string, string>) => {
    const folder = join(root, "package-source");
    spawnSync("rm", ["-rf", folder]);
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
    const archive = join(root, "package.tar.gz");
    const packed = spawnSync("tar", ["-czf", archive, "-C", folder, "."]);
    if (packed.status !== 0) throw new Error(packed.stderr.toString());
    const data = readFileSync(archive);
    const sha256 = createHash("sha256").update(data).digest("hex");
    spec.package = { name: "demo", object: `code/${sha256}.tar.gz`, sha256 };
    cloud.put(DATA, spec.package.object, data);
  };
  const submit = (status: Partial<RunStatus> = {}) => {
    cloud.put(DATA, `runs/${RUN}/spec.json`, JSON.stringify(spec));
    const document: RunStatus = {
      schema: 1,
      id: RUN,
      phase: "provisioning",
      attempt: 1,
      restarts: 0,
      times: { submitted: spec.createdAt },
      deadline: spec.deadline,
      ...status,
    };
    cloud.put(DATA, STATUS, JSON.stringify(document));
  };
  const start = (env: Record<string, string> = {}) => {
    const child = spawn("python3", ["-B", "-m", "supervisor", "run"], {
      cwd: join(REPOSITORY, "startup-scripts"),
      env: {
        PATH: process.env.PATH!,
        ML_TRAINING_ROOT: root,
        GCE_METADATA_HOST: cloud.host,
        CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${cloud.origin}/storage/v1/`,
        CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${cloud.origin}/compute/v1/`,
        ML_TRAINING_RETRY_SECONDS: "10",
        ML_TRAINING_HEARTBEAT_SECONDS: "0.3",
        ML_TRAINING_LOG_SECONDS: "0.2",
        ML_TRAINING_GRACE_SECONDS: "2",
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    t.after(() => child.kill("SIGKILL"));
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    const ended = new Promise<Boot>((resolve, reject) =>
      child.on("close", (code) => {
        // The trainer's own words are only in the log: a traceback here is the supervisor's mistake.
        if (output.includes("Traceback")) reject(new Error(output));
        else resolve({ code, output });
      }),
    );
    return { child, ended };
  };
  return {
    cloud,
    root,
    spec,
    pack,
    submit,
    start,
    boot: async (env) => start(env).ended,
    status: () => cloud.json(DATA, STATUS) as unknown as RunStatus,
    log: () => cloud.text(DATA, `runs/${RUN}/log.txt`),
  };
}

/** Waits until `ready` is true; fails after `seconds`, saying what it waited for. */
export async function until(what: string, ready: () => boolean, seconds = 30): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!ready()) {
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
