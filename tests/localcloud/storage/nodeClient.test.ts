import assert from "node:assert/strict";
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { type ApiError, Storage } from "@google-cloud/storage";
import { PROJECT, startStorage } from "./server.ts";

test("Google's Node client works against the storage service", async (t) => {
  const server = await startStorage(t);
  const storage = new Storage({ apiEndpoint: server.origin, projectId: PROJECT });
  const folder = mkdtempSync(join(tmpdir(), "mlt-node-client-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const content = Buffer.alloc(3 << 20, "node client ");
  writeFileSync(join(folder, "large.bin"), content);

  const [bucket] = await storage.createBucket("node-bucket", {
    location: "us-central1",
    iamConfiguration: { uniformBucketLevelAccess: { enabled: true }, publicAccessPrevention: "enforced" },
    versioning: { enabled: true },
    lifecycle: { rule: [{ action: { type: "Delete" }, condition: { daysSinceNoncurrentTime: 30 } }] },
    labels: { course: "ml" },
  });
  assert.equal(bucket.metadata.location, "US-CENTRAL1");
  await bucket.setMetadata({ labels: { term: "autumn", course: null } });
  assert.deepEqual((await bucket.getMetadata())[0].labels, { term: "autumn" });

  const note = bucket.file("in/note ü+%.txt");
  await note.save("hello", { resumable: false, metadata: { contentType: "text/plain", metadata: { by: "node" } } });
  assert.equal((await note.download())[0].toString(), "hello");
  assert.equal((await note.download({ start: 1, end: 3 }))[0].toString(), "ell");
  assert.deepEqual((await note.getMetadata())[0].metadata, { by: "node" });

  const large = bucket.file("in/large.bin");
  await bucket.upload(join(folder, "large.bin"), { destination: large, resumable: true, validation: "crc32c" });
  await large.download({ destination: join(folder, "back.bin"), validation: "md5" });
  assert.ok(readFileSync(join(folder, "back.bin")).equals(content));
  const streamed = bucket.file("in/streamed.bin");
  await pipeline(
    createReadStream(join(folder, "large.bin")),
    streamed.createWriteStream({ resumable: true, chunkSize: 1 << 20 }),
  );
  assert.equal(Number((await streamed.getMetadata())[0].size), content.length);

  await assert.rejects(
    note.save("again", { resumable: false, preconditionOpts: { ifGenerationMatch: 0 } }),
    (error: ApiError) => error.code === 412,
  );
  await assert.rejects(bucket.file("absent").download(), (error: ApiError) => error.code === 404);
  assert.deepEqual(await bucket.file("absent").exists(), [false]);

  const [files, , page] = await bucket.getFiles({ prefix: "in/", maxResults: 2, autoPaginate: false });
  assert.deepEqual([files.length, (page as { nextPageToken?: string }).nextPageToken !== undefined], [2, true]);
  assert.equal((await bucket.getFiles({ prefix: "in/" }))[0].length, 3);
  const [, , root] = await bucket.getFiles({ delimiter: "/", autoPaginate: false });
  assert.deepEqual((root as { prefixes?: string[] }).prefixes, ["in/"]);

  const [copy] = await note.copy(bucket.file("copy.txt"));
  assert.equal((await copy.download())[0].toString(), "hello");
  await bucket.combine([note, copy], bucket.file("whole.txt"));
  assert.equal((await bucket.file("whole.txt").download())[0].toString(), "hellohello");
  await copy.move("moved.txt");
  assert.deepEqual(await bucket.file("copy.txt").exists(), [false]);

  const [policy] = await bucket.iam.getPolicy({ requestedPolicyVersion: 3 });
  policy.version = 3;
  policy.bindings.push({
    role: "roles/storage.objectViewer",
    members: ["user:a@example.org"],
    condition: {
      title: "inputs",
      expression: "resource.name.startsWith('projects/_/buckets/node-bucket/objects/in/')",
    },
  });
  await bucket.iam.setPolicy(policy);
  const [kept] = await bucket.iam.getPolicy({ requestedPolicyVersion: 3 });
  assert.equal(kept.bindings.find((binding) => binding.condition)?.condition?.title, "inputs");
  assert.deepEqual(await bucket.iam.testPermissions("storage.objects.get"), [
    { "storage.objects.get": true },
    { permissions: ["storage.objects.get"], kind: "storage#testIamPermissionsResponse" },
  ]);

  const [{ generation }] = await note.getMetadata();
  await note.delete();
  const [versions] = await bucket.getFiles({ versions: true, prefix: "in/note" });
  assert.deepEqual(
    versions.map((file) => String(file.metadata.generation)),
    [String(generation)],
  );
  await assert.rejects(bucket.delete(), (error: ApiError) => error.code === 409);
  for (const file of (await bucket.getFiles({ versions: true }))[0]) await file.delete();
  await bucket.delete();
  assert.deepEqual(await bucket.exists(), [false]);
});
