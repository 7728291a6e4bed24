import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError, parseConfig } from "../../components/config.ts";
import { machineCondition, studentCondition, templateBase } from "../../components/names.ts";
import { StudentAccess, studentObjects } from "../../components/studentAccess.ts";
import { STUDENT_PERMISSIONS, StudentRights } from "../../components/studentRights.ts";
import { compileCondition } from "../../localcloud/core/access/cel.ts";
import { PERMISSIONS } from "../../localcloud/core/access/permissions.ts";
import { record } from "../helpers/record.ts";

const PROJECT = "course-one";
const account = (environment: string) => `${environment}-machines@${PROJECT}.iam.gserviceaccount.com`;

function problems(raw: Record<string, string>): string[] {
  try {
    parseConfig({ "gcp:project": PROJECT, ...raw }, "dev");
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
}

const STUDENT = { "mltraining:scope": "student", "mltraining:foundation": "base" };
const FOUNDATION = { "mltraining:scope": "foundation", "mltraining:students": '["ml26-s001","ml26-s002"]' };

test("a student's stack says whose it is, and the limits", () => {
  const raw = { member: "user:Ann.B@Example.EDU", costPerRun: 2.5, hoursPerWeek: 20, gpus: 0 };
  const config = parseConfig({ "gcp:project": PROJECT, ...STUDENT, "mltraining:student": JSON.stringify(raw) }, "dev");
  assert.deepEqual(config.student, { ...raw, member: "user:ann.b@example.edu" });
  assert.equal(parseConfig({ "gcp:project": PROJECT, ...STUDENT }, "dev").student, undefined);
  assert.equal(
    parseConfig({ "gcp:project": PROJECT, ...STUDENT, "mltraining:student": "{}" }, "dev").student,
    undefined,
  );
});

test("what cannot be a student is told, all at once", () => {
  const student = (value: unknown) => problems({ ...STUDENT, "mltraining:student": JSON.stringify(value) });
  for (const member of [
    "ann@example.edu",
    "user:ann",
    "user:a b@c.de",
    "serviceAccount:x@y.iam.gserviceaccount.com",
    "allUsers",
    "domain:x.de",
  ]) {
    assert.deepEqual(student({ member }), [
      `mltraining:student.member must be user:NAME@DOMAIN or group:NAME@DOMAIN, a Google account of the student's; got ${JSON.stringify(member)}`,
    ]);
  }
  assert.equal(student({ member: "user:a@b.de", costPerRun: 0, hoursPerWeek: -1, gpus: 0.5 }).length, 3);
  assert.deepEqual(student({ member: "user:a@b.de", costPerun: 1 }), [
    "mltraining:student.costPerun is not a setting; did you mean costPerRun?",
  ]);
  assert.deepEqual(problems({ "mltraining:student": '{"member":"user:a@b.de"}' }), [
    "mltraining:student belongs to a stack with mltraining:scope student; this one is solo",
  ]);
});

test("frozen: some, all, none, and nobody else", () => {
  const frozen = (value: string) =>
    parseConfig({ "gcp:project": PROJECT, ...FOUNDATION, "mltraining:frozen": value }, "dev").frozen;
  assert.deepEqual(frozen("true"), ["ml26-s001", "ml26-s002"]);
  assert.deepEqual(frozen("false"), []);
  assert.deepEqual(frozen("[]"), []);
  assert.deepEqual(frozen('["ml26-s002"]'), ["ml26-s002"]);
  assert.deepEqual(problems({ ...FOUNDATION, "mltraining:frozen": '["ml26-s009","ml26-s001","ml26-s001"]' }), [
    'mltraining:frozen[0] is none of mltraining:students; got "ml26-s009"',
    "mltraining:frozen[2] is there twice: ml26-s001",
  ]);
  assert.deepEqual(problems({ ...STUDENT, "mltraining:frozen": "true" }), [
    "mltraining:frozen belongs to a stack with mltraining:scope foundation; this one is student",
  ]);
});

test("the condition fits machines, disks and templates under the run prefix, and the one workstation", () => {
  const holds = compileCondition(studentCondition("ml26-s001"));
  const fits = (type: string, name: string | undefined) =>
    holds({
      resource: { service: "compute.googleapis.com", type: `compute.googleapis.com/${type}`, name },
      request: { time: new Date() },
      api: {},
    });
  const zone = "projects/p/zones/us-east1-b";
  for (const [type, name] of [
    ["Instance", `${zone}/instances/ml26-s001-run-x`],
    ["Instance", `${zone}/instances/ml26-s001-ws`],
    ["Disk", `${zone}/disks/ml26-s001-run-x`],
    ["InstanceTemplate", "projects/p/global/instanceTemplates/ml26-s001-run-us-east1-0123abc"],
  ] as const) {
    assert.equal(fits(type, name), true, name);
  }
  for (const [type, name] of [
    ["Instance", `${zone}/instances/ml26-s001-ws2`],
    ["Instance", `${zone}/instances/ml26-s001`],
    ["Instance", `${zone}/instances/ml26-s001-run`],
    ["Disk", `${zone}/disks/ml26-s001-ws`],
    ["Image", "projects/p/global/images/ml26-s001-run-x"],
    ["Snapshot", "projects/p/global/snapshots/ml26-s001-run-x"],
    ["Subnetwork", "projects/p/regions/us-east1/subnetworks/ml26-s001-run-x"],
    ["ZoneOperation", undefined],
    ["Instance", undefined],
  ] as const) {
    assert.equal(fits(type, name), false, `${type} ${name}`);
  }
  assert.ok(studentCondition("a".repeat(20)).split(/&&|\|\|/).length - 1 <= 12, "Google takes 12 logic operators");
  assert.notEqual(studentCondition("ml26-s001"), machineCondition("ml26-s001"));
  assert.equal(templateBase("ml26-s001", "student"), "ml26-s001-run");
  assert.equal(templateBase("mlt-dev", "solo"), "mlt-dev");
});

test("the role holds no list, no address, no policy, and nothing that Google does not know", () => {
  for (const permission of STUDENT_PERMISSIONS) {
    assert.ok(PERMISSIONS.has(permission), permission);
    assert.doesNotMatch(
      permission,
      /\.list$|IamPolicy$|useExternalIp|setCommonInstanceMetadata|serviceAccounts|osLogin/,
    );
  }
  assert.deepEqual([...STUDENT_PERMISSIONS], [...new Set(STUDENT_PERMISSIONS)].sort());
});

const rights = (frozen: string[]) =>
  record(
    () =>
      new StudentRights("ml26-base", {
        project: PROJECT,
        environment: "ml26-base",
        automaticName: "ml26-base-0123abc",
        openProject: "projects/course-one/roles/open",
        subnetworks: { "us-central1": "sub-1", "us-east1": "sub-2" },
        accounts: { "ml26-s001": account("ml26-s001"), "ml26-s002": account("ml26-s002") },
        frozen,
      }),
  );

test("a foundation's rights: one role, and of each student two bindings on the project and one on each subnetwork", async () => {
  const { resources, only, ofType } = await rights([]);
  assert.deepEqual(resources.map(({ name }) => name).sort(), [
    "ml26-base",
    "ml26-base-student",
    "ml26-s001-open-project",
    "ml26-s001-student",
    "ml26-s001-subnetwork-us-central1",
    "ml26-s001-subnetwork-us-east1",
    "ml26-s002-open-project",
    "ml26-s002-student",
    "ml26-s002-subnetwork-us-central1",
    "ml26-s002-subnetwork-us-east1",
  ]);
  assert.deepEqual(only("gcp:projects/iAMCustomRole:IAMCustomRole").inputs, {
    project: PROJECT,
    roleId: "ml26_base_student_0123abc",
    title: "ml26-base: a student trains and uses the workstation",
    description: "a student trains and uses the workstation (ml-training environment ml26-base)",
    permissions: [...STUDENT_PERMISSIONS],
    stage: "GA",
  });
  const role = "projects/course-one/roles/ml26_base_student_0123abc";
  const member = `serviceAccount:${account("ml26-s001")}`;
  assert.deepEqual(only("gcp:projects/iAMMember:IAMMember", "ml26-s001-student").inputs, {
    project: PROJECT,
    role,
    member,
    condition: {
      title: "ml26-s001 only",
      description:
        "Names that begin with ml26-s001-run-, and the workstation (ml-training environment ml26-base for ml26-s001)",
      expression: studentCondition("ml26-s001"),
    },
  });
  assert.deepEqual(only("gcp:projects/iAMMember:IAMMember", "ml26-s001-open-project").inputs, {
    project: PROJECT,
    role: "projects/course-one/roles/open",
    member,
  });
  assert.deepEqual(
    only("gcp:compute/subnetworkIAMMember:SubnetworkIAMMember", "ml26-s001-subnetwork-us-east1").inputs,
    {
      project: PROJECT,
      region: "us-east1",
      subnetwork: "sub-2",
      role,
      member,
    },
  );
  assert.equal(ofType("gcp:projects/iAMMember:IAMMember").length, 4);
});

test("who is frozen has no binding of these, and nobody else's changes", async () => {
  const [all, frozen] = [await rights([]), await rights(["ml26-s001"])];
  const others = ({ resources }: typeof all) =>
    resources.filter(({ name, custom }) => custom && !name.startsWith("ml26-s001"));
  assert.deepEqual(others(frozen), others(all));
  assert.deepEqual(
    frozen.resources.filter(({ name }) => name.startsWith("ml26-s001")),
    [],
  );
});

const access = (workstation?: { zone: string; instance: string }) =>
  record(
    () =>
      new StudentAccess("ml26-s001", {
        project: PROJECT,
        environment: "ml26-s001",
        member: "user:ann.b@example.edu",
        serviceAccount: account("ml26-s001"),
        data: "ml26-s001-data-1",
        scratch: "ml26-s001-scratch-1",
        workstation,
      }),
  );

test("a person's rights lie on the person's own things, and no resource is named after the person", async () => {
  const { resources } = await access({ zone: "us-east1-b", instance: "ml26-s001-ws" });
  const member = "user:ann.b@example.edu";
  const own = `serviceAccount:${account("ml26-s001")}`;
  const serviceAccountId = `projects/${PROJECT}/serviceAccounts/${account("ml26-s001")}`;
  const station = { project: PROJECT, zone: "us-east1-b" };
  assert.deepEqual(
    // In the order of their names: that of their registration is nobody's concern.
    resources
      .map(({ name, inputs }) => [name, inputs])
      .sort(([one], [other]) => (String(one) < String(other) ? -1 : 1)),
    [
      ["ml26-s001", { project: PROJECT, environment: "ml26-s001" }],
      [
        "ml26-s001-person-login",
        { ...station, instanceName: "ml26-s001-ws", role: "roles/compute.osAdminLogin", member },
      ],
      ["ml26-s001-person-read", { bucket: "ml26-s001-data-1", role: "roles/storage.objectViewer", member }],
      ["ml26-s001-person-scratch", { bucket: "ml26-s001-scratch-1", role: "roles/storage.objectUser", member }],
      ["ml26-s001-person-tokens", { serviceAccountId, role: "roles/iam.serviceAccountTokenCreator", member }],
      [
        "ml26-s001-person-tunnel",
        { ...station, instance: "ml26-s001-ws", role: "roles/iap.tunnelResourceAccessor", member },
      ],
      ["ml26-s001-person-use", { serviceAccountId, role: "roles/iam.serviceAccountUser", member }],
      [
        "ml26-s001-person-write",
        {
          bucket: "ml26-s001-data-1",
          role: "roles/storage.objectUser",
          member,
          condition: {
            title: "the student's folder",
            description: "Objects that are not environment.json, course-notice.txt (ml-training environment ml26-s001)",
            expression: studentObjects("ml26-s001-data-1"),
          },
        },
      ],
      [
        "ml26-s001-self-login",
        { ...station, instanceName: "ml26-s001-ws", role: "roles/compute.osAdminLogin", member: own },
      ],
      [
        "ml26-s001-self-tunnel",
        { ...station, instance: "ml26-s001-ws", role: "roles/iap.tunnelResourceAccessor", member: own },
      ],
      ["ml26-s001-self-use", { serviceAccountId, role: "roles/iam.serviceAccountUser", member: own }],
    ],
  );
  for (const { name, type, inputs } of resources) {
    assert.doesNotMatch(name, /ann|example|@/);
    if (type.startsWith("mltraining:")) assert.doesNotMatch(JSON.stringify(inputs), /ann|example/);
  }
});

test("without a workstation there is nothing of one", async () => {
  const { resources } = await access();
  assert.deepEqual(
    resources.filter(({ name }) => /tunnel|login/.test(name)),
    [],
  );
  assert.equal(resources.length, 7);
});

test("a student writes every object but the instructor's", () => {
  const holds = compileCondition(studentObjects("b-1"));
  const fits = (object: string, bucket = "b-1") =>
    holds({
      resource: {
        service: "storage.googleapis.com",
        type: "storage.googleapis.com/Object",
        name: `projects/_/buckets/${bucket}/objects/${object}`,
      },
      request: { time: new Date() },
      api: {},
    });
  for (const name of ["input/a", "runs/r/status.json", "code/x", "environment.json.bak", "a/environment.json"]) {
    assert.equal(fits(name), true, name);
  }
  for (const name of ["environment.json", "course-notice.txt"]) assert.equal(fits(name), false, name);
  assert.equal(fits("input/a", "b-10"), false);
});
