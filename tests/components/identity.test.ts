import assert from "node:assert/strict";
import { test } from "node:test";
import { MachineIdentity } from "../../components/machineIdentity.ts";
import { ProjectServices, SERVICES } from "../../components/projectServices.ts";
import { SelfDeleteRoles } from "../../components/selfDeleteRoles.ts";
import { outputValue, record } from "../helpers/record.ts";

const project = "my-project";

test("an environment's account may delete machines of its own name and follow operations, nothing else", async () => {
  const roles = { selfDelete: "projects/my-project/roles/a", watchOperations: "projects/my-project/roles/b" };
  const { only, resources, result } = await record(
    () => new MachineIdentity("mlt-dev", { project, environment: "mlt-dev", ...roles }),
  );
  assert.equal(resources.filter(({ custom }) => custom).length, 3);
  assert.deepEqual(only("gcp:serviceaccount/account:Account").inputs, {
    project,
    accountId: "mlt-dev-machines",
    displayName: "Training machines of mlt-dev",
    description: "Reads inputs, writes runs, deletes its own machine (ml-training environment mlt-dev)",
  });
  const member = "serviceAccount:mlt-dev-machines@my-project.iam.gserviceaccount.com";
  assert.deepEqual(only("gcp:projects/iAMMember:IAMMember", "mlt-dev-self-delete").inputs, {
    project,
    role: roles.selfDelete,
    member,
    condition: {
      title: "mlt-dev machines only",
      description: "Machines whose names begin with mlt-dev-run- (ml-training environment mlt-dev)",
      expression:
        'resource.type == "compute.googleapis.com/Instance" && resource.name.extract("/instances/{name}").startsWith("mlt-dev-run-")',
    },
  });
  assert.deepEqual(only("gcp:projects/iAMMember:IAMMember", "mlt-dev-watch-operations").inputs, {
    project,
    role: roles.watchOperations,
    member,
  });
  assert.equal(await outputValue(result.email), "mlt-dev-machines@my-project.iam.gserviceaccount.com");
});

test("the custom roles hold three permissions in all, under ids of this life", async () => {
  const { only, result } = await record(
    () => new SelfDeleteRoles("mlt-dev", { project, environment: "mlt-dev", automaticName: "mlt-dev-9f8e7d6" }),
  );
  const role = (word: string) => only("gcp:projects/iAMCustomRole:IAMCustomRole", `mlt-dev-${word}`).inputs;
  assert.deepEqual(role("selfDelete"), {
    project,
    roleId: "mlt_dev_selfDelete_9f8e7d6",
    title: "mlt-dev: a training machine deletes itself",
    description: "a training machine deletes itself (ml-training environment mlt-dev)",
    permissions: ["compute.instances.delete", "compute.instances.get"],
    stage: "GA",
  });
  assert.deepEqual(role("watchOperations").permissions, ["compute.zoneOperations.get"]);
  assert.equal(await outputValue(result.selfDelete), "projects/my-project/roles/mlt_dev_selfDelete_9f8e7d6");
});

test("a name that is none is refused before anything is registered", async () => {
  const { resources } = await record(() => {
    assert.throws(
      () => new SelfDeleteRoles("x", { project, environment: "a-run-b", automaticName: "x" }),
      /must not hold "run"/,
    );
    assert.throws(
      () => new MachineIdentity("x", { project, environment: "abc", selfDelete: "a", watchOperations: "b" }),
      /must be 4 to 20/,
    );
  });
  assert.deepEqual(resources, []);
});

test("APIs are enabled and never switched off", async () => {
  const { ofType } = await record(() => new ProjectServices("mlt-dev", { project }));
  assert.deepEqual(
    ofType("gcp:projects/service:Service").map(({ inputs }) => inputs),
    SERVICES.map((service) => ({ project, service, disableOnDestroy: false })),
  );
  await record(() => {
    assert.throws(
      () => new ProjectServices("x", { project, services: ["compute"] }),
      /must be names such as compute.googleapis.com; got compute/,
    );
  });
});
