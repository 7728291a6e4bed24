import assert from "node:assert/strict";
import { test } from "node:test";
import { VmEngine } from "../../training/engines/vm.ts";
import { ENVIRONMENT } from "../cli/workbench.ts";
import type { Answer } from "./fakeCompute.ts";
import { aroundEachTest, bench, launch, NAME, refused, SPEC, START } from "./vmBench.ts";

aroundEachTest();

test("sends metadata and scheduling complete, the deadline as the longest run, and labels", async () => {
  bench.clock = START + 30_500;
  const machine = await launch([]);
  assert.deepEqual(machine, {
    name: NAME,
    zone: "us-central1-a",
    region: "us-central1",
    type: "n2-standard-4",
    spot: true,
  });
  assert.equal(bench.fake.inserts.length, 1);
  const { zone, query, body } = bench.fake.inserts[0]!;
  assert.equal(zone, "us-central1-a");
  assert.equal(
    query.get("sourceInstanceTemplate"),
    "projects/local-project/global/instanceTemplates/mlt-test-training-central",
  );
  assert.match(query.get("requestId")!, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual(body, {
    name: NAME,
    machineType: "zones/us-central1-a/machineTypes/n2-standard-4",
    metadata: {
      items: [
        { key: "startup-script", value: "#!/bin/bash\n" },
        { key: "enable-oslogin", value: "TRUE" },
        { key: "mlt-run", value: SPEC.id },
        { key: "mlt-attempt", value: "1" },
        { key: "mlt-bucket", value: "mlt-test-data" },
      ],
    },
    scheduling: {
      provisioningModel: "SPOT",
      preemptible: true,
      automaticRestart: false,
      onHostMaintenance: "TERMINATE",
      instanceTerminationAction: "DELETE",
      maxRunDuration: { seconds: "7169" },
    },
    labels: {
      "mlt-environment": "mlt-test",
      owner: "kim",
      "mlt-run": SPEC.id,
      "mlt-attempt": "1",
      "mlt-package": "census",
    },
  });
});

test("a run without Spot gets a standard machine that still ends at its deadline", async () => {
  await launch([], { spec: { spot: false } });
  assert.deepEqual(bench.fake.inserts[0]!.body.scheduling, {
    provisioningModel: "STANDARD",
    preemptible: false,
    automaticRestart: false,
    onHostMaintenance: "TERMINATE",
    instanceTerminationAction: "DELETE",
    maxRunDuration: { seconds: "7200" },
  });
});

for (const code of ["ZONE_RESOURCE_POOL_EXHAUSTED", "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"]) {
  test(`${code} moves to the next zone and leaves nothing in the first`, async () => {
    const machine = await launch([{ operation: code }]);
    assert.equal(machine.zone, "us-central1-b");
    assert.deepEqual(bench.places, ["us-central1-a", "us-central1-b"]);
    assert.deepEqual(bench.fake.deleted, [`us-central1-a/${NAME}`]);
  });
}

test("a machine that was taken back while it was made is tried in the next zone", async () => {
  const message = "Instance failed to start due to preemption";
  const machine = await launch([{ operation: "UNSUPPORTED_OPERATION", message }]);
  assert.equal(machine.zone, "us-central1-b");
});

const CPUS = "Quota 'CPUS' exceeded.  Limit: 24.0 in region us-central1.";
for (const answer of [
  { operation: "QUOTA_EXCEEDED", message: CPUS },
  { http: 403, reason: "quotaExceeded", message: CPUS },
] satisfies Answer[]) {
  test(`a quota error (${"http" in answer ? "of the call" : "of the operation"}) moves to the next region`, async () => {
    const machine = await launch([answer]);
    assert.equal(machine.zone, "us-east1-b");
    assert.deepEqual(bench.places, ["us-central1-a", "us-east1-b"]);
    assert.match(bench.fake.inserts[1]!.query.get("sourceInstanceTemplate")!, /mlt-test-training-east$/);
  });
}

test("without another region a quota error stops with the quota's name, limit and link", async () => {
  const environment = { zones: ["us-central1-a", "us-central1-b"] };
  const error = await refused(launch([{ operation: "QUOTA_EXCEEDED", message: CPUS }], { environment }));
  assert.equal(error.exitCode, 69);
  assert.equal(
    error.message,
    [
      "No n2-standard-4 (Spot) is to be had:",
      "  us-central1: quota CPUS is used up (limit 24)",
      "More quota: https://console.cloud.google.com/iam-admin/quotas?project=local-project",
    ].join("\n"),
  );
});

test("stock-outs everywhere end with what every zone said", async () => {
  const none: Answer = { operation: "ZONE_RESOURCE_POOL_EXHAUSTED", message: "no resources" };
  const error = await refused(launch([none, none, none]));
  assert.equal(error.exitCode, 69);
  assert.equal(
    error.message,
    [
      "No n2-standard-4 (Spot) is to be had:",
      "  us-central1-a: none free now (no resources)",
      "  us-central1-b: none free now (no resources)",
      "  us-east1-b: none free now (no resources)",
      "Try again later, with another --machine-type, or add regions to mltraining:training.",
    ].join("\n"),
  );
});

test("a bad request stops at once", async () => {
  const error = await refused(launch([{ http: 400, reason: "invalid", message: "Invalid value for field 'x'" }]));
  assert.equal(error.message, "Google refuses this machine in us-central1-a: Invalid value for field 'x'");
  assert.equal(error.exitCode, 70);
  assert.equal(bench.fake.inserts.length, 1);
});

test("403 is tried again for as long as rights take to be known, with one request id", async () => {
  const no: Answer = { http: 403, reason: "forbidden", message: "Required 'compute.instances.create'" };
  const machine = await launch(Array.from({ length: 12 }, () => no));
  assert.equal(machine.zone, "us-central1-a");
  assert.equal(new Set(bench.fake.inserts.map(({ query }) => query.get("requestId"))).size, 1);
  assert.equal(bench.waits[0], "us-central1-a: not allowed yet (Required 'compute.instances.create'); next try in 1 s");
  assert.ok(bench.clock - START < 10 * 60_000);
});

test("403 for over ten minutes is an error that names the right", async () => {
  const no: Answer = { http: 403, reason: "forbidden", message: "Required 'compute.instances.create'" };
  const error = await refused(launch(Array.from({ length: 100 }, () => no)));
  assert.equal(
    error.message,
    "Making a machine in us-central1-a is still not allowed after 10 minutes: Required 'compute.instances.create'\n" +
      `You need compute.instances.create in local-project, and the right to act as ${ENVIRONMENT.serviceAccount}.`,
  );
  assert.ok(
    bench.clock - START > 9 * 60_000 && bench.clock - START <= 10 * 60_000,
    `gave up after ${bench.clock - START} ms`,
  );
});

test("429 and 503 are tried again more and more slowly, with one request id", async () => {
  const answers: Answer[] = [
    { http: 429, reason: "rateLimitExceeded" },
    { http: 503, reason: "backendError" },
    { http: 403, reason: "rateLimitExceeded" },
    { http: 503, reason: "backendError" },
  ];
  await launch(answers);
  assert.deepEqual(
    bench.waits.map((wait) => /next try in (\d+) s/.exec(wait)?.[1]),
    ["1", "2", "4", "8"],
  );
  assert.equal(new Set(bench.fake.inserts.map(({ query }) => query.get("requestId"))).size, 1);
});

test("a lost answer is asked for again, and the machine that was made is ours", async () => {
  const machine = await launch([{ lost: true }]);
  assert.equal(machine.zone, "us-central1-a");
  assert.equal(bench.fake.inserts.length, 2);
  assert.equal(bench.fake.machines.size, 1);
});

test("an operation that failed is tried again under a new request id", async () => {
  await launch([{ operation: "INTERNAL_ERROR" }]);
  assert.deepEqual(bench.places, ["us-central1-a"]);
  assert.equal(new Set(bench.fake.inserts.map(({ query }) => query.get("requestId"))).size, 2);
});

test("an operation that never ends: the machine that runs is taken", async () => {
  const machine = await launch([{ hangs: "RUNNING" }]);
  assert.equal(machine.zone, "us-central1-a");
  assert.deepEqual(bench.fake.deleted, []);
});

test("an operation that never ends: a machine that does not run is deleted, the next zone tried", async () => {
  const machine = await launch([{ hangs: undefined }]);
  assert.equal(machine.zone, "us-central1-b");
  assert.deepEqual(bench.fake.deleted, [`us-central1-a/${NAME}`]);
});

test("a machine of that name that is not ours stops the launch", async () => {
  bench.fake.machines.set(`us-central1-a/${NAME}`, { status: "RUNNING", labels: {} });
  const engine = new VmEngine({ now: () => bench.clock, sleep: async () => undefined });
  const nothing = async () => undefined;
  const hooks = {
    onPlace: nothing,
    onWait: nothing,
    onAlive: nothing,
    onSetback: () => undefined,
    onUncertain: async () => 2,
  };
  const error = await refused(engine.launch(ENVIRONMENT, SPEC, 1, hooks));
  assert.equal(
    error.message,
    `A machine ${NAME} that is not this run's is in us-central1-a. Delete it: gcloud compute instances delete ${NAME} --zone us-central1-a --project local-project`,
  );
});

test("every attempt has its own machine name and request id", async () => {
  await launch([]);
  bench.fake.machines.clear();
  const machine = await launch([], { attempt: 2 });
  assert.equal(machine.name, "mlt-test-run-20261121080000-0a1b-a02");
  assert.notEqual(bench.fake.inserts[0]!.query.get("requestId"), bench.fake.inserts[1]!.query.get("requestId"));
});

test("a machine's state is running, stopped or gone", async () => {
  const engine = new VmEngine();
  const machine = { name: "m", zone: "us-central1-a", type: "e2-small", spot: false };
  assert.equal(await engine.state(ENVIRONMENT, machine), "gone");
  for (const [status, state] of [
    ["RUNNING", "running"],
    ["STAGING", "running"],
    ["STOPPING", "running"],
    ["TERMINATED", "stopped"],
    ["SUSPENDED", "stopped"],
  ]) {
    bench.fake.machines.set("us-central1-a/m", { status: status!, labels: {} });
    assert.equal(await engine.state(ENVIRONMENT, machine), state);
  }
});
