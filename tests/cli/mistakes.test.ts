// What people get wrong, and every word that they read then.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { leaveRun, openWorkbench, type Workbench } from "./workbench.ts";

let bench: Workbench;
const DATA = "mlt-test-data";
const KEYS =
  "Keys: name, command, inputs, python, machineType, spot, maxHours, maxRestarts, checkpointSeconds, fallbackToStandard, keep, sample";
before(async () => {
  bench = await openWorkbench();
  assert.equal((await bench.mlt(["use", `gs://${DATA}`])).code, 0);
  await bench.files("demo", { "training.yaml": "command: [python, train.py]\n", "train.py": "print(1)\n" });
  await bench.files("folder", { "a.csv": "1\n" });
  await mkdir(join(bench.folder, "nothing", "in", "here"), { recursive: true });
});
after(() => bench.close());

const STACK = "`pulumi stack output dataBucketUrl` prints it.";
const NAMED = "An environment is named by its data bucket, gs://BUCKET; got";
const ARGUMENTS: [string[], string][] = [
  [["use", ""], `${NAMED} "". ${STACK}\n`],
  [["use", "gs://"], `${NAMED} "gs://". ${STACK}\n`],
  [["use", "gs://a b"], `${NAMED} "gs://a b". ${STACK}\n`],
  [
    ["use", "gs://mlt-test-data/input"],
    `${NAMED} "gs://mlt-test-data/input". Did you mean gs://mlt-test-data? ${STACK}\n`,
  ],
  [
    ["use", "https://console.cloud.google.com/storage/browser/mlt-test-data?project=x"],
    `${NAMED} "https://console.cloud.google.com/storage/browser/mlt-test-data?project=x". Did you mean gs://mlt-test-data? ${STACK}\n`,
  ],
  [["use", `gs://${"x".repeat(300)}`], `${NAMED} "gs://${"x".repeat(114)}…". ${STACK}\n`],
  [["runs", "--environment", ""], `${NAMED} "". ${STACK}\n`],
  [
    ["runs", "--limit", "0"],
    "error: option '--limit <count>' argument '0' is invalid. Must be a whole number from 1.\n",
  ],
  [
    ["runs", "--limit", "1.5"],
    "error: option '--limit <count>' argument '1.5' is invalid. Must be a whole number from 1.\n",
  ],
  [
    ["fetch", "/"],
    "Where to put it has to be said for a whole bucket: mlt fetch gs://mlt-test-data/ FOLDER (. for the folder you are in).\n",
  ],
  [["fetch", "gs://"], 'A bucket path is gs://BUCKET/PATH; got "gs://".\n'],
  [["put", "", "input/x"], 'There is no file or folder "" to upload.\n'],
  [["put", "nothing", "input/x"], "The folder nothing holds no file; nothing was uploaded.\n"],
  [
    ["put", "folder", `input/${"x".repeat(1100)}`],
    `A bucket path has 1024 bytes at most; "input/${"x".repeat(53)}…" has 1106.\n`,
  ],
  [
    ["put", "folder", "input/a\nb"],
    'A bucket path has no "." or ".." and no control characters in it; got "input/a b".\n',
  ],
  [["train", ""], 'A training package is a folder with a training.yaml; got "". Name its folder: mlt train DIR\n'],
  [
    ["train", "folder"],
    "The package folder cannot be used (1 problem):\n  - training.yaml is missing: the package needs at least `command: [python, train.py]` in it\n",
  ],
  [
    ["train", "demo", "--yes", "--max-hours", "-1", "--max-restarts", "0.5"],
    "The run cannot be started (2 problems):\n  - time limit -1 h (--max-hours) is out of Google's range for a machine: 30 seconds (0.00834 h) to 120 days (2880 h)\n  - maxRestarts 0.5 (--max-restarts) is no whole number from 0\n",
  ],
];
for (const [args, stderr] of ARGUMENTS) {
  test(`mlt ${args.join(" ").slice(0, 60)}: one clear message, 64`, async () => {
    assert.deepEqual(await bench.mlt(args), { code: 64, stdout: "", stderr });
  });
}

