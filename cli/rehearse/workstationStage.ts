import { realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type OpenStack, openStack } from "../../engine/automation.ts";
import { findPulumi } from "../../engine/cli.ts";
import program from "../../index.ts";
import { LONG_TOKEN_SECONDS } from "../../localcloud/daemon.ts";
import { chooseDriver, type GuestDriver, type GuestLevel } from "../../localcloud/guests/index.ts";
import { leftovers } from "../../localcloud/leftovers.ts";
import { type LocalCloud, startLocalCloud } from "../../localcloud/server.ts";
import { ensureGcsfuse } from "../../localcloud/services/packages/gcsfuse.ts";
import { type OpenEnvironment, openEnvironment } from "../../training/index.ts";
import { clientVariables } from "../local/variables.ts";
import { runMlt, startMlt } from "./mltCommand.ts";
import type { Playable, Say } from "./steps.ts";
import { HURRY, IDLE_SECONDS, MANIFEST, openTab, type Summary, statusOf } from "./workstationMeans.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PROJECT = "rehearsal-project";
const ZONE = "us-central1-a";
const EXAMPLE = "examples/fashion-mnist";
const ANN = "ann@example.com";
/** The curves that the example draws. */
export const CURVES = ["accuracy/test", "accuracy/train", "loss/test", "loss/train"];
/** A first boot installs for minutes on a slow network or a busy computer; `mlt jupyter` waits as long. */
const PATIENCE_MS = 20 * 60_000;

/** What the closing table is made of. */
export interface WorkstationFindings {
  level: GuestLevel | "none";
  /** How long boots took, in words, by their name. */
  boots: Record<string, string>;
  /** What `mlt status` said while the machine came up, each once. */
  seen: string[];
  /** What a person reads who logs in. */
  login: string;
  /** Tags and values of TensorBoard's scalars. */
  scalars: Record<string, number>;
  /** Why it stopped the first time. */
  stopped: string;
  left: string[];
}

/** A workstation and its person on their stage: each method is a step and says in a few words what it did. */
export class WorkstationStage implements Playable {
  signal: AbortSignal | undefined;
  readonly findings: WorkstationFindings = {
    level: "none",
    boots: {},
    seen: [],
    login: "",
    scalars: {},
    stopped: "",
    left: [],
  };
  readonly #folder: string;
  readonly #guest: GuestLevel | undefined;
  readonly #provider: "attached" | "real";
  #driver: GuestDriver | undefined;
  #cloud: LocalCloud | undefined;
  #stack: OpenStack | undefined;
  #environment: OpenEnvironment | undefined;
  #variables: Record<string, string> = {};
  #bootId = "";

  constructor(options: { folder: string; guest?: GuestLevel; driver?: GuestDriver; provider: "attached" | "real" }) {
    this.#folder = realpathSync(options.folder);
    this.#guest = options.guest;
    this.#driver = options.driver;
    this.#provider = options.provider;
  }

