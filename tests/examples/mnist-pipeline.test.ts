import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { parse } from "yaml";
import { run, temporaryFolder } from "../helpers/shell.ts";
import { idx } from "./idx.ts";
import { EXAMPLE, mnistPython, runPython } from "./mnist.ts";

const IMAGE = "us-central1-docker.pkg.dev/local-project/mnist/steps:1";
const SERVING = "us-central1-docker.pkg.dev/local-project/mnist/serving:1";
let python = "";
before(async () => {
  python = await mnistPython();
});

const compile = (output: string, ...args: string[]) =>
  run(
    python,
    ["-B", join(EXAMPLE, "pipeline.py"), "--image", IMAGE, "--serving-image", SERVING, "--output", output, ...args],
    { timeoutMs: 60_000 },
  );

interface Task {
  cachingOptions: { enableCache?: boolean };
  dependentTasks?: string[];
  inputs?: { parameters?: Record<string, unknown>; artifacts?: Record<string, unknown> };
}

interface Ir {
  schemaVersion: string;
  sdkVersion: string;
  pipelineInfo: { name: string };
  root: { inputDefinitions: { parameters: object }; dag: { tasks: Record<string, Task> } };
  components: Record<string, { outputDefinitions?: { artifacts?: Record<string, { artifactType: object }> } }>;
  deploymentSpec: {
    executors: Record<string, { container: { image: string; command: string[]; args: string[]; resources: object } }>;
  };
}

const ir = (file: string) => parse(readFileSync(file, "utf8")) as Ir;
const from = (producerTask: string, outputArtifactKey: string) => ({
  taskOutputArtifact: { outputArtifactKey, producerTask },
});
const value = (producerTask: string) => ({ taskOutputParameter: { outputParameterKey: "Output", producerTask } });
const image = { runtimeValue: { constant: SERVING } };

test("the compiled pipeline: its parameters, steps, what they hand on, what comes from the cache", async (t) => {
  const file = join(temporaryFolder(t), "pipeline.yaml");
  const { status, stdout, stderr } = await compile(file);
  assert.deepEqual([status, stdout, stderr], [0, `${file}\n`, ""]);
  const compiled = ir(file);
  assert.deepEqual(
    [compiled.schemaVersion, compiled.sdkVersion, compiled.pipelineInfo.name],
    ["2.1.0", "kfp-2.17.0", "mnist"],
  );
  assert.deepEqual(compiled.root.inputDefinitions.parameters, {
    batch_size: { defaultValue: 64, isOptional: true, parameterType: "NUMBER_INTEGER" },
    bucket_path: { defaultValue: "", isOptional: true, parameterType: "STRING" },
    learning_rate: { defaultValue: 0.002, isOptional: true, parameterType: "NUMBER_DOUBLE" },
    train_steps: { defaultValue: 300, isOptional: true, parameterType: "NUMBER_INTEGER" },
  });
  const given = (name: string) => ({ componentInputParameter: name });
  const tasks = Object.entries(compiled.root.dag.tasks).map(([name, { cachingOptions, dependentTasks, inputs }]) => [
    name,
    { cached: cachingOptions.enableCache === true, after: dependentTasks, ...inputs },
  ]);
  assert.deepEqual(Object.fromEntries(tasks), {
    prepare: { cached: true, after: undefined, parameters: { bucket_path: given("bucket_path") } },
    train: {
      cached: true,
      after: ["prepare"],
      artifacts: { images: from("prepare", "train") },
      parameters: {
        batch_size: given("batch_size"),
        learning_rate: given("learning_rate"),
        train_steps: given("train_steps"),
      },
    },
    evaluate: {
      cached: true,
      after: ["prepare", "train"],
      artifacts: { images: from("prepare", "test"), model: from("train", "model") },
    },
    serve: {
      cached: false,
      after: ["evaluate", "train"],
      artifacts: { model: from("train", "model") },
      parameters: { accuracy: value("evaluate"), image },
    },
    "web-ui": {
      cached: false,
      after: ["prepare", "serve"],
      artifacts: { images: from("prepare", "test") },
      parameters: { image, serving: value("serve") },
    },
  });
});