test("a run is named by its id, by latest, or by what only its id begins or ends with", async () => {
  const fetchInput = await bench.mlt(["fetch", "input"]);
  assert.deepEqual(fetchInput, {
    code: 64,
    stdout: "",
    stderr:
      "There is no run input: the environment mlt-test has had none. `mlt train DIR` starts one.\nA path has a slash in it: mlt fetch input/\n",
  });
  const none = await bench.mlt(["status", "latest"]);
  assert.equal(
    none.stderr,
    "There is no run latest: the environment mlt-test has had none. `mlt train DIR` starts one.\n",
  );
  const now = new Date().toISOString();
  for (const id of ["alpha-20260101000000-00a1", "alpha-20260102000000-00a2", "zulu-20260101120000-00b1"]) {
    await leaveRun(bench, id, { phase: "succeeded", exitCode: 0, times: { submitted: now, ended: now } });
  }
  const idOf = async (text: string) => JSON.parse((await bench.mlt(["status", text, "--json"])).stdout).id as string;
  assert.equal(await idOf("latest"), "alpha-20260102000000-00a2");
  assert.equal(await idOf("zulu"), "zulu-20260101120000-00b1");
  assert.equal(await idOf("00a1"), "alpha-20260101000000-00a1");
  assert.match((await bench.mlt(["fetch", "latest"])).stdout, /^alpha-20260102000000-00a2: 2 fetched/);
  assert.match((await bench.mlt(["logs", "latest"])).stderr, /^alpha-20260102000000-00a2 has written no log yet/);
  assert.match((await bench.mlt(["cancel", "latest"])).stdout, /^alpha-20260102000000-00a2 had ended already/);
  assert.deepEqual(await bench.mlt(["cancel", "alpha"]), {
    code: 64,
    stdout: "",
    stderr: '"alpha" fits 2 runs: alpha-20260102000000-00a2, alpha-20260101000000-00a1. Name one of them.\n',
  });
  assert.deepEqual(await bench.mlt(["logs", ""]), {
    code: 64,
    stdout: "",
    stderr:
      'There is no run "" in mlt-test. The latest: alpha-20260102000000-00a2, zulu-20260101120000-00b1, alpha-20260101000000-00a1\n',
  });
});

test("files that cannot be uploaded are all told before anything is", async (t) => {
  if (process.platform === "win32") return t.skip("links and pipes need rights on Windows that test machines lack");
  const folder = await bench.files("odd", { "good.csv": "1", "deep/line\nend": "2" });
  await writeFile(Buffer.concat([Buffer.from(`${folder}/latin`), Buffer.from([0xff])]), "3").catch(() => undefined);
  await symlink("nowhere", join(folder, "broken"));
  await symlink("..", join(folder, "loop"));
  spawnSync("mkfifo", [join(folder, "pipe")]);
  const { code, stderr } = await bench.mlt(["put", "odd", "input/odd"]);
  assert.equal(code, 64);
  const latin = stderr.includes("odd/latin") ? ["  - odd/latin\ufffd has a name that is not UTF-8; rename it"] : [];
  assert.deepEqual(stderr.split("\n"), [
    `Nothing was uploaded (${4 + latin.length} problems):`,
    "  - odd/broken is a link to nothing; remove it",
    "  - odd/deep/line end has a name with a line end or another control character in it; rename it",
    ...latin,
    "  - odd/loop is a link to a folder; put the folder itself there",
    "  - odd/pipe is neither file nor folder; remove it",
    "",
  ]);
  assert.equal((await bench.objects.list(DATA, { prefix: "input/odd" })).objects.length, 0);
  assert.deepEqual(await bench.mlt(["put", "/dev/zero", "input/zero"]), {
    code: 64,
    stdout: "",
    stderr: "Only files and folders are uploaded; /dev/zero is a device or a pipe. Write it to a file first.\n",
  });
});

test("a file goes into a folder that is there, as with cp", async () => {
  const put = async (target: string) => assert.equal((await bench.mlt(["put", "folder/a.csv", target])).code, 0);
  await put("input");
  await put("input/cp/");
  await put("input/cp");
  await put("input/named.csv");
  const names = (await bench.objects.list(DATA, { prefix: "input/" })).objects.map(({ name }) => name);
  assert.deepEqual(names, ["input/a.csv", "input/cp/a.csv", "input/named.csv"]);
});

test("what stands in the way of a download is told in words", async () => {
  await bench.objects.write(DATA, "output/m/sub/b", "1");
  await bench.files("inway", { sub: "a file" });
  assert.deepEqual(await bench.mlt(["fetch", "output/m", "inway"]), {
    code: 64,
    stdout: "",
    stderr: "Writing inway/sub/b is not possible: a file of this name is there.\n",
  });
  const { code, stderr } = await bench.mlt(["fetch", "output/m", "folder/a.csv"]);
  assert.deepEqual(
    [code, stderr],
    [64, "Writing folder/a.csv/sub/b is not possible: a part of its path is a file, where a folder has to be.\n"],
  );
});

