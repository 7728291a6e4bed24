import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { pythonWith } from "../../helpers/python.ts";
import { run } from "../../helpers/shell.ts";
import { PROJECT, startStorage } from "./server.ts";

const SCRIPT = fileURLToPath(new URL("python_client.py", import.meta.url));

test("Google's Python client works against the storage service", async (t) => {
  const python = await pythonWith(t, ["google-cloud-storage==3.17.1"]);
  if (!python) return;
  const server = await startStorage(t);
  const ran = await run(python, [SCRIPT, server.origin, PROJECT], { env: {}, timeoutMs: 120_000 });
  assert.equal(ran.status, 0, ran.stderr);
  assert.deepEqual(JSON.parse(ran.stdout), {
    bucket: ["EUROPE-WEST1", { course: "ml" }, "Delete"],
    small: "hello",
    range: "ell",
    large: true,
    size: 9_437_184,
    metadata: [{ by: "python" }, 2],
    precondition: 412,
    list: ["in/large.bin", "in/small.txt"],
    items: [],
    prefixes: ["in/"],
    composed: ["hellohello", 2],
    copy: "hello",
    renamed: ["renamed.txt", false],
    rewrite: true,
    policy: [["user:a@example.org"]],
    permissions: ["storage.objects.get"],
    "after batch": [false, false, true],
    deleted: false,
    versions: 1,
    "not empty": 409,
    restored: "hello",
    gone: true,
    "not found": 404,
  });
});
