import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { FASHION_MNIST as EXAMPLE, fashionMnistPython } from "../helpers/fashionMnist.ts";
import { run, temporaryFolder } from "../helpers/shell.ts";
import { idx } from "./idx.ts";

let python = "";

before(async () => {
  python = await fashionMnistPython();
});

function bench(t: TestContext) {
  const folder = temporaryFolder(t);
  const output = join(folder, "output");
  const env = {
    PATH: process.env.PATH!,
    HOME: folder,
    PYTHONUNBUFFERED: "1",
    OUTPUT_DIR: output,
    CHECKPOINT_DIR: join(folder, "checkpoints"),
  };
  return {
    folder,
    output,
    env,
    metrics: () => JSON.parse(readFileSync(join(output, "metrics.json"), "utf8")) as Record<string, unknown>,
    train: (...args: string[]) => run(python, ["-B", join(EXAMPLE, "train.py"), ...args], { env, timeoutMs: 120_000 }),
  };
}

test("without data the digits stand in, and it says so; the curves are there; a kill changes no weight", async (t) => {
  const whole = bench(t);
  const trained = await whole.train("--epochs", "3");
  assert.equal(trained.status, 0, trained.stderr);
  assert.match(trained.stdout, /^STAND-IN DATA: no Fashion-MNIST here; scikit-learn's bundled digits take its place/);
  assert.match(trained.stdout, /Test accuracy [\d.]+ on 450 stand-in images/);
  const metrics = whole.metrics();
  assert.equal(metrics.stand_in_data, true);
  assert.ok((metrics.test_accuracy as number) > 0.7, `test accuracy ${metrics.test_accuracy}`);
  const [events] = readdirSync(join(whole.output, "logs/fashion-mnist"));
  const curves = readFileSync(join(whole.output, "logs/fashion-mnist", events!), "latin1");
  for (const name of ["loss/train", "loss/test", "accuracy/train", "accuracy/test"]) {
    assert.equal(curves.split(name).length - 1, 3, `${name} has a point for each epoch`);
  }

  const cut = bench(t);
  const child = spawn(python, ["-B", join(EXAMPLE, "train.py"), "--epochs", "3"], { env: cut.env });
  await new Promise<void>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (text.includes("Epoch 1/3")) child.kill("SIGKILL");
    });
    child.on("close", () => resolve());
  });
  assert.ok(!existsSync(join(cut.output, "metrics.json")), "it was cut before its end");
  const resumed = await cut.train("--epochs", "3");
  assert.equal(resumed.status, 0, resumed.stderr);
  assert.match(resumed.stdout, /Going on after epoch [12]\n/);
  const weights = [
    "import os, sys; os.environ['KERAS_BACKEND'] = 'jax'",
    "import hashlib, keras",
    "for path in sys.argv[1:]:",
    "    model = keras.saving.load_model(path)",
    "    print(hashlib.sha256(b''.join(w.tobytes() for w in model.get_weights())).hexdigest())",
  ].join("\n");
  const models = await Promise.all(
    [whole, cut].map((b) => run(python, ["-c", weights, join(b.output, "model.keras")])),
  );
  assert.match(models[0]!.stdout, /^[0-9a-f]{64}\n$/, models[0]!.stderr);
  assert.equal(models[1]!.stdout, models[0]!.stdout);
});

test("the data set's own files are read, packed or not; a model is evaluated and predicts from file to file", async (t) => {
  const b = bench(t);
  const data = join(b.folder, "data");
  mkdirSync(data);
  const labels = Array.from({ length: 640 }, (_, index) => index % 10);
  writeFileSync(join(data, "train-images-idx3-ubyte.gz"), gzipSync(idx(labels, "images")));
  writeFileSync(join(data, "train-labels-idx1-ubyte"), idx(labels, "labels"));
  writeFileSync(join(data, "t10k-images-idx3-ubyte"), idx(labels.slice(0, 30), "images"));
  writeFileSync(join(data, "t10k-labels-idx1-ubyte.gz"), gzipSync(idx(labels.slice(0, 30), "labels")));
  const trained = await b.train("--epochs", "1", "--data-path", data);
  assert.equal(trained.status, 0, trained.stderr);
  assert.match(trained.stdout, /^640 images to train on, 30 to test with, from /);
  assert.equal(b.metrics().stand_in_data, false);
  const accuracy = b.metrics().test_accuracy;

  const evaluated = await b.train("--mode", "evaluate", "--data-path", data);
  assert.equal(evaluated.status, 0, evaluated.stderr);
  assert.equal(b.metrics().test_accuracy, accuracy);
  assert.equal(b.metrics().mode, "evaluate");

  // 30,000 images are 94 MB as numbers; at most 50 MB more than for 2,500 are allowed.
  const large = Array.from({ length: 30_000 }, (_, index) => index % 10);
  writeFileSync(join(data, "large.gz"), gzipSync(idx(large, "images")));
  writeFileSync(join(data, "small.gz"), gzipSync(idx(large.slice(0, 2500), "images")));
  const peak = async (name: string) => {
    const code = `import resource, runpy, sys; sys.path.insert(0, ${JSON.stringify(EXAMPLE)}); runpy.run_path(sys.argv[0], run_name='__main__'); print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)`;
    const ran = await run(
      python,
      [
        "-B",
        "-c",
        `import sys; sys.argv = sys.argv[1:]; ${code}`,
        ...[join(EXAMPLE, "train.py"), "--mode", "predict", "--predict-path", join(data, name)],
      ],
      { env: b.env, timeoutMs: 120_000 },
    );
    assert.equal(ran.status, 0, ran.stderr);
    return Number(/peak (\d+)/.exec(ran.stdout)![1]) / 1024;
  };
  const few = await peak("small.gz");
  assert.equal(readFileSync(join(b.output, "predictions.csv"), "utf8").trim().split("\n").length, 2501);
  const many = await peak("large.gz");
  assert.ok(many - few < 50, `${few} MiB for 2,500 images, ${many} MiB for 30,000`);
  const rows = readFileSync(join(b.output, "predictions.csv"), "utf8").trim().split("\n");
  assert.equal(rows.length, 30_001);
  assert.equal(rows[0], "image,class,probability");
  assert.match(rows[30_000]!, /^29999,[A-Za-z/ -]+,[01]\.\d{4}$/);
  assert.equal(b.metrics().rows, 30_000);
});

test("mistakes are named", async (t) => {
  const b = bench(t);
  const data = join(b.folder, "data");
  mkdirSync(data);
  const cases: [string[], RegExp][] = [
    [["--epochs", "0"], /--epochs must be 1 or more; got 0/],
    [["--sample", "-1"], /--sample must be 1 or more; got -1/],
    [["--data-path", data], /There is no train-images-idx3-ubyte\[\.gz\] in .*: --data-path is the folder of the four/],
    [["--mode", "evaluate"], /there is no .*model\.keras: train first, or name the folder of a model with --output/],
    [["--mode", "predict"], /there is no .*model\.keras: train first/],
  ];
  const results = await Promise.all(cases.map(([args]) => b.train(...args)));
  for (const [index, [, message]] of cases.entries()) {
    assert.notEqual(results[index]!.status, 0);
    assert.match(results[index]!.stderr, message);
    assert.doesNotMatch(results[index]!.stderr, /Traceback/);
  }
});