const CREDENTIALS: [string, string, string][] = [
  ["is no JSON", "{", "is no JSON. GOOGLE_APPLICATION_CREDENTIALS names it; make it anew:"],
  [
    "is empty of a login",
    "{}",
    'holds no login (it has no "type"). GOOGLE_APPLICATION_CREDENTIALS names it; make it anew:',
  ],
];
for (const [name, content, said] of CREDENTIALS) {
  test(`a login's file that ${name}`, async () => {
    const file = join(bench.folder, "login.json");
    await writeFile(file, content);
    const env = { GOOGLE_APPLICATION_CREDENTIALS: file };
    assert.deepEqual(await bench.mlt(["ls"], { env }), {
      code: 64,
      stdout: "",
      stderr: `The file of the Google login, ${file}, ${said} gcloud auth application-default login\n`,
    });
  });
}

test("a login's file that is not there, a broken key, a token with a line end", async () => {
  const missing = await bench.mlt(["ls"], { env: { GOOGLE_APPLICATION_CREDENTIALS: "/no/such.json" } });
  assert.deepEqual(missing, {
    code: 64,
    stdout: "",
    stderr:
      "The file of the Google login, /no/such.json, cannot be read (there is none). GOOGLE_APPLICATION_CREDENTIALS names it; make it anew: gcloud auth application-default login\n",
  });
  const file = join(bench.folder, "broken.json");
  await writeFile(file, JSON.stringify({ type: "service_account", client_email: "a@b.c", private_key: "zz" }));
  const broken = await bench.mlt(["ls"], { env: { GOOGLE_APPLICATION_CREDENTIALS: file } });
  assert.equal(broken.code, 64);
  assert.match(
    broken.stderr,
    /^The Google login cannot be used: .*\. Log in with: gcloud auth application-default login\n$/,
  );
  const token = await bench.mlt(["ls"], { env: { GOOGLE_OAUTH_ACCESS_TOKEN: "ya29.a\nb" } });
  assert.deepEqual(token, {
    code: 64,
    stdout: "",
    stderr:
      "GOOGLE_OAUTH_ACCESS_TOKEN must hold one token and nothing else; what it holds has spaces or line ends in it. Set it anew: export GOOGLE_OAUTH_ACCESS_TOKEN=$(gcloud auth print-access-token)\n",
  });
});

/** Google's answers word by word; the sentence alone reaches the user. */
const ANSWERS: [string, number, string, string][] = [
  [
    "403 in plain text, as Google answers reads of contents",
    403,
    "someone@example.com does not have storage.objects.get access to the Google Cloud Storage object. Permission 'storage.objects.get' denied on resource (or it may not exist).",
    "Reading gs://foreign-bucket/environment.json was refused (403): someone@example.com does not have storage.objects.get access to the Google Cloud Storage object. Permission 'storage.objects.get' denied on resource (or it may not exist).\nAsk the environment's owner for the right, or log in as another account: gcloud auth application-default login\n",
  ],
  [
    "403 in JSON",
    403,
    JSON.stringify(
      { error: { code: 403, message: "The billing account is closed.", errors: [{ reason: "x" }] } },
      null,
      2,
    ),
    "Reading gs://foreign-bucket/environment.json was refused (403): The billing account is closed.\nAsk the environment's owner for the right, or log in as another account: gcloud auth application-default login\n",
  ],
  [
    "404 of a bucket",
    404,
    "The specified bucket does not exist.",
    "The bucket gs://foreign-bucket does not exist. Check the name, or run `pulumi up` to create it.\n",
  ],
  [
    "404 of an object",
    404,
    "No such object: foreign-bucket/environment.json",
    "gs://foreign-bucket is a bucket but no training environment: it has no environment.json. Use the bucket that `pulumi stack output dataBucketUrl` prints; if this is the one, `pulumi up` writes the file.\n",
  ],
  [
    "an environment.json that somebody wrote",
    200,
    "hello",
    "gs://foreign-bucket/environment.json is not JSON: somebody wrote it by hand, or it is not ours.\n",
  ],
  [
    "an environment.json of a newer version",
    200,
    '{"schema": 9}',
    "gs://foreign-bucket/environment.json cannot be used: it has schema 9, this version of mlt reads up to 1. Update mlt (git pull && npm ci).\n",
  ],
];
for (const [name, status, body, stderr] of ANSWERS) {
  test(`${name}: no raw answer, no stack`, async () => {
    const server = http.createServer((_request, response) => response.writeHead(status).end(body));
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as AddressInfo;
    try {
      const env = { CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `http://127.0.0.1:${port}/storage/v1/` };
      assert.deepEqual(await bench.mlt(["use", "gs://foreign-bucket"], { env }), { code: 64, stdout: "", stderr });
    } finally {
      server.close();
    }
  });
}

