// What `mlt course check` says of projects that are well and of each thing that is not. The canary is in tests/e2e/course.test.ts.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { SERVICES, STUDENT_SERVICES } from "../../components/projectServices.ts";
import { censusFiles } from "../../course/check/canaryData.ts";
import { type CourseCheck, checkCode } from "../../course/check/check.ts";
import { canaryOf } from "../../course/check/checkCanary.ts";
import { UP_SERVICES } from "../../course/check/checkProject.ts";
import { openWorkbench, type Workbench } from "../cli/workbench.ts";

const PROJECT = "local-project";
const KEY = `projects/${PROJECT}/locations/us-central1/keyRings/mlt-courses/cryptoKeys/state`;
let bench: Workbench;
let folder: string;
let env: Record<string, string | undefined>;
before(async () => {
  bench = await openWorkbench();
  const { url } = bench.cloud;
  folder = join(bench.folder, "course");
  await mkdir(folder);
  const roots = { COMPUTE: "compute/v1/", IAM: "iam/", CLOUDRESOURCEMANAGER: "crm/", SERVICEUSAGE: "su/" };
  const more = { CLOUDBILLING: "billing/", ORGPOLICY: "orgpolicy/", CLOUDKMS: "kms/" };
  env = Object.fromEntries(
    Object.entries({ ...roots, ...more }).map(([name, path]) => [
      `CLOUDSDK_API_ENDPOINT_OVERRIDES_${name}`,
      `${url}/${path}`,
    ]),
  );
  const tools = join(bench.folder, "tools");
  await mkdir(tools);
  await writeFile(join(tools, "pulumi"), "#!/bin/sh\necho v3.256.0\n", { mode: 0o755 });
  env.PATH = `${tools}:/usr/bin:/bin`;
  env.PULUMI_CONFIG_PASSPHRASE = "secret";
});
after(() => bench.close());

async function operator(method: string, path: string, body?: unknown): Promise<void> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${bench.cloud.operatorUrl}${path}`, { method, headers, body: JSON.stringify(body) });
  assert.ok(response.ok, `${path}: ${response.status} ${await response.text()}`);
}

async function write(
  keys: Record<string, unknown> = {},
  emails = ["ann@example.com", "bob@example.com"],
): Promise<void> {
  const course = {
    name: "ml26",
    expires: "2099-02-28",
    projects: [PROJECT],
    contact: "Ann",
    instructors: ["user:prof@example.com"],
    state: "file://./states",
    ...keys,
  };
  await writeFile(join(folder, "course.yaml"), JSON.stringify(course));
  const rows = emails.map((email, index) => `s00${index + 1},Name,${email}`);
  await writeFile(join(folder, "roster.csv"), `id,name,email\n${rows.join("\n")}\n`);
}

type Report = CourseCheck & { ok: boolean };

async function check(
  more: Record<string, string | undefined> = {},
): Promise<{ code: number; report: Report; told: string[] }> {
  const args = ["course", "check", "--course", folder, "--json", "--no-canary"];
  const { code, stdout, stderr } = await bench.mlt(args, { env: { ...env, ...more } });
  assert.equal(stderr, "");
  const report = JSON.parse(stdout) as Report;
  const told = report.items.filter(({ state }) => state !== "ok").map(({ name, state }) => `${name} ${state}`);
  return { code, report, told };
}

test("where everything is there, each thing is named, and 0 is the end", async () => {
  await write();
  const { code, stdout, stderr } = await bench.mlt(["course", "check", "--course", folder, "--no-canary"], { env });
  assert.equal(stderr, "");
  assert.deepEqual(stdout.replace(/number \d+/, "number N").split("\n"), [
    `ok       state          file://${folder}/states, 0 places given`,
    "ok       secrets        a passphrase is set",
    "ok       Pulumi         3.256.0",
    "",
    PROJECT,
    "ok       project        number N",
    "ok       billing        on, billingAccounts/000000-000000-000000",
    "ok       APIs           all 6 are on",
    "ok       your rights    enough for every course command",
    "ok       accounts       0 of others, 3 of this course at most, 100 is Google's usual limit",
    "ok       policies       none that a course would meet",
    "ok       quotas         enough for 2 students at once",
    "",
    "",
  ]);
  assert.equal(code, 0);
});

