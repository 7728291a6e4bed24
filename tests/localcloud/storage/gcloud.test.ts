import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { run } from "../../helpers/shell.ts";
import { PROJECT, startStorage } from "./server.ts";

/** `gcloud storage …` with a configuration of its own, pointed at `origin`; `undefined` where it is not installed. */
async function gcloudAt(t: TestContext, origin: string): Promise<((...args: string[]) => Promise<string>) | undefined> {
  const folder = mkdtempSync(join(tmpdir(), "mlt-gcloud-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const env = {
    PATH: process.env.PATH ?? "",
    HOME: folder,
    CLOUDSDK_CONFIG: join(folder, "config"),
    CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${origin}/storage/v1/`,
    CLOUDSDK_AUTH_DISABLE_CREDENTIALS: "true",
    CLOUDSDK_CORE_DISABLE_PROMPTS: "1",
    CLOUDSDK_CORE_DISABLE_USAGE_REPORTING: "1",
    CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK: "1",
    CLOUDSDK_CORE_PROJECT: PROJECT,
  };
  const version = await run("gcloud", ["version"], { env }).catch(() => ({ status: 1 }));
  if (version.status !== 0) return undefined;
  return async (...args) => {
    const ran = await run("gcloud", ["storage", ...args], { env, timeoutMs: 120_000, cwd: folder });
    assert.equal(ran.status, 0, `gcloud storage ${args.join(" ")}\n${ran.stdout}\n${ran.stderr}`);
    return ran.stdout;
  };
}

test("gcloud storage works against the storage service", async (t) => {
  const server = await startStorage(t);
  const gcloud = await gcloudAt(t, server.origin);
  if (!gcloud) return t.skip("gcloud is not installed here");
  const local = mkdtempSync(join(tmpdir(), "mlt-gcloud-files-"));
  t.after(() => rmSync(local, { recursive: true, force: true }));
  mkdirSync(join(local, "tree/deep"), { recursive: true });
  writeFileSync(join(local, "tree/one.txt"), "one");
  writeFileSync(join(local, "tree/deep/two.txt"), "two");
  writeFileSync(join(local, "large.bin"), Buffer.alloc(12 << 20, "0123456789"));

  await gcloud("buckets", "create", "gs://gcloud-bucket", "--location=europe-west4", "--uniform-bucket-level-access");
  const shown = JSON.parse(await gcloud("buckets", "describe", "gs://gcloud-bucket", "--format=json"));
  assert.equal(shown.location, "EUROPE-WEST4");
  assert.equal(shown.uniform_bucket_level_access, true);
  await gcloud("buckets", "update", "gs://gcloud-bucket", "--update-labels=course=ml", "--versioning");
  assert.equal(
    JSON.parse(await gcloud("buckets", "describe", "gs://gcloud-bucket", "--format=json")).labels.course,
    "ml",
  );

  await gcloud("cp", "--recursive", join(local, "tree"), "gs://gcloud-bucket/in/");
  await gcloud("cp", join(local, "large.bin"), "gs://gcloud-bucket/large.bin");
  assert.deepEqual((await gcloud("ls", "gs://gcloud-bucket/**")).trim().split("\n"), [
    "gs://gcloud-bucket/in/tree/deep/two.txt",
    "gs://gcloud-bucket/in/tree/one.txt",
    "gs://gcloud-bucket/large.bin",
  ]);
  assert.deepEqual((await gcloud("ls", "gs://gcloud-bucket/")).trim().split("\n"), [
    "gs://gcloud-bucket/large.bin",
    "gs://gcloud-bucket/in/",
  ]);
  assert.equal(await gcloud("cat", "gs://gcloud-bucket/in/tree/one.txt"), "one");
  await gcloud("cp", "gs://gcloud-bucket/large.bin", join(local, "back.bin"));
  assert.ok(readFileSync(join(local, "back.bin")).equals(readFileSync(join(local, "large.bin"))));

  writeFileSync(join(local, "tree/three.txt"), "three");
  rmSync(join(local, "tree/one.txt"));
  await gcloud(
    "rsync",
    "--recursive",
    "--delete-unmatched-destination-objects",
    join(local, "tree"),
    "gs://gcloud-bucket/in/tree",
  );
  assert.deepEqual((await gcloud("ls", "gs://gcloud-bucket/in/**")).trim().split("\n"), [
    "gs://gcloud-bucket/in/tree/deep/two.txt",
    "gs://gcloud-bucket/in/tree/three.txt",
  ]);
  mkdirSync(join(local, "down"));
  await gcloud("rsync", "--recursive", "gs://gcloud-bucket/in/tree", join(local, "down"));
  assert.deepEqual(readdirSync(join(local, "down")).sort(), ["deep", "three.txt"]);

  await gcloud("mv", "gs://gcloud-bucket/large.bin", "gs://gcloud-bucket/moved.bin");
  await gcloud("rm", "--recursive", "gs://gcloud-bucket");
  assert.equal((await gcloud("buckets", "list", "--format=value(name)")).trim(), "");
});
