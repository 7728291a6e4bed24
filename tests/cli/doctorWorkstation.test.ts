// What `mlt doctor` says of a workstation: whom gcloud connects as, who may log in, whether the nightly schedule may stop it.
import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ENVIRONMENT, openWorkbench, type Workbench } from "./workbench.ts";

let bench: Workbench;
let google: Server;
/** Answers by method and path; a number is a refusal with this status. */
let answers: Record<string, unknown>;
const asked: string[] = [];
const NUMBER = "123456789012";
const AGENT = `service-${NUMBER}@compute-system.iam.gserviceaccount.com`;
const INSTANCE = "/compute/v1/projects/local-project/zones/us-central1-a/instances/mlt-test-ws/getIamPolicy";
const PROJECT = "/crm/v1/projects/local-project";
const ORGANISATION = "/crm/v1/organizations/77";
const EXTERNAL = "roles/compute.osLoginExternalUser";

before(async () => {
  bench = await openWorkbench();
  google = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const line = `${request.method} ${pathname}`;
    asked.push(line);
    const answer = answers[line] ?? 404;
    response.writeHead(typeof answer === "number" ? answer : 200, { "content-type": "application/json" });
    const body = typeof answer === "number" ? { error: { code: answer, message: `no ${pathname}` } } : answer;
    response.end(JSON.stringify(body));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => google.once("listening", resolve));
  await bench.objects.writeJson("mlt-test-data", "environment.json", {
    ...ENVIRONMENT,
    training: undefined,
    workstation: {
      name: "mlt-test-ws",
      zone: "us-central1-a",
      machineType: "e2-standard-4",
      spot: false,
      bootDiskGb: 50,
      idleMinutes: 60,
      schedule: { stop: "0 22 * * *", timeZone: "UTC" },
    },
  });
});
after(async () => {
  google.close();
  await bench.close();
});

const services = (off: string[] = []) => ({
  services: ["compute", "storage", "iap"].map((name) => ({
    name: `projects/${NUMBER}/services/${name}.googleapis.com`,
    state: off.includes(name) ? "DISABLED" : "ENABLED",
  })),
});

const ALL = {
  "GET /su/v1/projects/local-project/services:batchGet": services(),
  [`GET ${PROJECT}`]: { projectNumber: NUMBER, parent: { type: "folder", id: "5" } },
  [`POST ${PROJECT}:getAncestry`]: {
    ancestor: [
      { resourceId: { type: "project", id: "local-project" } },
      { resourceId: { type: "folder", id: "5" } },
      { resourceId: { type: "organization", id: "77" } },
    ],
  },
  [`POST ${PROJECT}:getIamPolicy`]: {
    bindings: [{ role: "projects/local-project/roles/mlt_test_runSchedules", members: [`serviceAccount:${AGENT}`] }],
  },
  "GET /iam/v1/projects/local-project/roles/mlt_test_runSchedules": {
    includedPermissions: ["compute.instances.start", "compute.instances.stop"],
  },
  [`GET ${INSTANCE}`]: {
    bindings: [
      { role: "roles/compute.osAdminLogin", members: ["user:ann@example.com"] },
      { role: "roles/compute.osLogin", members: ["group:class@example.com"] },
      { role: "roles/compute.viewer", members: ["user:else@elsewhere.org"] },
    ],
  },
  [`GET ${ORGANISATION}`]: { name: "organizations/77", displayName: "example.com" },
  [`POST ${ORGANISATION}:getIamPolicy`]: { bindings: [] },
};

const withGuest = (bindings: unknown[] | number) => ({
  [`GET ${INSTANCE}`]: {
    bindings: [
      { role: "roles/compute.osAdminLogin", members: ["user:ann@example.com", "user:guest@elsewhere.org"] },
      { role: "roles/compute.osLogin", members: ["user:other@elsewhere.org"] },
    ],
  },
  [`POST ${ORGANISATION}:getIamPolicy`]: typeof bindings === "number" ? bindings : { bindings },
});

interface Check {
  name: string;
  state: string;
  detail: string;
  fix?: string;
}

