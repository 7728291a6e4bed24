import assert from "node:assert/strict";
import { test } from "node:test";
import { projectNumber } from "../../../localcloud/core/cloud.ts";
import { PROJECT, testCloud } from "../server/local.ts";

const BASE = `/su/v1/projects/${PROJECT}/services`;
interface Service {
  name: string;
  state: string;
  config: { name: string };
}
interface Operation {
  name: string;
  done: boolean;
  response: Record<string, unknown>;
}

test("a new project has few APIs; the others answer SERVICE_DISABLED, the operator included", async (t) => {
  const cloud = await testCloud(t, { enabledServices: undefined });
  const path = `/iam/v1/projects/${PROJECT}/serviceAccounts`;
  const { status, json } = await cloud.call("GET", path);
  assert.equal(status, 403);
  assert.equal(json.error?.status, "PERMISSION_DENIED");
  assert.equal(json.error?.errors[0]?.reason, "accessNotConfigured");
  const number = projectNumber(PROJECT);
  const message = json.error?.message ?? "";
  assert.match(
    message,
    /^Identity and Access Management \(IAM\) API has not been used in project \d+ before or it is disabled\./,
  );
  assert.deepEqual(json.error?.details?.at(-1), {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    reason: "SERVICE_DISABLED",
    domain: "googleapis.com",
    metadata: { consumer: `projects/${number}`, service: "iam.googleapis.com" },
  });
  assert.equal((await cloud.call("GET", `/compute/v1/projects/${PROJECT}/zones`)).status, 403);
  assert.equal((await cloud.call("GET", `/storage/v1/b?project=${PROJECT}`)).status, 200);
  assert.equal((await cloud.call("GET", `/crm/v1/projects/${PROJECT}`)).status, 200);
});

test("enabling as the provider does: list, enable, operation, list", async (t) => {
  const cloud = await testCloud(t, { enabledServices: undefined });
  const enabled = async () => {
    const { json } = await cloud.call<{ services: Service[] }>("GET", `${BASE}?filter=state:ENABLED&pageSize=200`);
    return json.services.map(({ config }) => config.name);
  };
  assert.ok(!(await enabled()).includes("compute.googleapis.com"));
  const started = await cloud.call<Operation>("POST", `${BASE}/compute.googleapis.com:enable`, {});
  assert.equal(started.json.done, true);
  assert.match(started.json.name, /^operations\/acat\./);
  assert.deepEqual((await cloud.call("GET", `/su/v1/${started.json.name}`)).json, started.json);
  const now = await enabled();
  assert.ok(
    now.includes("compute.googleapis.com") && now.includes("oslogin.googleapis.com"),
    "what it needs comes with it",
  );
  const batch = await cloud.call<Operation>("POST", `${BASE}:batchEnable`, {
    serviceIds: ["iam.googleapis.com", "run.googleapis.com"],
  });
  assert.equal(batch.status, 200);
  assert.equal((batch.json.response.services as Service[]).length, 2);
  assert.equal((await cloud.call("GET", `/iam/v1/projects/${PROJECT}/serviceAccounts`)).status, 200);
  const one = await cloud.call<Service>("GET", `${BASE}/run.googleapis.com`);
  assert.deepEqual(
    [one.json.state, one.json.name],
    ["ENABLED", `projects/${projectNumber(PROJECT)}/services/run.googleapis.com`],
  );
});

test("SERVICE_DISABLED goes on for a while after enabling, over a restart too", async (t) => {
  const cloud = await testCloud(t, { enabledServices: undefined, settings: { serviceEnableDelayMs: 60_000 } });
  const path = `/iam/v1/projects/${PROJECT}/serviceAccounts`;
  await cloud.call("POST", `${BASE}/iam.googleapis.com:enable`, {});
  assert.equal((await cloud.call<Service>("GET", `${BASE}/iam.googleapis.com`)).json.state, "ENABLED");
  assert.equal((await cloud.call("GET", path)).status, 403);
  await cloud.restart();
  cloud.clock.offset = 30_000;
  await cloud.call("POST", `${BASE}/iam.googleapis.com:enable`, {});
  assert.equal((await cloud.call("GET", path)).status, 403);
  cloud.clock.offset = 61_000;
  assert.equal((await cloud.call("GET", path)).status, 200, "enabling again does not start the wait anew");
});

test("disabling: not what others need, unless all of them go", async (t) => {
  const cloud = await testCloud(t);
  const refused = await cloud.call("POST", `${BASE}/compute.googleapis.com:disable`, {});
  assert.deepEqual([refused.status, refused.json.error?.status], [400, "FAILED_PRECONDITION"]);
  const body = { disableDependentServices: true };
  assert.equal((await cloud.call("POST", `${BASE}/compute.googleapis.com:disable`, body)).status, 200);
  for (const name of ["compute", "container", "batch"]) {
    assert.equal((await cloud.call<Service>("GET", `${BASE}/${name}.googleapis.com`)).json.state, "DISABLED", name);
  }
  assert.equal((await cloud.call("POST", `${BASE}/compute.googleapis.com:disable`, {})).status, 400);
});

test("names that are none, and services that are not known here", async (t) => {
  const cloud = await testCloud(t);
  assert.equal((await cloud.call("POST", `${BASE}/compute:enable`, {})).status, 400);
  const unknown = await cloud.call("POST", `${BASE}/translate.googleapis.com:enable`, {});
  assert.equal(unknown.status, 501);
  assert.match(unknown.json.error?.message ?? "", /translate\.googleapis\.com/);
  assert.equal((await cloud.call("GET", `${BASE}?filter=parent:x`)).status, 501);
  assert.equal((await cloud.call("POST", `${BASE}:batchEnable`, { serviceIds: [] })).status, 400);
});
