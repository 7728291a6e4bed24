// `mlt rehearse --workstation`: the whole of it in one real guest, whose image is prepared; and what it refuses.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { playWorkstation, table } from "../../cli/rehearse/workstation.ts";
import { nspawnDriver } from "../../localcloud/guests/nspawn/driver.ts";
import { REPOSITORY } from "../helpers/shell.ts";
import { start } from "./environment.ts";
import { preparedLayer, withLayers } from "./workstationMachine.ts";

const obstacle = await nspawnDriver().unavailable();
const skip = obstacle ? `a workstation needs systemd, and no guest with it runs here: ${obstacle.reason}` : false;
const folder = mkdtempSync(join(tmpdir(), "mlt-rehearse-ws-"));
const compiled = mkdtempSync(join(tmpdir(), "mlt-rehearse-ws-compiled-"));
// Node's own cache lies elsewhere, so that whatever else is left in the folder is seen.
process.env.NODE_COMPILE_CACHE = compiled;
after(() => {
  for (const each of [folder, compiled]) rmSync(each, { recursive: true, force: true });
});

test("every step of a workstation's life, and nothing is left", { skip, timeout: 1_500_000 }, async () => {
  const driver = nspawnDriver();
  await driver.prepare(console.log);
  // What the rehearsal has installed, too: else most of its time were a download.
  const requirements = readFileSync(join(REPOSITORY, "examples/fashion-mnist/requirements.txt"), "utf8");
  const layer = await preparedLayer(console.log, requirements);
  const before = process.env.TMPDIR;
  process.env.TMPDIR = folder;
  const said: string[] = [];
  const options = { driver: withLayers(driver, [layer]), provider: "attached", json: false } as const;
  const { code, report } = await playWorkstation(options, (line) => {
    console.log(line);
    said.push(line);
  });
  process.env.TMPDIR = before ?? "";
  if (before === undefined) delete process.env.TMPDIR;
  assert.equal(report.failure, undefined, said.join("\n"));
  assert.deepEqual([code, report.ok, report.level, report.left], [0, true, "nspawn", []]);
  const detail = Object.fromEntries(report.phases.map((phase) => [phase.name, phase.detail]));
  assert.deepEqual(Object.keys(detail), [
    ...["prepare", "start", "up", "status", "ready", "login", "jupyter", "mount", "exec", "tensorboard", "idle"],
    ...["start again", "night", "destroy", "prove"],
  ]);
  assert.match(
    detail.up ?? "",
    /^\d+ resources: mlt-rehearsal-ws, stops after 60 idle minutes and at "0 22 \* \* \*" America\/Chicago$/,
  );
  assert.ok(
    report.seen.some((words) => /^starting: step \d of 7, /.test(words)),
    report.seen.join("\n"),
  );
  assert.match(
    report.login,
    /^This workstation is ready\.\ngs:\/\/mlt-rehearsal-data-\w+ is \/mnt\/bucket; `ml` opens a shell of the user who owns it and the notebooks\.(\nIt stops by itself at \d\d:\d\d UTC unless somebody works: a kernel, a terminal, mlt exec, CPU or GPU\.)?$/,
  );
  assert.deepEqual(Object.keys(report.scalars), ["accuracy/test", "accuracy/train", "loss/test", "loss/train"]);
  assert.match(
    report.stopped,
    /^stopped since \d{4}-\d\d-\d\d \d\d:\d\d \(nobody has worked here for \d+ seconds \(the last: a notebook's kernel (worked|is busy)\)\)$/,
  );
  assert.match(detail["start again"] ?? "", /; nothing changed$/);
  assert.match(
    detail.night ?? "",
    /^at \d\d:00 UTC by Google's agent; its disks \(50 GB\) go on costing about 5\.00 USD/,
  );
  assert.deepEqual(readdirSync(folder), []);
  const closing = table(report);
  assert.match(closing, /^ {2}machine +nspawn \(not shown: GPU, OS Login's sign-in at Google, /m);
  assert.match(closing, /^ {2}second boot +ready \d+ s after it was switched on, JupyterLab after \d+ s at most$/m);
  assert.match(closing, /^ {2}left +nothing$/m);
});

const mlt = (...args: string[]) =>
  start(process.execPath, [join(REPOSITORY, "cli", "mlt.js"), "rehearse", ...args], {
    env: { ...process.env, TMPDIR: folder },
    folder,
  }).ended;

test("a level without systemd is refused, with the levels that have it", async () => {
  const { code, stdout } = await mlt("--workstation", "--guest", "process");
  assert.equal(code, 1);
  assert.match(
    stdout,
    /failed +prepare: a workstation is a machine with systemd, and the guest level "process" has none\. Take nspawn or qemu\.\n/,
  );
  assert.deepEqual(readdirSync(folder), []);
});

test("what belongs to another rehearsal is refused", async () => {
  for (const [other, ...value] of [["--keep"], ["--images"], ["--package", "x"]]) {
    const { code, stderr } = await mlt("--workstation", other ?? "", ...value);
    assert.equal(code, 64, stderr);
    assert.match(
      stderr,
      new RegExp(`'--workstation' cannot be used with option '${other}|'${other}.* cannot be used with`),
    );
  }
});
