import assert from "node:assert/strict";
import { test } from "node:test";
import type { Principal } from "../../../localcloud/core/access.ts";
import { PROJECT, testCloud } from "./local.ts";

/** What anyone with a token may ask, at Google too. */
const OPEN = [
  /:testIamPermissions$|\/testIamPermissions$|\/testPermissions$/,
  /^\/crm\/v1\/projects$|^\/crm\/v3\/projects:search$/, // lists what the caller may see
  /^\/iam\/v1\/(roles|permissions:queryTestablePermissions)/, // predefined roles are the same for everybody
  /^\/oauth2\/tokeninfo$/,
  /^\/batch\//, // each call inside is decided for itself
  /^\/packages\//, // apt has no token
  /^\/local\//, // not at this door
];

const QUERIES: [pattern: RegExp, query: string][] = [
  [/^\/storage\/v1\/b$/, `?project=${PROJECT}`],
  [/^(\/resumable)?\/upload\//, "?uploadType=media&name=x"],
];

test("no endpoint gives an outsider anything, and each one asks for a permission that exists", async (t) => {
  const cloud = await testCloud(t);
  const account = await cloud.account("trainer-1");
  await cloud.call("POST", `/storage/v1/b?project=${PROJECT}`, { name: "some-bucket-1" });
  const ann: Principal = { kind: "user", email: "ann@example.com" };
  const token = cloud.local.cloud.tokens.issue(ann).access_token;
  const values: Record<string, string> = {
    version: "v1",
    project: PROJECT,
    zone: "us-central1-a",
    region: "us-central1",
    account,
    bucket: "some-bucket-1",
  };
  let refused = 0;
  for (const { method, pattern } of cloud.local.routers.flatMap((router) => router.routes)) {
    if (OPEN.some((open) => open.test(pattern))) continue;
    const path = pattern.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values[name] ?? "thing-1"));
    const query = QUERIES.find(([each]) => each.test(pattern))?.[1] ?? "";
    const response = await fetch(`${cloud.local.url}${path}${query}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(method === "GET" || method === "HEAD" ? {} : { body: "{}" }),
    });
    const text = await response.text();
    const name = `${method} ${pattern}: ${response.status} ${text.slice(0, 200)}`;
    assert.ok(response.status >= 400 && response.status !== 500, name);
    assert.doesNotMatch(text, /the permission /, name);
    if (response.status === 403) refused += 1;
  }
  assert.ok(refused > 100, `only ${refused} endpoints answered 403`);
});
