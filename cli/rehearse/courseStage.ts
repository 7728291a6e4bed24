import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { findPulumi } from "../../engine/cli.ts";
import { providerEnvironment } from "../../engine/endpoints.ts";
import type { ProviderServer } from "../../engine/providers/gcp/server.ts";
import { startGcpProvider } from "../../engine/providers/gcp/server.ts";
import { LONG_TOKEN_SECONDS } from "../../localcloud/daemon.ts";
import { chooseDriver, type GuestDriver, type GuestLevel } from "../../localcloud/guests/index.ts";
import { leftovers } from "../../localcloud/leftovers.ts";
import { type LocalCloud, startLocalCloud } from "../../localcloud/server.ts";
import { clientVariables } from "../local/variables.ts";
import type { Say } from "./steps.ts";

const MLT = fileURLToPath(new URL("../mlt.js", import.meta.url));
const PROJECTS = ["rehearsal-one", "rehearsal-two"] as const;
const [FIRST, SECOND] = PROJECTS;
const NAME = "demo";
/** Small enough to train in seconds wherever the machine boots. */
const PACKAGE: Readonly<Record<string, string>> = {
  "training.yaml": "name: hello\ncommand: [python, train.py]\nmaxHours: 1\n",
  "train.py":
    'import os, pathlib\npathlib.Path(os.environ["OUTPUT_DIR"], "model.txt").write_text("trained")\nprint("trained")\n',
  "requirements.txt": "",
};

interface Outcome {
  stack: string;
  student?: string;
  result: string;
  reason?: string;
}

/** A class on its stage: each method is one step, done by the same commands that an instructor types. */
export class CourseStage {
  signal: AbortSignal | undefined;
  level: GuestLevel | "none" = "none";
  readonly #folder: string;
  readonly #guest: GuestLevel | undefined;
  readonly #students: number;
  #driver: GuestDriver | undefined;
  #cloud: LocalCloud | undefined;
  #provider: ProviderServer | undefined;
  #variables: NodeJS.ProcessEnv = {};
  #roster: { id: string; email: string }[] = [];

  constructor({ folder, guest, students }: { folder: string; guest?: GuestLevel; students: number }) {
    this.#folder = folder;
    this.#guest = guest;
    this.#students = students;
  }

