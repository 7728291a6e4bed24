import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CTRL_C, inTerminal, noTerminal } from "../cli/terminal.ts";
import { type Bench, openBench, PROJECT, REGION, ZONE } from "./bench.ts";

const MACHINE = "ml-a-run-20261121080000-0001-a01";
let bench: Bench;
const closing: (() => unknown)[] = [];
before(async () => {
  bench = await openBench({ after: (close) => closing.push(close as () => unknown) });
});
after(async () => {
  for (const close of closing) await close();
});
const clean = (...args: string[]) => bench.mlt(["clean", ...args], { GOOGLE_CLOUD_PROJECT: PROJECT });

test("what does not go together is told at once, before anything is looked at", async () => {
  const wrong: [string[], string][] = [
    [["--check", "--delete"], "--check and --delete do not go together: do one after the other"],
    [["--delete", "--restore", "b"], "--delete and --restore do not go together: do one after the other"],
    [["--include-data", "--yes"], "--include-data goes with --delete; --yes goes with --delete"],
    [["--generation", "7"], "--generation goes with --restore"],
    [["--restore", "b", "--generation", "new"], '--generation is a number, as `mlt clean` shows it; got "new"'],
    [["ml-a", "--restore", "b"], "--restore takes a bucket and no environment"],
    [["gs://x"], 'an environment is named as in its resources\' names, such as mlt-dev; got "gs://x"'],
  ];
  for (const [args, message] of wrong) {
    assert.deepEqual(await clean(...args), { code: 64, stdout: "", stderr: `mlt clean: ${message}.\n` });
  }
});

test("an empty project: nothing is past, nothing is left", async () => {
  const looking = "Looking at the project test-project (by GOOGLE_CLOUD_PROJECT).\n";
  assert.deepEqual(await clean(), { code: 0, stdout: "Nothing is past in test-project.\n", stderr: looking });
  const check = await clean("--check");
  assert.deepEqual(check, { code: 0, stdout: "Nothing of ours is left in test-project.\n", stderr: looking });
  assert.equal((await clean("--delete", "--yes")).stdout, "There is nothing to remove.\n");
});

test("the project comes from the flag, the variables, mlt use, gcloud's file, in this order", async () => {
  const none = await bench.mlt(["clean"]);
  assert.equal(none.code, 64);
  assert.match(none.stderr, /^No project is named\. Name it: mlt clean --project PROJECT/);
  const gcloud = join(bench.folder, "gcloud", "configurations");
  mkdirSync(gcloud, { recursive: true });
  writeFileSync(
    join(gcloud, "config_default"),
    "[core]\naccount = a@b.c\nproject = test-project\n\n[compute]\nzone = x\n",
  );
  assert.match((await bench.mlt(["clean"])).stderr, /^Looking at the project test-project \(by gcloud config\)\.$/m);
  const choice = join(bench.folder, "config", "ml-training");
  mkdirSync(choice, { recursive: true });
  writeFileSync(join(choice, "environment"), "gs://a-bucket-that-is-gone\nproject test-project\n");
  const used = await bench.mlt(["clean", "--check"]);
  assert.equal(used.code, 0);
  assert.match(used.stderr, /^Looking at the project test-project \(by mlt use \(.*\)\)\.$/m);
  const flag = await bench.mlt(["clean", "--project", "other-project-1"], { GOOGLE_CLOUD_PROJECT: PROJECT });
  assert.match(flag.stderr, /^Looking at the project other-project-1 \(by --project\)\.$/m);
  rmSync(join(bench.folder, "config"), { recursive: true });
  rmSync(join(bench.folder, "gcloud"), { recursive: true });
});

test("a listing says what, where, how much and why; --check ends with 1; --delete asks first", async () => {
  const subnetwork = await bench.network("ml-a");
  await bench.bucket("ml-a", "ml-a-data-0123abc");
  await bench.machine("ml-a", subnetwork, MACHINE);
  await bench.compute("POST", `zones/${ZONE}/instances/${MACHINE}/stop`);

  const listed = await clean();
  assert.equal(listed.code, 0, listed.stderr);
  assert.match(
    listed.stdout,
    new RegExp(
      [
        "^ENVIRONMENT +KIND +NAME +WHERE +PER MONTH *$",
        `^ml-a +machine +${MACHINE} +${ZONE} +0 +TERMINATED; e2-standard-2; stopped since .* UTC: Google's time limit no longer counts$`,
        "^1 in all, about 0\\.00 USD per month \\(list prices of 2026-11-21\\)\\.$",
        "",
        "^Not past, and so not listed: ml-a 4\\. All of one: mlt clean ENVIRONMENT$",
      ].join("\n"),
      "m",
    ),
  );
  const all = await clean("ml-a", "--json");
  const json = JSON.parse(all.stdout) as Record<string, never> & { items: { kind: string }[] };
  assert.deepEqual(
    [json.project, json.environment, json.complete, json.perMonth, json.standing],
    [PROJECT, "ml-a", true, { amount: 2, currency: "USD", atLeast: false }, 0],
  );
  assert.deepEqual(json.items.map(({ kind }) => kind).sort(), ["bucket", "disk", "machine", "network", "subnetwork"]);
  assert.equal((await clean("--check")).code, 1);
  const checked = JSON.parse((await clean("ml-a", "--check", "--json")).stdout) as { clean: boolean; items: unknown[] };
  assert.deepEqual([checked.clean, checked.items.length], [false, 5]);

  const asked = await clean("ml-a", "--delete");
  assert.equal(asked.code, 64);
  assert.match(asked.stderr, /Nobody can be asked here \(no terminal\): remove it with --yes\.\n$/);
  assert.equal((await clean("ml-a", "--check")).code, 1);
});