async function doctor(
  changed: Record<string, unknown> = {},
  gcloud: string | null = "#!/bin/sh\necho ann@example.com\n",
  env: Record<string, string> = {},
): Promise<{ code: number; checks: Record<string, Omit<Check, "name">> }> {
  answers = { ...ALL, ...changed };
  asked.length = 0;
  const tools = join(bench.folder, gcloud === null ? "without" : "with");
  await mkdir(tools, { recursive: true });
  for (const [name, text] of Object.entries({ pulumi: "", ...(gcloud === null ? {} : { gcloud }) })) {
    await writeFile(join(tools, name), text);
    await chmod(join(tools, name), 0o755);
  }
  const { port } = google.address() as AddressInfo;
  const at = (path: string) => `http://127.0.0.1:${port}/${path}`;
  const { code, stdout, stderr } = await bench.mlt(["doctor", "--json"], {
    env: {
      MLT_ENVIRONMENT: "gs://mlt-test-data",
      PATH: tools,
      CLOUDSDK_API_ENDPOINT_OVERRIDES_SERVICEUSAGE: at("su/"),
      CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER: at("crm/"),
      CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM: at("iam/"),
      CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: at("compute/v1/"),
      ...env,
    },
  });
  assert.equal(stderr, "");
  const { checks } = JSON.parse(stdout) as { checks: Check[] };
  return { code, checks: Object.fromEntries(checks.map(({ name, ...rest }) => [name, rest])) };
}

test("where all is there it says whom gcloud connects as, who may log in, and that the night comes", async () => {
  const { code, checks } = await doctor();
  assert.equal(code, 0);
  assert.equal(checks.environment?.state, "ok", "an environment with a workstation alone is one");
  assert.deepEqual(checks["gcloud login"], {
    state: "ok",
    detail: "ann@example.com; mlt ssh, jupyter, exec and cp connect as it",
  });
  assert.deepEqual(checks.services, {
    state: "ok",
    detail: "compute.googleapis.com, storage.googleapis.com, iap.googleapis.com are on",
  });
  assert.deepEqual(checks.people, { state: "ok", detail: "2 may log in to mlt-test-ws, all of example.com" });
  assert.deepEqual(checks.schedule, {
    state: "ok",
    detail: "Google's agent stops machines in local-project (projects/local-project/roles/mlt_test_runSchedules)",
  });
  assert.ok(!asked.includes(`POST ${ORGANISATION}:getIamPolicy`), "where nobody is from outside it is not asked");
});

test("without gcloud, or without its login, a workstation cannot be reached", async () => {
  const bare = await doctor({}, null);
  assert.equal(bare.code, 1);
  assert.deepEqual(bare.checks.gcloud, {
    state: "missing",
    detail: "not installed; mlt ssh, jupyter, exec and cp connect through it",
    fix: "https://cloud.google.com/sdk/docs/install",
  });
  const none = { state: "missing", detail: "none; mlt ssh, jupyter, exec and cp connect with it" };
  assert.deepEqual(bare.checks["gcloud login"], { ...none, fix: "gcloud auth login" });
  const out = await doctor({}, "#!/bin/sh\nexit 0\n");
  assert.deepEqual([out.code, out.checks["gcloud login"]], [1, { ...none, fix: "gcloud auth login" }]);
  const broken = await doctor({}, "#!/bin/sh\nexit 1\n");
  assert.equal(broken.checks["gcloud login"]?.state, "missing");
  const token = await doctor({}, "#!/bin/sh\nexit 0\n", { CLOUDSDK_AUTH_ACCESS_TOKEN_FILE: "/some/file" });
  assert.deepEqual(token.checks["gcloud login"], {
    state: "ok",
    detail: "the token in CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
  });
});

test("Identity-Aware Proxy's API is looked for, too", async () => {
  const { checks } = await doctor({ "GET /su/v1/projects/local-project/services:batchGet": services(["iap"]) });
  assert.deepEqual(checks.services, {
    state: "later",
    detail: "off in local-project: iap.googleapis.com; `pulumi up` switches them on where billing is on",
    fix: "gcloud services enable compute.googleapis.com storage.googleapis.com iap.googleapis.com --project local-project (billing: https://console.cloud.google.com/billing/linkedaccount?project=local-project)",
  });
});