test("artefacts are typed; every step runs in the steps' image, installs nothing, and asks for what it needs", async (t) => {
  const file = join(temporaryFolder(t), "pipeline.yaml");
  assert.equal((await compile(file)).status, 0);
  const compiled = ir(file);
  const artefacts = Object.entries(compiled.components).flatMap(([name, { outputDefinitions }]) =>
    Object.entries(outputDefinitions?.artifacts ?? {}).map(([key, { artifactType }]) => [
      `${name.replace("comp-", "")}.${key}`,
      (artifactType as { schemaTitle: string }).schemaTitle,
    ]),
  );
  assert.deepEqual(Object.fromEntries(artefacts), {
    "prepare.train": "system.Dataset",
    "prepare.test": "system.Dataset",
    "train.model": "system.Model",
    "train.metrics": "system.Metrics",
    "evaluate.metrics": "system.Metrics",
    "evaluate.confusion": "system.ClassificationMetrics",
  });
  const { executors } = compiled.deploymentSpec;
  assert.deepEqual(Object.keys(executors).sort(), [
    "exec-evaluate",
    "exec-prepare",
    "exec-serve",
    "exec-train",
    "exec-web-ui",
  ]);
  for (const [name, { container }] of Object.entries(executors)) {
    assert.equal(container.image, IMAGE, name);
    assert.doesNotMatch(container.command.join(" "), /pip|apt-get|https?:/, name);
  }
  assert.deepEqual(executors["exec-train"]?.container.resources, {
    cpuLimit: 2,
    cpuRequest: 0.5,
    memoryLimit: 2.147483648,
    memoryRequest: 0.805306368,
    resourceCpuLimit: "2",
    resourceCpuRequest: "500m",
    resourceMemoryLimit: "2Gi",
    resourceMemoryRequest: "768Mi",
  });
});

test("a GPU is asked for by the training alone, and only with --gpu", async (t) => {
  const file = join(temporaryFolder(t), "pipeline.yaml");
  assert.equal((await compile(file, "--gpu")).status, 0);
  const gpus = Object.entries(ir(file).deploymentSpec.executors)
    .filter(([, { container }]) => "accelerator" in container.resources)
    .map(([name, { container }]) => [name, (container.resources as { accelerator: object }).accelerator]);
  assert.deepEqual(gpus, [
    ["exec-train", { count: "1", resourceCount: "1", resourceType: "nvidia.com/gpu", type: "nvidia.com/gpu" }],
  ]);
});

test("an image without a tag of its own is refused", async (t) => {
  const folder = temporaryFolder(t);
  const files = ["steps:1", "localhost/steps", "localhost/steps:latest", "localhost/ steps:1"];
  for (const name of files) {
    const { status, stderr } = await compile(join(folder, "none.yaml"), "--image", name);
    assert.equal(status, 2);
    assert.equal(
      stderr.trimEnd().split("\n").at(-1),
      `pipeline.py: error: argument --image: an image is named with its registry and a tag of its own (not latest), or a digest; got ${name}`,
    );
  }
  assert.deepEqual(readdirSync(folder), []);
});

const LOAD = `
import sys
from mnist import data
try:
    for part in data.load(sys.argv[1]):
        print(part.x.shape, part.x.dtype, part.y[:12].tolist(), part.origin, part.stand_in)
except data.Mistake as mistake:
    print(mistake)
`;

