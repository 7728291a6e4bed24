import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type CourseManifest, exportCourse, type StudentManifest } from "../../course/export/export.ts";
import { crc32c, crcText } from "../../training/checksum.ts";
import { REPOSITORY } from "../helpers/shell.ts";
import { type Lectern, openLectern } from "./lectern.ts";

let room: Lectern;
let ann: string;
let zoe: string;
const RUN = "census-20261116000000-0001";
const LARGE = Buffer.alloc(3 << 20, "a model");

before(async () => {
  room = await openLectern();
  ann = await room.bringUp("s001");
  zoe = await room.bringUp("s002");
  await room.run(ann, RUN, {});
  const put = (name: string, data: string | Buffer) => room.objects.write(ann, name, data);
  await put(`runs/${RUN}/output/model.bin`, LARGE);
  await put(`runs/${RUN}/log.txt`, "epoch 1\n");
  await put("output/../../../escape.txt", "no way out");
  await put("output/Model", "upper");
  await put("output/model", "lower");
  await put("output/model/inside", "below a file's name");
  await put("workstation/exec/1/log.txt", "done\n");
  await put("input/census/adult.data", "an input is no result");
  await put("code/0.tar.gz", "nor is code");
});
after(() => room.close());

const manifest = async (folder: string, id: string) =>
  JSON.parse(await readFile(join(folder, id, "manifest.json"), "utf8")) as StudentManifest;

test("into a folder: everything that is a result, legal names, a manifest, read back; nothing for who has nothing", async () => {
  // A canary that has gone is nobody whose results could be missed.
  const canary = { id: "test", project: "local-project", environment: "ml26-test", stack: "ml26-test" };
  await room.change((record) => ({
    ...record,
    places: { ...record.places, test: canary },
    left: { test: { destroyed: "2026-11-18T09:00:00.000Z" } },
  }));
  const to = join(room.folder, "archive");
  const report = await exportCourse(await room.open(), { to });
  assert.deepEqual(
    report.students.map(({ id, result, objects, copied, reason }) => [id, result, objects, copied, reason]),
    [
      ["s001", "done", 9, 9, undefined],
      ["s002", "done", 1, 1, undefined],
      ["s003", "nothing", 0, 0, "has no environment"],
    ],
  );
  const { objects, verified: _, ...rest } = await manifest(to, "s001");
  const sizes = objects.map(({ bytes }) => bytes);
  assert.deepEqual(rest, {
    schema: 1,
    course: "ml26",
    student: "s001",
    environment: "ml26-s001",
    bucket: ann,
    bytes: sizes.reduce((sum, bytes) => sum + bytes, 0),
  });
  assert.deepEqual(
    objects.map(({ name, file }) => [name, file?.replace(/~[0-9a-f]{12}/, "~HASH")]),
    [
      ["environment.json", undefined],
      ["output/../../../escape.txt", "output/%2E%2E/%2E%2E/%2E%2E/escape.txt"],
      ["output/Model", "output/Model~HASH"],
      ["output/model", "output/model~HASH"],
      ["output/model/inside", undefined],
      [`runs/${RUN}/log.txt`, undefined],
      [`runs/${RUN}/output/model.bin`, undefined],
      [`runs/${RUN}/status.json`, undefined],
      ["workstation/exec/1/log.txt", undefined],
    ],
  );
  for (const { name, file = name, bytes, crc32c: sum, generation } of objects) {
    const data = await readFile(join(to, "s001", ...file.split("/")));
    assert.deepEqual([data.length, crcText(crc32c(data))], [bytes, sum], name);
    assert.match(generation, /^\d+$/);
  }
  assert.ok(!existsSync(join(room.folder, "escape.txt")));
  const whole = JSON.parse(await readFile(join(to, "manifest.json"), "utf8")) as CourseManifest;
  assert.deepEqual(Object.keys(whole.students), ["s001", "s002"]);
  assert.equal(whole.students.s001?.objects, 9);
  const { record } = await room.open();
  assert.deepEqual(record.exported, { at: report.at, to, students: ["s001", "s002", "s003"] });
});

test("what is there with the right contents is not copied again; what was changed there is", async () => {
  const to = join(room.folder, "archive");
  await writeFile(join(to, "s001", "runs", RUN, "log.txt"), "epoch X\n");
  await rm(join(to, "s001", "workstation"), { recursive: true });
  const { students } = await exportCourse(await room.open(), { to, only: ["s001"] });
  assert.deepEqual(
    students.map(({ id, result, copied }) => [id, result, copied]),
    [["s001", "done", 2]],
  );
  assert.equal(await readFile(join(to, "s001", "runs", RUN, "log.txt"), "utf8"), "epoch 1\n");
  const { record } = await room.open();
  assert.deepEqual(record.exported?.students, ["s001", "s002", "s003"], "who was verified there before still is");
});

