import assert from "node:assert/strict";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openWorkbench, type Workbench } from "./workbench.ts";

let bench: Workbench;
before(async () => {
  bench = await openWorkbench();
  const used = await bench.mlt(["use", "gs://mlt-test-data"]);
  assert.deepEqual(used, {
    code: 0,
    stdout: "Using mlt-test: project local-project, region us-central1, bucket gs://mlt-test-data\n",
    stderr: "",
  });
});
after(() => bench.close());

test("use remembers the environment, and MLT_ENVIRONMENT and --environment win over it", async () => {
  const file = join(bench.folder, "config", "ml-training", "environment");
  assert.equal(await readFile(file, "utf8"), "gs://mlt-test-data\nproject local-project\n");
  const own = await bench.mlt(["use", "--json"]);
  assert.deepEqual(JSON.parse(own.stdout), {
    environment: "mlt-test",
    project: "local-project",
    region: "us-central1",
    bucket: "gs://mlt-test-data",
    from: file,
  });
  const byVariable = await bench.mlt(["runs"], { env: { MLT_ENVIRONMENT: "gs://mlt-test-scratch" } });
  assert.equal(byVariable.code, 64);
  assert.match(
    byVariable.stderr,
    /^gs:\/\/mlt-test-scratch is a bucket but no training environment: it has no environment\.json\./,
  );
  const byFlag = await bench.mlt(["runs", "--environment", "gs://mlt-test-data"], {
    env: { MLT_ENVIRONMENT: "gs://mlt-test-scratch" },
  });
  assert.equal(byFlag.code, 0);
});

test("put uploads what is new, skips what is there, and ls shows it", async () => {
  const big = Buffer.alloc(9 * 1024 * 1024, "0123456789");
  await bench.files("data", { "a.csv": "1,2\n", "deep/b.csv": "3,4\n", "empty.txt": "", "big.bin": big });
  const first = await bench.mlt(["put", "data", "input/census", "--json"]);
  assert.equal(first.stderr, "");
  assert.deepEqual(JSON.parse(first.stdout), {
    target: "gs://mlt-test-data/input/census",
    transferred: 4,
    skipped: 0,
    bytes: big.length + 8,
  });
  await writeFile(join(bench.folder, "data", "a.csv"), "9,9\n");
  const second = await bench.mlt(["put", "data", "input/census"]);
  assert.equal(second.stdout, "gs://mlt-test-data/input/census: 1 uploaded (4 B), 3 already there\n");

  const listed = JSON.parse((await bench.mlt(["ls", "input/census", "--json"])).stdout) as {
    path: string;
    type: string;
  }[];
  assert.deepEqual(
    listed.map(({ path, type }) => [path, type]),
    [
      ["input/census/deep/", "folder"],
      ["input/census/a.csv", "object"],
      ["input/census/big.bin", "object"],
      ["input/census/empty.txt", "object"],
    ],
  );
  const whole = await bench.mlt(["ls", "-r", "gs://mlt-test-data/input"]);
  assert.match(
    whole.stdout,
    /^SIZE {5}UPDATED {15}PATH\n4 B {6}\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ {2}input\/census\/a\.csv\n9\.0 MiB /,
  );
});

test("fetch brings a path back, skips what is there, and goes on where it was broken off", async () => {
  const got = await bench.mlt(["fetch", "input/census", "back"]);
  assert.match(got.stdout, /^back: 4 fetched \(9\.0 MiB\), 0 already there\n$/);
  assert.equal(await readFile(join(bench.folder, "back", "deep", "b.csv"), "utf8"), "3,4\n");
  const again = await bench.mlt(["fetch", "gs://mlt-test-data/input/census", "back", "--json"]);
  assert.deepEqual(JSON.parse(again.stdout), {
    source: "gs://mlt-test-data/input/census",
    folder: "back",
    transferred: 0,
    skipped: 4,
    bytes: 0,
  });

  const big = await bench.objects.info("mlt-test-data", "input/census/big.bin");
  const half = Buffer.alloc(4 * 1024 * 1024 + 2, "0123456789");
  await bench.files("resumed", { [`big.bin.${big!.generation}.part`]: half });
  const resumed = await bench.mlt(["fetch", "input/census/big.bin", "resumed"]);
  assert.equal(resumed.code, 0, resumed.stderr);
  const file = await readFile(join(bench.folder, "resumed", "big.bin"));
  assert.ok(file.equals(Buffer.alloc(9 * 1024 * 1024, "0123456789")));
  await assert.rejects(stat(join(bench.folder, "resumed", `big.bin.${big!.generation}.part`)));
});

