import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { MANIFESTS_VARIABLE } from "../kubeflow/manifests.ts";
import type { Environment } from "../training/contract.ts";
import { IMAGE_CALL, outputValue, type Recording, record } from "./helpers/record.ts";
import { samples } from "./kubeflow/samples.ts";

// The whole program with a cluster: what it makes beside the environment, what it tells, and that every mistake stops it
// before anything is registered.

const folder = mkdtempSync(join(tmpdir(), "mlt-program-kubeflow-"));
const plugin = join(folder, process.platform === "win32" ? "gke-gcloud-auth-plugin.CMD" : "gke-gcloud-auth-plugin");
const found = { path: process.env.PATH, manifests: process.env[MANIFESTS_VARIABLE] };
const BUCKET = "mlt-dev-data-0123abc";

before(() => {
  writeFileSync(plugin, "", { mode: 0o755 });
  process.env.PATH = [folder, found.path].join(delimiter);
  const file = join(folder, "manifests.json");
  writeFileSync(file, JSON.stringify(samples().filter(({ metadata }) => metadata.name !== "astray")));
  process.env[MANIFESTS_VARIABLE] = file;
});
after(() => {
  process.env.PATH = found.path;
  if (found.manifests === undefined) delete process.env[MANIFESTS_VARIABLE];
  else process.env[MANIFESTS_VARIABLE] = found.manifests;
  rmSync(folder, { recursive: true, force: true });
});

type Outputs = Record<string, unknown>;

/** The program's outputs, or the error that it ends with; `registered` is filled either way. */
async function run(kubeflow: object | true, more: Record<string, string> = {}, registered: string[] = []) {
  const { default: program } = await import("../index.ts");
  const config = { "gcp:project": "my-project", "mltraining:kubeflow": JSON.stringify(kubeflow), ...more };
  const recording: Recording<Outputs | Error> = await record(
    () =>
      program().catch((error: unknown) => {
        assert.ok(error instanceof Error);
        return error;
      }),
    {
      stack: "dev",
      config,
      calls: {
        ...IMAGE_CALL,
        "gcp:compute/getMachineTypes:getMachineTypes": ({ filter }) => ({
          machineTypes: /z9-/.test(String(filter)) ? [] : [{ name: /"(.+)"/.exec(String(filter))?.[1] }],
        }),
      },
      state: ({ type }) => {
        registered.push(type);
        if (type === "gcp:container/cluster:Cluster") {
          return { controlPlaneEndpointsConfig: { dnsEndpointConfig: { endpoint: "gke-1.us-central1.gke.goog" } } };
        }
        return type === "gcp:storage/bucket:Bucket" ? { name: BUCKET } : undefined;
      },
    },
  );
  return { ...recording, registered };
}

test("outputs: the cluster's name, the pipeline root, the two commands; the environment's record has what mlt needs", async () => {
  const { result, only, resources } = await run(true);
  assert.ok(!(result instanceof Error), String(result));
  assert.deepEqual(await outputValue(pulumi.output(result.kubeflow)), {
    cluster: "mlt-dev-kubeflow",
    location: "us-central1-a",
    pipelineRoot: `gs://${BUCKET}/kubeflow`,
    openCommand: `npx mlt kubeflow open pipelines --environment gs://${BUCKET}`,
    submitCommand: `npx mlt kubeflow submit PIPELINE.yaml --environment gs://${BUCKET}`,
  });
  const written = only("gcp:storage/bucketObject:BucketObject", "mlt-dev").inputs.content;
  assert.deepEqual((JSON.parse(String(written)) as Environment).kubeflow, {
    cluster: "mlt-dev-kubeflow",
    location: "us-central1-a",
    namespace: "kubeflow",
    pipelineRoot: `gs://${BUCKET}/kubeflow`,
    version: "2.17.0",
  });
  // The provider is the cluster's own, whatever this computer's kubeconfig says, and says the same at every preview.
  const { kubeconfig } = only("pulumi:providers:kubernetes").inputs;
  assert.match(String(kubeconfig), /"server":"https:\/\/gke-1\.us-central1\.gke\.goog"/);
  assert.equal((await run(true)).only("pulumi:providers:kubernetes").inputs.kubeconfig, kubeconfig);
  assert.deepEqual(
    resources.flatMap(({ type }) => /^mltraining:index:((?:Gke|Kubeflow).+)/.exec(type)?.[1] ?? []).sort(),
    ["GkeCluster", "GkeNetwork", "GkeNodeIdentity", "KubeflowIdentity", "KubeflowPipelines", "KubeflowVolumes"],
  );
});

