import assert from "node:assert/strict";
import { test } from "node:test";
import { addWorkstation } from "../../components/addWorkstation.ts";
import { parseConfig } from "../../components/config.ts";
import { memberKey, workstationAccountId, workstationName } from "../../components/names.ts";
import { regionsOf, workstationsOf } from "../../components/regions.ts";
import { consequences, type WorkstationShape } from "../../components/workstationChanges.ts";
import { folderCondition, WorkstationIdentity } from "../../components/workstationIdentity.ts";
import { WorkstationRoles } from "../../components/workstationRoles.ts";
import { IMAGE_CALL, outputValue, type Recorded, record } from "../helpers/record.ts";

/** What the provider makes, in an order that no timing changes. */
const byName = (resources: Recorded[]): Recorded[] =>
  resources.filter(({ custom }) => custom).sort((a, b) => (a.name < b.name ? -1 : 1));

const shape: WorkstationShape = {
  zone: "us-central1-a",
  machineType: "e2-standard-4",
  spot: false,
  image: "projects/u/global/images/family/f",
  bootDiskGb: 50,
  diskType: "pd-balanced",
};
const WAY = "Copy what you need to the bucket, take dataDiskGb away (pulumi up), and put it back after the change";

test("what changes in place is not worth a word", () => {
  assert.deepEqual(consequences(shape, shape), { refusals: [], warnings: [] });
  assert.deepEqual(consequences(shape, { ...shape, bootDiskGb: 60 }), { refusals: [], warnings: [] });
  assert.deepEqual(consequences(shape, { ...shape, dataDiskGb: 10 }), { refusals: [], warnings: [] });
  assert.deepEqual(consequences({ ...shape, dataDiskGb: 10 }, { ...shape, dataDiskGb: 20 }), {
    refusals: [],
    warnings: [],
  });
});

test("what makes the workstation anew, or stops it, is told with what is lost", () => {
  const warned = (before: Partial<WorkstationShape>, after: Partial<WorkstationShape>): string[] => {
    const { refusals, warnings } = consequences({ ...shape, ...before }, { ...shape, ...after });
    assert.deepEqual(refusals, []);
    return warnings;
  };
  assert.deepEqual(warned({}, { zone: "us-central1-b" }), [
    "the workstation will be made anew (zone from us-central1-a to us-central1-b): its boot disk goes, only what is in the bucket stays",
  ]);
  assert.deepEqual(warned({ dataDiskGb: 10 }, { dataDiskGb: 10, spot: true, gpu: "1 × nvidia-tesla-t4" }), [
    "the workstation will be made anew (gpu from none to 1 × nvidia-tesla-t4, spot from false to true): its boot disk goes, the data disk (/home) and the bucket stay",
  ]);
  assert.deepEqual(warned({}, { image: "projects/u/global/images/x", bootDiskGb: 20 }), [
    "the workstation will be made anew (image from projects/u/global/images/family/f to projects/u/global/images/x): its boot disk goes, only what is in the bucket stays",
  ]);
  assert.deepEqual(warned({}, { machineType: "e2-standard-8" }), [
    "machineType from e2-standard-4 to e2-standard-8: the workstation will be stopped and started, its disks stay",
  ]);
  assert.deepEqual(warned({ dataDiskGb: 10 }, {}), ["the data disk will be deleted, with everything in /home"]);
});

