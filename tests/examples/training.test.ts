import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, type TestContext, test } from "node:test";
import { cacheFolder } from "../helpers/cache.ts";
import { REPOSITORY, run, temporaryFolder } from "../helpers/shell.ts";

const DATA = process.env.ML_TRAINING_DATA ?? join(REPOSITORY, "../shared/data");
const noData = existsSync(join(DATA, "census/adult.data"))
  ? undefined
  : `the UCI Adult files are not here: put adult.data and adult.test into ${join(DATA, "census")} or set ML_TRAINING_DATA`;
const LOCK = readFileSync(join(REPOSITORY, "examples/census/requirements.txt"));
let python = "";

// One environment for both examples: the census lock holds all that digits needs. Kept between runs.
before(async () => {
  const { createHash } = await import("node:crypto");
  const folder = cacheFolder("test-venvs", `examples-${createHash("sha256").update(LOCK).digest("hex").slice(0, 12)}`);
  python = join(folder, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  const done = join(folder, "installed");
  if (existsSync(done)) return;
  const made = await run("python3", ["-m", "venv", "--clear", folder], { timeoutMs: 120_000 });
  assert.equal(made.status, 0, made.stderr);
  const lock = join(REPOSITORY, "examples/census/requirements.txt");
  const flags = ["--require-hashes", "--only-binary", ":all:", "--quiet", "--disable-pip-version-check"];
  const installed = await run(python, ["-m", "pip", "install", ...flags, "-r", lock], { timeoutMs: 300_000 });
  assert.equal(installed.status, 0, installed.stderr);
  writeFileSync(done, "");
});

interface Bench {
  output: string;
  metrics(): Record<string, unknown>;
  train(args: string[], env?: Record<string, string>): Promise<{ status: number; stdout: string; stderr: string }>;
  start(args: string[]): ChildProcess;
}

function bench(t: TestContext, example: string): Bench {
  const folder = temporaryFolder(t);
  const output = join(folder, "output");
  const env = {
    PATH: process.env.PATH!,
    HOME: folder,
    PYTHONUNBUFFERED: "1",
    OUTPUT_DIR: output,
    CHECKPOINT_DIR: join(folder, "checkpoints"),
  };
  const cwd = join(REPOSITORY, "examples", example);
  return {
    output,
    metrics: () => JSON.parse(readFileSync(join(output, "metrics.json"), "utf8")),
    train: (args, extra) =>
      run(python, ["-B", "train.py", ...args], { cwd, env: { ...env, ...extra }, timeoutMs: 240_000 }),
    start: (args) => spawn(python, ["-B", "train.py", ...args], { cwd, env, stdio: ["ignore", "pipe", "inherit"] }),
  };
}

test("census learns the real data, and evaluate loads the same model again", async (t) => {
  if (noData) return t.skip(noData);
  const b = bench(t, "census");
  const trained = await b.train([], { ML_TRAINING_DATA: DATA });
  assert.equal(trained.status, 0, trained.stderr);
  const metrics = b.metrics();
  assert.equal(metrics.test_rows, 16281);
  assert.equal(metrics.synthetic, false);
  assert.ok((metrics.test_accuracy as number) >= 0.87, `test accuracy ${metrics.test_accuracy}`);
  assert.match(trained.stdout, /32561 rows to train on, 16281 to test with/);
  assert.match(trained.stdout, /\[CV 3\/3\] END/, "progress is printed");
  assert.doesNotMatch(trained.stdout, /synthetic/i);

  const evaluated = await b.train([
    ...["--mode", "evaluate", "--census-data-path", join(DATA, "census"), "--model-output-path", b.output],
  ]);
  assert.equal(evaluated.status, 0, evaluated.stderr);
  assert.equal(b.metrics().mode, "evaluate");
  assert.equal(b.metrics().test_accuracy, metrics.test_accuracy);
});

test("census without data says synthetic in every output", async (t) => {
  const b = bench(t, "census");
  // A proxy where nothing listens: no download either.
  const ran = await b.train(["--cv-iterations", "1"], {
    HTTPS_PROXY: "http://127.0.0.1:9",
    https_proxy: "http://127.0.0.1:9",
  });
  assert.equal(ran.status, 0, ran.stderr);
  assert.equal(b.metrics().synthetic, true);
  assert.equal(b.metrics().data, "synthetic");
  assert.match(ran.stdout, /SYNTHETIC DATA: generated rows stand in/);
  assert.match(ran.stdout, /Test accuracy [\d.]+ on \d+ synthetic rows/);
});

test("census names what is wrong with its data and options", async (t) => {
  const b = bench(t, "census");
  const folder = temporaryFolder(t);
  const missing = await b.train(["--census-data-path", folder]);
  assert.equal(missing.status, 1);
  assert.match(
    missing.stderr,
    /There is no .*adult\.data: --census-data-path is the folder of adult\.data and adult\.test/,
  );
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "adult.data"), "39, State-gov\n");
  writeFileSync(join(folder, "adult.test"), "|1x3 Cross validator\n");
  const short = await b.train(["--census-data-path", folder]);
  assert.match(short.stderr, /Line 1 of the census data has 2 values; 15 are expected/);
  const none = await b.train(["--cv-iterations", "0"]);
  assert.match(none.stderr, /--cv-iterations must be 1 or more; got 0/);
});

test("digits goes on after the last whole epoch and ends with the same weights", async (t) => {
  const whole = bench(t, "digits");
  assert.equal((await whole.train(["--epochs", "8"])).status, 0);
  assert.ok((whole.metrics().test_accuracy as number) > 0.9);
  assert.equal(whole.metrics().resumed_from_epoch, 0);

  const cut = bench(t, "digits");
  const child = cut.start(["--epochs", "8"]);
  await new Promise<void>((resolve, reject) => {
    let said = "";
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (said.includes("Epoch 3/8")) child.kill("SIGKILL");
    });
    child.on("error", reject);
    child.on("close", () => resolve());
  });
  assert.ok(!existsSync(join(cut.output, "metrics.json")), "it was cut before its end");
  const resumed = await cut.train(["--epochs", "8"]);
  assert.equal(resumed.status, 0, resumed.stderr);
  assert.match(resumed.stdout, /Going on after epoch [3-7]\n/);
  const weights =
    "import joblib, sys, numpy; print(*[numpy.abs(w).sum().hex() for w in joblib.load(sys.argv[1]).coefs_])";
  const models = await Promise.all(
    [whole, cut].map((b) => run(python, ["-c", weights, join(b.output, "model.joblib")])),
  );
  assert.match(models[0]!.stdout, /0x/);
  assert.equal(models[1]!.stdout, models[0]!.stdout);
});
