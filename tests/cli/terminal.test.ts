import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fit } from "../../cli/output/ticker.ts";
import type { RunStatus } from "../../training/contract.ts";
import { CTRL_C, CTRL_D, inTerminal, noTerminal } from "./terminal.ts";
import { leaveRun, openWorkbench, type Workbench } from "./workbench.ts";

let bench: Workbench;
const DATA = "mlt-test-data";
before(async () => {
  bench = await openWorkbench();
  assert.equal((await bench.mlt(["use", `gs://${DATA}`])).code, 0);
  await bench.files("demo", { "training.yaml": "command: [python, train.py]\n", "train.py": "print(1)\n" });
});
after(() => bench.close());

const runs = async () =>
  (await bench.objects.list(DATA, { prefix: "runs/", delimiter: "/" })).prefixes.map((prefix) => prefix.slice(5, -1));
const phase = async (id: string) =>
  (await bench.objects.readJson<RunStatus>(DATA, `runs/${id}/status.json`))?.value.phase;
const QUESTION = "Start it\\? \\[y/N\\] ";
/** Colours, and whatever else but the line's beginning would have to be understood by a terminal. */
const ESCAPE = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`);
const CURSOR = new RegExp(`${String.fromCharCode(27)}\\[\\d+[GJ]`, "g");

test("train tells machine, limit and price before it asks; every answer but yes starts nothing", async (t) => {
  if (noTerminal(t)) return;
  const before = await runs();
  for (const [typed, code] of [
    ["n\r", 64],
    ["\r", 64],
    ["yeah\r", 64],
    [CTRL_C, 130],
    [CTRL_D, 130],
  ] as const) {
    const {
      code: ended,
      output,
      left,
    } = await inTerminal(bench, ["train", "demo"], {
      steps: [{ wait: QUESTION, type: typed }],
    });
    assert.deepEqual([ended, left], [code, []], output);
    // Node's line editor puts its cursor with escape sequences.
    assert.match(
      output.replaceAll(CURSOR, ""),
      /^demo \(2 files, [\d.]+ KiB\) in mlt-test\n {2}machine {3}e2-standard-2 \(Spot\)\n {2}limit {5}4 h, until \S+\n {2}price {5}about 0\.\d{3} USD\/h, 0\.\d\d USD at most \(list prices of \d{4}-\d\d-\d\d\)\n {2}command {3}python train\.py\nStart it\? \[y\/N\] /,
    );
    assert.match(output.replaceAll(CURSOR, ""), /\nNothing was started\.\n$/);
  }
  assert.deepEqual(await runs(), before);
});

test("yes starts; Ctrl-C stops the following only, and says how to go on", async (t) => {
  if (noTerminal(t)) return;
  const { code, output, left } = await inTerminal(bench, ["train", "demo"], {
    steps: [
      { wait: QUESTION, type: "y\r" },
      { wait: "provisioning, \\d+ s", type: CTRL_C },
    ],
  });
  assert.deepEqual([code, left], [130, []], output);
  const [id] = await runs();
  assert.ok(id);
  assert.match(
    output,
    new RegExp(
      `mlt: stopped following; ${id} goes on \\(provisioning\\)\\. End it: mlt cancel ${id}; follow it: mlt logs ${id} --follow\n$`,
    ),
  );
  assert.equal(await phase(id), "provisioning");
});

test("Ctrl-C in logs --follow says that the run goes on", async (t) => {
  if (noTerminal(t)) return;
  const id = "watched-20260308000000-0001";
  await leaveRun(bench, id);
  await bench.objects.write("mlt-test-scratch", `runs/${id}/attempt-1/log/000001.txt`, "epoch 1\n");
  const { code, output, left } = await inTerminal(bench, ["logs", id, "--follow"], {
    steps: [{ wait: "epoch 1", type: CTRL_C }],
  });
  assert.deepEqual([code, left], [130, []], output);
  assert.match(
    output,
    new RegExp(`epoch 1\n(\\^C)?mlt: stopped following; ${id} goes on\\. Follow it: mlt logs ${id} --follow\n$`),
  );
  assert.equal(await phase(id), "running");
});

test("the progress line fits a narrow terminal, ends cleared, and has no colours", async (t) => {
  if (noTerminal(t)) return;
  await bench.files("wide", {
    "ein-sehr-langer-name-für-eine-datei.bin": Buffer.alloc(24 * 1024 * 1024, "x"),
    "数据.csv": "1",
  });
  for (const columns of [20, 80]) {
    const path = `input/wide-${columns}`;
    const { code, output } = await inTerminal(bench, ["put", "wide", path], { columns, env: { NO_COLOR: "1" } });
    assert.equal(code, 0, output);
    assert.doesNotMatch(output, ESCAPE);
    assert.match(output, /\r\d+\.\d MiB of/);
    const lines = output.split("\r");
    const closing = lines.pop()!;
    assert.equal(closing, `gs://${DATA}/${path}: 2 uploaded (24.0 MiB), 0 already there\n`);
    for (const line of lines)
      assert.ok(line.length < columns, `${JSON.stringify(line)} does not fit ${columns} columns`);
    assert.match(lines.at(-1)!, /^ +$/, "the line was not taken away");
  }
});

test("where stderr is no terminal, or a dumb one, there is no progress line", async (t) => {
  await bench.files("big", { "a.bin": Buffer.alloc(12 * 1024 * 1024, "y") });
  assert.deepEqual((await bench.mlt(["put", "big", "input/piped"])).stderr, "");
  if (noTerminal(t)) return;
  const { output } = await inTerminal(bench, ["put", "big", "input/dumb"], { env: { TERM: "dumb" } });
  assert.equal(output, `gs://${DATA}/input/dumb: 1 uploaded (12.0 MiB), 0 already there\n`);
});

test("a line is cut by columns, not by characters", () => {
  assert.deepEqual(fit("abcdef", 4), { line: "abcd", width: 4 });
  assert.deepEqual(fit("数据数据", 5), { line: "数据", width: 4 });
  assert.deepEqual(fit("e\u0301x", 1), { line: "e\u0301", width: 1 });
});