  async prepare(say: Say): Promise<string> {
    const better: string[] = [];
    this.#driver ??= await chooseDriver(this.#guest, (line) => better.push(line));
    const { level } = this.#driver;
    if (level === "process") {
      const ways = better.length > 0 ? `\n${better.join("\n")}` : "";
      throw new Error(
        `a workstation is a machine with systemd, and the guest level "process" has none. Take nspawn or qemu.${ways}`,
      );
    }
    for (const line of better) say(line);
    const [pulumi] = await Promise.all([findPulumi(say), this.#driver.prepare(say), ensureGcsfuse(say)]);
    this.findings.level = level;
    return `Pulumi ${pulumi.version}, machine level ${level}, gcsfuse`;
  }

  async start(): Promise<string> {
    const stateFolder = join(this.#folder, "cloud");
    this.#cloud = await startLocalCloud({ stateFolder, driver: this.#driver, project: PROJECT });
    const { cloud, url, operatorUrl, metadataUrl } = this.#cloud;
    const token = cloud.tokens.issue({ kind: "operator" }, LONG_TOKEN_SECONDS).access_token;
    const guest = this.findings.level === "none" ? "process" : this.findings.level;
    const startedAt = new Date().toISOString();
    const daemon = { pid: process.pid, startedAt, guest, project: PROJECT, url, operatorUrl, metadataUrl, token };
    this.#variables = clientVariables(daemon, { stateFolder });
    Object.assign(process.env, this.#variables);
    return `project ${PROJECT}, every call checked against IAM`;
  }

  async up(say: Say): Promise<string> {
    this.#stack = await openStack({
      stack: "workstation",
      program,
      folder: join(this.#folder, "pulumi"),
      providers: this.#provider,
      environment: this.#variables,
      progress: say,
      config: {
        "gcp:project": PROJECT,
        "gcp:region": "us-central1",
        "mltraining:environment": "mlt-rehearsal",
        "mltraining:training": { enabled: false },
        "mltraining:workstation": {
          zone: ZONE,
          machineType: "e2-standard-2",
          people: [`user:${ANN}`],
          requirements: `${EXAMPLE}/requirements.txt`,
        },
      },
    });
    const { changes, outputs } = await this.#stack.up({ signal: this.signal });
    this.#environment = await openEnvironment(String(outputs.dataBucketUrl));
    const { workstation } = this.#environment;
    if (!workstation) throw new Error("the environment's record has no workstation");
    const { stop, timeZone } = workstation.schedule ?? {};
    return `${changes.create ?? 0} resources: ${workstation.name}, stops after ${workstation.idleMinutes} idle minutes and at "${stop}" ${timeZone}`;
  }

  /** What `mlt status` says as long as the machine boots and installs. */
  async starting(say: Say): Promise<string> {
    const installs = await this.#until((now) => /: step \d/.test(now.words) || now.state === "ready", say);
    for (const line of (await this.#mlt("status")).trimEnd().split("\n")) say(line);
    return installs.words;
  }

  async ready(say: Say): Promise<string> {
    return this.#cameUp("first boot", say);
  }

  /** Who is among `people` gets through the proxy, onto the machine and, as the default is, to root. */
  async login(): Promise<string> {
    this.findings.login = (await this.#mlt("ssh", "--", "bash", "-lic", "true")).trim();
    const me = (await this.#mlt("ssh", "--", "sudo", "-n", "id", "-un")).trim();
    if (me !== "root") throw new Error(`sudo made ann ${me}`);
    const { code, stderr } = await startMlt(this.#arguments(["ssh", "--", "true"]), this.#as("eve@example.com")).ended;
    if (code === 0) throw new Error("a stranger was let in");
    const refusal = /^Reading gs:\/\/\S+\/environment\.json was refused \(403\)/m.exec(stderr)?.[0];
    if (!refusal) throw new Error(`a stranger was refused for another reason: ${stderr.slice(-500)}`);
    return `ann reads "${this.findings.login.split("\n")[0]}"; a stranger: "${refusal}"`;
  }

  async jupyter(): Promise<string> {
    const running = startMlt(this.#arguments(["jupyter", "--json"]), this.#as(ANN));
    const { url, port, token } = JSON.parse(await running.said(/\{"url"[^}]*\}|\{\s*"url"[^}]*\}/)) as {
      url: string;
      port: number;
      token: string;
    };
    const api = `http://127.0.0.1:${port}/api/contents`;
    const codes = await Promise.all([url, `${api}?token=${token}`, api, `${api}?token=wrong`].map(statusOf));
    if (codes.join() !== "200,200,403,403") throw new Error(`JupyterLab answered ${codes.join(", ")}`);
    running.interrupt();
    const { code } = await running.ended;
    if (code !== 0) throw new Error(`Ctrl-C ended the tunnel with ${code}`);
    if ((await statusOf(url)) !== 0) throw new Error("the port is open after Ctrl-C");
    return "200 with its token, 403 without and with another; Ctrl-C closes the port";
  }

  async mount(): Promise<string> {
    const { objects, buckets } = this.#open;
    await objects.write(buckets.data, "input/there.txt", "from the bucket\n");
    const read = await this.#mlt("ssh", "--", "cat", "/mnt/bucket/input/there.txt");
    if (read !== "from the bucket\n") throw new Error(`the mount has ${JSON.stringify(read)}`);
    await this.#mlt(
      "ssh",
      "--",
      "ml",
      "sh",
      "-c",
      "cd /mnt/bucket && mkdir -p output && echo from the machine >output/back.txt",
    );
    const back = (await objects.read(buckets.data, "output/back.txt"))?.data.toString("utf8");
    if (back !== "from the machine\n") throw new Error(`the bucket has ${JSON.stringify(back)}`);
    const refused = await startMlt(
      this.#arguments(["ssh", "--", "ml", "sh", "-c", "cd /mnt/bucket && mkdir -p code && echo x >code/x"]),
      this.#as(ANN),
    ).ended;
    if (refused.code === 0) throw new Error("the machine may change code/");
    return "input/there.txt read there, output/back.txt written there, code/ refused";
  }

  /** README's line; the command's own connection is gone while it trains. */
  async background(say: Say): Promise<string> {
    await this.#mlt("cp", join(ROOT, EXAMPLE), ":work/");
    const program = ["python", `work/${EXAMPLE.split("/").at(-1)}/train.py`, "--output", "/mnt/bucket/output"];
    const id = (await this.#mlt("exec", "--", ...program, "--epochs", "1", "--sample", "512")).trim();
    const log = await this.#mlt("exec", "logs", id, "--follow");
    for (const line of log.trimEnd().split("\n")) say(line);
    const [one] = JSON.parse(await this.#mlt("exec", "list", "--json")) as { state: string; exitCode: number }[];
    if (one?.state !== "ended" || one.exitCode !== 0) throw new Error(`mlt exec list says ${JSON.stringify(one)}`);
    return `${id} ended with 0: ${log.trimEnd().split("\n").at(-1)}`;
  }

  async tensorboard(): Promise<string> {
    const running = startMlt(this.#arguments(["tensorboard", "--json"]), this.#as(ANN));
    try {
      const { url } = JSON.parse(await running.said(/\{\s*"url"[^}]*\}/)) as { url: string };
      const read = async <T>(path: string) => (await (await fetch(`${url}data/plugin/scalars/${path}`)).json()) as T;
      const run = "fashion-mnist";
      await this.#wait("TensorBoard's curves", async () => {
        const tags = await read<Record<string, Record<string, unknown>>>("tags");
        return CURVES.every((tag) => tags[run]?.[tag] !== undefined);
      });
      for (const tag of CURVES) {
        const points = await read<[time: number, step: number, value: number][]>(`scalars?run=${run}&tag=${tag}`);
        if (points.length !== 1) throw new Error(`${tag} has ${points.length} points after one epoch`);
        this.findings.scalars[tag] = Math.round((points[0]?.[2] ?? Number.NaN) * 1000) / 1000;
      }
    } finally {
      running.interrupt();
      await running.ended;
    }
    return Object.entries(this.findings.scalars)
      .map(([tag, value]) => `${tag} ${value}`)
      .join(", ");
  }

  /** With an open tab: a kernel's connection, and the calls that JupyterLab makes all the time. */
  async idle(say: Say): Promise<string> {
    await this.#mlt("ssh", "--", "sudo", "bash", "-c", `${MANIFEST} >/root/before`);
    const running = startMlt(this.#arguments(["jupyter", "--json"]), this.#as(ANN));
    const found = JSON.parse(await running.said(/\{\s*"url"[^}]*\}/)) as { port: number; token: string };
    const tab = await openTab(found.port, found.token);
    try {
      say(`a tab is open, its kernel has computed ${tab.computed} and is idle; the limit is ${IDLE_SECONDS} s now`);
      await this.#mlt("ssh", "--", "sudo", "bash", "-c", HURRY);
      const { words } = await this.#until(({ state }) => state === "stopped", say);
      this.findings.stopped = words;
    } finally {
      tab.close();
      running.interrupt();
      await running.ended;
    }
    const reason = /nobody has worked here for [^)]*\)/.exec(this.findings.stopped)?.[0];
    if (!reason) throw new Error(`it is ${this.findings.stopped}`);
    return `${reason}; ${tab.polls} calls of the open tab kept it from nothing`;
  }

  async again(): Promise<string> {
    const told = (await this.#mltAsKeeper("start")).trim();
    const up = await this.#cameUp("second boot", () => undefined);
    const changed = await this.#mlt("ssh", "--", "sudo", "bash", "-c", `${MANIFEST} | comm -13 /root/before -`);
    if (changed !== "") throw new Error(`the second boot changed:\n${changed.slice(0, 1000)}`);
    return `${/: (about [^,]*)/.exec(told)?.[1] ?? told}; ${up}; nothing changed`;
  }

  /** The cloud's clock is put forward to the evening. */
  async night(): Promise<string> {
    const { scheduledStop } = (await this.#summary()).workstation;
    if (!scheduledStop) throw new Error("mlt status names no nightly stop");
    await this.#clock(Date.parse(scheduledStop) + 2000 - Date.now());
    await this.#until(
      ({ state }) => state === "stopped",
      () => undefined,
    );
    await this.#clock(0);
    const path = `compute/v1/projects/${PROJECT}/zones/${ZONE}/operations`;
    const { items } = (await (await fetch(`${this.#need(this.#cloud).operatorUrl}/${path}`)).json()) as {
      items: { operationType: string; user: string; insertTime: string }[];
    };
    const last = items.filter(({ operationType }) => operationType === "stop").at(-1);
    if (!last?.user.endsWith("@compute-system.iam.gserviceaccount.com")) throw new Error(`${last?.user} stopped it`);
    const told = (await this.#mltAsKeeper("stop")).trim();
    return `at ${scheduledStop.slice(11, 16)} UTC by Google's agent; ${told.split(": ").at(-1)}`;
  }

  async destroy(say: Say): Promise<string> {
    if (!this.#stack) return "there was nothing to destroy";
    const { changes } = await this.#stack.destroy();
    await this.#stack.removeStack();
    say("the stack is empty");
    return `${changes.delete ?? 0} resources`;
  }

  async prove(): Promise<string> {
    if (!this.#cloud) return "there was no cloud";
    const { resources } = await leftovers(this.#cloud.operatorUrl, PROJECT);
    this.findings.left = Object.entries(resources).flatMap(([kind, names]) => names.map((name) => `${kind} ${name}`));
    if (this.findings.left.length > 0) throw new Error(`left behind: ${this.findings.left.join(", ")}`);
    return "no machine, disk, schedule, network, bucket, identity or role is left";
  }

  async close(): Promise<void> {
    await this.#stack?.close();
    await this.#cloud?.close();
  }

  /** Waits for the set-up of another boot than the one before, and keeps how long it took. */
  async #cameUp(name: string, say: Say): Promise<string> {
    const before = this.#bootId;
    const begun = await this.#started();
    let jupyter: number | undefined;
    await this.#until(({ state, status, lastStatus }) => {
      const now = status ?? lastStatus;
      if (now === undefined || now.bootId === before) return false;
      if (now.jupyter === "running") jupyter ??= Date.now();
      if (state === "failed") throw new Error("not all of it works: see the lines above");
      this.#bootId = now.bootId;
      return state === "ready";
    }, say);
    const seconds = (until: number) => Math.max(0, Math.round((until - begun) / 1000));
    const text = `ready ${seconds(Date.now())} s after it was switched on, JupyterLab after ${seconds(jupyter ?? Date.now())} s at most`;
    this.findings.boots[name] = text;
    return text;
  }

  async #started(): Promise<number> {
    const { name } = this.#open.workstation ?? {};
    const path = `compute/v1/projects/${PROJECT}/zones/${ZONE}/instances/${name}`;
    const answer = await fetch(`${this.#need(this.#cloud).operatorUrl}/${path}`);
    return Date.parse(((await answer.json()) as { lastStartTimestamp: string }).lastStartTimestamp);
  }

  async #summary(): Promise<Summary> {
    return JSON.parse(await this.#mlt("status", "--json")) as Summary;
  }

  /** Looks as a person does, until what `mlt status` says is as wanted; says what is new. */
  async #until(wanted: (now: Summary["workstation"]) => boolean, say: Say): Promise<Summary["workstation"]> {
    let said = "";
    let last: Summary["workstation"] | undefined;
    await this.#wait("the workstation", async () => {
      const { workstation } = await this.#summary();
      last = workstation;
      if (workstation.words !== said) {
        said = workstation.words;
        if (this.findings.seen.at(-1) !== said) this.findings.seen.push(said);
        say(said);
      }
      return wanted(workstation);
    });
    return this.#need(last);
  }

  async #wait(what: string, ready: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + PATIENCE_MS; ; await new Promise((resolve) => setTimeout(resolve, 500))) {
      this.signal?.throwIfAborted();
      if (await ready()) return;
      if (Date.now() > end) throw new Error(`waited in vain for ${what}; the last was: ${this.findings.seen.at(-1)}`);
    }
  }

