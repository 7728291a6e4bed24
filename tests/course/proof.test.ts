import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { clientVariables } from "../../cli/local/variables.ts";
import { prove } from "../../course/down.ts";
import { RecordKeeper } from "../../course/keeper.ts";
import type { Daemon } from "../../localcloud/daemon.ts";
import { openClassroom } from "./classroom.ts";

// What `mlt course down` ends with, where something is still there.

test("what stands in a course's project is seen, by the names that the course gave it", async (t) => {
  const room = await openClassroom(2);
  t.after(() => room.close());
  const { cloud, course, students, record } = room;
  const home = join(room.folder, "homes", "instructor");
  mkdirSync(home, { recursive: true });
  const token = cloud.cloud.tokens.issue({ kind: "operator" }).access_token;
  Object.assign(process.env, clientVariables({ ...cloud, token } as unknown as Daemon, { stateFolder: home }));
  const look = (name: string) => {
    const one = { ...course, name };
    return prove({ course: one, students, record }, new RecordKeeper(one, record));
  };
  const proof = await look(course.name);
  assert.deepEqual([proof.code, proof.gaps], [1, []]);
  const left = proof.left.map(({ name }) => name);
  for (const { environment } of room.seats) {
    for (const bucket of Object.values(environment.buckets)) assert.ok(left.includes(bucket), `${bucket}: ${left}`);
  }
  // Another course in the same project has nothing to do with it.
  assert.deepEqual((await look("ml27")).left, []);
});
