import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Problems, type UserError } from "../../training/errors.ts";
import { manifestJsonSchema, parseManifest } from "../../training/manifest.ts";
import { readPackage } from "../../training/package.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "mlt-package-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function files(contents: Record<string, string | Buffer>): Promise<string> {
  for (const [path, data] of Object.entries(contents)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), data);
  }
  return folder;
}

async function problemsOf(): Promise<readonly string[]> {
  try {
    await readPackage(folder);
  } catch (error) {
    assert.ok(error instanceof Problems, String(error));
    return error.problems;
  }
  throw new Error("the package was accepted");
}

const HASH = `--hash=sha256:${"ab".repeat(32)}`;

test("a package is read whole: manifest, files, what is left out", async () => {
  await files({
    "training.yaml":
      'name: My Census!\ncommand: python -m trainer.task --note "two words"\ninputs: [input/census/, raw, more/?]\npython: "3.11"\nmachineType: e2-standard-4\nspot: false\nmaxHours: 1.5\nmaxRestarts: 0\nkeep: 30m\nsample:\n  arguments: [--cv-iterations, 2]\n',
    "requirements.txt": `numpy==2.1.0 \\\n    ${HASH} \\\n    ${HASH} # why\n`,
    "trainer/task.py": "print(1)\n",
    "__pycache__/task.pyc": "x",
    ".git/config": "x",
    ".venv/bin/python": "x",
    "node_modules/x/index.js": "x",
    ".mltignore": "# data stays here\n*.csv\n!keep.csv\n/top.txt\nbuild/\n",
    "a.csv": "1",
    "keep.csv": "1",
    "top.txt": "1",
    "trainer/top.txt": "1",
    "build/out.bin": "1",
  });
  const read = await readPackage(folder);
  assert.deepEqual(read.manifest, {
    name: "my-census",
    command: ["python", "-m", "trainer.task", "--note", "two words"],
    inputs: ["census", "raw", "more?"],
    python: "3.11",
    machineType: "e2-standard-4",
    spot: false,
    maxHours: 1.5,
    maxRestarts: 0,
    keepMinutes: 30,
    sample: { arguments: ["--cv-iterations", "2"], inputs: [] },
  });
  assert.deepEqual(read.files, ["keep.csv", "requirements.txt", "trainer/task.py", "trainer/top.txt", "training.yaml"]);
});

test("a missing folder, a file and a folder without training.yaml have their own messages", async () => {
  const wrong = (path: string) =>
    readPackage(path).then(
      () => "accepted",
      (error: UserError) => error.message,
    );
  assert.equal(
    await wrong("/nowhere/at/all"),
    "A training package is a folder with a training.yaml; there is no /nowhere/at/all.",
  );
  await files({ "train.py": "", "training.yml": "command: x\n" });
  assert.equal(
    await wrong(join(folder, "train.py")),
    `A training package is a folder with a training.yaml; ${join(folder, "train.py")} is a file. Name its folder.`,
  );
  assert.deepEqual(await problemsOf(), [
    "training.yaml is missing (rename training.yml): the package needs at least `command: [python, train.py]` in it",
  ]);
});

test("over 100 MB is refused with the biggest files", async () => {
  await files({ "training.yaml": "command: x\n", "data/a.bin": "", "b.bin": "", "c.bin": "", "d.bin": "" });
  const megabyte = 1024 * 1024;
  await truncate(join(folder, "data/a.bin"), 90 * megabyte);
  await truncate(join(folder, "b.bin"), 20 * megabyte);
  await truncate(join(folder, "c.bin"), 2 * megabyte);
  await truncate(join(folder, "d.bin"), megabyte);
  assert.deepEqual(await problemsOf(), [
    "the files hold 113.0 MB, 100 MB is the most; the biggest: data/a.bin 90.0 MB, b.bin 20.0 MB, c.bin 2.0 MB. Data belongs into the bucket (`mlt put`); name the rest in .mltignore",
  ]);
});

test("links are followed inside the package and refused out of it", async (t) => {
  if (process.platform === "win32") return t.skip("links need a right on Windows that test machines lack");
  await files({ "training.yaml": "command: x\n", "real.txt": "here" });
  await symlink(join(folder, "real.txt"), join(folder, "inside.txt"));
  assert.deepEqual((await readPackage(folder)).files, ["inside.txt", "real.txt", "training.yaml"]);
  await symlink("/etc/hostname", join(folder, "outside.txt"));
  await symlink(join(folder, "nothing"), join(folder, "broken.txt"));
  assert.deepEqual(
    (await problemsOf()).map((problem) => problem.replace(/\(to .*?\)/, "(to …)")),
    [
      "broken.txt is a link to nothing; put the file itself there, or name it in .mltignore",
      "outside.txt is a link out of the package (to …); put the file itself there, or name it in .mltignore",
    ],
  );
});