  async prepare(say: Say): Promise<string> {
    this.#driver = await chooseDriver(this.#guest, say);
    const [pulumi] = await Promise.all([findPulumi(say), this.#driver.prepare(say)]);
    this.level = this.#driver.level;
    this.#variables = { PATH: `${dirname(pulumi.path)}:${process.env.PATH}` };
    return `Pulumi ${pulumi.version} ${pulumi.how}, machine level ${this.level}`;
  }

  async start(): Promise<string> {
    const stateFolder = join(this.#folder, "cloud");
    this.#cloud = await startLocalCloud({
      stateFolder,
      driver: this.#driver,
      project: FIRST,
      otherProjects: [SECOND],
      enabledServices: "all",
    });
    const { cloud, url, operatorUrl, metadataUrl } = this.#cloud;
    this.#provider = await startGcpProvider(providerEnvironment({ url: operatorUrl }));
    const token = cloud.tokens.issue({ kind: "operator" }, LONG_TOKEN_SECONDS).access_token;
    const guest = this.#driver?.level ?? "process";
    const startedAt = new Date().toISOString();
    const daemon = { pid: process.pid, startedAt, guest, project: FIRST, url, operatorUrl, metadataUrl, token };
    const present = { ...process.env, ...this.#variables };
    const clients = clientVariables(daemon, { stateFolder, present });
    this.#variables = { ...present, ...clients, PULUMI_DEBUG_PROVIDERS: this.#provider.attach };
    this.#write();
    return `projects ${PROJECTS.join(", ")}, a roster of ${this.#students}`;
  }

  async plan(): Promise<string> {
    const { projects } = (await this.#json(0, "plan")) as { projects: { byLimits: number; have: number } };
    return `needs ${projects.byLimits} of ${projects.have} projects by Google's limits`;
  }

  async check(say: Say): Promise<string> {
    const folder = join(this.#folder, "hello");
    mkdirSync(folder);
    for (const [name, text] of Object.entries(PACKAGE)) writeFileSync(join(folder, name), text);
    const { stdout } = await this.#mlt(undefined, say, "check", "--yes", "--package", folder);
    const canary = stdout.split("\n").filter((line) => / canary /.test(line));
    const bad = canary.filter((line) => !line.startsWith("ok"));
    if (canary.length !== 3 || bad.length > 0) throw new Error(bad[0] ?? "the canary did not fly");
    return "one student came up, trained as the own service account, went without a trace";
  }

  /** The process is killed with all that it started, as by a power cut, when three students are done. */
  async broken(say: Say): Promise<string> {
    let done = 0;
    const { child, ended } = this.#start((line) => {
      say(line);
      if (/^✔ \S+-s\d+ /.test(line)) done += 1;
      if (done === 3 && child.pid) process.kill(-child.pid, "SIGKILL");
    }, "up");
    const { code } = await ended;
    this.signal?.throwIfAborted();
    if (code !== null || done < 3) throw new Error(`mlt course up was to be killed, and ended with ${code}`);
    return "killed -9 when three students stood";
  }

  async up(say: Say): Promise<string> {
    await this.#mlt(0, say, "up");
    const { outcomes } = (await this.#json(0, "up")) as { outcomes: Outcome[] };
    const changed = outcomes.filter(({ result }) => result !== "unchanged");
    if (changed.length > 0) throw new Error(`the second call changed ${changed.map(({ stack }) => stack).join(", ")}`);
    return `${outcomes.length} stacks stand, and a second call changes none`;
  }

  /** One joins, one leaves, one has an address that is no Google account. */
  async change(say: Say): Promise<string> {
    const leaving = this.#roster.pop();
    const next = `s${String(this.#students + 1).padStart(3, "0")}`;
    const typo = { id: this.#roster[1]?.id ?? "", email: "typo@example.com" };
    this.#roster[1] = typo;
    this.#roster.push({ id: next, email: `${next}@example.com` });
    await this.#operator("PUT", "unknown-accounts", { accounts: [typo.email] });
    this.#write();
    await this.#mlt(1, say, "up", "--yes");
    const failed = (await this.#json(1, "up")) as { outcomes: Outcome[] };
    const reasons = failed.outcomes.filter(({ result }) => result === "failed");
    if (reasons.length !== 1 || reasons[0]?.student !== typo.id) throw new Error(JSON.stringify(reasons));
    this.#roster[1] = { id: typo.id, email: `${typo.id}@example.com` };
    this.#write();
    await this.#mlt(0, say, "up", "--only", typo.id);
    return `${next} joined, ${leaving?.id} left with the results exported, ${typo.id} failed alone and is whole again`;
  }

  async freeze(say: Say): Promise<string> {
    await this.#mlt(0, say, "freeze", "--yes");
    return "nobody may start a machine; files stay";
  }

  async report(say: Say): Promise<string> {
    await this.#mlt(0, say, "report");
    await this.#mlt(0, say, "status");
    return "report.html, CSV and JSON";
  }

  async down(say: Say): Promise<string> {
    if (!this.#cloud) return "there was nothing to take down";
    const { stdout } = await this.#mlt(0, say, "down", "--yes");
    return stdout.includes(`Nothing of ${NAME} is left`) ? "exported, verified, destroyed" : "nothing stood";
  }

  async prove(): Promise<string> {
    if (!this.#cloud) return "no cloud was started";
    const { operatorUrl } = this.#cloud;
    const found = await Promise.all(PROJECTS.map((project) => leftovers(operatorUrl, project)));
    const left = found.flatMap(({ resources }) =>
      Object.entries(resources).flatMap(([kind, names]) => `${names.length} ${kind}`),
    );
    if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
    const soft = found.reduce((sum, { softDeleted }) => sum + softDeleted.length, 0);
    return `nothing in ${PROJECTS.join(", ")} but ${soft} soft-deleted buckets`;
  }

  async close(): Promise<void> {
    await this.#provider?.close();
    await this.#cloud?.close();
  }

  #write(): void {
    const folder = join(this.#folder, "course");
    mkdirSync(folder, { recursive: true });
    if (this.#roster.length === 0) {
      this.#roster = Array.from({ length: this.#students }, (_, index) => {
        const id = `s${String(index + 1).padStart(3, "0")}`;
        return { id, email: `${id}@example.com` };
      });
    }
    const course = {
      name: NAME,
      expires: new Date(Date.now() + 30 * 24 * 3600_000).toISOString().slice(0, 10),
      projects: [...PROJECTS],
      state: "file://./states",
      contact: "the rehearsal",
      instructors: ["user:instructor@example.com"],
    };
    writeFileSync(join(folder, "course.yaml"), JSON.stringify(course, null, 2));
    const rows = this.#roster.map(({ id, email }) => `${id},Student ${id},${email}\n`);
    writeFileSync(join(folder, "roster.csv"), `id,name,email\n${rows.join("")}`);
  }

  async #operator(method: string, path: string, body: unknown): Promise<void> {
    const init = { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    const response = await fetch(`${this.#cloud?.operatorUrl}/local/v1/${path}`, init);
    if (!response.ok) throw new Error(await response.text());
  }

  async #json(expected: number, ...args: string[]): Promise<unknown> {
    return JSON.parse((await this.#mlt(expected, () => undefined, ...args, "--json")).stdout) as unknown;
  }

  async #mlt(expected: number | undefined, say: Say, ...args: string[]): Promise<{ stdout: string }> {
    const { ended } = this.#start(say, ...args);
    const { code, stdout, stderr } = await ended;
    this.signal?.throwIfAborted();
    if (expected !== undefined && code !== expected) {
      throw new Error(`mlt course ${args.join(" ")} ended with ${code}: ${(stderr || stdout).trim().slice(-1000)}`);
    }
    return { stdout };
  }

  #start(say: Say, ...args: string[]) {
    const [command = "", ...rest] = args;
    const all = [MLT, "course", command, "--course", join(this.#folder, "course"), ...rest];
    // A group of its own, so that it can be killed together with what it has started in it.
    const child: ChildProcess = spawn(process.execPath, all, { env: this.#variables, detached: true });
    const text = { stdout: "", stderr: "" };
    let told = 0;
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.setEncoding("utf8").on("data", (data: string) => {
        text[name] += data;
        if (name === "stderr") return;
        const lines = text.stdout.split("\n").slice(0, -1);
        for (const line of lines.slice(told)) say(line);
        told = lines.length;
      });
    }
    const stop = () => child.kill("SIGINT");
    this.signal?.addEventListener("abort", stop, { once: true });
    const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve({ code, ...text }));
    }).finally(() => this.signal?.removeEventListener("abort", stop));
    return { child, ended };
  }
}
