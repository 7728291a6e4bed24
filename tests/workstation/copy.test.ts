import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { answerIn, type Copy, giveLine, readCopy, takeLine } from "../../workstation/copy.ts";

const ODD = `it's "$HOME" & a\nnew line; *?`;

/** A folder that stands for the machine: lines run there as they would by SSH. */
function machine(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "mlt-copy-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const home = join(root, "home");
  const stage = join(root, "stage");
  mkdirSync(home);
  mkdirSync(join(root, "bin"));
  writeFileSync(join(root, "bin", "sudo"), '#!/bin/sh\nshift 3\nexec "$@"\n', { mode: 0o755 });
  const run = (line: string) => {
    const env = { ...process.env, PATH: `${join(root, "bin")}:${process.env.PATH}` };
    return spawnSync("bash", ["-c", line.replaceAll("/home/ml", home)], { env, encoding: "utf8" });
  };
  return { home, stage, run };
}

const up = (remote: string): Copy => ({ direction: "up", local: "x", remote });
const down = (remote: string): Copy => ({ direction: "down", local: "x", remote });

test("a file goes under its name, into a folder, or into one that is made; a mode that executes stays", (t) => {
  const { home, stage, run } = machine(t);
  const put = (remote: string, base: string, mode = 0o644) => {
    writeFileSync(stage, `content of ${base}`);
    chmodSync(stage, mode);
    const { status, stdout, stderr } = run(takeLine(stage, up(remote), base, false));
    assert.deepEqual([status, stderr, existsSync(stage)], [0, "", false]);
    return answerIn(stdout);
  };
  assert.equal(put("a.txt", "b.txt"), "a.txt");
  assert.equal(readFileSync(join(home, "a.txt"), "utf8"), "content of b.txt");
  assert.equal(statSync(join(home, "a.txt")).mode & 0o111, 0);
  assert.equal(put("deep/er/c.sh", "c.sh", 0o755), "deep/er/c.sh");
  assert.notEqual(statSync(join(home, "deep", "er", "c.sh")).mode & 0o100, 0);
  assert.equal(put("deep", "d.txt"), "deep/d.txt");
  assert.equal(put("new/", "e.txt"), "new/e.txt");
  assert.equal(put(".", "f.txt"), "./f.txt");
  put(`odd/${ODD}`, "g");
  assert.equal(readFileSync(join(home, "odd", ODD), "utf8"), "content of g");
  put("odd", ODD);
  assert.equal(readFileSync(join(home, "odd", ODD), "utf8"), `content of ${ODD}`);
  put(join(home, "absolute.txt"), "h");
  assert.ok(existsSync(join(home, "absolute.txt")));
});

test("a folder comes whole; the same command twice does the same", (t) => {
  const { home, stage, run } = machine(t);
  const put = (remote: string, base: string, files: Record<string, string>) => {
    mkdirSync(stage);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(stage, name), text);
    const { status, stdout, stderr } = run(takeLine(stage, up(remote), base, true));
    assert.deepEqual([status, stderr, existsSync(stage)], [0, "", false]);
    return answerIn(stdout);
  };
  assert.equal(put("src", "src", { a: "1", [ODD]: "2" }), "src");
  assert.equal(put("src", "src", { a: "3", b: "4" }), "src");
  const read = (name: string) => readFileSync(join(home, "src", name), "utf8");
  assert.deepEqual([read("a"), read("b"), read(ODD)], ["3", "4", "2"]);
  assert.equal(put("src", "other", { c: "5" }), "src/other");
  assert.equal(put("src/", "src", { d: "6" }), "src/src");
  assert.equal(read("src/d"), "6");
  assert.equal(put("renamed", "src", { e: "7" }), "renamed");
  assert.equal(readFileSync(join(home, "renamed", "e"), "utf8"), "7");
});

test("what is fetched is laid out with its kind; what is not there is said", (t) => {
  const { home, stage, run } = machine(t);
  mkdirSync(join(home, "out", "sub"), { recursive: true });
  writeFileSync(join(home, "out", "sub", ODD), "x");
  writeFileSync(join(home, ODD), "y");
  const give = (remote: string) => {
    const { status, stdout, stderr } = run(giveLine(stage, down(remote)));
    assert.deepEqual([status, stderr], [0, ""]);
    return answerIn(stdout);
  };
  assert.equal(give("out"), "folder");
  assert.equal(readFileSync(join(stage, "sub", ODD), "utf8"), "x");
  rmSync(stage, { recursive: true });
  assert.equal(give(ODD), "file");
  assert.equal(readFileSync(stage, "utf8"), "y");
  assert.equal(statSync(stage).mode & 0o077, 0);
  rmSync(stage);
  assert.equal(give("nothing"), "none");
  assert.ok(!existsSync(stage));
});

test("one side has a colon; a home folder is ml's", () => {
  assert.deepEqual(readCopy("data", ":"), { direction: "up", local: "data", remote: "." });
  assert.deepEqual(readCopy("data", ":~/work/"), { direction: "up", local: "data", remote: "work/" });
  assert.deepEqual(readCopy(":/mnt/bucket/x", "."), { direction: "down", local: ".", remote: "/mnt/bucket/x" });
  assert.deepEqual(readCopy(":~", "home"), { direction: "down", local: "home", remote: "." });
  const both =
    "One side is on this computer, the other on the workstation, with a colon in front: mlt cp data :work/ (or mlt cp :work/model.bin .); got a and b. Between buckets and this computer: mlt put, mlt fetch";
  assert.throws(() => readCopy("a", "b"), { message: both });
  assert.throws(() => readCopy(":a", ":b"), { message: both.replace("got a and b", "got :a and :b") });
  assert.throws(() => readCopy("a", ":~bob/x"), {
    message:
      "The workstation's files are those of its user ml; ~bob/x is another user's. Name a path below /home/ml, or an absolute one.",
  });
});