test("without a terminal nobody is asked for the canary: it stays on the ground, and 2 says so", async () => {
  await write();
  const { code, stdout } = await bench.mlt(["course", "check", "--course", folder], { env });
  assert.equal(code, 2);
  assert.match(
    stdout,
    /\n\? {8}canary {9}did not fly: nobody can be asked here \(no terminal\): --yes, or --no-canary\n$/,
  );
});

test("billing that is off, a project that is not there: in the way, with the page or the command", async () => {
  await write({ projects: [PROJECT, "course-two"] });
  const billing = `/billing/v1/projects/${PROJECT}/billingInfo`;
  await operator("PUT", billing, { billingAccountName: "" });
  const { code, report, told } = await check();
  assert.equal(code, 1);
  assert.deepEqual(told, ["billing missing", "project missing"]);
  assert.deepEqual(
    report.items.filter(({ state }) => state === "missing"),
    [
      {
        project: PROJECT,
        name: "billing",
        state: "missing",
        detail: "off: no account pays for this project",
        fix: `https://console.cloud.google.com/billing/linkedaccount?project=${PROJECT}`,
      },
      {
        project: "course-two",
        name: "project",
        state: "missing",
        detail: "there is none of this id, or your login may not see it",
        fix: "gcloud projects list; then have its owner grant you roles/owner on course-two, or name another in course.yaml",
      },
    ],
  );
  await operator("PUT", billing, { billingAccountName: "billingAccounts/000000-000000-000000" });
});

test("quotas of the whole class: what is short, where to ask, and the text to send", async () => {
  const many = Array.from({ length: 9 }, (_, index) => `u${index}@example.com`);
  await write({ title: "Machine learning", limits: { gpus: 1, machineTypes: ["g2-standard-4"], maxHours: 2 } }, many);
  const { code, report } = await check();
  assert.equal(code, 1);
  const page = `https://console.cloud.google.com/iam-admin/quotas?project=${PROJECT}&service=compute.googleapis.com`;
  const quotas = report.items.filter(({ name }) => name === "quotas");
  assert.deepEqual(
    quotas.map(({ state, detail, fix }) => [state, detail, fix]),
    [
      ["warn", "36 vCPUs (E2, N1) in us-central1 for everybody at once, there are 24", page],
      ["warn", "36 vCPUs, all regions for everybody at once, there are 32", page],
      ["missing", "9 L4 GPUs of Spot machines in us-central1 for everybody at once, there are none", page],
      ["missing", "9 GPUs, all regions for everybody at once, there are none", page],
    ],
  );
  assert.deepEqual(report.requests, [
    {
      project: PROJECT,
      page,
      text: [
        `Project ${PROJECT}: request to raise quotas of the Compute Engine API.`,
        "- CPUS, region us-central1: from 24 to 36",
        "- CPUS_ALL_REGIONS, all regions: from 32 to 36",
        "- PREEMPTIBLE_NVIDIA_L4_GPUS, region us-central1: from 0 to 9",
        "- GPUS_ALL_REGIONS, all regions: from 0 to 9",
        'Reason: a course, "Machine learning", with 9 students in this project until 2099-02-28.',
        "Each student trains on one machine at a time, which deletes itself after the training; machines have a time limit of",
        "2 hours. In class everybody works at the same time, which the figures above are for.",
      ].join("\n"),
    },
  ]);
});