test("without the setting there is none of it, and no output", async () => {
  const { result, resources } = await run({}, { "mltraining:kubeflow": "false" });
  assert.ok(!(result instanceof Error));
  assert.ok(!("kubeflow" in result));
  assert.deepEqual(
    resources.filter(({ type }) => /kubernetes|container|Gke|Kubeflow/.test(type)),
    [],
  );
});

test("every mistake ends the program before anything is registered", async () => {
  const KEY = "mltraining:kubeflow";
  const cases: [Parameters<typeof run>, RegExp][] = [
    [
      [{ version: "2.18.0" }],
      /version must be a release of Kubeflow Pipelines that this program installs \(2\.17\.0\)/,
    ],
    [
      [{ pipelineRoot: "gs://foreign/x" }],
      /pipelineRoot must lie in this environment's data bucket \(mlt-dev-data-…\)/,
    ],
    [[{ location: "nowhere1-a" }], /location names no zone or region of Google's/],
    [[{ location: "us-south1-a", gpuPool: {} }], /gpuPool\.machineType: nvidia-tesla-t4 is not in us-south1-a/],
    [[{ systemPool: { machineType: "z9-standard-4" } }], /systemPool\.machineType: there is no z9-standard-4 in us-c/],
    [
      [{ systemPool: { max: 3 } }, { "mltraining:preset": "freeTrial", [KEY]: '{"systemPool":{"max":4}}' }],
      /systemPool is too large for a free trial: 4 × system node e2-standard-2 \(2\) \+ .* = 10 vCPUs/,
    ],
    ...["abc", `a${"b".repeat(20)}`].map((name): [Parameters<typeof run>, RegExp] => [
      [true, { "mltraining:environment": name }],
      new RegExp(`mltraining:environment must be 4 to 20 .*got "${name}" \\(${name.length} characters\\)`),
    ]),
    [[{ manifests: "there/is/none" }], /there are no manifests of Kubeflow at .*there/],
  ];
  for (const [args, message] of cases) {
    const { result, registered } = await run(...args);
    assert.ok(result instanceof pulumi.RunError, JSON.stringify(args));
    assert.match(result.message, message);
    assert.deepEqual(registered, [], message.source);
  }
  const path = process.env.PATH;
  process.env.PATH = join(folder, "none");
  try {
    const { result, registered } = await run(true);
    assert.ok(result instanceof pulumi.RunError);
    assert.match(result.message, /^mltraining:kubeflow needs gke-gcloud-auth-plugin on this computer/);
    assert.deepEqual(registered, []);
  } finally {
    process.env.PATH = path;
  }
});

test("a pipeline root on another bucket that is called alike is told as soon as the own one's name is known", async () => {
  const told: string[] = [];
  const listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  const listener = (error: unknown) => void told.push(error instanceof Error ? error.message : String(error));
  process.on("unhandledRejection", listener);
  const registered: string[] = [];
  await run({ pipelineRoot: "gs://mlt-dev-data-fffffff/x" }, {}, registered).catch(listener);
  await new Promise((resolve) => setTimeout(resolve, 50));
  process.off("unhandledRejection", listener);
  for (const each of listeners) process.on("unhandledRejection", each);
  assert.ok(
    told.some((text) =>
      text.includes(
        `mltraining:kubeflow.pipelineRoot must lie in this environment's data bucket, gs://${BUCKET}; got gs://mlt-dev-data-fffffff; nothing of the cluster was made`,
      ),
    ),
    told.join("\n"),
  );
  assert.ok(registered.includes("gcp:storage/bucket:Bucket"));
  assert.deepEqual(
    registered.filter((type) => /gcp:container|kubernetes/.test(type)),
    [],
  );
  const { result, registered: all } = await run({ pipelineRoot: `gs://${BUCKET}/x` });
  assert.ok(!(result instanceof Error), String(result));
  assert.ok(all.includes("gcp:container/cluster:Cluster"));
});
