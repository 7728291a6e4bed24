// What stands before the first deletion of `mlt course down`, and what is held for left after the last.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Inventory, Item } from "../../cleanup/types.ts";
import { afterwards } from "../../cli/course/down.ts";
import { proofOf } from "../../course/down.ts";
import { type Lectern, openLectern } from "./lectern.ts";

let room: Lectern;
before(async () => {
  room = await openLectern([
    ["s001", "Ann"],
    ["s002", "Bob"],
  ]);
  const ann = await room.bringUp("s001");
  await room.objects.write(ann, "output/model.txt", "a model");
  const bob = await room.bringUp("s002");
  await room.run(bob, "census-20261121100000-0001", { phase: "running" });
});
after(() => room.close());

const WARNING =
  "This destroys 2 environments of ml26 and the foundations in local-project: machines, buckets with all that is in them, rights.";

test("it warns what goes, and what of it is exported; where nobody can be asked, nothing is touched", async () => {
  assert.deepEqual(await room.mlt("course", "down"), {
    code: 64,
    stdout: "",
    stderr: `${WARNING}\nFirst everybody's results are exported and verified; if that fails, nothing is destroyed.\nNobody can be asked here (no terminal): Destroy it? Say so with --yes.\n`,
  });
  assert.deepEqual(await room.mlt("course", "down", "--no-export", "--only", "s002"), {
    code: 64,
    stdout: "",
    stderr: [
      "This destroys 1 environment of ml26 (s002): machines, buckets with all that is in them, rights.",
      "Nothing is exported (--no-export): what students have made goes. For 7 days Google keeps deleted buckets: mlt clean --restore.",
      "Nobody can be asked here (no terminal): Destroy it? Say so with --yes.\n",
    ].join("\n"),
  });
  assert.equal(afterwards("freeTrial"), "Nothing of it can be restored.");
  assert.deepEqual(await room.mlt("course", "down", "--only", "s004"), {
    code: 64,
    stdout: "",
    stderr: "--only names ids that nobody of this course has (1 problem):\n  - s004; did you mean s001?\n",
  });
});

test("before everything is exported and every run has ended, nothing is destroyed; what was exported is kept", async () => {
  const { code, stderr } = await room.mlt("course", "down", "--yes", "--to", "archive");
  const archive = join(room.course.folder, "archive");
  assert.deepEqual(
    [code, stderr],
    [
      70,
      `${WARNING}\nFirst everybody's results are exported to archive and verified; if that fails, nothing is destroyed.\nNothing was destroyed, because not everybody's results are in ${archive} and verified:\n  - s002: census-20261121100000-0001 still goes on and would be lost\nThe same command goes on. Runs end by: mlt course freeze\n`,
    ],
  );
  assert.equal(await readFile(join(archive, "s001", "output", "model.txt"), "utf8"), "a model");
  const { record } = await room.open();
  assert.deepEqual(record.left, {}, "nobody is on record as destroyed");
  const { items } = await room.call<{ items: { name: string }[] }>("GET", "storage/v1/b?project=local-project");
  assert.equal(items.length, 4);
});

const item = (environment: string, name = "x"): Item => ({ environment, name, kind: "disk" }) as Item;
const inventory = (items: Item[], more: Partial<Inventory> = {}): Inventory =>
  ({ project: "course-a", items, softDeleted: [], gaps: [], ...more }) as unknown as Inventory;

test("left is what bears the course's names, in every project; another course's is none of it", () => {
  const strangers = ["ml26-evening-s001", "ml2-s001", "ml26", "ml261-s001", "other"].map((name) => item(name));
  const clean = proofOf("ml26", "ml26-base", [inventory(strangers), inventory([])]);
  assert.deepEqual(clean, { code: 0, left: [], softDeleted: [], gaps: [] });
  const ours = [item("ml26-s001"), item("ml26-base"), item("ml26-test")];
  const dirty = proofOf("ml26", "ml26-base", [inventory(strangers), inventory([...strangers, ...ours])]);
  assert.deepEqual([dirty.code, dirty.left], [1, ours]);
});

test("what could not be seen is no proof; a bucket that is soft-deleted is told and is nothing that is left", () => {
  const gaps = [{ what: "disks", why: "403" }] as Inventory["gaps"];
  const softDeleted = [
    { environment: "ml26-s001", name: "ml26-s001-data-1" },
    { environment: "other", name: "o" },
  ] as Inventory["softDeleted"];
  const proof = proofOf("ml26", "ml26-base", [inventory([], { gaps, softDeleted })]);
  assert.deepEqual(proof, { code: 2, left: [], softDeleted: [softDeleted[0]], gaps: ["course-a, disks: 403"] });
  assert.equal(proofOf("ml26", "ml26-base", [inventory([item("ml26-s001")], { gaps })]).code, 1);
});
