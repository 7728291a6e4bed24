// States in a bucket, where a course keeps them unless course.yaml says otherwise: read and unlocked by us, written by
// Pulumi itself, here with a program that makes nothing.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import type { StackPlan } from "../../course/contract.ts";
import { Engine } from "../../course/pulumi/engine.ts";
import { freeLocks } from "../../course/pulumi/locks.ts";
import { openStates } from "../../course/pulumi/states.ts";
import { findPulumi } from "../../engine/cli.ts";
import { type Lectern, openLectern } from "./lectern.ts";

const BUCKET = "my-course-one-mlt-courses";
const STATE = `gs://${BUCKET}/ml26`;
let room: Lectern;
before(async () => {
  // Before the lectern gives this process another home, in which nothing is cached.
  const { path } = await findPulumi();
  room = await openLectern();
  await room.bucket(BUCKET);
  Object.assign(process.env, {
    PATH: `${dirname(path)}:${process.env.PATH}`,
    // As `mlt local start` sets it: Pulumi's own client of Cloud Storage knows no other word.
    STORAGE_EMULATOR_HOST: room.cloud.operatorUrl,
    PULUMI_CONFIG_PASSPHRASE: "test",
    PULUMI_HOME: join(room.folder, "pulumi"),
  });
});
after(() => room.close());

const plan = (name: string): StackPlan => ({
  name,
  project: "local-project",
  scope: "student",
  config: { word: "yes" },
});
const program = async () => ({ bucket: "gs://b" });

for (const where of ["in a bucket", "in a folder"] as const) {
  test(`${where}: a stack comes, is found by its name, tells its outputs, and goes; the second needs no new secrets`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "mlt-states-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const state = where === "in a bucket" ? STATE : pathToFileURL(folder).href;
    const kept: unknown[] = [];
    const engine = await Engine.open({
      state,
      secretsProvider: "passphrase",
      program,
      keepSecrets: async (made) => {
        kept.push(Object.keys(made));
        return made;
      },
    });
    t.after(() => engine.close());
    const runs = [await engine.up(plan("ml26-s001")), await engine.up(plan("ml26-s002"))];
    assert.deepEqual(kept, [["encryptionsalt"]]);
    const states = await openStates(state);
    for (const [index, name] of ["ml26-s001", "ml26-s002"].entries()) {
      const found = await states.checkpoint(name);
      assert.deepEqual([found?.pending, found?.mark], [[], runs[index]?.mark]);
      assert.deepEqual(await engine.outputs(name), { bucket: "gs://b" });
      assert.deepEqual(await states.locks(name), []);
    }
    assert.deepEqual(await states.stacks("ml26-"), ["ml26-s001", "ml26-s002"]);
    assert.deepEqual(await states.stacks("ml27-"), []);
    await engine.destroy("ml26-s001");
    assert.equal(await states.checkpoint("ml26-s001"), undefined);
    assert.deepEqual(await states.stacks("ml26-"), ["ml26-s002"]);
    assert.deepEqual((await engine.destroy("ml26-s001")).changes, {}, "what is gone may be destroyed");
  });
}

test("a dead owner's lock in the bucket goes; one that somebody took meanwhile stays", async () => {
  const states = await openStates(STATE);
  const lock = (name: string, pid: number) =>
    room.objects.write(
      BUCKET,
      `ml26/.pulumi/locks/organization/mltraining/ml26-s009/${name}.json`,
      JSON.stringify({ pid, username: "ann", hostname: "elsewhere", timestamp: "2026-11-20T08:00:00Z" }),
    );
  await lock("one", 1);
  const [old] = await states.locks("ml26-s009");
  assert.deepEqual([old?.user, old?.host, old?.pid, old?.since], ["ann", "elsewhere", 1, "2026-11-20T08:00:00Z"]);
  // Written anew between the look and the removal.
  await lock("one", 2);
  assert.ok(old);
  await states.removeLock(old);
  assert.equal((await states.locks("ml26-s009"))[0]?.pid, 2);
  const said: string[] = [];
  assert.equal(await freeLocks(states, "ml26-s009", { say: (line) => said.push(line) }), true);
  assert.deepEqual(said, [
    "ml26-s009: took away the lock of ann@elsewhere (process 2) since 2026-11-20T08:00:00Z: it is older than 60 minutes",
  ]);
  assert.deepEqual(await states.locks("ml26-s009"), []);
});
