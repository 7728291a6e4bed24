// Who leaves, leaves because somebody said so: what `mlt course up` asks before anything happens. The engine's part is in
// tests/e2e/course.test.ts.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { each } from "../../cleanup/rest.ts";
import { defaultAtOnce } from "../../course/pool.ts";
import { type Lectern, openLectern } from "./lectern.ts";

let room: Lectern;
before(async () => {
  room = await openLectern();
});
after(() => room.close());

const roster = (...ids: string[]) =>
  writeFile(
    join(room.course.folder, "roster.csv"),
    `id,name,email\n${ids.map((id) => `${id},${id},${id}@example.com\n`).join("")}`,
  );

test("half a roster, saved by mistake, takes nobody away, not even with --yes", async () => {
  await roster("s001");
  assert.deepEqual(await room.mlt("course", "up", "--yes"), {
    code: 64,
    stdout: "",
    stderr: `2 of 3 students are not in ${room.course.folder}/roster.csv any more: is the file whole? If they are to go, name them: --only s002,s003\n`,
  });
});

test("who is named and left goes only if somebody agrees", async () => {
  await roster("s001");
  assert.deepEqual(await room.mlt("course", "up", "--only", "s002,s003"), {
    code: 64,
    stdout: "",
    stderr:
      "Nobody can be asked here (no terminal): s002, s003 are not in the roster any more. Export their results, then destroy their environments? Say so with --yes.\n",
  });
  assert.deepEqual(await room.mlt("course", "up", "--only", "s009,,s001"), {
    code: 64,
    stdout: "",
    stderr: "error: option '--only <ids>' argument 's009,,s001' is invalid. Must be students' ids, as s001,s007.\n",
  });
  assert.deepEqual(await room.mlt("course", "up", "--only", "s01"), {
    code: 64,
    stdout: "",
    stderr: "--only names ids that nobody of this course has (1 problem):\n  - s01; did you mean s001?\n",
  });
});

test("freeze asks, too, and says what of a class that is not up yet", async () => {
  await roster("s001", "s002", "s003");
  assert.deepEqual(await room.mlt("course", "freeze", "--only", "s001,s002"), {
    code: 64,
    stdout: "",
    stderr:
      "Nobody can be asked here (no terminal): Take from s001, s002 the right to start machines, delete training machines and stop workstations? Files stay. Say so with --yes.\n",
  });
  await room.change((record) => ({ ...record, places: {} }));
  assert.deepEqual(await room.mlt("course", "freeze", "--yes"), {
    code: 64,
    stdout: "",
    stderr: "Nobody of ml26 has an environment yet: mlt course up\n",
  });
});

test("so many at once, in order, never more; as many as processors and memory bear", async () => {
  let [now, most] = [0, 0];
  const results = await each([5, 1, 4, 2, 3], 2, async (wait) => {
    now += 1;
    most = Math.max(most, now);
    await new Promise((resolve) => setTimeout(resolve, wait));
    now -= 1;
    return wait * 10;
  });
  assert.deepEqual([results, most], [[50, 10, 40, 20, 30], 2]);
  assert.deepEqual(await each([], 3, async () => 1), []);
  const GB = 2 ** 30;
  assert.deepEqual(
    [defaultAtOnce(4, 64 * GB), defaultAtOnce(4, 2 * GB), defaultAtOnce(64, 640 * GB), defaultAtOnce(1, 0)],
    [8, 2, 16, 1],
  );
});