test("a part that was damaged is thrown away with a message, and the next call begins anew", async () => {
  const big = await bench.objects.info("mlt-test-data", "input/census/big.bin");
  await bench.files("damaged", { [`big.bin.${big!.generation}.part`]: Buffer.alloc(1024, "x") });
  const failed = await bench.mlt(["fetch", "input/census/big.bin", "damaged"]);
  assert.deepEqual(failed, {
    code: 64,
    stdout: "",
    stderr:
      "gs://mlt-test-data/input/census/big.bin arrived with another checksum than it has there; run the command again.\n",
  });
  assert.equal((await bench.mlt(["fetch", "input/census/big.bin", "damaged"])).code, 0);
});

const WRONG: [string[], string][] = [
  [
    ["ls", "input/nothing"],
    "gs://mlt-test-data/input/nothing does not exist: no object has that name or lies below it.\n",
  ],
  [
    ["fetch", "input/nothing", "x"],
    "gs://mlt-test-data/input/nothing does not exist: no object has that name or lies below it.\n",
  ],
  [
    ["ls", "gs://no-such-bucket-here/input"],
    "The bucket gs://no-such-bucket-here does not exist. Check the name, or run `pulumi up` to create it.\n",
  ],
  [
    ["use", "gs://no-such-bucket-here"],
    "The bucket gs://no-such-bucket-here does not exist. Check the name, or run `pulumi up` to create it.\n",
  ],
  [
    ["use", "gs://mlt-test-scratch"],
    "gs://mlt-test-scratch is a bucket but no training environment: it has no environment.json. Use the bucket that `pulumi stack output dataBucketUrl` prints; if this is the one, `pulumi up` writes the file.\n",
  ],
  [
    ["use", "GS://Wrong Name"],
    'An environment is named by its data bucket, gs://BUCKET; got "GS://Wrong Name". `pulumi stack output dataBucketUrl` prints it.\n',
  ],
  [["put", "nowhere", "input/x"], 'There is no file or folder "nowhere" to upload.\n'],
  [
    ["put", "data", "runs/x"],
    "gs://mlt-test-data/runs/x belongs to the environment's own records; upload below input/ (mlt put DIR input/NAME).\n",
  ],
  [
    ["put", "data", "environment.json"],
    "gs://mlt-test-data/environment.json belongs to the environment's own records; upload below input/ (mlt put DIR input/NAME).\n",
  ],
  [
    ["put", "data", "input/../runs"],
    'A bucket path has no "." or ".." and no control characters in it; got "input/../runs".\n',
  ],
];
for (const [args, stderr] of WRONG) {
  test(`mlt ${args.join(" ")} says what is wrong`, async () => {
    await bench.files("data", { "a.csv": "1,2\n" });
    assert.deepEqual(await bench.mlt(args), { code: 64, stdout: "", stderr });
  });
}

test("without an environment, the message says how to choose one", async () => {
  const env = { XDG_CONFIG_HOME: join(bench.folder, "none"), PATH: "" };
  assert.deepEqual(await bench.mlt(["runs"], { env }), {
    code: 64,
    stdout: "",
    stderr:
      "No environment is chosen. Choose one with `mlt use gs://BUCKET` (the bucket that `pulumi stack output dataBucketUrl` prints), or pass --environment gs://BUCKET.\n",
  });
});

test("without a login, the message is the command that makes one", async () => {
  const env = {
    GCE_METADATA_HOST: undefined,
    METADATA_SERVER_DETECTION: "none",
    GOOGLE_APPLICATION_CREDENTIALS: undefined,
    PATH: "",
  };
  assert.deepEqual(await bench.mlt(["ls"], { env }), {
    code: 64,
    stdout: "",
    stderr:
      "This needs a Google login, and there is none on this computer. Log in with: gcloud auth application-default login (gcloud is not installed here: https://cloud.google.com/sdk/docs/install)\n",
  });
});

test("a token that Google does not accept is told in the same way", async () => {
  const { code, stderr } = await bench.mlt(["ls"], { env: { GOOGLE_OAUTH_ACCESS_TOKEN: "ya29.foreign" } });
  assert.equal(code, 64);
  assert.match(stderr, /needs a Google login, and none was found that Google accepts\. Log in with: gcloud auth/);
});