test("a name of which there is nothing is held against the names that there are", async () => {
  const slip = await clean("ml-aa", "--check");
  assert.equal(slip.code, 0);
  assert.equal(slip.stdout, "Nothing of ml-aa is left in test-project.\n");
  assert.match(slip.stderr, /^There is nothing of ml-aa; in test-project there are ml-a\. Did you mean ml-a\?$/m);
});

test("--delete says what it removed and what stays; the data goes only when it is named, and comes back", async () => {
  const first = await clean("ml-a", "--delete", "--yes");
  assert.equal(first.code, 0, first.stderr);
  assert.equal(
    first.stdout,
    "4 removed.\n\nStays:\n  bucket ml-a-data-0123abc: holds data: --include-data removes it, too\n",
  );
  for (const line of [`removed machine ${MACHINE}`, `removed subnetwork ml-a-${REGION}-0123abc`]) {
    assert.ok(first.stderr.includes(`${line}\n`), first.stderr);
  }
  await bench.put("ml-a-data-0123abc", "input/x", "precious");
  const second = JSON.parse((await clean("ml-a", "--delete", "--include-data", "--yes", "--json")).stdout) as {
    removed: { name: string }[];
    failed: unknown[];
    kept: unknown[];
  };
  assert.deepEqual(
    [second.removed.map(({ name }) => name), second.failed, second.kept],
    [["ml-a-data-0123abc"], [], []],
  );

  const check = await clean("ml-a", "--check");
  assert.equal(check.code, 0);
  assert.match(check.stdout, /^Nothing of ml-a is left in test-project\.\n\nSoft-deleted buckets: /);
  assert.match(check.stdout, /^ml-a +ml-a-data-0123abc +\d{16} +\d{4}-\d\d-\d\d \d\d:\d\d UTC$/m);
  assert.match(check.stdout, /^To have one back: mlt clean --restore BUCKET$/m);

  const back = await clean("--restore", "gs://ml-a-data-0123abc/");
  assert.equal(back.code, 0, back.stderr);
  assert.match(back.stdout, /^gs:\/\/ml-a-data-0123abc: 1 objects \(8 B\) are back\.\n/);
  assert.equal(String(await bench.read("ml-a-data-0123abc", "input/x")), "precious");
  const wrong = await clean("--restore", "no-such-bucket");
  assert.equal(wrong.code, 64);
  assert.match(wrong.stderr, /^There is no soft-deleted bucket gs:\/\/no-such-bucket in test-project\./);
});

test("at a terminal every answer but yes removes nothing", async (t) => {
  if (noTerminal(t)) return;
  const env = { ...bench.variables, GOOGLE_CLOUD_PROJECT: PROJECT };
  await bench.network("ml-q");
  const args = ["clean", "ml-q", "--delete"];
  for (const [typed, code] of [
    ["n\r", 64],
    ["\r", 64],
    [CTRL_C, 130],
    ["y\r", 0],
  ] as const) {
    const steps = [{ wait: "Remove all of this\\? \\[y/N\\] ", type: typed }];
    const session = await inTerminal({ folder: bench.folder, env }, args, { steps, columns: 120 });
    assert.deepEqual([session.code, session.left], [code, []], session.output);
    assert.match(session.output, /network +ml-q-0123abc +global/);
    assert.match(session.output, code === 0 ? /2 removed\.\n$/ : /Nothing was removed\.\n$/);
  }
  assert.equal((await clean("ml-q", "--check")).code, 0);
});

test("a variable that names an environment which is gone is no obstacle", async () => {
  const choice = join(bench.folder, "config", "ml-training");
  mkdirSync(choice, { recursive: true });
  writeFileSync(join(choice, "environment"), "gs://gone-data-0123abc\nproject test-project\n");
  const { code, stderr } = await bench.mlt(["clean", "ml-q", "--check"], { MLT_ENVIRONMENT: "gs://gone-data-0123abc" });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^Looking at the project test-project \(by mlt use/m);
});
