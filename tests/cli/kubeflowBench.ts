// A local cloud whose environment has a cluster; gcloud and kubectl that write down what they are called with. kubectl
// leads to a stand-in for Kubeflow Pipelines, and answers from files.
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Environment } from "../../training/contract.ts";
import { type Running, start } from "../e2e/environment.ts";
import { REPOSITORY } from "../helpers/shell.ts";
import { openPipelinesServer, type PipelinesServer } from "./pipelinesServer.ts";
import { openWorkbench, ENVIRONMENT as TRAINING, type Workbench } from "./workbench.ts";

export const ROOT = `gs://${TRAINING.buckets.data}/kubeflow`;
export const ENVIRONMENT: Environment = {
  ...TRAINING,
  kubeflow: {
    cluster: "mlt-test",
    location: "us-central1-a",
    namespace: "kubeflow",
    pipelineRoot: ROOT,
    version: "2.17.0",
  },
};

/** A compiled pipeline, as small as one can be; `pipeline.yaml` in the bench's folder. */
export const IR = {
  pipelineInfo: { name: "mnist" },
  schemaVersion: "2.1.0",
  sdkVersion: "kfp-2.17.0",
  deploymentSpec: { executors: {} },
  components: {},
  root: {
    inputDefinitions: {
      parameters: {
        train_steps: { parameterType: "NUMBER_INTEGER", defaultValue: 300, isOptional: true },
        bucket_path: { parameterType: "STRING" },
      },
    },
    dag: { tasks: { prepare: {}, train: { cachingOptions: { enableCache: true }, dependentTasks: ["prepare"] } } },
  },
};

/** How gcloud is asked for the cluster's address. */
export const CREDENTIALS = [
  "gcloud",
  "container",
  "clusters",
  "get-credentials",
  "mlt-test",
  "--location",
  "us-central1-a",
  "--project",
  "local-project",
  "--dns-endpoint",
];
export const JSON_OUTPUT = ["--output", "json"];

/** What the programs do instead of succeeding: the first whose words are all among the arguments. */
export interface Failure {
  program: "gcloud" | "kubectl";
  /** Words that stand among the arguments. */
  words: string[];
  said: string;
  /** How many times; for ever where it is absent. */
  times?: number;
}

export interface KubeflowBench extends Omit<Workbench, "mlt"> {
  pipelines: PipelinesServer;
  /** The file that gcloud is to write the cluster's address into. */
  kubeconfig: string;
  mlt(args: string[], env?: Record<string, string | undefined>): Running;
  /** The argv of kubectl's call with these own arguments. */
  kubectl(...own: string[]): string[];
  /** The same for a `get`, and for a way to a Service. */
  get(...what: string[]): string[];
  forward(service: string, ports: string): string[];
  /** As at the start: nothing fails, nothing is there, nothing was called. */
  reset(): Promise<void>;
  /** The argv of every call since the last look, `kubectl` or `gcloud` first. */
  calls(): Promise<string[][]>;
  fails(...failures: Failure[]): Promise<void>;
  /** What kubectl finds: pods, deployments; names as `get … --output name` shows them; logs by pod. */
  has(found: {
    pods?: object[];
    deployments?: object[];
    names?: string[];
    logs?: Record<string, string>;
  }): Promise<void>;
  /** Ends the ways that are open, as when a pod is made anew. */
  cut(): Promise<void>;
}