test("what would destroy a data disk unasked, or Google would refuse, is refused", () => {
  const refused = (before: Partial<WorkstationShape>, after: Partial<WorkstationShape>): string[] =>
    consequences({ ...shape, ...before }, { ...shape, ...after }).refusals;
  assert.deepEqual(refused({ dataDiskGb: 20 }, { dataDiskGb: 10 }), [
    `dataDiskGb must not go from 20 to 10: disks only grow, and a smaller one would be a new and empty one. ${WAY}`,
  ]);
  assert.deepEqual(refused({ dataDiskGb: 20 }, { dataDiskGb: 20, zone: "us-central1-b" }), [
    `zone must not go from us-central1-a to us-central1-b while there is a data disk: it cannot come along, and would be deleted with everything on it. ${WAY}`,
  ]);
  assert.deepEqual(refused({ dataDiskGb: 20 }, { dataDiskGb: 20, diskType: "hyperdisk-balanced" }), [
    `type of disk must not go from pd-balanced to hyperdisk-balanced while there is a data disk: it cannot come along, and would be deleted with everything on it. ${WAY}`,
  ]);
  assert.deepEqual(refused({}, { bootDiskGb: 40 }), [
    "bootDiskGb must not go from 50 to 40: disks only grow. For a smaller one take the workstation away (pulumi up) and put it back",
  ]);
});

test("the person's folder is the bucket, but for what is others'", () => {
  assert.equal(
    folderCondition("b"),
    'resource.name.startsWith("projects/_/buckets/b/objects/") && ' +
      '!resource.name.startsWith("projects/_/buckets/b/objects/runs/") && ' +
      '!resource.name.startsWith("projects/_/buckets/b/objects/code/") && ' +
      '!resource.name.startsWith("projects/_/buckets/b/objects/images/") && ' +
      'resource.name != "projects/_/buckets/b/objects/environment.json"',
  );
});

test("an account of its own, with the bucket and nothing on the project", async () => {
  const { resources, result } = await record(
    () => new WorkstationIdentity("mlt-dev", { project: "p1", environment: "mlt-dev", data: "b" }),
  );
  const member = "serviceAccount:mlt-dev-workstation@p1.iam.gserviceaccount.com";
  assert.deepEqual(
    byName(resources).map(({ type, name, inputs }) => [type, name, inputs]),
    [
      [
        "gcp:serviceaccount/account:Account",
        "mlt-dev-workstation",
        {
          project: "p1",
          accountId: "mlt-dev-workstation",
          displayName: "Workstation of mlt-dev",
          description: "Reads and writes the data bucket, but for runs and code (ml-training environment mlt-dev)",
        },
      ],
      [
        "gcp:storage/bucketIAMMember:BucketIAMMember",
        "mlt-dev-workstation-read",
        { bucket: "b", role: "roles/storage.objectViewer", member },
      ],
      [
        "gcp:storage/bucketIAMMember:BucketIAMMember",
        "mlt-dev-workstation-write",
        {
          bucket: "b",
          role: "roles/storage.objectUser",
          member,
          condition: {
            title: "the person's folder",
            description:
              "Objects that are not runs/, code/, images/, environment.json (ml-training environment mlt-dev)",
            expression: folderCondition("b"),
          },
        },
      ],
    ],
  );
  assert.equal(await outputValue(result.email), "mlt-dev-workstation@p1.iam.gserviceaccount.com");
  assert.equal(result.own, true);
});

test("a student's one account gets the folder, and reads already", async () => {
  const account = "ann-machines@p1.iam.gserviceaccount.com";
  const { resources, result } = await record(
    () => new WorkstationIdentity("mlt-ann", { project: "p1", environment: "mlt-ann", data: "b", account }),
  );
  assert.deepEqual(
    resources.filter(({ custom }) => custom).map(({ name, inputs }) => [name, inputs.member]),
    [["mlt-ann-workstation-write", `serviceAccount:${account}`]],
  );
  assert.equal(await outputValue(result.email), account);
  assert.equal(result.own, false);
});

