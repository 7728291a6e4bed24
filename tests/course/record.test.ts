import assert from "node:assert/strict";
import { readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import type { Course } from "../../course/contract.ts";
import { changeRecord, emptyRecord, readRecord, recordStore } from "../../course/record.ts";
import { Conflict } from "../../training/storage.ts";
import { openWorkbench } from "../cli/workbench.ts";
import { temporaryFolder } from "../helpers/shell.ts";

const COURSE = { name: "ml26" } as Course;
const place = (id: string) => ({ id, project: "pr-a", environment: `ml26-${id}`, stack: `ml26-${id}` });

async function behaves(state: string): Promise<void> {
  const store = recordStore(state);
  assert.equal(await store.read(), undefined);
  assert.deepEqual(await readRecord(COURSE, store), emptyRecord(COURSE));

  const add = (id: string) =>
    changeRecord(
      COURSE,
      (record) => ({ ...record, places: { ...record.places, [id]: place(id) } }),
      recordStore(state),
    );
  await Promise.all(["s1", "s2", "s3", "s4"].map(add));
  const { places } = await readRecord(COURSE, store);
  assert.deepEqual(Object.keys(places).sort(), ["s1", "s2", "s3", "s4"], "no change is lost");

  const before = await store.read();
  await changeRecord(COURSE, (record) => ({ ...record }), store);
  assert.equal((await store.read())?.generation, before?.generation, "the same is not written");
  await add("s5");
  const old = { ...emptyRecord(COURSE) };
  await assert.rejects(store.write(old, before?.generation ?? ""), Conflict);
  await assert.rejects(store.write(old, "0"), Conflict);

  await assert.rejects(readRecord({ name: "ml27" } as Course, store), {
    message: `The course's record ${store.at} cannot be used: it is that of the course "ml26", and course.yaml's name is "ml27". Two courses cannot keep their states in one place: give this one another (course.yaml, state), such as a folder of its own in the bucket.`,
  });
}

test("in a folder: read, changed by several at once, held to what was read", async (t) => {
  await behaves(pathToFileURL(join(temporaryFolder(t), "states")).href);
});

test("in a bucket: the same", async (t) => {
  const bench = await openWorkbench();
  t.after(() => bench.close());
  await behaves("gs://mlt-test-data/courses/ml26");
  assert.ok(await bench.objects.info("mlt-test-data", "courses/ml26/course.json"));
  await assert.rejects(readRecord(COURSE, recordStore("gs://no-such-bucket")), {
    name: "NoStates",
    message:
      "The bucket gs://no-such-bucket, in which this course keeps its states, does not exist. `mlt course check` prints the command that makes it; or name another place: state in course.yaml",
  });
});

test("a record that is none, or of a newer mlt, is told; a lock of a killed process is taken over", async (t) => {
  const folder = temporaryFolder(t);
  const store = recordStore(pathToFileURL(folder).href);
  const file = join(folder, "course.json");
  await writeFile(file, "{");
  await assert.rejects(readRecord(COURSE, store), {
    message: `${file} is not JSON: somebody wrote it by hand, or it is not ours.`,
  });
  await writeFile(file, JSON.stringify({ ...emptyRecord(COURSE), schema: 2 }));
  await assert.rejects(readRecord(COURSE, store), {
    message: `The course's record ${file} cannot be used: it has schema 2, this version of mlt reads 1. Update mlt (git pull && npm ci).`,
  });
  await writeFile(file, JSON.stringify({ schema: 1, course: "ml26", places: [], left: {} }));
  await assert.rejects(readRecord(COURSE, store), /its places are no JSON object/);

  await writeFile(file, JSON.stringify(emptyRecord(COURSE)));
  await writeFile(`${file}.lock`, "");
  const long = new Date(Date.now() - 60_000);
  await utimes(`${file}.lock`, long, long);
  await changeRecord(COURSE, (record) => ({ ...record, frozen: "now" }), store);
  assert.equal((JSON.parse(await readFile(file, "utf8")) as { frozen: string }).frozen, "now");
});

test("a folder that cannot be made is told in the user's words", async (t) => {
  const folder = temporaryFolder(t);
  await writeFile(join(folder, "file"), "");
  const store = recordStore(pathToFileURL(join(folder, "file", "states")).href);
  await assert.rejects(
    changeRecord(COURSE, (record) => ({ ...record, frozen: "x" }), store),
    /is not possible: a part of its path is a file/,
  );
});
