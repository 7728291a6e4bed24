import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type OpenStack, openStack } from "../../engine/automation.ts";
import { findPulumi } from "../../engine/cli.ts";
import program from "../../index.ts";
import { type Daemon, LONG_TOKEN_SECONDS, startDaemon } from "../../localcloud/daemon.ts";
import { chooseDriver, type GuestDriver, type GuestLevel } from "../../localcloud/guests/index.ts";
import { type Leftovers, leftovers } from "../../localcloud/leftovers.ts";
import { type LocalCloud, startLocalCloud } from "../../localcloud/server.ts";
import {
  cancelRun,
  fetchRun,
  follow,
  type OpenEnvironment,
  openEnvironment,
  putFiles,
  type RunStatus,
  readPackage,
  submit,
} from "../../training/index.ts";
import { clientVariables } from "../local/variables.ts";
import { secondsToTraining, startOf } from "./bootToTraining.ts";
import { findInputs } from "./inputs.ts";
import { lifeOf, type RehearsalReport } from "./report.ts";

const STACK = "rehearsal";
const PROJECT = "rehearsal-project";
const REGION = "us-central1";

/** What a level cannot show, in the words of the closing table. */
export const NOT_SHOWN: Record<GuestLevel, string[]> = {
  nspawn: [],
  qemu: [],
  process: ["boot", "systemd brakes", "power cut"],
};

export interface StageOptions {
  packageFolder: string;
  guest?: GuestLevel;
  provider: "attached" | "real";
  keep: boolean;
  /** A folder of this rehearsal's own. */
  folder: string;
}

type Say = (line: string) => void;

/** The environment on its stage: each method is one step of a rehearsal and returns what it did in a few words. */
export class Stage {
  announce: Say = () => {};
  signal: AbortSignal | undefined;
  readonly #options: StageOptions;
  #driver: GuestDriver | undefined;
  #cloud: LocalCloud | undefined;
  #stack: OpenStack | undefined;
  #environment: OpenEnvironment | undefined;
  #status: RunStatus | undefined;
  #outputs = 0;
  #left: Leftovers | undefined;
  #variables: Record<string, string> | undefined;

  /** When the run's first machine was switched on. */
  #startedAt = 0;

  constructor(options: StageOptions) {
    this.#options = options;
  }

  /** Everything that has to be there before a cloud can start, each said with what it takes. */
  async prepare(say: Say): Promise<string> {
    const passedOver: string[] = [];
    this.#driver = await chooseDriver(this.#options.guest, (line) => passedOver.push(line));
    for (const line of passedOver) say(line);
    const [pulumi] = await Promise.all([findPulumi(say), this.#driver.prepare(say)]);
    return `Pulumi ${pulumi.version} ${pulumi.how}, machine level ${this.#driver.level}`;
  }

  async start(): Promise<string> {
    this.#cloud = await startLocalCloud({
      stateFolder: this.#cloudFolder,
      driver: this.#driver,
      project: PROJECT,
    });
    // The same variables that `mlt local start` prints: from here on this process is a client like any other.
    this.#variables = clientVariables(this.#asDaemon(this.#cloud), { stateFolder: this.#cloudFolder });
    Object.assign(process.env, this.#variables);
    return `project ${PROJECT}, every call checked against IAM`;
  }

  async up(say: Say): Promise<string> {
    this.#stack = await openStack({
      stack: STACK,
      program,
      folder: join(this.#options.folder, "pulumi"),
      providers: this.#options.provider,
      environment: this.#need(this.#variables),
      config: { "gcp:project": PROJECT, "gcp:region": REGION, "mltraining:training": { regions: [REGION] } },
      progress: say,
    });
    const { changes, outputs } = await this.#stack.up({ signal: this.signal });
    this.#environment = await openEnvironment(String(outputs.dataBucketUrl));
    return `${changes.create ?? 0} resources, environment ${this.#environment.environment}`;
  }

