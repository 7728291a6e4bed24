import assert from "node:assert/strict";
import { test } from "node:test";
import type { Environment } from "../../training/contract.ts";
import type { OpenEnvironment } from "../../training/environment.ts";
import { Denied } from "../../training/errors.ts";
import { resolveInputs } from "../../training/inputs.ts";
import { parseManifest } from "../../training/manifest.ts";
import type { Objects } from "../../training/storage.ts";

const SHARED = "ml26-base-course-0123abc";

/** An environment over objects by name; those of a bucket in `denied` cannot be listed. */
function environment(names: string[], denied: string[] = [], course: Environment["course"] | null = null) {
  const asked: string[] = [];
  const objects = {
    async list(bucket: string, { prefix }: { prefix: string }) {
      asked.push(`${bucket}/${prefix}`);
      if (denied.includes(bucket)) throw new Denied(`Listing gs://${bucket}/${prefix} was refused (403)`);
      const found = names.filter((name) => name.startsWith(`${bucket}/${prefix}`));
      return { objects: found.map((name) => ({ name: name.slice(bucket.length + 1) })), prefixes: [] };
    },
  } as unknown as Objects;
  const open = {
    environment: "ml26-s001",
    buckets: { data: "own", scratch: "scratch" },
    ...(course === null ? { course: { dataBucketUrl: `gs://${SHARED}` } } : course ? { course } : {}),
    objects,
  } as unknown as OpenEnvironment;
  return { open, asked };
}

test("course://NAME becomes the shared bucket's address; the environment's own inputs stay as they are", async () => {
  const { open, asked } = environment([`${SHARED}/census/adult.data`, "own/input/notes.txt"]);
  const lines: string[] = [];
  const inputs = ["course://census", "notes.txt", "course://more/of/it?"];
  assert.deepEqual(await resolveInputs(open, inputs, (line) => lines.push(line)), [
    `gs://${SHARED}/census`,
    "notes.txt",
  ]);
  assert.deepEqual(asked, [`${SHARED}/census`, "own/input/notes.txt", `${SHARED}/more/of/it`]);
  assert.deepEqual(lines, ["input course://more/of/it is not in the bucket; the package goes on without it"]);
});

test("everything that cannot be had is told at once, and with who can help", async () => {
  const { open } = environment(["own/input/census/a"]);
  await assert.rejects(resolveInputs(open, ["course://census", "census", "gone"], undefined), {
    name: "Problems",
    message: `The run cannot be started (3 problems):
  - inputs census and course://census would both be $DATA_DIR/census; rename one of them
  - gs://${SHARED}/census does not exist (inputs in training.yaml); the course's instructors upload it (mlt course put)
  - gs://own/input/gone does not exist (inputs in training.yaml); upload it: mlt put DIR input/gone`,
  });
  const { open: alone } = environment([], [], undefined);
  delete alone.course;
  await assert.rejects(resolveInputs(alone, ["course://census"], undefined), {
    message: `The run cannot be started (1 problem):
  - input course://census: the environment ml26-s001 is in no course with shared data; upload it into the environment's own bucket (mlt put DIR input/NAME) and name it NAME`,
  });
});

test("a login that may not see the shared bucket leaves the look to the machine; its own bucket it must see", async () => {
  const { open } = environment([], [SHARED]);
  const lines: string[] = [];
  assert.deepEqual(await resolveInputs(open, ["course://census"], (line) => lines.push(line)), [
    `gs://${SHARED}/census`,
  ]);
  assert.deepEqual(lines, ["input course://census cannot be seen with this login; the machine looks for it"]);
  const { open: locked } = environment([], ["own"]);
  await assert.rejects(resolveInputs(locked, ["census"], undefined), Denied);
});

test("training.yaml takes course:// before a name and no other scheme, and no way up", () => {
  const read = (inputs: string) => parseManifest(`command: [python, train.py]\ninputs: ${inputs}\n`, "demo");
  assert.deepEqual(read("[course://census, course://a/b?]").manifest?.inputs, ["course://census", "course://a/b?"]);
  const rule = "must be a folder below input/ in the data bucket, such as census, or course://NAME in a course";
  assert.deepEqual(read("[gs://bucket/census, course://../runs, course://, course:///x]").problems, [
    `training.yaml line 2: inputs.0 ${rule}; got "gs://bucket/census"`,
    `training.yaml line 2: inputs.1 ${rule}; got "course://../runs"`,
    `training.yaml line 2: inputs.2 ${rule}; got "course://"`,
    `training.yaml line 2: inputs.3 ${rule}; got "course:///x"`,
  ]);
});
