import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { CREDENTIALS, IR, JSON_OUTPUT, type KubeflowBench, openKubeflowBench, ROOT } from "./kubeflowBench.ts";

let bench: KubeflowBench;
before(async () => {
  bench = await openKubeflowBench();
});
after(() => bench.close());
beforeEach(() => bench.reset());

const ended = (args: string[], env?: Record<string, string | undefined>) => bench.mlt(args, env).ended;
const API = () => bench.forward("ml-pipeline", ":8888");
test("submit: parameters are converted and sent; the id is printed; a kubeconfig of its own, fetched once", async () => {
  await rm(bench.kubeconfig, { force: true });
  const home = join(bench.folder, ".kube");
  const first = await ended([
    "submit",
    "pipeline.yaml",
    "--name",
    "one",
    "--",
    "train-steps=500",
    "bucket-path=gs://b/x",
  ]);
  const [run] = bench.pipelines.runs;
  assert.deepEqual(first, {
    code: 0,
    stdout: `${run?.run_id}\n`,
    stderr: `mlt: follow it: mlt kubeflow status ${run?.run_id.slice(0, 8)} | logs ${run?.run_id.slice(0, 8)}; its page: mlt kubeflow open, then /#/runs/details/${run?.run_id}\n`,
  });
  assert.deepEqual(await bench.calls(), [CREDENTIALS, API()]);
  const { run_id: id, created_at: _c, finished_at: _f, ...sent } = run!;
  assert.deepEqual(sent, {
    state: "PENDING",
    display_name: "one",
    pipeline_spec: IR,
    runtime_config: { parameters: { train_steps: 500, bucket_path: "gs://b/x" } },
  });
  assert.deepEqual(bench.pipelines.asked, ["POST /apis/v2beta1/runs"]);
  // The address is kept, for its owner alone; the user's own kubeconfig was not touched.
  assert.equal(readFileSync(bench.kubeconfig, "utf8"), "address mlt-test");
  assert.equal((await stat(join(bench.kubeconfig, ".."))).mode & 0o777, 0o700);
  assert.deepEqual(await readdir(join(bench.kubeconfig, "..")), ["local-project_us-central1-a_mlt-test.yaml"]);
  assert.ok(!existsSync(home));

  const second = await ended(["submit", "pipeline.yaml", "--json", "--no-cache", "--", "bucket_path="]);
  const [newest] = bench.pipelines.runs;
  assert.deepEqual(JSON.parse(second.stdout), {
    run: newest?.run_id,
    name: newest?.display_name,
    state: "pending",
    page: `/#/runs/details/${newest?.run_id}`,
  });
  assert.notEqual(newest?.run_id, id);
  assert.match(newest?.display_name ?? "", /^mnist \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  const tasks = { prepare: { cachingOptions: {} }, train: { cachingOptions: {}, dependentTasks: ["prepare"] } };
  assert.deepEqual(newest?.pipeline_spec, { ...IR, root: { ...IR.root, dag: { tasks } } });
  assert.deepEqual(await bench.calls(), [API()]);
});

test("submit: everything that is wrong is told together, before any program is started", async () => {
  await bench.files(".", {
    "foreign.yaml": JSON.stringify({ ...IR, defaultPipelineRoot: "gs://elsewhere/kubeflow" }),
    "own.yaml": JSON.stringify({ ...IR, defaultPipelineRoot: `${ROOT}/mine` }),
  });
  assert.deepEqual(await ended(["submit", "foreign.yaml", "--name", " ", "--", "train-steps=many", "bucketpath=x"]), {
    code: 64,
    stdout: "",
    stderr: [
      "foreign.yaml was not submitted (5 problems):",
      '  - train-steps must be a whole number; got "many"',
      "  - there is no parameter bucketpath; this pipeline has train-steps, bucket-path. Did you mean bucket-path?",
      "  - bucket-path is missing, and has no default; it is text",
      `  - the pipeline says that its artefacts go to gs://elsewhere/kubeflow; runs of this environment may write below ${ROOT} only. Leave pipeline_root away, or choose a place there`,
      '  - --name is 1 to 128 characters on one line; got " "',
      "",
    ].join("\n"),
  });
  assert.deepEqual([await bench.calls(), bench.pipelines.asked], [[], []]);
  assert.equal((await ended(["submit", "own.yaml", "--", "bucket-path="])).code, 0);
  assert.deepEqual(await ended(["submit", "none.yaml"]), {
    code: 64,
    stdout: "",
    stderr: "There is no none.yaml on this computer.\n",
  });
});

const STEPS = (train: "RUNNING" | "SUCCEEDED" | "FAILED") => [
  { display_name: "root", state: "RUNNING" as const },
  {
    display_name: "prepare",
    state: "SUCCEEDED" as const,
    start_time: "2026-01-01T00:00:00Z",
    end_time: "2026-01-01T00:00:30Z",
  },
  { display_name: "train-driver", state: "SUCCEEDED" as const },
  {
    display_name: "train",
    state: train,
    start_time: "2026-01-01T00:00:30Z",
    ...(train === "RUNNING" ? {} : { end_time: "2026-01-01T00:05:30Z" }),
    ...(train === "FAILED" ? { error: { message: "exit code 1" } } : {}),
  },
];

test("submit --follow tells each step, waits where the way breaks, and ends as the run ends", async () => {
  bench.pipelines.onLook = ({ run_id: id }, looks) => {
    if (looks === 1) bench.pipelines.set(id, { state: "RUNNING" }, STEPS("RUNNING"));
    if (looks === 2) {
      bench.pipelines.set(id, { state: "SUCCEEDED" }, STEPS("SUCCEEDED"));
      bench.pipelines.down = 1;
    }
  };
  const { code, stdout, stderr } = await ended(["submit", "pipeline.yaml", "--follow", "--", "bucket-path="]);
  const { run_id: id } = bench.pipelines.runs[0]!;
  assert.deepEqual([code, stdout], [0, `${id}\n`]);
  assert.deepEqual(stderr.split("\n"), [
    "mlt: prepare: succeeded (30 s)",
    "mlt: train: running",
    "mlt: Kubeflow Pipelines does not answer (503). See: mlt kubeflow status Waiting; the run goes on.",
    "mlt: Kubeflow Pipelines answers again",
    "mlt: train: succeeded (5 min)",
    `mlt: ${id}: succeeded`,
    "",
  ]);
  assert.ok((await bench.calls()).filter((call) => call[5] === "port-forward").length >= 3);
});

test("submit --follow: a run that fails ends with 1 and where its log is; Ctrl-C leaves the run alone", async () => {
  bench.pipelines.onLook = ({ run_id: id }) =>
    bench.pipelines.set(id, { state: "FAILED", error: { message: "train failed" } }, STEPS("FAILED"));
  const failed = await ended(["submit", "pipeline.yaml", "--follow", "--json", "--", "bucket-path="]);
  const { run_id: id } = bench.pipelines.runs[0]!;
  assert.equal(failed.code, 1);
  assert.equal((JSON.parse(failed.stdout) as { state: string }).state, "failed");
  assert.match(failed.stderr, /mlt: train: failed \(5 min\): exit code 1\n/);
  assert.match(
    failed.stderr,
    new RegExp(`mlt: ${id}: failed: train failed. Its log: mlt kubeflow logs ${id.slice(0, 8)}\n$`),
  );

  bench.pipelines.onLook = ({ run_id: other }) => bench.pipelines.set(other, { state: "RUNNING" }, STEPS("RUNNING"));
  const running = bench.mlt(["submit", "pipeline.yaml", "--follow", "--", "bucket-path="]);
  await running.said(/train: running/);
  running.child.kill("SIGINT");
  const left = await running.ended;
  const { run_id: other, state } = bench.pipelines.runs[0]!;
  assert.deepEqual([left.code, state], [130, "RUNNING"]);
  assert.match(
    left.stderr,
    new RegExp(`mlt: stopped following; ${other} goes on. See: mlt kubeflow status ${other.slice(0, 8)}\n$`),
  );
});

test("status RUN: its steps; a run is named by id, beginning or latest", async () => {
  const other = bench.pipelines.leave({ display_name: "x", run_id: "aaaaaaaa-0000-4000-8000-000000000001" });
  const run = bench.pipelines.leave(
    {
      display_name: "mnist",
      run_id: "aaaaaaaa-0000-4000-8000-000000000002",
      state: "FAILED",
      created_at: "2026-01-01T00:00:00Z",
      finished_at: "2026-01-01T00:06:00Z",
      pipeline_spec: IR,
      runtime_config: { parameters: { train_steps: 500 } },
    },
    STEPS("FAILED"),
  );
  const { stdout } = await ended(["status", "latest"]);
  assert.deepEqual(stdout.split("\n"), [
    `run         ${run.run_id}`,
    "name        mnist",
    "state       failed",
    "started     2026-01-01T00:00:00Z",
    "ended       2026-01-01T00:06:00Z",
    "parameters  train_steps=500",
    `page        mlt kubeflow open, then /#/runs/details/${run.run_id}`,
    "",
    "STEP     STATE      TIME   WHY",
    "prepare  succeeded  30 s",
    "train    failed     5 min  exit code 1",
    "",
  ]);
  const told = JSON.parse((await ended(["status", run.run_id, "--json"])).stdout) as { steps: { state: string }[] };
  assert.deepEqual(
    told.steps.map(({ state }) => state),
    ["succeeded", "failed"],
  );
  assert.equal(
    (await ended(["status", "aaaa"])).stderr,
    `aaaa is the beginning of 2 runs: ${run.run_id}, ${other.run_id}. Give more of it.\n`,
  );
  assert.equal((await ended(["status", "bbbb"])).stderr, "There is no run bbbb. The latest: aaaaaaaa, aaaaaaaa\n");
  const none = "bbbbbbbb-0000-4000-8000-000000000001";
  assert.deepEqual(await ended(["status", none]), {
    code: 64,
    stdout: "",
    stderr: `There is no run ${none}. mlt kubeflow status lists them.\n`,
  });
});

test("logs: of all steps, of one, of what prepares one; of a pod that waits, why; gone ones are said to be gone", async () => {
  const run = bench.pipelines.leave({ display_name: "mnist", state: "RUNNING" });
  const pod = (name: string, node: string, second: number, phase = "Succeeded") => ({
    metadata: {
      name,
      creationTimestamp: `2026-01-01T00:00:0${second}Z`,
      labels: { "pipeline/runid": run.run_id },
      annotations: { "workflows.argoproj.io/node-name": `mnist-x.root.${node}` },
    },
    status: { phase },
  });
  const gone = await ended(["logs", "latest"]);
  assert.equal(gone.code, 64);
  assert.equal(
    gone.stderr,
    `No pod of ${run.run_id} is there: none was made yet, every step came from the cache, or they are gone, an hour after the run's end. What the cluster archives is on the run's page: mlt kubeflow open, then /#/runs/details/${run.run_id}\n`,
  );
  const pods = [
    pod("p4", "evaluate.executor", 4, "Pending"),
    pod("p2", "train-driver", 1),
    pod("p3", "train.executor(1)", 3),
    pod("p1", "train.executor(0)", 2),
  ];
  await bench.has({ pods, logs: { p1: "first try\n", p2: "driver\n", p3: "second try\n" } });
  await bench.calls();
  const all = await ended(["logs", "latest"]);
  assert.deepEqual(all, {
    code: 0,
    stdout: "first try\nsecond try\n",
    stderr: "mlt: train:\nmlt: train:\nmlt: evaluate:\nmlt: evaluate has not begun: it is being started\n",
  });
  const log = (name: string, ...more: string[]) => ["logs", name, "--container", "main", ...more];
  const quiet = bench.kubectl("--request-timeout=30s");
  assert.deepEqual(await bench.calls(), [
    API(),
    bench.get("pods", "--selector", `pipeline/runid=${run.run_id}`, ...JSON_OUTPUT),
    [...quiet, ...log("p1")],
    [...quiet, ...log("p3")],
  ]);
  assert.equal((await ended(["logs", "latest", "train"])).stdout, "second try\n");
  assert.equal((await ended(["logs", "latest", "train-driver"])).stdout, "driver\n");
  assert.equal(
    (await ended(["logs", "latest", "trian"])).stderr,
    `Run ${run.run_id} has no pod of a step trian; it has train, evaluate. Did you mean train? A step that came from the cache has no log.\n`,
  );
  await bench.calls();
  const followed = bench.mlt(["logs", "latest", "train", "--follow"]);
  await followed.said(/second try/);
  followed.child.kill("SIGINT");
  const { code, stderr } = await followed.ended;
  assert.equal(code, 130);
  assert.equal(
    stderr,
    `mlt: stopped following; ${run.run_id} goes on. Follow it: mlt kubeflow logs ${run.run_id.slice(0, 8)} train --follow\n`,
  );
  assert.deepEqual((await bench.calls()).at(-1), bench.kubectl(...log("p3", "--follow")));
});