test("organization policies that bite are told with whom they bite", async () => {
  await write({ workstation: true }, ["ann@example.com", "bob@elsewhere.org"]);
  const policy = (constraint: string) => `/orgpolicy/v2/projects/${PROJECT}/policies/${constraint}`;
  const set = (constraint: string, rules: unknown[]) => operator("PATCH", policy(constraint), { spec: { rules } });
  await operator("PUT", `/local/v1/organizations/${PROJECT}`, { organization: "123456" });
  await set("iam.allowedPolicyMemberDomains", [{ values: { allowedValues: ["C0abcdef"] } }]);
  await set("compute.vmExternalIpAccess", [{ denyAll: true }]);
  await set("compute.requireOsLogin", [{ enforce: true }]);
  await set("iam.disableServiceAccountCreation", [{ enforce: true }]);
  await set("compute.trustedImageProjects", [{ values: { allowedValues: ["projects/ubuntu-os-cloud"] } }]);
  await set("gcp.resourceLocations", [{ values: { allowedValues: ["in:eu-locations"] } }]);
  const { code, report } = await check();
  assert.equal(code, 1);
  const bitten = report.items.filter(({ state }) => state !== "ok");
  assert.deepEqual(
    bitten.map(({ name, state, detail }) => [name, state, detail]),
    [
      [
        "iam.allowedPolicyMemberDomains",
        "missing",
        "only members of C0abcdef get rights: s002 (elsewhere.org) would be refused",
      ],
      [
        "compute.trustedImageProjects",
        "warn",
        "machines may not be made from images of debian-cloud, deeplearning-platform-release",
      ],
      [
        "gcp.resourceLocations",
        "missing",
        "resources may be made in in:eu-locations only, and the course's region is us-central1",
      ],
      ["iam.disableServiceAccountCreation", "missing", "no service accounts may be made, and each student gets one"],
      [
        "osLoginExternalUser",
        "warn",
        "s002 (elsewhere.org): from outside the organization 123456, as it seems. mlt ssh and jupyter go in as the student's service account and need nothing more; who connects without mlt, as the person, needs a role there",
      ],
    ],
  );
  assert.equal(
    bitten.at(-1)?.fix,
    "gcloud organizations add-iam-policy-binding 123456 --member user:bob@elsewhere.org --role roles/compute.osLoginExternalUser (best for one group of all students)",
  );
  await write({ workstation: true }, ["ann@example.com"]);
  const inside = await check();
  assert.deepEqual(
    inside.report.items.find(({ name }) => name === "iam.allowedPolicyMemberDomains")?.detail,
    "only members of C0abcdef get rights; all students have addresses like yours",
  );
  await write({ workstation: { externalIp: true, sshFrom: ["203.0.113.7/32"] } }, ["ann@example.com"]);
  const outside = await check();
  assert.ok(outside.told.includes("compute.vmExternalIpAccess missing"), String(outside.told));
  for (const name of [
    "iam.allowedPolicyMemberDomains",
    "compute.vmExternalIpAccess",
    "iam.disableServiceAccountCreation",
  ])
    await operator("DELETE", policy(name));
  for (const name of ["compute.requireOsLogin", "compute.trustedImageProjects", "gcp.resourceLocations"])
    await operator("DELETE", policy(name));
});

test("an instructor with few rights learns which are lacking, and what cannot be seen ends with 2 or 1", async () => {
  await write();
  const token = async (user: string) => bench.cloud.cloud.tokens.issue({ kind: "user", email: user }).access_token;
  const bindings = [{ role: "roles/viewer", members: ["user:prof@example.com"] }];
  await operator("POST", `/crm/v1/projects/${PROJECT}:setIamPolicy`, { policy: { bindings } });
  const viewer = await check({ GOOGLE_OAUTH_ACCESS_TOKEN: await token("prof@example.com") });
  assert.equal(viewer.code, 1);
  assert.deepEqual(viewer.told, ["your rights missing"]);
  const rights = viewer.report.items.find(({ name }) => name === "your rights");
  assert.match(
    rights?.detail ?? "",
    /^\d+ of 28 are lacking: compute\.firewalls\.create, compute\.firewalls\.delete, compute\.instanceTemplates\.create and \d+ more$/,
  );
  const stranger = await check({ GOOGLE_OAUTH_ACCESS_TOKEN: await token("x@example.com") });
  assert.deepEqual([stranger.code, stranger.told], [1, ["project missing"]]);

  await operator("POST", `/crm/v1/projects/${PROJECT}:setIamPolicy`, {
    policy: { bindings: [{ role: "roles/owner", members: ["user:prof@example.com"] }] },
  });
  await operator("POST", `/su/v1/projects/${PROJECT}/services/orgpolicy.googleapis.com:disable`, {});
  await operator("POST", `/su/v1/projects/${PROJECT}/services/iap.googleapis.com:disable`, {});
  const owner = await check({ GOOGLE_OAUTH_ACCESS_TOKEN: await token("prof@example.com") });
  assert.deepEqual([owner.code, owner.told], [2, ["APIs later", "policies unknown"]]);
  assert.deepEqual(
    owner.report.items.filter(({ state }) => state !== "ok").map(({ detail, fix }) => [detail, fix]),
    [
      [
        "1 are off, up turns them on: iap.googleapis.com",
        `gcloud services enable iap.googleapis.com --project ${PROJECT}`,
      ],
      [
        "organization policies cannot be seen: the API for it is off",
        `gcloud services enable orgpolicy.googleapis.com --project ${PROJECT}`,
      ],
    ],
  );
  for (const name of ["orgpolicy", "iap"])
    await operator("POST", `/su/v1/projects/${PROJECT}/services/${name}.googleapis.com:enable`, {});
});