test("a call that meets a busy Google is sent again", async () => {
  let calls = 0;
  const server = http.createServer((_request, response) => {
    calls += 1;
    if (calls === 1) response.writeHead(503).end("busy");
    else response.writeHead(404).end("The specified bucket does not exist.");
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const env = { CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `http://127.0.0.1:${port}/storage/v1/` };
  const { stderr } = await bench.mlt(["use", "gs://foreign-bucket"], { env });
  server.close();
  assert.match(stderr, /^The bucket gs:\/\/foreign-bucket does not exist\./);
  assert.equal(calls, 2);
});

test("STORAGE_EMULATOR_HOST, which other clients heed, leads no call astray", async () => {
  const { code, stderr } = await bench.mlt(["ls"], { env: { STORAGE_EMULATOR_HOST: "http://127.0.0.1:1" } });
  assert.deepEqual([code, stderr], [0, ""]);
});

test("a package that cannot be read is told, file by file", async (t) => {
  if (process.platform === "win32" || process.getuid?.() === undefined) return t.skip("no file modes on Windows");
  const folder = await bench.files("closed", { "training.yaml": "command: x\n", "a.py": "1", "sub/b.py": "2" });
  await Promise.all([chmod(join(folder, "a.py"), 0), chmod(join(folder, "sub"), 0)]);
  await Promise.all(["", "closed"].map((name) => chmod(join(bench.folder, name), 0o755)));
  const script = `import { readPackage } from ${JSON.stringify(new URL("../../training/package.ts", import.meta.url).href)};
    await readPackage("closed").catch((error) => console.log(error.message));`;
  // Root may read everything, so it looks as somebody else.
  const identity = process.getuid() === 0 ? { uid: 65534, gid: 65534 } : {};
  const { stdout, stderr, error } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
    cwd: bench.folder,
    encoding: "utf8",
    ...identity,
  });
  await Promise.all([chmod(join(folder, "a.py"), 0o644), chmod(join(folder, "sub"), 0o755)]);
  if (error || /EACCES.*node_modules|Cannot find/.test(stderr)) return t.skip("another user cannot read this checkout");
  assert.deepEqual(stdout.split("\n"), [
    "The package closed cannot be used (2 problems):",
    "  - sub cannot be read: this is not allowed. Put that right, or name it in .mltignore",
    "  - a.py cannot be read: this is not allowed. Put that right, or name it in .mltignore",
    "",
  ]);
});

test("every problem of a beginner's package at once", async () => {
  await bench.files("beginner", {
    "training.yaml":
      'command: cd src && python train.py\npython: 3.10\nmaxHours: "2"\nspot: "yes"\nmachineType: ""\n<<: {a: 1}\n',
    "requirements.txt": "numpy\n-r other.txt\n",
    ".env": "WANDB_API_KEY=0123\n",
  });
  const { code, stderr } = await bench.mlt(["train", "beginner", "--yes"]);
  const LOCK =
    "lock it: `uv pip compile --generate-hashes requirements.in -o requirements.txt` (or pip-compile --generate-hashes)";
  assert.equal(code, 64);
  assert.deepEqual(stderr.split("\n"), [
    "The package beginner cannot be used (9 problems):",
    "  - training.yaml line 1: command has &&: a command runs without a shell; for one, write [bash, -c, '…']; got \"cd src && python train.py\"",
    '  - training.yaml line 2: python must be a version of Python in quotes, such as "3.11"; got 3.1',
    '  - training.yaml line 5: machineType must be the name of a machine type, such as e2-standard-4; got ""',
    '  - training.yaml line 4: spot must be true or false, without quotes; got "yes"',
    '  - training.yaml line 3: maxHours must be a number of hours, without quotes; got "2"',
    `  - training.yaml line 6: unknown key "<<"; ${KEYS}`,
    `  - requirements.txt line 1: "numpy" is not pinned to one version; ${LOCK}`,
    `  - requirements.txt line 2: "-r other.txt" points to another file; ${LOCK} puts everything in one`,
    "  - .env holds a secret (WANDB_API_KEY): a package is stored for good and read by machines. Remove it, or name it in .mltignore",
    "",
  ]);
});