const MUST =
  "it must hold keys with values, `command: …` at least; keys: name, command, inputs, python, machineType, spot, maxHours, maxRestarts, checkpointSeconds, fallbackToStandard, keep, sample";
const MANIFESTS: [string, string[]][] = [
  [
    "command: x\nmachinetype: e2-small\nsample: {inputz: [a]}\n",
    [
      'training.yaml line 3: unknown key "sample.inputz"; did you mean inputs? Keys: arguments, inputs',
      'training.yaml line 2: unknown key "machinetype"; did you mean machineType? Keys: name, command, inputs, python, machineType, spot, maxHours, maxRestarts, checkpointSeconds, fallbackToStandard, keep, sample',
    ],
  ],
  [
    "command: []\nspot: yes please\nmaxRestarts: 1.5\nkeep: soon\npython: 2.7\n",
    [
      "training.yaml line 1: command must name a program; got []",
      'training.yaml line 5: python must be a version of Python in quotes, such as "3.11"; got 2.7',
      'training.yaml line 2: spot must be true or false, without quotes; got "yes please"',
      "training.yaml line 3: maxRestarts must be a whole number, without quotes; got 1.5",
      'training.yaml line 4: keep must be a time such as 30m or 2h; got "soon"',
    ],
  ],
  [
    "command: 'python \"open'\ninputs: [../runs, a//b]\n",
    [
      'training.yaml line 1: command has a " that is not closed; got "python \\"open"',
      'training.yaml line 2: inputs.0 must be a folder below input/ in the data bucket, such as census, or course://NAME in a course; got "../runs"',
      'training.yaml line 2: inputs.1 must be a folder below input/ in the data bucket, such as census, or course://NAME in a course; got "a//b"',
    ],
  ],
  ["command: x\ncommand: y\n", ['training.yaml line 2: the key "command" is there twice; remove one']],
  [
    "- just\n- a list\n",
    [
      "training.yaml must hold keys with values, `command: …` at least; keys: name, command, inputs, python, machineType, spot, maxHours, maxRestarts, checkpointSeconds, fallbackToStandard, keep, sample",
    ],
  ],
  ["", [`training.yaml is empty; ${MUST}`]],
  ["# only a comment\n", [`training.yaml is empty; ${MUST}`]],
  [
    "command:\n\t- python\n",
    ["training.yaml line 2: a tab stands at the beginning of the line; YAML takes only spaces there"],
  ],
  ["command: x\n---\ncommand: y\n", ["training.yaml line 2: a second document begins (---); one is all there can be"]],
  [
    "command: *nobody\n",
    ["training.yaml: Unresolved alias (the anchor must be set before the alias): nobody; write the value out"],
  ],
  [
    "command: !!python/object:os.system rm\n",
    ["training.yaml line 1: Unresolved tag: tag:yaml.org,2002:python/object:os.system"],
  ],
  [
    "command: [python, train.py, --lr, 0.10]\npython: 3.10\n",
    [
      'training.yaml line 1: command must hold only text: put 0.1 into quotes; got ["python","train.py","--lr",0.1]',
      'training.yaml line 2: python must be a version of Python in quotes, such as "3.11"; got 3.1',
    ],
  ],
  [
    'command: [python]\nmaxHours: "2"\nmaxRestarts: 1e30\nspot: "yes"\nsample: 3\nmachineType: ""\n',
    [
      'training.yaml line 6: machineType must be the name of a machine type, such as e2-standard-4; got ""',
      'training.yaml line 4: spot must be true or false, without quotes; got "yes"',
      'training.yaml line 2: maxHours must be a number of hours, without quotes; got "2"',
      "training.yaml line 3: maxRestarts must be a whole number, without quotes; got 1e+30",
      "training.yaml line 5: sample must hold arguments: […] and inputs: […]; got 3",
    ],
  ],
  [
    "command: OMP_NUM_THREADS=2 python train.py\n",
    [
      'training.yaml line 1: command begins with a variable: write env OMP_NUM_THREADS=2 … instead; got "OMP_NUM_THREADS=2 python train.py"',
    ],
  ],
  [
    "command: python train.py > log.txt\n",
    [
      "training.yaml line 1: command has >: a command runs without a shell; for one, write [bash, -c, '…']; got \"python train.py > log.txt\"",
    ],
  ],
];
for (const [text, problems] of MANIFESTS) {
  test(`training.yaml ${JSON.stringify(text)} is refused with its lines`, () => {
    assert.deepEqual(parseManifest(text, "demo").problems, problems);
  });
}

