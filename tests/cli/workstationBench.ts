// A local cloud with a workstation that boots nothing, and a gcloud that writes down what it is called with and runs the
// machine's side of it here.
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LocalCloud, startLocalCloud } from "../../localcloud/server.ts";
import type { Environment } from "../../training/contract.ts";
import { Objects } from "../../training/storage.ts";
import type { WorkstationStatus } from "../../workstation/status.ts";
import { type Running, start } from "../e2e/environment.ts";
import { REPOSITORY } from "../helpers/shell.ts";
import { fakeDriver } from "../localcloud/compute/fixture.ts";
import { ENVIRONMENT as TRAINING } from "./workbench.ts";

export const ZONE = "us-central1-a";
export const NAME = "mlt-test-ws";
export const DATA = TRAINING.buckets.data;
export const TOKEN = "0123456789abcdef0123456789abcdef";

export const ENVIRONMENT: Environment = {
  ...TRAINING,
  workstation: {
    name: NAME,
    zone: ZONE,
    machineType: "e2-standard-4",
    spot: false,
    bootDiskGb: 50,
    idleMinutes: 60,
    schedule: { stop: "0 22 * * *", timeZone: "UTC" },
  },
};

/** What the fake gcloud does instead of connecting. */
export interface Behaviour {
  /** Says this on standard error and ends with the code. */
  fails?: { said: string; code: number };
}

export interface WorkstationBench {
  readonly cloud: LocalCloud;
  readonly folder: string;
  /** Stands for the machine's `/home/ml`. */
  readonly home: string;
  readonly objects: Objects;
  mlt(args: string[], env?: Record<string, string | undefined>): Running;
  /** The argv of every call of gcloud since the last look. */
  calls(): Promise<string[][]>;
  behave(behaviour: Behaviour): Promise<void>;
  /** Writes the machine's own word. */
  says(status: Partial<WorkstationStatus>): Promise<void>;
  /** `POST` to the instance, and waits until it is done. */
  instance(verb: "start" | "stop"): Promise<void>;
  state(): Promise<string>;
  close(): Promise<void>;
}

const FAKE_GCLOUD = (node: string) => `#!${node}
const { appendFileSync, readFileSync, cpSync } = require("node:fs");
const { spawn } = require("node:child_process");
const folder = process.env.FAKE_FOLDER;
const args = process.argv.slice(2);
appendFileSync(folder + "/calls", JSON.stringify(args) + "\\n");
const { fails } = JSON.parse(readFileSync(folder + "/behaviour", "utf8"));
if (fails) {
  process.stderr.write(fails.said);
  process.exit(fails.code);
}
const local = (text) => text.replaceAll("/home/ml", folder + "/home").replaceAll("/var/lib/ml-workstation", folder + "/var");
if (args[1] === "scp") {
  const [from, to] = args.slice(-2).map((path) => path.replace(/^mlt-test-ws:/, ""));
  cpSync(from, to, { recursive: true });
  process.exit(0);
}
const at = args.indexOf("--command");
const line = at < 0 ? "echo a shell" : args[at + 1].split(" ").join(" ");
const env = { ...process.env, PATH: folder + "/machine:" + process.env.PATH };
const child = spawn("bash", ["-c", local(line)], { env, stdio: "inherit" });
process.on("SIGTERM", () => child.kill());
child.on("close", (code, signal) => process.exit(code ?? 255));
`;

/** `mlt-exec` of a machine whose commands end at once; it answers as docs/workstation.md says. */
const FAKE_EXEC = `#!/bin/bash
case $1 in
  start)
    shift
    cwd=/home/ml
    if [ "$1" = --cwd ]; then cwd=$2; shift 2; fi
    shift
    printf '%s\\0' "$cwd" "$@" >"$FAKE_FOLDER/started"
    echo '{"schema":1,"id":"20261121120000-ab12","command":["x"],"cwd":"/home/ml","by":"me","machine":"mlt-test-ws","startedAt":"2026-11-21T12:00:00Z"}'
    ;;
  log) if [ -x "$FAKE_FOLDER/log" ]; then exec "$FAKE_FOLDER/log"; fi ;;
  stop) echo "$2" >"$FAKE_FOLDER/stopped" ;;
esac
`;

