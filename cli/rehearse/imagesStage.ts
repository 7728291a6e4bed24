import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { type OpenStack, openStack, type Step } from "../../engine/automation.ts";
import { findPulumi } from "../../engine/cli.ts";
import { googleImages, type ListedImage, listFamily, usualLimits } from "../../images/index.ts";
import program from "../../index.ts";
import { LONG_TOKEN_SECONDS } from "../../localcloud/daemon.ts";
import { chooseDriver, type GuestDriver, type GuestLevel } from "../../localcloud/guests/index.ts";
import { leftovers } from "../../localcloud/leftovers.ts";
import { type LocalCloud, startLocalCloud } from "../../localcloud/server.ts";
import { follow, type OpenEnvironment, openEnvironment, putFiles, submit } from "../../training/index.ts";
import { clientVariables } from "../local/variables.ts";
import { secondsToTraining, startOf } from "./bootToTraining.ts";
import { findInputs } from "./inputs.ts";
import type { Say } from "./steps.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PROJECT = "rehearsal-project";
const REGION = "us-central1";
const PACKAGE = "examples/census";

/** What the closing table is made of. */
export interface ImageFindings {
  level: GuestLevel | "none";
  /** Exact names, in the order in which they were built. */
  images: string[];
  /** Seconds by run: from the machine's start to the trainer's. */
  bootToTraining: Record<string, number>;
  left: string[];
}

/** An environment that builds its own images, on its stage: each method is a step and says in a few words what it did. */
export class ImagesStage {
  signal: AbortSignal | undefined;
  readonly #folder: string;
  readonly #guest: GuestLevel | undefined;
  readonly #provider: "attached" | "real";
  #driver: GuestDriver | undefined;
  #cloud: LocalCloud | undefined;
  #stack: OpenStack | undefined;
  #environment: OpenEnvironment | undefined;
  #variables: Record<string, string> = {};
  readonly findings: ImageFindings = { level: "none", images: [], bootToTraining: {}, left: [] };

  constructor(options: { folder: string; guest?: GuestLevel; provider: "attached" | "real" }) {
    this.#folder = realpathSync(options.folder);
    this.#guest = options.guest;
    this.#provider = options.provider;
  }

