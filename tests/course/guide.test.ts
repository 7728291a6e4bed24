// docs/course.md, command by command: each exists with its options, those that need no engine are run here in the guide's
// order, and the others are run where the test says so. A command that comes into the guide has to be placed.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { readCourse } from "../../course/open.ts";
import { REPOSITORY, temporaryFolder } from "../helpers/shell.ts";
import { type Lectern, openLectern } from "./lectern.ts";

const text = (path: string) => readFileSync(join(REPOSITORY, path), "utf8");

/** The lines of a document's blocks, without comments. */
function linesOf(path: string): string[] {
  const blocks = [...text(path).matchAll(/^```(?:sh)?\n([\s\S]*?)^```$/gm)].map(([, block = ""]) => block);
  return blocks.flatMap((block) =>
    block
      .split("\n")
      .map((line) => line.replace(/(^|\s+)#.*$/, "").trim())
      .filter(Boolean),
  );
}

const GUIDE = linesOf("docs/course.md");
const commandsOf = (lines: readonly string[]) =>
  lines.flatMap((line) => /(?:^|&& )(?:npx )?mlt (.+?)(?: >> .*)?$/.exec(line)?.[1] ?? []);

/** `course put data/census --course my-course` → `course put` */
const nameOf = (command: string) =>
  command
    .split(" ")
    .slice(0, command.startsWith("course ") ? 2 : 1)
    .join(" ");

describe("every command of the guides exists, with its options and as many arguments", () => {
  const helps = new Map<string, string>();
  const all = [...commandsOf(GUIDE), ...commandsOf(linesOf("docs/course-limits.md"))];
  assert.ok(all.length > 20, String(all.length));
  for (const command of new Set(all)) {
    test(command, () => {
      const name = nameOf(command);
      const help = helps.get(name) ?? helpOf(name);
      helps.set(name, help);
      const words = command.slice(name.length).trim().split(" ").filter(Boolean);
      let given = 0;
      for (let index = 0; index < words.length; index += 1) {
        const word = (words[index] ?? "").replace(/[[\]]/g, "");
        if (!word.startsWith("--")) {
          given += 1;
          continue;
        }
        const [, value] = new RegExp(`^ +(?:-\\w, )?${word}( <\\w[\\w-]*>)?(?: |$)`, "m").exec(help) ?? [];
        assert.match(help, new RegExp(`^ +(?:-\\w, )?${word}\\b`, "m"));
        if (value) index += 1;
      }
      const [usage = ""] = help.split("\n");
      const [required, optional] = [usage.match(/<[\w.]+>/g) ?? [], usage.match(/\[(?!options)[\w.]+\]/g) ?? []];
      assert.ok(given >= required.length && given <= required.length + optional.length, `${usage}: ${given} given`);
    });
  }
});

function helpOf(name: string): string {
  const args = [join(REPOSITORY, "cli", "mlt.js"), ...name.split(" "), "--help"];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.equal(status, 0, name);
  assert.ok(stdout.startsWith(`Usage: mlt ${name} `), stdout);
  return stdout;
}

test("the example, copied as the guide says, is a course, and git takes none of its names", async (t) => {
  const folder = temporaryFolder(t);
  cpSync(join(REPOSITORY, "examples", "course"), join(folder, "examples", "course"), { recursive: true });
  const shell = GUIDE.filter((line) => !/^(npx )?mlt /.test(line));
  assert.deepEqual(shell, ["cp -r examples/course my-course", "mv my-course/roster.example.csv my-course/roster.csv"]);
  for (const line of shell) {
    const { status, stderr } = spawnSync("sh", ["-c", line], { cwd: folder, encoding: "utf8" });
    assert.equal(status, 0, stderr);
  }
  const { course, students } = await readCourse(join(folder, "my-course"));
  assert.deepEqual([course.name, students.length], ["ml27", 4]);
  const ignored = readFileSync(join(folder, "my-course", ".gitignore"), "utf8").split("\n");
  for (const name of ["roster.csv", "/states/", "/export/", "/report/", "/invitations/"])
    assert.ok(ignored.includes(name), name);
  assert.ok(text(".gitignore").split("\n").includes("roster.csv"));
});

/** Commands that need the engine, a machine or a terminal, and the test that runs them with these words. */
const ELSEWHERE: Readonly<Record<string, [file: string, ...words: string[]]>> = {
  "course check --course my-course --yes": ["tests/e2e/course.test.ts", '"check", "--yes"'],
  "course up --course my-course": ["tests/e2e/course.test.ts", 'mlt(1, "up")', 'json(0, "up")'],
  "course up --course my-course --only s001,s007": ["tests/e2e/course.test.ts", '"up", "--only", "s007"'],
  "course freeze --course my-course": ["tests/e2e/course.test.ts", '"freeze", "--yes"'],
  "course down --course my-course --to archive": ["tests/e2e/course.test.ts", 'mlt(0, "down", "--yes")'],
  "course reap --course my-course --watch": ["tests/course/reaper.test.ts", '"--watch"'],
  "train examples/census": ["tests/quickstart.test.ts", 'block("local")'],
  "fetch latest model/": ["tests/quickstart.test.ts", 'block("local")'],
  jupyter: ["tests/cli/workstation.test.ts", '"jupyter"'],
};

interface Run {
  args?: (command: string) => string;
  says: RegExp;
}

/** Those that are run here, and what they say. */
const HERE: Readonly<Record<string, Run>> = {
  "course plan --course my-course": { says: /^2 students need 1 project /m },
  "course plan --course my-course --quotas": { says: /^ {2}ok +vCPUs \(E2, N1\), us-central1 +8 +24 +quota$/m },
  "course check --course my-course --no-canary": { says: /^ok +your rights +enough for every course command$/m },
  "course put data/census --course my-course": { says: /inputs: \["course:\/\/census"\]/ },
  "course invite --course my-course": { says: /: 2 invitations, each as ID\.html and ID\.txt\./ },
  "course warm --course my-course --at 08:45": {
    // Nobody waits for the morning here; power.test.ts holds what --at means.
    args: (command) => command.replace(" --at 08:45", ""),
    says: /2 skipped/,
  },
  "course status --course my-course": { says: /^s007 +Bob +up +/m },
  "course cool --course my-course": { says: /2 skipped/ },
  "course report --course my-course": { says: /report\.html: 2 students, 0 runs/ },
  "course export --course my-course --to archive": {
    says: /archive: 2 students, 4 objects \(.+\), read back and compared/,
  },
  "use gs://BUCKET": { args: (command) => command.replace("BUCKET", "ml26-s001-data-0123abc"), says: /ml26-s001/ },
  "put data/census input/census": { says: /: 1 uploaded \(2 B\), 0 already there/ },
};

test("each command of the guide is run: here, or in the test that is named", () => {
  const all = commandsOf(GUIDE);
  assert.deepEqual([...new Set(all)].sort(), [...Object.keys(HERE), ...Object.keys(ELSEWHERE)].sort());
  for (const [command, [file, ...words]] of Object.entries(ELSEWHERE)) {
    for (const word of words) assert.ok(text(file).includes(word), `${command}: ${file} does not say ${word}`);
  }
  const readme = text("README.md").split("<!-- run: local -->")[1] ?? "";
  for (const word of ["train", "fetch"]) assert.match(readme, new RegExp(`^npx mlt ${word} `, "m"));
});

describe("the guide's commands, in its order", { concurrency: 1 }, () => {
  let room: Lectern;
  before(async () => {
    room = await openLectern([
      ["s001", "Ann"],
      ["s007", "Bob"],
    ]);
    for (const id of ["s001", "s007"]) {
      const data = await room.bringUp(id);
      await room.objects.write(data, "output/result.txt", `of ${id}`);
    }
    await room.bucket("ml26-base-course-0123abc");
    await room.change((record) => ({ ...record, dataBucket: "gs://ml26-base-course-0123abc" }));
    mkdirSync(join(room.course.folder, "data", "census"), { recursive: true });
    writeFileSync(join(room.course.folder, "data", "census", "adult.data"), "1\n");
    const tools = join(room.folder, "tools");
    mkdirSync(tools);
    writeFileSync(join(tools, "pulumi"), "#!/bin/sh\necho v3.256.0\n", { mode: 0o755 });
    const paths = { IAM: "iam/", CLOUDRESOURCEMANAGER: "crm/", SERVICEUSAGE: "su/", CLOUDBILLING: "billing/" };
    for (const [name, path] of Object.entries({ ...paths, ORGPOLICY: "orgpolicy/" }))
      room.env[`CLOUDSDK_API_ENDPOINT_OVERRIDES_${name}`] = `${room.cloud.url}/${path}`;
    Object.assign(room.env, { PATH: `${tools}:/usr/bin:/bin`, PULUMI_CONFIG_PASSPHRASE: "secret" });
  });
  after(() => room.close());

  for (const command of commandsOf(GUIDE).filter((each) => HERE[each])) {
    test(command, async (t) => {
      if (process.platform === "win32" && command.includes("check"))
        return t.skip("the stand-in for Pulumi is a script");
      const { args = (same: string) => same, says } = HERE[command] as Run;
      // The process stands in the course's folder.
      const words = args(command).replace("--course my-course", "--course .").split(" ");
      const { code, stdout, stderr } = await room.mlt(...words);
      assert.equal(code, 0, `${stdout}\n${stderr}`);
      assert.match(stdout + stderr, says);
    });
  }
});