test("training.yaml is read as editors save it: with CRLF, with a byte order mark, with anchors", () => {
  const read = (text: string) => parseManifest(Buffer.from(text), "demo");
  const plain = { name: "demo", command: ["python", "train.py"], inputs: [], maxHours: 1 };
  assert.deepEqual(read("\ufeffcommand: [python, train.py]\r\nmaxHours: 1\r\n"), { manifest: plain, problems: [] });
  const anchored = read("command: [python, train.py]\nmaxHours: 1\ninputs: &in [census]\nsample: {inputs: *in}\n");
  assert.deepEqual(anchored.manifest?.sample, { arguments: [], inputs: ["census"] });
  assert.deepEqual(parseManifest(Buffer.from("\ufeffcommand: x\n", "utf16le"), "demo"), {
    problems: ["training.yaml is no UTF-8 text; save it as UTF-8 (an editor calls it Encoding)"],
  });
  // Nine times nine times nine …: refused before the memory is full.
  const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"];
  for (const [name, inner] of ["ba", "cb", "dc", "ed"]) bomb.push(`${name}: &${name} [${`*${inner}, `.repeat(9)}]`);
  assert.deepEqual(read(`${bomb.join("\n")}\ncommand: *e\n`).problems, [
    "training.yaml: Excessive alias count indicates a resource exhaustion attack; write the value out",
  ]);
});

test("a folder without training.yaml is told by that alone, however much else is wrong in it", async () => {
  await files({ "Training.yaml": "x", ".env": "API_KEY=abc", "requirements.txt": "numpy" });
  assert.deepEqual(await problemsOf(), [
    "training.yaml is missing (rename Training.yaml): the package needs at least `command: [python, train.py]` in it",
  ]);
  await mkdir(join(folder, "training.yaml"));
  assert.deepEqual(await problemsOf(), [
    "training.yaml is no file: the package needs at least `command: [python, train.py]` in it",
  ]);
});

test("a pattern that leaves training.yaml out, or cannot be read, is told", async () => {
  await files({ "training.yaml": "command: x\n", ".mltignore": "*.yaml\n" });
  assert.deepEqual(await problemsOf(), ["training.yaml is left out by a pattern in .mltignore; take the pattern away"]);
  await files({ ".mltignore": "[z-a].txt\n" });
  await assert.rejects(readPackage(folder), {
    message: '.mltignore has a pattern that cannot be read: "[z-a].txt". Correct its [brackets].',
  });
});

test("names that another system could not hold are refused", async (t) => {
  if (process.platform !== "linux") return t.skip("only Linux lets such names be made");
  await files({ "training.yaml": "command: x\n", "line\nend.txt": "1" });
  await writeFile(Buffer.concat([Buffer.from(join(folder, "latin")), Buffer.from([0xe9])]), "1");
  assert.deepEqual(await problemsOf(), [
    "latin\ufffd has a name that is not UTF-8; rename it",
    "line end.txt has a name with a line end or another control character in it; rename it",
  ]);
});

test("more problems than anybody reads are told by their number", async () => {
  await files({ "training.yaml": "command: x\n" });
  await Promise.all(Array.from({ length: 40 }, (_, index) => symlink("nowhere", join(folder, `link${index + 10}`))));
  const problems = await problemsOf();
  assert.equal(problems.length, 30);
  assert.equal(problems.at(-1), "… and 11 more");
});

test("a folder of ten thousand files is no package", async () => {
  await files({ "training.yaml": "command: x\n" });
  for (let index = 0; index <= 10_000; index += 1) writeFileSync(join(folder, `${index}`), "");
  assert.deepEqual(await problemsOf(), [
    "it holds more than 10000 files, which is the most. Data belongs into the bucket (`mlt put`); name the rest in .mltignore",
  ]);
});

test("the schema that editors load has the keys that are read", async () => {
  const file = await readFile(new URL("../../schemas/training.json", import.meta.url), "utf8");
  const keys = (schema: unknown) => Object.keys((schema as { properties: Record<string, unknown> }).properties).sort();
  assert.deepEqual(keys(JSON.parse(file)), keys(manifestJsonSchema()));
});

test("the examples are usable packages", async () => {
  for (const name of ["census", "digits"]) {
    const read = await readPackage(fileURLToPath(new URL(`../../examples/${name}`, import.meta.url)));
    assert.equal(read.manifest.name, name);
  }
});