  async prepare(say: Say): Promise<string> {
    this.#driver = await chooseDriver(this.#guest, say);
    const [pulumi] = await Promise.all([findPulumi(say), this.#driver.prepare(say)]);
    this.findings.level = this.#driver.level;
    cpSync(join(ROOT, "examples/images/census"), this.#recipe, { recursive: true });
    return `Pulumi ${pulumi.version}, machine level ${this.#driver.level}, a recipe to change`;
  }

  async start(): Promise<string> {
    const stateFolder = join(this.#folder, "cloud");
    this.#cloud = await startLocalCloud({ stateFolder, driver: this.#driver, project: PROJECT });
    const { cloud, url, operatorUrl, metadataUrl } = this.#cloud;
    const token = cloud.tokens.issue({ kind: "operator" }, LONG_TOKEN_SECONDS).access_token;
    const guest = this.#driver?.level ?? "process";
    const startedAt = new Date().toISOString();
    const daemon = { pid: process.pid, startedAt, guest, project: PROJECT, url, operatorUrl, metadataUrl, token };
    this.#variables = clientVariables(daemon, { stateFolder });
    Object.assign(process.env, this.#variables);
    this.#stack = await openStack({
      stack: "images",
      program,
      folder: join(this.#folder, "pulumi"),
      providers: this.#provider,
      environment: this.#variables,
      config: {
        "gcp:project": PROJECT,
        "gcp:region": REGION,
        "mltraining:environment": "mlt-images",
        "mltraining:training": { regions: [REGION], image: "census" },
        // As a path from the program's folder, so that the stack would be the same in another clone.
        "mltraining:imageFamily": { family: "census", recipe: relative(ROOT, this.#recipe).replaceAll("\\", "/") },
      },
    });
    return `project ${PROJECT}, every call checked against IAM`;
  }

  /** `pulumi up` with the recipe as it is: an image is built, tested on a fresh machine, promoted. */
  async up(): Promise<string> {
    const { changes, outputs } = await this.#need(this.#stack).up({ signal: this.signal });
    this.#environment ??= await openEnvironment(String(outputs.dataBucketUrl));
    const current = await this.#current();
    this.findings.images.push(current);
    await this.#nothingRuns();
    const count = (changes.create ?? 0) + (changes.update ?? 0) + (changes.replace ?? 0);
    return `${count} resources changed, the family names ${current}`;
  }

  async put(): Promise<string> {
    const [input] = findInputs(["census"]);
    const folder = join(this.#folder, "no-data");
    mkdirSync(folder);
    writeFileSync(join(folder, "NO-DATA.txt"), "The data set was not on the computer that rehearsed.\n");
    const { transferred } = await putFiles(this.#open, input?.folder ?? folder, "input/census");
    return input?.folder ? `census: ${transferred} files` : "none here; the package makes its own";
  }

  /** A run of the census package; the image is the one that the family names now, and is in the run's record. */
  async train(say: Say, name: string): Promise<string> {
    const submitted = await submit(this.#open, join(ROOT, PACKAGE), ["--cv-iterations", "1"], { progress: say });
    let log = "";
    let started = 0;
    const status = await follow(
      this.#open,
      submitted.id,
      (event) => {
        if (event.type === "log") log += event.data.toString("utf8");
        else if (event.type === "status" && event.status.machine) {
          started ||= startOf(this.#need(this.#cloud), event.status.machine.name);
        }
      },
      { signal: this.signal, pollMs: 500 },
    );
    this.signal?.throwIfAborted();
    if (status.phase !== "succeeded") throw new Error(`the run ended ${status.phase}: ${status.reason ?? "?"}`);
    const current = await this.#current();
    const booted = (status.machine?.image ?? status.image ?? "").split("/").at(-1);
    if (booted !== current) throw new Error(`the run's record has the image ${booted}, the family names ${current}`);
    if (!/requirements are in the image already/.test(log))
      throw new Error("the run did not find the image's packages");
    this.findings.bootToTraining[name] = secondsToTraining(status, started);
    await this.#nothingRuns();
    return `${status.id} on ${booted}: training ${this.findings.bootToTraining[name]} s after the boot`;
  }

  async unchanged(): Promise<string> {
    const { steps } = await this.#need(this.#stack).preview({ signal: this.signal });
    if (steps.length > 0) throw new Error(`changes without a reason: ${steps.map(shown).join("; ")}`);
    return "nothing would change";
  }

  /** Another recipe: the preview says what would be built, and why. */
  async change(line: string): Promise<string> {
    const file = join(this.#recipe, "image.yaml");
    const text = readFileSync(file, "utf8");
    writeFileSync(file, line.startsWith("smokeTest") ? text.replace(/^smokeTest: .*$/m, line) : `${text}${line}\n`);
    const { steps } = await this.#need(this.#stack).preview({ signal: this.signal });
    const image = steps.find((step) => isBuild(step));
    if (!image) throw new Error("the preview does not say that an image will be built");
    const others = steps.filter((step) => !isBuild(step));
    if (others.length > 0) throw new Error(`the preview would change more: ${others.map(shown).join("; ")}`);
    return `the preview: ${image.op} ${image.name}, because of ${image.diffs.join(", ")}`;
  }

  /** A broken smoke test: `up` fails, and the family is as it was. */
  async broken(): Promise<string> {
    const before = await this.#current();
    const error = await this.#need(this.#stack)
      .up({ signal: this.signal })
      .then(
        () => undefined,
        (problem: Error) => problem,
      );
    const said = /smoke test failed: [^\n]*/.exec(error?.message ?? "")?.[0];
    if (!said) throw new Error(`up did not fail by the smoke test: ${error?.message ?? "it ended well"}`);
    const now = await this.#current();
    if (now !== before) throw new Error(`the family names ${now}, before ${before}`);
    await this.#nothingRuns();
    const standing = (await this.#list()).map((image) => image.standing);
    if (standing.includes("untested")) throw new Error("the broken image is still there");
    return `${said.slice(0, 60)}; the family still names ${now}`;
  }

  async rollback(): Promise<string> {
    const [first] = this.findings.images;
    await this.#mlt("image", "rollback", "--json");
    const now = await this.#current();
    if (now !== first) throw new Error(`the family names ${now}, not the first image, ${first}`);
    return `mlt image rollback: the family names ${now}, the first`;
  }

  async destroy(say: Say): Promise<string> {
    if (!this.#stack) return "there was nothing to destroy";
    const { changes } = await this.#stack.destroy();
    await this.#stack.removeStack();
    say("the stack is empty");
    return `${changes.delete ?? 0} resources, and the family's images`;
  }

  async prove(): Promise<string> {
    if (!this.#cloud) return "there was no cloud";
    const { resources } = await leftovers(this.#cloud.operatorUrl, PROJECT);
    this.findings.left = Object.entries(resources).flatMap(([kind, names]) => names.map((name) => `${kind} ${name}`));
    if (this.findings.left.length > 0) throw new Error(`left behind: ${this.findings.left.join(", ")}`);
    return "no machine, disk, image, network, bucket, identity or role is left";
  }

  async close(): Promise<void> {
    await this.#stack?.close();
    await this.#cloud?.close();
  }

  get #recipe(): string {
    return join(this.#folder, "recipe");
  }

  get #open(): OpenEnvironment {
    return this.#need(this.#environment);
  }

  async #list(): Promise<ListedImage[]> {
    const { imageFamily } = this.#open;
    if (!imageFamily) throw new Error("the environment's record has no image family");
    return listFamily(googleImages(usualLimits(1)), { ...this.#open, imageFamily });
  }

  async #current(): Promise<string> {
    const current = (await this.#list()).find(({ standing }) => standing === "current");
    if (!current) throw new Error("the family names no image");
    return current.name;
  }

  /** Neither a builder nor a test machine, and none of their disks; a run's machine is given time to go. */
  async #nothingRuns(): Promise<void> {
    for (const end = Date.now() + 120_000; ; await new Promise((resolve) => setTimeout(resolve, 250))) {
      const { resources } = await leftovers(this.#need(this.#cloud).operatorUrl, PROJECT);
      const left = [...(resources["compute.instances"] ?? []), ...(resources["compute.disks"] ?? [])];
      if (left.length === 0) return;
      if (Date.now() > end) throw new Error(`still there: ${left.join(", ")}`);
    }
  }

  /** `mlt` as a user calls it. */
  #mlt(...args: string[]): Promise<string> {
    const environment = ["--environment", `gs://${this.#open.buckets.data}`];
    return new Promise((resolve, reject) => {
      execFile(
        process.execPath,
        [join(ROOT, "cli", "mlt.js"), ...args, ...environment],
        { cwd: this.#folder, env: { ...process.env, ...this.#variables } },
        (error, stdout, stderr) => (error ? reject(new Error(stderr.trim())) : resolve(stdout)),
      );
    });
  }

  #need<T>(value: T | undefined): T {
    if (value === undefined) throw new Error("an earlier step did not end well");
    return value;
  }
}

function shown({ op, name, diffs }: Step): string {
  return `${op} ${name} (${diffs.join(", ")})`;
}

function isBuild({ type, name }: Step): boolean {
  return type === "command:local:Command" && name.endsWith("-image");
}
