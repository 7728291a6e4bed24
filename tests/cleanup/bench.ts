// A local cloud in which a test puts things of ours and others', and looks at them with the library or with `mlt clean`.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { marked } from "../../components/marks.ts";
import { type LocalCloud, startLocalCloud } from "../../localcloud/server.ts";
import { REPOSITORY } from "../helpers/shell.ts";

export type Json = Record<string, unknown>;

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

export const PROJECT = "test-project";
export const ZONE = "us-central1-a";
export const REGION = "us-central1";
const IMAGE = "projects/debian-cloud/global/images/family/debian-12";

export class Bench {
  readonly cloud: LocalCloud;
  readonly folder: string;
  /** Added to the cloud's clock. */
  readonly clock: { offset: number };

  constructor(cloud: LocalCloud, folder: string, clock: { offset: number }) {
    this.cloud = cloud;
    this.folder = folder;
    this.clock = clock;
  }

  now = (): number => Date.now() + this.clock.offset;

  /** The variables that lead every client here. */
  get variables(): Record<string, string> {
    const { url, metadataUrl } = this.cloud;
    return {
      CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${url}/storage/v1/`,
      CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${url}/compute/v1/`,
      CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM: `${url}/iam/`,
      CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER: `${url}/crm/`,
      GCE_METADATA_HOST: metadataUrl.replace(/^http:\/\//, ""),
      XDG_CONFIG_HOME: join(this.folder, "config"),
      CLOUDSDK_CONFIG: join(this.folder, "gcloud"),
      HOME: this.folder,
      GOOGLE_OAUTH_ACCESS_TOKEN: "",
      GOOGLE_CLOUD_PROJECT: "",
      GOOGLE_PROJECT: "",
      CLOUDSDK_CORE_PROJECT: "",
      MLT_ENVIRONMENT: "",
    };
  }

  /** A call as the operator; throws for an answer that is an error. */
  async call(method: string, path: string, body?: unknown): Promise<Json> {
    const response = await fetch(`${this.cloud.operatorUrl}/${path}`, {
      method,
      headers: { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === "" ? {} : (JSON.parse(text) as Json);
  }

  /** A call of Compute Engine below the project whose operation must end well. */
  async compute(method: string, path: string, body?: unknown): Promise<void> {
    const operation = await this.call(method, `compute/v1/projects/${PROJECT}/${path}`, body);
    const link = new URL(String(operation.selfLink)).pathname.slice(1);
    const done = await this.call("POST", `${link}/wait`);
    if (done.error) throw new Error(`${method} ${path}: ${JSON.stringify(done.error)}`);
  }

  async network(environment: string, name = `${environment}-0123abc`): Promise<string> {
    const description = marked("Training machines", environment);
    await this.compute("POST", "global/networks", { name, description, autoCreateSubnetworks: false });
    const subnetwork = `${environment}-${REGION}-0123abc`;
    await this.compute("POST", `regions/${REGION}/subnetworks`, {
      name: subnetwork,
      description: marked("Training machines", environment),
      network: `projects/${PROJECT}/global/networks/${name}`,
      ipCidrRange: "10.10.0.0/20",
    });
    return subnetwork;
  }

  /** A machine of a run, as the launcher makes it. `more` goes over its body. */
  async machine(environment: string, subnetwork: string, name: string, more: Json = {}): Promise<void> {
    const labels = { "mlt-environment": environment };
    await this.compute("POST", `zones/${ZONE}/instances`, {
      name,
      machineType: `zones/${ZONE}/machineTypes/e2-standard-2`,
      disks: [{ boot: true, autoDelete: true, initializeParams: { sourceImage: IMAGE, diskSizeGb: "50", labels } }],
      networkInterfaces: [{ subnetwork: `regions/${REGION}/subnetworks/${subnetwork}` }],
      labels,
      scheduling: LIMITED,
      ...more,
    });
  }

  async bucket(environment: string, name: string, more: Json = {}): Promise<void> {
    const labels = { "mlt-environment": environment };
    await this.call("POST", `storage/v1/b?project=${PROJECT}`, {
      name,
      location: "US-CENTRAL1",
      labels,
      iamConfiguration: { uniformBucketLevelAccess: { enabled: true } },
      ...more,
    });
  }

  async put(bucket: string, name: string, content: string | Buffer): Promise<void> {
    const query = `uploadType=media&name=${encodeURIComponent(name)}`;
    const address = `${this.cloud.operatorUrl}/upload/storage/v1/b/${bucket}/o?${query}`;
    const answer = await fetch(address, { method: "POST", body: new Uint8Array(Buffer.from(content)) });
    if (!answer.ok) throw new Error(await answer.text());
    await answer.arrayBuffer();
  }

  async read(bucket: string, name: string): Promise<Buffer | undefined> {
    const path = `storage/v1/b/${bucket}/o/${encodeURIComponent(name)}?alt=media`;
    const answer = await fetch(`${this.cloud.operatorUrl}/${path}`);
    const bytes = Buffer.from(await answer.arrayBuffer());
    return answer.ok ? bytes : undefined;
  }

  /** A service account that may delete machines, as a foundation makes it. */
  async identity(environment: string, student = environment): Promise<string> {
    const role = `${environment.replaceAll("-", "_")}_selfDelete_0123abc`;
    const roles = (await this.call("GET", `iam/v1/projects/${PROJECT}/roles`)).roles as Json[] | undefined;
    if (!roles?.some(({ name }) => String(name).endsWith(role))) {
      await this.call("POST", `iam/v1/projects/${PROJECT}/roles`, {
        roleId: role,
        role: { title: "x", description: marked("x", environment), includedPermissions: ["compute.instances.delete"] },
      });
    }
    await this.call("POST", `iam/v1/projects/${PROJECT}/serviceAccounts`, {
      accountId: `${student}-machines`,
      serviceAccount: { description: marked("x", environment, student) },
    });
    const email = `${student}-machines@${PROJECT}.iam.gserviceaccount.com`;
    await this.bind(`projects/${PROJECT}/roles/${role}`, `serviceAccount:${email}`);
    return email;
  }

  async bind(role: string, member: string, condition?: Json): Promise<void> {
    const policy = await this.policy();
    const bindings = [...(policy.bindings ?? []), { role, members: [member], ...(condition ? { condition } : {}) }];
    const body = { policy: { ...policy, version: 3, bindings } };
    await this.call("POST", `crm/v1/projects/${PROJECT}:setIamPolicy`, body);
  }

  async policy(): Promise<{ bindings?: { role: string; members: string[] }[] }> {
    const options = { requestedPolicyVersion: 3 };
    return this.call("POST", `crm/v1/projects/${PROJECT}:getIamPolicy`, { options });
  }

  /** `mlt` as a process. */
  mlt(args: readonly string[], env: Record<string, string | undefined> = {}): Promise<Ended> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [join(REPOSITORY, "cli", "mlt.js"), ...args], {
        cwd: this.folder,
        env: { ...process.env, ...this.variables, ...env },
        stdio: ["ignore", "pipe", "pipe"],
        timeout: 60_000,
      });
      const ended: Ended = { code: -1, stdout: "", stderr: "" };
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        ended.stdout += text;
      });
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        ended.stderr += text;
      });
      child.once("error", reject);
      child.once("close", (code) => resolve({ ...ended, code: code ?? -1 }));
    });
  }
}

/** Deleted by Google an hour after its making. */
export const LIMITED: Json = {
  instanceTerminationAction: "DELETE",
  maxRunDuration: { seconds: "3600" },
  automaticRestart: false,
};

/** Starts a local cloud until the test ends and leads this process's clients to it. */
export async function openBench(t: Pick<TestContext, "after">): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), "mlt-clean-"));
  const clock = { offset: 0 };
  const cloud = await startLocalCloud({
    stateFolder: join(folder, "cloud"),
    enabledServices: "all",
    project: PROJECT,
    now: () => Date.now() + clock.offset,
  });
  t.after(async () => {
    await cloud.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const bench = new Bench(cloud, folder, clock);
  Object.assign(process.env, bench.variables);
  return bench;
}

/** `kind name`, in order, of what was found. */
export function names(items: readonly { kind: string; name: string }[]): string[] {
  return items.map(({ kind, name }) => `${kind} ${name}`).sort();
}