test("on the project: the right to keep schedules for Google's agent, to see it for people", async () => {
  const make = (more: { schedules: boolean; people: string[]; shared?: boolean }) =>
    record(
      () =>
        new WorkstationRoles("mlt-dev", {
          project: "p1",
          environment: "mlt-dev",
          automaticName: "mlt-dev-0123abc",
          after: ["compute.googleapis.com"],
          ...more,
        }),
      { calls: IMAGE_CALL },
    );
  const both = await make({ schedules: true, people: ["user:ann@example.org"] });
  assert.deepEqual(
    byName(both.resources).map(({ name, inputs }) => [name, inputs]),
    [
      [
        `mlt-dev-open-project-${memberKey("user:ann@example.org")}`,
        { project: "p1", role: "projects/p1/roles/mlt_dev_openProject_0123abc", member: "user:ann@example.org" },
      ],
      [
        "mlt-dev-openProject",
        {
          project: "p1",
          roleId: "mlt_dev_openProject_0123abc",
          title: "mlt-dev: people find the project of a workstation",
          description: "people find the project of a workstation (ml-training environment mlt-dev)",
          permissions: ["compute.projects.get"],
          stage: "GA",
        },
      ],
      [
        "mlt-dev-run-schedules",
        {
          project: "p1",
          role: "projects/p1/roles/mlt_dev_runSchedules_0123abc",
          member: "serviceAccount:service-123456789012@compute-system.iam.gserviceaccount.com",
        },
      ],
      [
        "mlt-dev-runSchedules",
        {
          project: "p1",
          roleId: "mlt_dev_runSchedules_0123abc",
          title: "mlt-dev: Google stops and starts workstations by a schedule",
          description: "Google stops and starts workstations by a schedule (ml-training environment mlt-dev)",
          permissions: ["compute.instances.start", "compute.instances.stop"],
          stage: "GA",
        },
      ],
    ],
  );
  const names = async (more: Parameters<typeof make>[0]) =>
    byName((await make(more)).resources).map(({ name }) => name);
  assert.deepEqual(await names({ schedules: true, people: [] }), ["mlt-dev-run-schedules", "mlt-dev-runSchedules"]);
  assert.deepEqual(await names({ schedules: false, people: [], shared: true }), ["mlt-dev-openProject"]);
});

test("who needs what of the project, and where there are machines", () => {
  const config = (workstation: unknown, more: Record<string, string> = {}) =>
    parseConfig({ "gcp:project": "my-project", "mltraining:workstation": JSON.stringify(workstation), ...more }, "dev");
  assert.equal(workstationsOf(config(false)), undefined);
  assert.deepEqual(workstationsOf(config(true)), { schedules: true, people: [] });
  assert.equal(workstationsOf(config({ schedule: false })), undefined);
  assert.deepEqual(workstationsOf(config({ schedule: false, people: ["user:a@b.org"] })), {
    schedules: false,
    people: ["user:a@b.org"],
  });
  const foundation = config(false, { "mltraining:scope": "foundation" });
  assert.deepEqual(workstationsOf(foundation), { schedules: true, people: [], shared: true });
  assert.deepEqual(regionsOf(config(true)), ["us-central1"]);
  assert.deepEqual(regionsOf(config({ zone: "europe-west1-b" })), ["us-central1", "europe-west1"]);
  assert.deepEqual(regionsOf(config(false)), ["us-central1"]);
});

test("without a setting nothing is added", () => {
  const config = parseConfig({ "gcp:project": "my-project" }, "dev");
  const ground = { subnetworks: {}, serviceAccounts: {}, ready: [], apis: [] };
  assert.equal(addWorkstation(config, { ground, bucket: "b" }), undefined);
});

test("names stay legal at the longest environment, and tell people apart", () => {
  const longest = "abcdefghij-klmnopqrs";
  assert.equal(workstationName(longest), `${longest}-ws`);
  assert.match(workstationAccountId(longest), /^[a-z][a-z0-9-]{4,28}[a-z0-9]$/);
  assert.notEqual(memberKey("user:a.b@example.org"), memberKey("user:a-b@example.org"));
  assert.equal(memberKey("user:Ann@example.org"), memberKey("user:ann@example.org"));
  assert.match(memberKey(`user:${"x".repeat(80)}@example.org`), /^user-x{35}-[0-9a-f]{6}$/);
});
