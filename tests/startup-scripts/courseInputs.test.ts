import assert from "node:assert/strict";
import { test } from "node:test";
import { bench, DATA } from "./machine.ts";

const SHARED = "ml26-base-course-0123abc";

test("an input of the course's shared bucket lies below DATA_DIR by its name, beside the environment's own", async (t) => {
  const b = await bench(t);
  b.pack({
    "train.py": `
import os
from pathlib import Path
data = Path(os.environ["DATA_DIR"])
for file in sorted(data.rglob("*")):
    if file.is_file():
        print(file.relative_to(data), "=", file.read_text())
`,
  });
  b.cloud.put(SHARED, "census/adult.data", "everybody's");
  b.cloud.put(SHARED, "census-secret/x", "not asked for");
  b.cloud.put(SHARED, "sets/one.csv", "one");
  b.cloud.put(DATA, "input/notes.txt", "mine");
  b.spec.inputs = [`gs://${SHARED}/census`, `gs://${SHARED}/sets/one.csv`, "notes.txt"];
  b.submit();
  const { output } = await b.boot();
  assert.equal(b.status().phase, "succeeded", output);
  const shown = b
    .log()
    .split("\n")
    .filter((line) => line.includes(" = "));
  assert.deepEqual(shown, ["census/adult.data = everybody's", "notes.txt = mine", "sets/one.csv = one"]);
});

const REFUSED: [name: string, inputs: string[], reason: string][] = [
  [
    "nothing has that name in the shared bucket",
    [`gs://${SHARED}/nowhere`],
    `input gs://${SHARED}/nowhere is missing: there is nothing at gs://${SHARED}/nowhere`,
  ],
  [
    "two buckets hold the same path",
    ["census", `gs://${SHARED}/census`],
    `two inputs hold census/adult.data: one in gs://${DATA}, one in gs://${SHARED}`,
  ],
  ["the way leads up", [`gs://${SHARED}/a/../b`], `spec.json: inputs holds no legal prefix: 'gs://${SHARED}/a/../b'`],
  ["a whole bucket", [`gs://${SHARED}/`], `spec.json: inputs holds no legal prefix: 'gs://${SHARED}/'`],
];
for (const [name, inputs, reason] of REFUSED) {
  test(`refused: ${name}`, async (t) => {
    const b = await bench(t);
    b.pack({ "train.py": "print('never')" });
    b.cloud.put(SHARED, "census/adult.data", "everybody's");
    b.cloud.put(DATA, "input/census/adult.data", "mine");
    b.spec.inputs = inputs;
    b.submit();
    await b.boot();
    const { phase, reason: told } = b.status();
    assert.deepEqual([phase, told], ["failed", reason]);
  });
}