test("what was deleted after an export stays in the archive and in its manifest; what the archive lost does not", async () => {
  const to = join(room.folder, "later");
  const bucket = "ml26-s002-data-0123abc";
  await room.objects.write(bucket, "output/first.txt", "one");
  await room.objects.write(bucket, "output/second.txt", "two");
  await exportCourse(await room.open(), { to, only: ["s002"] });
  const before = (await manifest(to, "s002")).objects;
  assert.deepEqual(
    before.filter(({ name }) => name.startsWith("output/")).map(({ name }) => name),
    ["output/first.txt", "output/second.txt"],
  );
  await room.objects.remove(bucket, "output/first.txt");
  await room.objects.remove(bucket, "output/second.txt");
  await rm(join(to, "s002", "output", "second.txt"));
  const { students } = await exportCourse(await room.open(), { to, only: ["s002"] });
  const after = (await manifest(to, "s002")).objects;
  assert.deepEqual(
    after,
    before.filter(({ name }) => name !== "output/second.txt"),
  );
  assert.deepEqual([students[0]?.result, students[0]?.objects, students[0]?.copied], ["done", after.length, 0]);
  assert.equal(await readFile(join(to, "s002", "output", "first.txt"), "utf8"), "one");
});

test("into a bucket: Google copies, names stay, the same manifest; a second time nothing is copied", async () => {
  await room.bucket("archive-2026");
  const to = "gs://archive-2026/courses/ml26/";
  const first = await exportCourse(await room.open(), { to });
  assert.equal(first.to, "gs://archive-2026/courses/ml26");
  assert.deepEqual(
    first.students.map(({ result, copied }) => [result, copied]),
    [
      ["done", 9],
      ["done", 1],
      ["nothing", 0],
    ],
  );
  const name = `courses/ml26/s001/runs/${RUN}/output/model.bin`;
  assert.ok((await room.objects.read("archive-2026", name))?.data.equals(LARGE));
  const there = await room.objects.info("archive-2026", "courses/ml26/s001/output/../../../escape.txt");
  assert.equal(there?.size, "no way out".length);
  const second = await exportCourse(await room.open(), { to });
  assert.deepEqual(
    second.students.map(({ result, copied }) => [result, copied]),
    [
      ["done", 0],
      ["done", 0],
      ["nothing", 0],
    ],
  );
  // A copy that somebody has changed is found out and made again.
  await room.objects.write("archive-2026", name, "broken");
  const third = await exportCourse(await room.open(), { to, only: ["s001"] });
  assert.deepEqual(
    third.students.map(({ result, copied }) => [result, copied]),
    [["done", 1]],
  );
  assert.ok((await room.objects.read("archive-2026", name))?.data.equals(LARGE));
});

test("one whose results cannot be had is told, is not called safe, and stops no other", async () => {
  const to = join(room.folder, "partial");
  await room.change(({ exported: _, ...record }) => record);
  // A folder of this name is in the way.
  await exportCourse(await room.open(), { to, only: ["s002"] });
  await room.change(({ exported: _, ...record }) => record);
  await rm(join(to, "s002"), { recursive: true });
  await writeFile(join(to, "s002"), "in the way");
  const { students } = await exportCourse(await room.open(), { to });
  assert.deepEqual(
    students.map(({ id, result }) => [id, result]),
    [
      ["s001", "done"],
      ["s002", "failed"],
      ["s003", "nothing"],
    ],
  );
  assert.equal(
    students[1]?.reason,
    `Writing ${join(to, "s002", "environment.json")} is not possible: a file of this name is there.`,
  );
  const { record } = await room.open();
  assert.deepEqual(record.exported?.students, ["s001", "s003"]);
});

test("an archive that goes with the course, or is not there, is refused before anything is read", async () => {
  const open = await room.open();
  await assert.rejects(exportCourse(open, { to: `gs://${zoe}/old` }), {
    message: `gs://${zoe} is the data bucket of s002 and goes with the course. Name another bucket, or a folder, with --to.`,
  });
  const shared = { ...open, record: { ...open.record, dataBucket: "archive-2026" } };
  await assert.rejects(exportCourse(shared, { to: "gs://archive-2026" }), {
    message:
      "gs://archive-2026 is the course's shared bucket and goes with the course. Name another bucket, or a folder, with --to.",
  });
  await assert.rejects(exportCourse(open, { to: "gs://no-such-bucket-here" }), {
    message: "The bucket gs://no-such-bucket-here does not exist. Check the name, or run `pulumi up` to create it.",
  });
});