const FAKE = (node: string) => `#!${node}
const { appendFileSync, existsSync, readFileSync, writeFileSync } = require("node:fs");
const { basename } = require("node:path");
const net = require("node:net");
const folder = process.env.FAKE_FOLDER;
const program = basename(process.argv[1]);
const args = process.argv.slice(2);
appendFileSync(folder + "/calls", JSON.stringify([program, ...args]) + "\\n");
const failures = JSON.parse(readFileSync(folder + "/failures", "utf8"));
const failure = failures.find((each) => each.program === program && each.words.every((word) => args.includes(word)) && each.times !== 0);
if (failure) {
  if (failure.times) failure.times -= 1;
  writeFileSync(folder + "/failures", JSON.stringify(failures));
  process.stderr.write(failure.said + "\\n");
  process.exit(1);
}
if (program === "gcloud") {
  if (!process.env.KUBECONFIG || existsSync(process.env.KUBECONFIG)) process.exit(9);
  writeFileSync(process.env.KUBECONFIG, "address " + args[3]);
  process.stderr.write("Fetching cluster endpoint and auth data.\\n");
  process.exit(0);
}
const config = args[args.indexOf("--kubeconfig") + 1];
if (!existsSync(config) || args[args.indexOf("--namespace") + 1] !== "kubeflow") process.exit(9);
const found = JSON.parse(readFileSync(folder + "/found", "utf8"));
const own = args.slice(4).filter((arg) => !arg.startsWith("--request-timeout"));
const selector = own.includes("--selector") ? own[own.indexOf("--selector") + 1].split(",").map((pair) => pair.split("=")) : [];
const fits = ({ metadata }) => selector.every(([key, value]) => metadata.labels?.[key] === value);
if (own[0] === "port-forward") {
  if (process.env.KUBECTL_PORT_FORWARD_WEBSOCKETS !== "true") process.exit(9);
  const [, , address, service, ports] = own;
  const [local, remote] = ports.split(":");
  const far = { "service/ml-pipeline:8888": "KFP", "service/ml-pipeline-ui:80": "PAGE", "service/mnist-web-ui:80": "PAGE" }[service + ":" + remote];
  if (!far) {
    process.stderr.write('Error from server (NotFound): services "' + service.slice(8) + '" not found\\n');
    process.exit(1);
  }
  const server = net.createServer((socket) => {
    const other = net.connect(Number(process.env["FAKE_" + far]), "127.0.0.1");
    socket.pipe(other).pipe(socket);
    for (const each of [socket, other]) each.on("error", () => { socket.destroy(); other.destroy(); });
  });
  server.listen(Number(local || 0), address, () => console.log("Forwarding from " + address + ":" + server.address().port + " -> " + remote));
  server.on("error", (error) => { process.stderr.write("Unable to listen on port " + local + ": " + error.code + "\\n"); process.exit(1); });
  setInterval(() => {
    if (existsSync(folder + "/cut")) { process.stderr.write("error: lost connection to pod\\n"); process.exit(1); }
  }, 50);
} else if (own[0] === "get" && own.includes("name")) {
  process.stdout.write((found.names ?? []).join("\\n") + "\\n");
} else if (own[0] === "get") {
  process.stdout.write(JSON.stringify({ kind: "List", items: (found[own[1]] ?? []).filter(fits) }));
} else if (own[0] === "logs") {
  process.stdout.write(found.logs?.[own[1]] ?? "");
  if (own.includes("--follow")) setInterval(() => {}, 1000);
} else if (own[0] === "delete") {
  process.stdout.write("deleted\\n");
} else process.exit(9);
`;

export async function openKubeflowBench(): Promise<KubeflowBench> {
  // The metadata server is there; looking for it has a time limit that a busy machine does not keep.
  process.env.METADATA_SERVER_DETECTION = "assume-present";
  const bench = await openWorkbench();
  const { folder, objects } = bench;
  const pipelines = await openPipelinesServer();
  const bin = join(folder, "bin");
  await mkdir(bin);
  for (const name of ["gcloud", "kubectl", "gke-gcloud-auth-plugin"]) {
    await writeFile(join(bin, name), FAKE(process.execPath));
    await chmod(join(bin, name), 0o755);
  }
  const fails = (...failures: Failure[]) => writeFile(join(folder, "failures"), JSON.stringify(failures));
  const has: KubeflowBench["has"] = (found) => writeFile(join(folder, "found"), JSON.stringify(found));
  await fails();
  await has({});
  await bench.files(".", { "pipeline.yaml": JSON.stringify(IR) });
  const kubeconfig = join(folder, "cache/ml-training/kubeconfig/local-project_us-central1-a_mlt-test.yaml");
  const kubectl = (...own: string[]) => ["kubectl", "--kubeconfig", kubeconfig, "--namespace", "kubeflow", ...own];
  await objects.writeJson(ENVIRONMENT.buckets.data, "environment.json", ENVIRONMENT);
  const env = {
    ...bench.env,
    MLT_ENVIRONMENT: `gs://${ENVIRONMENT.buckets.data}`,
    FAKE_FOLDER: folder,
    FAKE_KFP: String(pipelines.port),
    FAKE_PAGE: String(pipelines.port),
    PATH: `${bin}:${process.env.PATH}`,
  };
  return {
    ...bench,
    pipelines,
    fails,
    has,
    kubeconfig,
    kubectl,
    get: (...what) => kubectl("--request-timeout=30s", "get", ...what),
    forward: (service, ports) => kubectl("port-forward", "--address", "127.0.0.1", `service/${service}`, ports),
    async reset() {
      await fails();
      await has({});
      await rm(join(folder, "calls"), { force: true });
      Object.assign(pipelines, { down: 0, onLook: undefined });
      pipelines.runs.length = 0;
      pipelines.asked.length = 0;
    },
    mlt: (args, more = {}) =>
      start(process.execPath, [join(REPOSITORY, "cli", "mlt.js"), "kubeflow", ...args], {
        env: { ...process.env, ...env, ...more },
        folder,
      }),
    async calls() {
      const text = await readFile(join(folder, "calls"), "utf8").catch(() => "");
      await rm(join(folder, "calls"), { force: true });
      const lines = text.split("\n").filter(Boolean);
      return lines.map((line) => JSON.parse(line) as string[]);
    },
    async cut() {
      await writeFile(join(folder, "cut"), "");
      await new Promise((resolve) => setTimeout(resolve, 300));
      await rm(join(folder, "cut"));
    },
    async close() {
      pipelines.close();
      await bench.close();
    },
  };
}
