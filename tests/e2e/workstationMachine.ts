import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startupScript } from "../../components/startupScript.ts";
import type { GuestDriver } from "../../localcloud/guests/guest.ts";
import { nspawnDriver } from "../../localcloud/guests/nspawn/driver.ts";
import { recipeFolder } from "../../localcloud/guests/rootfs/build.ts";
import { type LocalCloud, startLocalCloud } from "../../localcloud/server.ts";
import { ensureGcsfuse, gcsfusePackage } from "../../localcloud/services/packages/gcsfuse.ts";
import { cacheFolder } from "../helpers/cache.ts";
import { REPOSITORY } from "../helpers/shell.ts";

type Json = Record<string, unknown>;

const ZONE = "us-central1-a";
const REGION = "us-central1";
const PATIENCE_MS = 600_000;
const REQUIREMENTS = "workstation/requirements.txt";
export const DATA = "workstation-data";
export const NAME = "mlt-dev-ws";

/** `workstation/status.json`, as far as these tests look. */
export interface WorkstationStatus {
  phase: "installing" | "ready" | "failed" | "stopping";
  step: number;
  steps: number;
  name: string;
  reason?: string;
  problems: { step: string; reason: string }[];
  bootedAt: string;
  readyAt?: string;
  heartbeat: string;
  bootId: string;
  activity?: string;
  idleSince?: string;
  stopsAt?: string;
  jupyter: string;
  tensorboard: string;
  mount: string;
}

export interface WorkstationOptions {
  /** `plain`: the stock image with nothing of ours; `prepared`: everything that the set-up installs is there. */
  image: "plain" | "prepared";
  metadata?: Record<string, string>;
  /** Bash that runs before the startup script, at each boot. */
  before?: string;
}

/** A local cloud with one workstation in it, and ways to look into its guest. */
export class Workstation {
  readonly cloud: LocalCloud;
  readonly folder: string;
  readonly log: string[];

  private constructor(cloud: LocalCloud, folder: string, log: string[]) {
    this.cloud = cloud;
    this.folder = folder;
    this.log = log;
  }

  static async make(options: WorkstationOptions, progress: (line: string) => void): Promise<Workstation> {
    const driver = nspawnDriver();
    await driver.prepare(progress);
    await ensureGcsfuse(progress);
    const layers = options.image === "prepared" ? [await preparedLayer(progress)] : [];
    const folder = mkdtempSync(join(tmpdir(), "mlt-workstation-"));
    const log: string[] = [];
    const cloud = await startLocalCloud({
      stateFolder: folder,
      enabledServices: "all",
      driver: withLayers(driver, layers),
      log: (line) => log.push(line),
    });
    const made = new Workstation(cloud, folder, log);
    try {
      await made.#provide(options);
    } catch (error) {
      await made.close();
      throw error;
    }
    return made;
  }

