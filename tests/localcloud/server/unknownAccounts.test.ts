import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startLocalCloud } from "../../../localcloud/server.ts";

const json = { "content-type": "application/json" };

test("a member of whom no account or group is known is refused, on every kind of resource; others are taken", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mlt-unknown-"));
  const cloud = await startLocalCloud({ stateFolder: folder });
  try {
    const call = async (method: string, path: string, body: unknown) => {
      const response = await fetch(`${cloud.operatorUrl}${path}`, {
        method,
        headers: json,
        body: JSON.stringify(body),
      });
      return { status: response.status, json: (await response.json()) as { error?: { message: string } } };
    };
    const bind = (member: string) => ({ bindings: [{ role: "roles/storage.objectViewer", members: [member] }] });
    const path = `/crm/v1/projects/${cloud.project}:setIamPolicy`;
    await call("PUT", "/local/v1/unknown-accounts", { accounts: ["Typo@example.com", "none@example.com"] });
    assert.equal((await call("POST", `/storage/v1/b?project=${cloud.project}`, { name: "some-bucket-1" })).status, 200);

    const user = await call("POST", path, { policy: bind("user:typo@example.com") });
    assert.deepEqual([user.status, user.json.error?.message], [400, "User typo@example.com does not exist."]);
    const group = await call("PUT", "/storage/v1/b/some-bucket-1/iam", bind("group:none@example.com"));
    assert.deepEqual([group.status, group.json.error?.message], [400, "Group none@example.com does not exist."]);
    assert.equal((await call("POST", path, { policy: bind("user:ann@example.com") })).status, 200);

    await call("PUT", "/local/v1/unknown-accounts", { accounts: [] });
    assert.equal((await call("POST", path, { policy: bind("user:typo@example.com") })).status, 200);
  } finally {
    await cloud.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("several projects side by side: each has its own policy, buckets and enabled services", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mlt-projects-"));
  const cloud = await startLocalCloud({ stateFolder: folder, project: "course-a", otherProjects: ["course-b"] });
  try {
    const get = async (path: string) => (await fetch(`${cloud.operatorUrl}${path}`)).json() as Promise<never>;
    const post = (path: string, body: unknown) =>
      fetch(`${cloud.operatorUrl}${path}`, { method: "POST", headers: json, body: JSON.stringify(body) });
    await post("/storage/v1/b?project=course-b", { name: "only-in-b" });
    const left = async (project: string) =>
      ((await get(`/local/v1/leftovers?project=${project}`)) as { resources: Record<string, string[]> }).resources;
    assert.deepEqual(await left("course-a"), {});
    assert.deepEqual(await left("course-b"), { "storage.buckets": ["only-in-b"] });
    const projects = (await get("/crm/v1/projects")) as { projects: { projectId: string }[] };
    assert.deepEqual(projects.projects.map(({ projectId }) => projectId).sort(), ["course-a", "course-b"]);
    const state = async (project: string) =>
      ((await get(`/su/v1/projects/${project}/services/storage.googleapis.com`)) as { state: string }).state;
    assert.equal(await state("course-b"), await state("course-a"));
  } finally {
    await cloud.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