  async #clock(clockOffsetMs: number): Promise<void> {
    const init = { method: "PATCH", body: JSON.stringify({ clockOffsetMs }) };
    const answer = await fetch(`${this.#need(this.#cloud).operatorUrl}/local/v1/settings`, init);
    if (!answer.ok) throw new Error(await answer.text());
  }

  #mlt(...args: string[]): Promise<string> {
    return runMlt(this.#arguments(args), this.#as(ANN));
  }

  /** As whoever keeps the environment: people may neither start nor stop machines. */
  #mltAsKeeper(...args: string[]): Promise<string> {
    const { signal } = this;
    const variables = { ...process.env, ...this.#variables };
    return runMlt(this.#arguments(args), { folder: this.#folder, variables, ...(signal ? { signal } : {}) });
  }

  /** Options stand before what follows `--`. */
  #arguments(args: readonly string[]): string[] {
    const at = args.indexOf("--");
    const [own, rest] = at < 0 ? [args, []] : [args.slice(0, at), args.slice(at)];
    return [...own, "--environment", `gs://${this.#open.buckets.data}`, ...rest];
  }

  /** A shell of this person's, who has no right but what `people` gives: to Google mlt and gcloud are this person alone. */
  #as(email: string): { folder: string; variables: NodeJS.ProcessEnv; signal?: AbortSignal } {
    const file = join(this.#folder, `token-${email.split("@")[0]}`);
    const { tokens } = this.#need(this.#cloud).cloud;
    const token = tokens.issue({ kind: "user", email }, LONG_TOKEN_SECONDS).access_token;
    writeFileSync(file, token, { mode: 0o600 });
    const own = { CLOUDSDK_AUTH_ACCESS_TOKEN_FILE: file, GOOGLE_OAUTH_ACCESS_TOKEN: token };
    const variables = { ...process.env, ...this.#variables, ...own };
    return { folder: this.#folder, variables, ...(this.signal ? { signal: this.signal } : {}) };
  }

  get #open(): OpenEnvironment {
    return this.#need(this.#environment);
  }

  #need<T>(value: T | undefined): T {
    if (value === undefined) throw new Error("an earlier step did not end well");
    return value;
  }
}