  /** Bucket, account, rights and machine, as the program declares them. */
  async #provide({ metadata = {}, before = "" }: WorkstationOptions): Promise<void> {
    const { project } = this.cloud;
    await this.call("POST", `/storage/v1/b?project=${project}`, {
      name: DATA,
      versioning: { enabled: true },
      iamConfiguration: { uniformBucketLevelAccess: { enabled: true } },
    });
    const { email } = await this.call("POST", `/iam/v1/projects/${project}/serviceAccounts`, {
      accountId: "mlt-dev-machines",
    });
    const member = `serviceAccount:${email}`;
    const writable = ["runs/", "output/", "workstation/"]
      .map((prefix) => `resource.name.startsWith("projects/_/buckets/${DATA}/objects/${prefix}")`)
      .join(" || ");
    await this.call("PUT", `/storage/v1/b/${DATA}/iam`, {
      version: 3,
      bindings: [
        { role: "roles/storage.objectViewer", members: [member] },
        { role: "roles/storage.objectUser", members: [member], condition: { title: "writable", expression: writable } },
      ],
    });
    await this.done("POST", "global/networks", { name: "net", autoCreateSubnetworks: false });
    await this.done("POST", `regions/${REGION}/subnetworks`, {
      name: "sub",
      network: `projects/${project}/global/networks/net`,
      ipCidrRange: "10.10.0.0/24",
    });
    const [interpreter, ...rest] = startupScript("workstation.sh").split("\n");
    const items = {
      "startup-script": [interpreter, before, ...rest].join("\n"),
      "mlt-environment": "mlt-dev",
      "mlt-bucket": DATA,
      "mlt-region": REGION,
      ...metadata,
    };
    const body = {
      name: NAME,
      machineType: `zones/${ZONE}/machineTypes/e2-standard-2`,
      disks: [
        {
          boot: true,
          autoDelete: true,
          initializeParams: { sourceImage: "projects/debian-cloud/global/images/family/debian-12" },
        },
      ],
      networkInterfaces: [{ subnetwork: `regions/${REGION}/subnetworks/sub` }],
      serviceAccounts: [{ email, scopes: ["https://www.googleapis.com/auth/cloud-platform"] }],
      metadata: { items: Object.entries(items).map(([key, value]) => ({ key, value })) },
    };
    this.#body = body;
  }

  #body: Json = {};

  /** Creates the machine, which boots. */
  async boot(): Promise<void> {
    await this.done("POST", `zones/${ZONE}/instances`, this.#body);
  }

  async start(): Promise<void> {
    await this.done("POST", `zones/${ZONE}/instances/${NAME}/start`);
  }

  async stop(): Promise<void> {
    await this.done("POST", `zones/${ZONE}/instances/${NAME}/stop`);
  }

  async setMetadata(changes: Record<string, string>): Promise<void> {
    const { metadata } = (await this.instance()) as { metadata: { fingerprint: string; items: Item[] } };
    const items = metadata.items.filter(({ key }) => !Object.hasOwn(changes, key));
    items.push(...Object.entries(changes).map(([key, value]) => ({ key, value })));
    await this.done("POST", `zones/${ZONE}/instances/${NAME}/setMetadata`, { ...metadata, items });
  }

  instance(): Promise<Json> {
    return this.call("GET", `/compute/v1/projects/${this.cloud.project}/zones/${ZONE}/instances/${NAME}`);
  }

  /** A call as the operator that must be answered well. */
  async call(method: string, path: string, body?: unknown): Promise<Json> {
    const answer = await fetch(`${this.cloud.operatorUrl}${path}`, {
      method,
      headers: { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === "" ? {} : (JSON.parse(text) as Json);
  }

  /** A call of Compute Engine whose operation ends well. */
  async done(method: string, path: string, body?: unknown): Promise<void> {
    const root = `/compute/v1/projects/${this.cloud.project}`;
    const started = await this.call(method, `${root}/${path}`, body);
    const operation = await this.call("POST", `${new URL(String(started.selfLink)).pathname}/wait`);
    if (operation.error) throw new Error(`${method} ${path}: ${JSON.stringify(operation.error)}`);
  }

  async object(name: string): Promise<string | undefined> {
    const url = `${this.cloud.operatorUrl}/storage/v1/b/${DATA}/o/${encodeURIComponent(name)}?alt=media`;
    const answer = await fetch(url);
    return answer.ok ? answer.text() : undefined;
  }

  async write(name: string, content: string): Promise<void> {
    const query = `uploadType=media&name=${encodeURIComponent(name)}`;
    const url = `${this.cloud.operatorUrl}/upload/storage/v1/b/${DATA}/o?${query}`;
    const answer = await fetch(url, { method: "POST", body: content });
    if (!answer.ok) throw new Error(await answer.text());
  }

  async status(): Promise<WorkstationStatus | undefined> {
    const text = await this.object("workstation/status.json");
    return text === undefined ? undefined : (JSON.parse(text) as WorkstationStatus);
  }

  /** Waits for a status as wanted, of the boot that is not `otherThan`. */
  async until(wanted: (status: WorkstationStatus) => boolean, otherThan = ""): Promise<WorkstationStatus> {
    let last: WorkstationStatus | undefined;
    return this.waitFor(
      async () => {
        last = await this.status();
        return last && last.bootId !== otherThan && wanted(last) ? last : undefined;
      },
      () => `the status; it is ${JSON.stringify(last)}`,
    );
  }

  /** What `look` gives, as soon as it gives something. */
  async waitFor<T>(look: () => Promise<T | undefined> | T | undefined, what: () => string): Promise<T> {
    const limit = Date.now() + PATIENCE_MS;
    for (;;) {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      if (Date.now() > limit) throw new Error(`waited in vain for ${what()}\n${this.console().slice(-6000)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async off(): Promise<void> {
    const status = async () => ((await this.instance()).status === "TERMINATED" ? true : undefined);
    await this.waitFor(status, () => "the machine to be TERMINATED");
  }

  /** The serial console so far. */
  console(): string {
    const folder = join(this.folder, "serial");
    const files = existsSync(folder) ? readdirSync(folder) : [];
    return files.map((file) => readFileSync(join(folder, file), "utf8")).join("\n");
  }

  /** Runs bash inside the guest, as root; its output, and its exit code as an error if it is not 0. */
  async inside(script: string): Promise<string> {
    const { code, output } = await this.tryInside(script);
    if (code !== 0) throw new Error(`exit ${code} of ${script}:\n${output}\n${this.console().slice(-3000)}`);
    return output;
  }

  async tryInside(script: string): Promise<{ code: number | null; output: string }> {
    const pid = String(
      await this.waitFor(
        () => this.init(),
        () => "the guest to run",
      ),
    );
    const environment = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"];
    const child = spawn("nsenter", ["--target", pid, "--all", "env", "-i", ...environment, "bash", "-c", script], {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: PATIENCE_MS,
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
      });
    }
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, output }));
    });
  }

  /** The host's number of the guest's first process: the systemd whose namespace is the innermost of this machine's. */
  init(): number | undefined {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        const status = readFileSync(`/proc/${pid}/status`, "utf8");
        const numbers = /^NSpid:\s+(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? [];
        if (numbers.length < 3 || numbers.at(-1) !== "1") continue;
        if (readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(`ml-training-guest-${this.#id}`)) return Number(pid);
      } catch {
        // It ended meanwhile.
      }
    }
    return undefined;
  }

  get #id(): string {
    const instances = this.cloud.cloud.state.collection<{ name: string; id: string }>("compute.instances").values();
    return instances.find(({ name }) => name === NAME)?.id ?? "none";
  }

  async close(): Promise<void> {
    await this.cloud.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

interface Item {
  key: string;
  value: string;
}

/** The driver with layers below every disk that it boots from. */
export function withLayers(driver: GuestDriver, layers: string[]): GuestDriver {
  if (layers.length === 0) return driver;
  const boot: GuestDriver["boot"] = (spec) =>
    driver.boot({ ...spec, imageFolders: [...(spec.imageFolders ?? []), ...layers] });
  return { ...driver, boot };
}

/**
 * A disk's layer on which everything is installed, as a prepared image has it; made once by booting a plain machine and
 * kept outside the repository. `requirements`: the text of a requirements.txt that is installed as well.
 */
export async function preparedLayer(progress: (line: string) => void, requirements = ""): Promise<string> {
  const key = createHash("sha256").update(recipeFolder()).update(gcsfusePackage()).update(requirements);
  for (const file of ["workstation/requirements.txt", "workstation/environments.py"]) {
    key.update(readFileSync(join(REPOSITORY, "startup-scripts", file)));
  }
  const layer = join(cacheFolder("workstation-images"), key.digest("hex").slice(0, 12));
  if (existsSync(layer)) return layer;
  progress(`preparing an image with JupyterLab, TensorBoard and gcsfuse: ${layer} (once, one to two minutes)`);
  const metadata: Record<string, string> = requirements ? { "mlt-requirements": REQUIREMENTS } : {};
  const made = await Workstation.make({ image: "plain", metadata }, progress);
  try {
    if (requirements) await made.write(REQUIREMENTS, requirements);
    await made.boot();
    const status = await made.until(({ phase }) => phase === "ready" || phase === "failed");
    if (status.phase !== "ready") throw new Error(`the image could not be prepared: ${JSON.stringify(status)}`);
    // What is this machine's own, and not an image's.
    await made.inside("rm -rf /var/lib/ml-workstation /etc/ml-training/bucket.env; apt-get clean; sync");
    await made.stop();
    const [disk] = made.cloud.cloud.state.collection<{ id: string }>("compute.disks").values();
    const temporary = `${layer}.${process.pid}`;
    mkdirSync(temporary, { recursive: true });
    await nspawnDriver().saveDisk({ diskFolder: join(made.folder, "disks", disk?.id ?? "") }, temporary);
    if (existsSync(layer)) rmSync(temporary, { recursive: true, force: true });
    else renameSync(temporary, layer);
  } finally {
    await made.close();
  }
  return layer;
}