test("people from outside the organisation need its role; what cannot be seen is no fault", async () => {
  const add = (member: string) =>
    `gcloud organizations add-iam-policy-binding 77 --member=user:${member} --role=${EXTERNAL}`;
  const missing = await doctor(withGuest([{ role: EXTERNAL, members: ["user:Other@elsewhere.org"] }]));
  assert.equal(missing.code, 1);
  assert.deepEqual(missing.checks.people, {
    state: "missing",
    detail: `outside example.com and without ${EXTERNAL} on it: user:guest@elsewhere.org; one of its administrators gives it`,
    fix: add("guest@elsewhere.org"),
  });
  const all = await doctor(withGuest([{ role: EXTERNAL, members: ["domain:elsewhere.org"] }]));
  assert.deepEqual(all.checks.people, {
    state: "ok",
    detail: `3 may log in to mlt-test-ws, those outside example.com with ${EXTERNAL}`,
  });
  const hidden = await doctor(withGuest(403));
  assert.equal(hidden.code, 0);
  assert.deepEqual(hidden.checks.people, {
    state: "later",
    detail: `user:guest@elsewhere.org, user:other@elsewhere.org are outside example.com and cannot log in without ${EXTERNAL} on it, which cannot be seen from here; one of its administrators gives it`,
    fix: `${add("guest@elsewhere.org")} && ${add("other@elsewhere.org")}`,
  });
  const none = await doctor({ ...withGuest([]), [`GET ${PROJECT}`]: { projectNumber: NUMBER } });
  assert.deepEqual(none.checks.people, {
    state: "ok",
    detail: "3 may log in to mlt-test-ws; local-project is in no organisation",
  });
  const direct = { projectNumber: NUMBER, parent: { type: "organization", id: "77" } };
  assert.equal((await doctor({ ...withGuest([]), [`GET ${PROJECT}`]: direct })).checks.people?.state, "missing");
  assert.ok(!asked.includes(`POST ${PROJECT}:getAncestry`));
  const unseen = await doctor({ [`GET ${INSTANCE}`]: 403 });
  assert.deepEqual(unseen.checks.people, {
    state: "later",
    detail: `who may log in to mlt-test-ws cannot be seen: 403: no ${INSTANCE}`,
  });
  const nobody = await doctor({ [`GET ${INSTANCE}`]: { etag: "ACAB" } });
  assert.deepEqual(nobody.checks.people, {
    state: "later",
    detail: "nobody is named: who may do all in local-project gets onto mlt-test-ws, and nobody else",
    fix: "pulumi config set --path 'mltraining:workstation.people[0]' user:NAME@DOMAIN && pulumi up",
  });
});

test("a schedule that Google's agent may not keep is told", async () => {
  const refused = {
    state: "missing",
    detail: `${AGENT} may not stop machines in local-project: the nightly schedule does nothing`,
    fix: "pulumi up",
  };
  const policy = (...bindings: unknown[]) => ({ [`POST ${PROJECT}:getIamPolicy`]: { bindings } });
  const members = [`serviceAccount:${AGENT}`];
  const none = await doctor(policy());
  assert.deepEqual([none.code, none.checks.schedule], [1, refused]);
  const other = policy(
    { role: "roles/compute.viewer", members },
    { role: "roles/compute.admin", members: ["user:x@y.z"] },
  );
  assert.deepEqual((await doctor(other)).checks.schedule, refused);
  const half = {
    "GET /iam/v1/projects/local-project/roles/mlt_test_runSchedules": {
      includedPermissions: ["compute.instances.start"],
    },
  };
  assert.deepEqual((await doctor(half)).checks.schedule, refused);
  assert.deepEqual((await doctor(policy({ role: "roles/compute.instanceAdmin.v1", members }))).checks.schedule, {
    state: "ok",
    detail: "Google's agent stops machines in local-project (roles/compute.instanceAdmin.v1)",
  });
  const hidden = await doctor({ [`POST ${PROJECT}:getIamPolicy`]: 403 });
  assert.equal(hidden.code, 0);
  assert.deepEqual(hidden.checks.schedule, {
    state: "later",
    detail: `whether Google's agent may stop machines in local-project cannot be seen: 403: no ${PROJECT}:getIamPolicy`,
  });
});