  async put(say: Say): Promise<string> {
    const environment = this.#need(this.#environment);
    const { manifest } = await readPackage(this.#options.packageFolder);
    const done: string[] = [];
    for (const { name, folder } of findInputs(manifest.inputs)) {
      if (folder) {
        const { transferred, bytes } = await putFiles(environment, folder, `input/${name}`);
        done.push(`${name}: ${transferred} files, ${(bytes / 1e6).toFixed(1)} MB`);
      } else {
        say(
          `no data for ${name} on this computer (ML_TRAINING_DATA names its folder); the package has to make its own`,
        );
        await putFiles(environment, this.#placeholder(name), `input/${name}/`);
        done.push(`${name}: none here`);
      }
    }
    return done.length > 0 ? done.join("; ") : "the package needs none";
  }

  async train(say: Say): Promise<string> {
    const environment = this.#need(this.#environment);
    const submitted = await submit(environment, this.#options.packageFolder, [], { progress: say });
    this.#status = submitted;
    let phase = "";
    this.#status = await follow(
      environment,
      submitted.id,
      (event) => {
        if (event.type === "progress") say(event.line);
        else if (event.type === "log") say(lastLine(event.data));
        else {
          if (event.status.machine) this.#startedAt ||= startOf(this.#need(this.#cloud), event.status.machine.name);
          if (event.status.phase !== phase) {
            phase = event.status.phase;
            say(phase);
          }
        }
      },
      { signal: this.signal, pollMs: 500 },
    );
    this.signal?.throwIfAborted();
    await this.#machineGone();
    return `${submitted.id} ${this.#status.phase}`;
  }

  /** The run has written its end; the machine that deletes itself is still on its way out. */
  async #machineGone(): Promise<void> {
    const deadline = Date.now() + 120_000;
    while (Date.now() < deadline) {
      const { resources } = await leftovers(this.#need(this.#cloud).operatorUrl, PROJECT);
      if (!resources["compute.instances"]) return;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    throw new Error("the run has ended, but its machine is still there after two minutes");
  }

  async outcome(): Promise<string> {
    const environment = this.#need(this.#environment);
    const status = this.#need(this.#status);
    const folder = join(this.#options.folder, "fetched");
    const { transferred, bytes } = await fetchRun(environment, status.id, folder);
    this.#outputs = transferred;
    if (status.phase !== "succeeded") {
      throw new Error(`the run ended ${status.phase}: ${status.reason ?? "no reason given"}`);
    }
    return `${transferred} objects fetched, ${(bytes / 1e6).toFixed(1)} MB, checksums compared`;
  }

  async destroy(say: Say): Promise<string> {
    if (!this.#stack) return "there was nothing to destroy";
    await this.#endRun(say);
    const { changes } = await this.#stack.destroy();
    await this.#stack.removeStack();
    say("the stack is empty");
    return `${changes.delete ?? 0} resources`;
  }

  /** A rehearsal that was broken off: its machine still trains, and would hold the network that it is in. */
  async #endRun(say: Say): Promise<void> {
    if (!this.#environment || !this.#status) return;
    this.#status = await cancelRun(this.#environment, this.#status.id, { graceMs: 0, progress: say });
    if (this.#status.phase === "cancelled") await this.#machineGone();
  }

  async prove(): Promise<string> {
    if (!this.#cloud) return "there was no cloud";
    this.#left = await leftovers(this.#cloud.operatorUrl, PROJECT);
    const left = Object.values(this.#left.resources).flat().length;
    if (left > 0) throw new Error(`left behind: ${JSON.stringify(this.#left.resources)}`);
    return "no machine, disk, address, network, bucket, identity or role is left";
  }

  findings(): Pick<RehearsalReport, "level" | "notShown" | "run" | "metrics" | "leftovers" | "softDeleted"> {
    const level = this.#driver?.level;
    const status = this.#status;
    return {
      level: level ?? "none",
      notShown: level ? NOT_SHOWN[level] : [],
      ...(status
        ? {
            run: {
              id: status.id,
              phase: status.phase,
              ...(status.exitCode === undefined ? {} : { exitCode: status.exitCode }),
              ...(status.reason ? { reason: status.reason } : {}),
              restarts: status.restarts,
              seconds: lifeOf(status.times),
              ...(status.times.running && this.#startedAt
                ? { bootToTraining: secondsToTraining(status, this.#startedAt) }
                : {}),
              outputs: this.#outputs,
            },
          }
        : {}),
      ...(status?.metrics ? { metrics: status.metrics } : {}),
      leftovers: Object.fromEntries(
        Object.entries(this.#left?.resources ?? {}).map(([kind, names]) => [kind, names.length]),
      ),
      softDeleted: this.#left?.softDeleted ?? [],
    };
  }

  /** Starts the cloud again in a process of its own, and says how to look at what is there and how to end it. */
  async keep(): Promise<string> {
    const cloud = this.#cloudFolder;
    await startDaemon({
      stateFolder: cloud,
      guest: this.#driver?.level,
      project: PROJECT,
      nodeArguments: ["--import", new URL("../typescript.js", import.meta.url).href],
    });
    return [
      "The environment stays up on this machine:",
      `  eval "$(npx mlt local env --state ${cloud})"   # this shell's clients use it`,
      ...(this.#environment ? [`  npx mlt status --environment gs://${this.#environment.buckets.data}`] : []),
      `  npx mlt local stop --state ${cloud} && rm -rf ${this.#options.folder}   # the end of it`,
    ].join("\n");
  }

  async close(): Promise<void> {
    await this.#stack?.close();
    await this.#cloud?.close();
  }

  get #cloudFolder(): string {
    return join(this.#options.folder, "cloud");
  }

  /** The cloud of this process, described as one that runs in a process of its own. */
  #asDaemon({ cloud, project, url, operatorUrl, metadataUrl }: LocalCloud): Daemon {
    const token = cloud.tokens.issue({ kind: "operator" }, LONG_TOKEN_SECONDS).access_token;
    const guest = this.#need(this.#driver).level;
    return {
      pid: process.pid,
      startedAt: new Date().toISOString(),
      project,
      guest,
      url,
      operatorUrl,
      metadataUrl,
      token,
    };
  }

  #placeholder(name: string): string {
    const file = join(mkdtempSync(join(this.#options.folder, "input-")), "NO-DATA.txt");
    writeFileSync(file, `The data set ${name} was not on the computer that rehearsed.\n`);
    return file;
  }

  #need<T>(value: T | undefined): T {
    if (value === undefined) throw new Error("an earlier step did not end well");
    return value;
  }
}

function lastLine(data: Buffer): string {
  return data.toString("utf8").trimEnd().split("\n").at(-1)?.trim() ?? "";
}