test("a student who left is exported with the rest, and the record says when", async () => {
  const place = { id: "s008", project: "local-project", environment: "ml26-s008", stack: "ml26-s008" };
  await room.change((record) => ({ ...record, places: { ...record.places, s008: place } }));
  const data = await room.bringUp("s008");
  await room.run(data, RUN, { phase: "running" });
  const to = join(room.folder, "left");
  const report = await exportCourse(await room.open(), { to, only: ["s008"] });
  assert.deepEqual(report.students, [
    { id: "s008", result: "done", objects: 2, bytes: report.students[0]?.bytes, copied: 2, active: [RUN] },
  ]);
  const { record } = await room.open();
  assert.deepEqual(record.left, { s008: { exported: report.at }, test: { destroyed: "2026-11-18T09:00:00.000Z" } });
});

test("what is written while it is copied is copied again; what never stands still is no verified export", async () => {
  const to = join(room.folder, "moving");
  let writes = 0;
  const { objects } = room;
  const read = objects.list.bind(objects);
  /** A run that writes each time somebody looks. */
  const busy = async (times: number) => {
    writes = 0;
    objects.list = async (bucket, query) => {
      if (bucket === zoe && query.prefix === "output/" && writes < times) {
        writes += 1;
        await objects.write(zoe, "output/growing.txt", `line ${writes}\n`);
        await objects.write(zoe, "workstation/status.json", `${writes}`);
      }
      return read(bucket, query);
    };
    const { students } = await exportCourse(await room.open(), { to, only: ["s002"], objects });
    objects.list = read;
    return students[0];
  };
  const settled = await busy(2);
  assert.equal(settled?.result, "done", settled?.reason);
  assert.equal(await readFile(join(to, "s002", "output", "growing.txt"), "utf8"), "line 2\n");
  const restless = await busy(99);
  assert.equal(restless?.result, "failed");
  assert.equal(
    restless?.reason,
    "output/growing.txt and 0 more are written while they are copied: take the right to start machines first (mlt course freeze), or wait until the runs have ended",
  );
});

test("killed in the middle, the next call goes on: what was copied is there, the rest comes", async () => {
  const data = await room.bringUp("s003");
  const pieces = 40;
  for (let n = 0; n < pieces; n += 1)
    await room.objects.write(data, `output/part-${n}`, Buffer.alloc(1 << 20, String(n)));
  const to = join(room.folder, "killed");
  const args = [join(REPOSITORY, "cli", "mlt.js"), "course", "export", "--to", to, "--only", "s003"];
  const child = spawn(process.execPath, args, {
    cwd: room.course.folder,
    env: { ...process.env, ...room.env },
    stdio: "ignore",
  });
  const folder = join(to, "s003", "output");
  const whole = () => (existsSync(folder) ? readdirSync(folder).filter((name) => !name.endsWith(".part")) : []);
  const ended = new Promise((resolve) => child.once("close", resolve));
  while (whole().length < 5 && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 2));
  child.kill("SIGKILL");
  await ended;
  const there = whole().length;
  assert.ok(there >= 5 && there < pieces, `killed after ${there} of ${pieces}`);
  assert.ok(!existsSync(join(to, "s003", "manifest.json")));
  assert.ok(!(await room.open()).record.exported?.to.endsWith("killed"));

  const again = await room.mlt("course", "export", "--to", to, "--only", "s003", "--json");
  assert.equal(again.code, 0, again.stderr);
  const { students } = JSON.parse(again.stdout) as { students: { objects: number; copied: number }[] };
  assert.equal(students[0]?.objects, pieces + 1);
  assert.ok(students[0].copied <= pieces + 1 - there, `${students[0].copied} were copied though ${there} were there`);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith(".part")),
    [],
  );
});

test("the command's own words", async () => {
  const to = join(room.folder, "words");
  const { code, stdout, stderr } = await room.mlt("course", "export", "--to", to, "--only", "s001");
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(
    stdout,
    `s001: 9 objects (3.0 MiB), 9 copied now\n${to}: 1 student, 9 objects (3.0 MiB), read back and compared\n`,
  );
});
