import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { putShared } from "../../course/put.ts";
import { openEnvironment } from "../../training/environment.ts";
import { resolveInputs } from "../../training/inputs.ts";
import { type Lectern, openLectern } from "./lectern.ts";

let room: Lectern;
let source: string;
before(async () => {
  room = await openLectern();
  source = join(room.folder, "census");
  await mkdir(join(source, "more"), { recursive: true });
  await writeFile(join(source, "adult.data"), "39, State-gov\n");
  await writeFile(join(source, "more", "notes.txt"), "notes\n");
});
after(() => room.close());

test("before the course is up there is nowhere to put it", async () => {
  await assert.rejects(putShared(await room.open(), source, undefined), {
    message:
      "The course ml26 has no shared bucket yet: the first project's foundation makes it. Bring the course up first: mlt course up",
  });
});

test("a folder goes below its name, a file under its own, and a student's package finds both", async () => {
  await room.bucket("ml26-base-course-0123abc");
  await room.change((record) => ({ ...record, dataBucket: "gs://ml26-base-course-0123abc" }));
  const { code, stdout, stderr } = await room.mlt("course", "put", source);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(
    stdout,
    'gs://ml26-base-course-0123abc/census: 2 uploaded (20 B), 0 already there\nIn a package\'s training.yaml: inputs: ["course://census"]; the machine finds it in $DATA_DIR/census\n',
  );
  const again = await room.mlt("course", "put", source, "course://census/", "--json");
  assert.deepEqual(JSON.parse(again.stdout), {
    transferred: 0,
    skipped: 2,
    bytes: 0,
    input: "course://census",
    url: "gs://ml26-base-course-0123abc/census",
  });
  const one = await putShared(await room.open(), join(source, "adult.data"), undefined);
  assert.equal(one.input, "course://adult.data");
  const { objects } = await room.objects.list("ml26-base-course-0123abc", { prefix: "" });
  assert.deepEqual(
    objects.map(({ name }) => name),
    ["adult.data", "census/adult.data", "census/more/notes.txt"],
  );
  const data = await room.bringUp("s001", { course: { dataBucketUrl: "gs://ml26-base-course-0123abc" } });
  const environment = await openEnvironment(`gs://${data}`);
  assert.deepEqual(await resolveInputs(environment, ["course://census", "course://adult.data"], undefined), [
    "gs://ml26-base-course-0123abc/census",
    "gs://ml26-base-course-0123abc/adult.data",
  ]);
});

test("a name that no package could say is refused before anything is sent", async () => {
  const odd = join(room.folder, "Zählung");
  await mkdir(odd);
  await writeFile(join(odd, "a"), "a");
  const rule =
    'A name of shared data is letters, digits, "._=+@ -" and slashes, such as census, because packages name it as course://NAME; ';
  const open = await room.open();
  await assert.rejects(putShared(open, odd, undefined), {
    message: `${rule}"Zählung", the name of ${odd}, is none: give one, as mlt course put ${odd} census`,
  });
  await assert.rejects(putShared(open, source, "../up"), { message: `${rule}got "../up"` });
  await assert.rejects(putShared(open, source, "a//b"), { message: `${rule}got "a//b"` });
  await assert.rejects(putShared(open, join(room.folder, "nowhere"), undefined), {
    message: `There is no file or folder "${join(room.folder, "nowhere")}" to upload.`,
  });
});