test("the states' bucket and key: missing, without versions, without rights, and well", async () => {
  await write({ state: "gs://course-states/ml26", secretsProvider: `gcpkms://${KEY}` });
  const first = await check();
  assert.deepEqual(first.told, ["state missing", "secrets missing"]);
  assert.deepEqual(
    first.report.items.slice(0, 2).map(({ fix }) => fix),
    [
      "gcloud storage buckets create gs://course-states --project local-project --location us-central1 --uniform-bucket-level-access --public-access-prevention && gcloud storage buckets update gs://course-states --versioning",
      "gcloud kms keyrings create mlt-courses --location us-central1 --project local-project; gcloud kms keys create state --keyring mlt-courses --purpose encryption --location us-central1 --project local-project",
    ],
  );
  await operator("POST", `/storage/v1/b?project=${PROJECT}`, { name: "course-states", location: "US-CENTRAL1" });
  const rings = `/kms/v1/projects/${PROJECT}/locations/us-central1/keyRings`;
  await operator("POST", `${rings}?keyRingId=mlt-courses`, {});
  await operator("POST", `${rings}/mlt-courses/cryptoKeys?cryptoKeyId=state`, { purpose: "ENCRYPT_DECRYPT" });
  const second = await check();
  assert.deepEqual([second.code, second.told], [0, ["state warn"]]);
  assert.equal(second.report.items[1]?.fix, "gcloud storage buckets update gs://course-states --versioning");
  await operator("PATCH", "/storage/v1/b/course-states", { versioning: { enabled: true } });
  const third = await check();
  assert.deepEqual(third.told, []);
  assert.deepEqual(
    third.report.items.slice(0, 2).map(({ detail }) => detail),
    ["gs://course-states/ml26, 0 places given", `${KEY} encrypts and decrypts`],
  );
  const members = ["user:prof@example.com"];
  const editor = ["roles/editor", "roles/storage.objectAdmin"].map((role) => ({ role, members }));
  await operator("POST", `/crm/v1/projects/${PROJECT}:setIamPolicy`, { policy: { bindings: editor } });
  const { access_token } = bench.cloud.cloud.tokens.issue({ kind: "user", email: "prof@example.com" });
  const { told } = await check({ GOOGLE_OAUTH_ACCESS_TOKEN: access_token });
  assert.deepEqual(told, ["secrets missing", "your rights missing"], "an editor may not use keys");
});

test("a course that has expired, states on one computer for two instructors, no passphrase, no Pulumi", async () => {
  await write({ expires: "2020-01-01", instructors: ["user:prof@example.com", "user:other@example.com"] });
  const { code, told } = await check({ PULUMI_CONFIG_PASSPHRASE: undefined, PATH: "/nowhere" });
  assert.equal(code, 1);
  assert.deepEqual(told, ["expiry missing", "state warn", "secrets missing", "Pulumi missing"]);
});

test("the lists are those of the program; the canary's rows are always the same", () => {
  assert.deepEqual([...UP_SERVICES].sort(), [...SERVICES, ...STUDENT_SERVICES].sort());
  assert.deepEqual(censusFiles(), censusFiles());
  const rows = censusFiles()["adult.data"].trim().split("\n");
  assert.deepEqual([rows.length, rows.every((row) => row.split(", ").length === 15)], [1500, true]);
  const rich = rows.filter((row) => row.endsWith(", >50K")).length;
  assert.ok(rich > 300 && rich < 1200, String(rich));
  assert.deepEqual(canaryOf({ instructors: ["serviceAccount:a@b.iam.gserviceaccount.com", "user:prof@example.com"] }), {
    id: "test",
    name: "Canary",
    member: "user:prof@example.com",
    overrides: {},
    line: 0,
  });
  assert.equal(canaryOf({ instructors: ["serviceAccount:a@b.iam.gserviceaccount.com"] }), undefined);
  const item = { name: "x", detail: "" };
  assert.equal(
    checkCode([
      { ...item, state: "ok" },
      { ...item, state: "warn" },
      { ...item, state: "later" },
    ]),
    0,
  );
  assert.equal(checkCode([{ ...item, state: "unknown" }]), 2);
  assert.equal(
    checkCode([
      { ...item, state: "unknown" },
      { ...item, state: "missing" },
    ]),
    1,
  );
});