test("MNIST's own files, packed or not; what is missing or damaged is named; no path: the stand-in, and it says so", async (t) => {
  const folder = temporaryFolder(t);
  const load = async (path: string) => {
    const { status, stdout, stderr } = await runPython(python, LOAD, [path]);
    assert.equal(status, 0, stderr);
    return stdout.trimEnd();
  };
  const data = join(folder, "mnist");
  mkdirSync(data);
  assert.equal(
    await load(data),
    `bucket-path must hold MNIST's four files, each as it is or with .gz; in ${data} there is no train-images-idx3-ubyte, no train-labels-idx1-ubyte, no t10k-images-idx3-ubyte, no t10k-labels-idx1-ubyte. Put them there (npx mlt put FOLDER input/mnist), or leave bucket-path away for the stand-in.`,
  );
  writeFileSync(join(data, "train-images-idx3-ubyte.gz"), gzipSync(idx([1, 2, 3], "images")));
  writeFileSync(join(data, "train-labels-idx1-ubyte"), idx([1, 2, 3], "labels"));
  writeFileSync(join(data, "t10k-images-idx3-ubyte"), idx([4, 5], "images"));
  writeFileSync(join(data, "t10k-labels-idx1-ubyte.gz"), gzipSync(idx([4, 5], "labels")));
  assert.equal(
    await load(`${data}/`),
    `(3, 28, 28) uint8 [1, 2, 3] ${data} False\n(2, 28, 28) uint8 [4, 5] ${data} False`,
  );
  const broken: [string, Buffer, string][] = [
    ["t10k-images-idx3-ubyte", Buffer.from("no idx"), " is no idx file of images of 28 × 28"],
    ["t10k-images-idx3-ubyte", idx([4, 5], "labels"), " is no idx file of images of 28 × 28"],
    ["t10k-images-idx3-ubyte", idx([4, 5], "images").subarray(0, -784), " is cut off or damaged: it says 2 and has 1"],
    [
      "train-images-idx3-ubyte",
      gzipSync(idx([1], "images")).subarray(0, -9),
      ".gz cannot be unpacked: it is cut off or damaged",
    ],
    ["train-labels-idx1-ubyte", idx([1, 2, 11], "labels"), " has the label 11; digits end at 9"],
  ];
  for (const [name, content, problem] of broken) {
    const whole = existsSync(join(data, name)) ? readFileSync(join(data, name)) : undefined;
    writeFileSync(join(data, name), content);
    assert.equal(await load(data), `${data}/${name}${problem}`);
    if (whole) writeFileSync(join(data, name), whole);
    else rmSync(join(data, name));
  }
  writeFileSync(join(data, "t10k-labels-idx1-ubyte.gz"), gzipSync(idx([4], "labels")));
  assert.equal(await load(data), `${data}: 2 images in t10k-images-idx3-ubyte, but 1 labels in t10k-labels-idx1-ubyte`);
  const lines = (await load("")).split("\n");
  assert.match(lines[0]!, /^\(1347, 28, 28\) uint8 .* scikit-learn's bundled digits, a stand-in for MNIST True$/);
  assert.match(lines[1]!, /^\(450, 28, 28\) uint8 /);
});

const TRAIN = `
import json, sys
import numpy as np
from mnist import data, network
digits, _ = data.load("")
seen = []
moved = network.moved
network.moved = lambda random, images: (seen.append(len(images)), moved(random, images))[1]
train = lambda **more: network.train(digits.x, digits.y, **({"steps": 4, "learning_rate": 0.001, "batch_size": 10} | more), say=lambda _: None)[0]
first, again, slower = train(), train(), train(learning_rate=1e-7)
import jax.numpy as jnp
images = digits.x[:20]
jax = np.asarray(network.forward({k: jnp.asarray(v) for k, v in first.items()}, jnp.asarray(images, jnp.float32) / 255, jnp))
own = network.forward(first, images.astype(np.float32) / 255, np)
batches = [part.tolist() for part in network.batches(np.random.default_rng(0), 10, 4, 5)]
print(json.dumps({
  "batches": seen,
  "same": all((first[k] == again[k]).all() for k in first),
  "moves": [max(float(abs(w[k] - network.new()[k]).max()) for k in w) for w in (first, slower)],
  "difference": float(abs(jax - own).max()),
  "once": [sorted(sum(batches, [])[:10]), [len(part) for part in batches]],
}))
`;

test("train-steps, learning-rate and batch-size mean what they say; training and serving compute the same", async () => {
  const { status, stdout, stderr } = await runPython(python, TRAIN, []);
  assert.equal(status, 0, stderr);
  const told = JSON.parse(stdout) as {
    batches: number[];
    same: boolean;
    moves: [number, number];
    difference: number;
    once: unknown;
  };
  assert.deepEqual(told.batches, Array(12).fill(10));
  assert.ok(told.same, "the same training ends with the same weights");
  // Adam's first steps are as long as the rate.
  const [fast, slow] = told.moves;
  assert.ok(fast > 0.002 && fast < 0.0045 && slow < 1e-6, String(told.moves));
  assert.ok(told.difference < 1e-4, String(told.difference));
  assert.deepEqual(told.once, [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [4, 4, 4, 4, 4],
  ]);
});

test("images: a pinned base, hashes only, not root; the locks name no host and hold what is asked for", () => {
  for (const name of ["steps", "serving"]) {
    const lines = readFileSync(join(EXAMPLE, `${name}.Dockerfile`), "utf8").split("\n");
    const of = (word: string) =>
      lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
    assert.deepEqual(of("FROM"), ["docker.io/library/python:3.12.12-slim-bookworm"]);
    assert.deepEqual(of("USER"), ["10001:10001"]);
    assert.deepEqual(of("ADD"), []);
    const installs = lines.filter((line) => line.includes("pip install"));
    assert.equal(installs.length, name === "steps" ? 2 : 1);
    for (const line of installs) assert.match(line, /--require-hashes --only-binary :all: /);
  }
  for (const [source, lock] of [
    ["requirements.in", "requirements.txt"],
    ["requirements-gpu.in", "requirements-gpu.txt"],
    ["serving.in", "serving.txt"],
    ["build.in", "build.txt"],
  ] as const) {
    const locked = readFileSync(join(EXAMPLE, lock), "utf8");
    assert.doesNotMatch(locked, /:\/\/|index-url|find-links/, lock);
    for (const wanted of readFileSync(join(EXAMPLE, source), "utf8").match(/^[a-z][\w-]*/gm) ?? []) {
      assert.match(locked, new RegExp(`^${wanted}==\\S+.*\\\\\n +--hash=sha256:`, "im"), `${wanted} in ${lock}`);
    }
  }
});