export async function openWorkstationBench(): Promise<WorkstationBench> {
  const folder = await mkdtemp(join(tmpdir(), "mlt-ws-"));
  const home = join(folder, "home");
  const { driver } = fakeDriver();
  const cloud = await startLocalCloud({ stateFolder: join(folder, "cloud"), enabledServices: "all", driver });
  const executable = async (path: string, text: string) => {
    await writeFile(join(folder, path), text);
    await chmod(join(folder, path), 0o755);
  };
  for (const name of ["bin", "machine", "home", "var"]) await mkdir(join(folder, name));
  await executable("bin/gcloud", FAKE_GCLOUD(process.execPath));
  await executable("machine/sudo", '#!/bin/sh\nshift 3\nexec "$@"\n');
  await executable("machine/mlt-exec", FAKE_EXEC);
  await writeFile(join(folder, "var", "jupyter-token"), TOKEN);
  await writeFile(join(folder, "behaviour"), "{}");
  const env: Record<string, string> = {
    CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${cloud.url}/storage/v1/`,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${cloud.url}/compute/v1/`,
    GCE_METADATA_HOST: cloud.metadataUrl.replace(/^http:\/\//, ""),
    XDG_CONFIG_HOME: join(folder, "config"),
    XDG_CACHE_HOME: join(folder, "cache"),
    HOME: folder,
    GOOGLE_OAUTH_ACCESS_TOKEN: "",
    MLT_ENVIRONMENT: `gs://${DATA}`,
    FAKE_FOLDER: folder,
    PATH: `${join(folder, "bin")}:${process.env.PATH}`,
  };
  Object.assign(process.env, { ...env, PATH: process.env.PATH });
  const objects = new Objects();
  const call = async (method: string, path: string, body?: unknown): Promise<Record<string, unknown>> => {
    const answer = await fetch(`${cloud.operatorUrl}${path}`, {
      method,
      headers: { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text || "{}") as Record<string, unknown>;
  };
  const root = `/compute/v1/projects/${cloud.project}`;
  const done = async (path: string, body?: unknown) => {
    const { selfLink } = await call("POST", `${root}/${path}`, body);
    const operation = await call("POST", `${new URL(String(selfLink)).pathname}/wait`);
    if (operation.error) throw new Error(JSON.stringify(operation.error));
  };
  const calls = async () => {
    const text = await readFile(join(folder, "calls"), "utf8").catch(() => "");
    await rm(join(folder, "calls"), { force: true });
    const lines = text.split("\n").filter(Boolean);
    return lines.map((line) => JSON.parse(line) as string[]);
  };
  try {
    for (const name of Object.values(ENVIRONMENT.buckets)) {
      await call("POST", `/storage/v1/b?project=${cloud.project}`, { name, location: "US-CENTRAL1" });
    }
    await objects.writeJson(DATA, "environment.json", ENVIRONMENT);
    await done("global/networks", { name: "net", autoCreateSubnetworks: false });
    const network = `projects/${cloud.project}/global/networks/net`;
    await done("regions/us-central1/subnetworks", { name: "sub", network, ipCidrRange: "10.10.0.0/24" });
    await done(`zones/${ZONE}/instances`, {
      name: NAME,
      machineType: `zones/${ZONE}/machineTypes/e2-standard-4`,
      disks: [
        {
          boot: true,
          autoDelete: true,
          initializeParams: { sourceImage: "projects/debian-cloud/global/images/family/debian-12" },
        },
      ],
      networkInterfaces: [{ subnetwork: "regions/us-central1/subnetworks/sub" }],
    });
  } catch (error) {
    await cloud.close();
    throw error;
  }
  return {
    cloud,
    folder,
    home,
    objects,
    calls,
    mlt: (args, more = {}) =>
      start(process.execPath, [join(REPOSITORY, "cli", "mlt.js"), ...args], {
        env: { ...process.env, ...env, ...more },
        folder,
      }),
    behave: (behaviour) => writeFile(join(folder, "behaviour"), JSON.stringify(behaviour)),
    async says(status) {
      const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
      const whole: WorkstationStatus = {
        schema: 1,
        phase: "ready",
        machine: NAME,
        bucket: DATA,
        step: 7,
        steps: 7,
        name: "bucket",
        problems: [],
        bootedAt: now,
        readyAt: now,
        bootId: "boot",
        heartbeat: now,
        jupyter: "running",
        tensorboard: "running",
        mount: "mounted",
        ...status,
      };
      await objects.writeJson(DATA, "workstation/status.json", whole);
    },
    instance: (verb) => done(`zones/${ZONE}/instances/${NAME}/${verb}`),
    state: async () => String((await call("GET", `${root}/zones/${ZONE}/instances/${NAME}`)).status),
    async close() {
      await cloud.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
