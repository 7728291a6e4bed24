import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { machineObjectsCondition } from "../../images/ids.ts";
import { googleImages, type ImageCloud, type Limits, type OpenBuildEnvironment } from "../../images/index.ts";
import { LONG_TOKEN_SECONDS } from "../../localcloud/daemon.ts";
import { leftovers } from "../../localcloud/leftovers.ts";
import { type LocalCloud, startLocalCloud } from "../../localcloud/server.ts";
import { Objects } from "../../training/storage.ts";
import { StubbedMachines } from "./machine.ts";

/** A local cloud with what an environment has that builds images: network, account, buckets and rights. */
export interface ImageWorld {
  cloud: LocalCloud;
  machines: StubbedMachines;
  environment: OpenBuildEnvironment;
  images: ImageCloud;
  folder: string;
  /** Waits are short: the machines are processes. */
  limits: Limits;
  /** A family of its own in the same environment: builds of two families do not meet. */
  family(name: string): OpenBuildEnvironment;
  /** Writes a recipe's folder; `image.yaml` has what a good one has, unless given. Returns the folder. */
  recipe(name: string, files?: Record<string, string>): string;
  /** A call of Compute Engine as the operator, below the project. */
  compute<T>(path: string, method?: string, body?: unknown): Promise<T>;
  /** Machines and disks that are there, of this family if one is given. */
  left(part?: string): Promise<string[]>;
  close(): Promise<void>;
}

const REGION = "us-central1";
const ACCOUNT = "mlt-test-machines";
export const DATA = "mlt-test-data-0123abc";
export const SCRATCH = "mlt-test-scratch-0123abc";

export async function createImageWorld(): Promise<ImageWorld> {
  const folder = mkdtempSync(join(tmpdir(), "mlt-images-"));
  // The smoke test runs as nobody.
  chmodSync(folder, 0o755);
  let url = "";
  const machines = new StubbedMachines(() => url);
  const cloud = await startLocalCloud({ stateFolder: join(folder, "cloud"), driver: machines, enabledServices: "all" });
  url = cloud.url;
  const { project } = cloud;
  const call = async <T>(address: string, method = "GET", body?: unknown): Promise<T> => {
    const response = await fetch(`${cloud.operatorUrl}/${address}`, {
      method,
      headers: { "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${address} answered ${response.status}: ${await response.text()}`);
    return (await response.json()) as T;
  };
  const compute = <T>(path: string, method?: string, body?: unknown) =>
    call<T>(`compute/v1/projects/${project}/${path}`, method, body);
  const done = async (scope: string, started: Promise<{ name: string }>) => {
    const { name } = await started;
    for (;;) {
      const { status } = await compute<{ status: string }>(`${scope}/operations/${name}`);
      if (status === "DONE") return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await done("global", compute("global/networks", "POST", { name: "net", autoCreateSubnetworks: false }));
  const network = `projects/${project}/global/networks/net`;
  const subnetwork = { name: "sub", network, ipCidrRange: "10.1.0.0/20", privateIpGoogleAccess: true };
  await done(`regions/${REGION}`, compute(`regions/${REGION}/subnetworks`, "POST", subnetwork));
  await call(`iam/v1/projects/${project}/serviceAccounts`, "POST", { accountId: ACCOUNT, serviceAccount: {} });
  const serviceAccount = `${ACCOUNT}@${project}.iam.gserviceaccount.com`;
  const uniform = { iamConfiguration: { uniformBucketLevelAccess: { enabled: true } }, location: REGION };
  const members = [`serviceAccount:${serviceAccount}`];
  for (const name of [DATA, SCRATCH]) await call(`storage/v1/b?project=${project}`, "POST", { name, ...uniform });
  await call(`storage/v1/b/${DATA}/iam`, "PUT", {
    version: 3,
    bindings: [
      { role: "roles/storage.objectViewer", members },
      {
        role: "roles/storage.objectUser",
        members,
        condition: { title: "image builds", expression: machineObjectsCondition(DATA) },
      },
    ],
  });
  await call(`storage/v1/b/${SCRATCH}/iam`, "PUT", {
    version: 3,
    bindings: [{ role: "roles/storage.objectUser", members }],
  });
  const { access_token } = cloud.cloud.tokens.issue({ kind: "operator" }, LONG_TOKEN_SECONDS);
  Object.assign(process.env, {
    CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${cloud.url}/storage/v1/`,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${cloud.url}/compute/v1/`,
    GOOGLE_OAUTH_ACCESS_TOKEN: access_token,
  });
  const limits: Limits = {
    now: Date.now,
    sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
    pollMs: 100,
    transientMs: 4000,
    operationMs: 4000,
    imageMs: 10_000,
    stopMs: 6000,
    lockMs: 1500,
    machineMs: 60_000,
  };
  const objects = new Objects();
  const environment: OpenBuildEnvironment = {
    environment: "mlt-test",
    project,
    buckets: { data: DATA, scratch: SCRATCH },
    serviceAccount,
    labels: { app: "ml-training", "mlt-environment": "mlt-test" },
    imageFamily: {
      family: "census-env",
      project,
      zones: [`${REGION}-a`, `${REGION}-b`],
      subnetwork: `projects/${project}/regions/${REGION}/subnetworks/sub`,
      machineType: "e2-standard-2",
      spot: false,
      diskGb: 20,
      maxMinutes: 1,
      retainImages: false,
      recipe: "examples/images/census",
      baseProjects: [],
    },
    objects,
  };
  return {
    cloud,
    machines,
    environment,
    images: googleImages(limits),
    folder,
    limits,
    family: (name) => ({ ...environment, imageFamily: { ...environment.imageFamily, family: name } }),
    recipe(name, files = {}) {
      const place = join(folder, "recipes", name);
      rmSync(place, { recursive: true, force: true });
      for (const [path, text] of Object.entries({ "image.yaml": GOOD, ...files })) {
        mkdirSync(dirname(join(place, path)), { recursive: true });
        writeFileSync(join(place, path), text);
      }
      return place;
    },
    compute,
    async left(part = "") {
      const { resources } = await leftovers(cloud.operatorUrl, project);
      const all = [...(resources["compute.instances"] ?? []), ...(resources["compute.disks"] ?? [])];
      return all.filter((name) => name.includes(part));
    },
    async close() {
      await cloud.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const GOOD = `base: ubuntu-2404-lts-amd64
apt: [htop]
smokeTest: [sh, -c, "exit 0"]
`;

/** An image.yaml with one step, whose SHA-256 is right. */
export function withStep(script: string, more = ""): Record<string, string> {
  const sha256 = createHash("sha256").update(script).digest("hex");
  return { "image.yaml": `${GOOD}steps:\n  - {file: step.sh, sha256: "${sha256}"}\n${more}`, "step.sh": script };
}
