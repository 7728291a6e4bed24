import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import type { Environment, RunSpec, RunStatus } from "../../training/contract.ts";
import type { LaunchHooks, LaunchOptions } from "../../training/engines/engine.ts";
import { VmEngine } from "../../training/engines/vm.ts";
import { UserError } from "../../training/errors.ts";
import { ENVIRONMENT } from "../cli/workbench.ts";
import { type Answer, FakeCompute } from "./fakeCompute.ts";

const START = Date.parse("2026-11-21T08:00:00Z");
const SPEC: RunSpec = {
  schema: 1,
  id: "census-20261121080000-0a1b",
  environment: "mlt-test",
  project: "local-project",
  package: { name: "census", object: `code/${"a".repeat(64)}.tar.gz`, sha256: "a".repeat(64) },
  command: ["python", "train.py"],
  arguments: [],
  inputs: [],
  buckets: ENVIRONMENT.buckets,
  deadline: "2026-11-21T10:00:00.000Z",
  maxRestarts: 2,
  keepMinutes: 0,
  machineType: "n2-standard-4",
  spot: true,
  createdAt: "2026-11-21T08:00:00.000Z",
};
const NAME = "mlt-test-run-20261121080000-0a1b-a01";

let fake: FakeCompute;
let clock: number;
let places: string[];
let waits: string[];
let setbacks: string[];
let doubts: string[];
const token = process.env.GOOGLE_OAUTH_ACCESS_TOKEN;

before(() => {
  process.env.GOOGLE_OAUTH_ACCESS_TOKEN = "test-token";
});
after(() => {
  if (token === undefined) delete process.env.GOOGLE_OAUTH_ACCESS_TOKEN;
  else process.env.GOOGLE_OAUTH_ACCESS_TOKEN = token;
});
beforeEach(async () => {
  fake = new FakeCompute();
  process.env.CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE = await fake.start();
  clock = START;
  places = [];
  waits = [];
  setbacks = [];
  doubts = [];
});
afterEach(() => fake.close());

/** Launches against the script; time passes only where the engine sleeps. */
function launch(
  answers: Answer[],
  options: {
    environment?: Partial<Environment>;
    spec?: Partial<RunSpec>;
    attempt?: number;
    launch?: LaunchOptions;
  } = {},
): Promise<NonNullable<RunStatus["machine"]>> {
  fake.answers.push(...answers);
  const engine = new VmEngine({
    now: () => clock,
    sleep: async (milliseconds) => {
      clock += milliseconds;
    },
  });
  let attempt = options.attempt ?? 1;
  const hooks: LaunchHooks = {
    onPlace: async (machine) => {
      // The record comes before the machine.
      assert.equal(fake.machines.size, 0);
      places.push(machine.zone);
    },
    onAlive: async () => undefined,
    onWait: async (message) => {
      waits.push(message);
    },
    onSetback: (zone) => void setbacks.push(zone),
    onUncertain: async (why) => {
      doubts.push(why);
      attempt += 1;
      return attempt;
    },
  };
  const environment = { ...ENVIRONMENT, ...options.environment };
  return engine.launch(environment, { ...SPEC, ...options.spec }, attempt, hooks, options.launch);
}

async function refused(promise: Promise<unknown>): Promise<UserError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof UserError, String((error as Error).stack));
    return error;
  }
  throw new Error("it was not refused");
}

test("sends metadata and scheduling complete, the deadline as the longest run, and labels", async () => {
  clock = START + 30_500;
  const machine = await launch([]);
  assert.deepEqual(machine, {
    name: NAME,
    zone: "us-central1-a",
    region: "us-central1",
    type: "n2-standard-4",
    spot: true,
  });
  assert.equal(fake.inserts.length, 1);
  const { zone, query, body } = fake.inserts[0]!;
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
  assert.deepEqual(fake.inserts[0]!.body.scheduling, {
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
    assert.deepEqual(places, ["us-central1-a", "us-central1-b"]);
    assert.deepEqual(fake.deleted, [`us-central1-a/${NAME}`]);
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
    assert.deepEqual(places, ["us-central1-a", "us-east1-b"]);
    assert.match(fake.inserts[1]!.query.get("sourceInstanceTemplate")!, /mlt-test-training-east$/);
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
  assert.equal(fake.inserts.length, 1);
});

test("403 is tried again for as long as rights take to be known, with one request id", async () => {
  const no: Answer = { http: 403, reason: "forbidden", message: "Required 'compute.instances.create'" };
  const machine = await launch(Array.from({ length: 12 }, () => no));
  assert.equal(machine.zone, "us-central1-a");
  assert.equal(new Set(fake.inserts.map(({ query }) => query.get("requestId"))).size, 1);
  assert.equal(waits[0], "us-central1-a: not allowed yet (Required 'compute.instances.create'); next try in 1 s");
  assert.ok(clock - START < 10 * 60_000);
});

test("403 for over ten minutes is an error that names the right", async () => {
  const no: Answer = { http: 403, reason: "forbidden", message: "Required 'compute.instances.create'" };
  const error = await refused(launch(Array.from({ length: 100 }, () => no)));
  assert.equal(
    error.message,
    "Making a machine in us-central1-a is still not allowed after 10 minutes: Required 'compute.instances.create'\n" +
      `You need compute.instances.create in local-project, and the right to act as ${ENVIRONMENT.serviceAccount}.`,
  );
  assert.ok(clock - START > 9 * 60_000 && clock - START <= 10 * 60_000, `gave up after ${clock - START} ms`);
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
    waits.map((wait) => /next try in (\d+) s/.exec(wait)?.[1]),
    ["1", "2", "4", "8"],
  );
  assert.equal(new Set(fake.inserts.map(({ query }) => query.get("requestId"))).size, 1);
});

test("a lost answer is asked for again, and the machine that was made is ours", async () => {
  const machine = await launch([{ lost: true }]);
  assert.equal(machine.zone, "us-central1-a");
  assert.equal(fake.inserts.length, 2);
  assert.equal(fake.machines.size, 1);
});

test("an operation that failed is tried again under a new request id", async () => {
  await launch([{ operation: "INTERNAL_ERROR" }]);
  assert.deepEqual(places, ["us-central1-a"]);
  assert.equal(new Set(fake.inserts.map(({ query }) => query.get("requestId"))).size, 2);
});

test("an operation that never ends: the machine that runs is taken", async () => {
  const machine = await launch([{ hangs: "RUNNING" }]);
  assert.equal(machine.zone, "us-central1-a");
  assert.deepEqual(fake.deleted, []);
});

test("an operation that never ends: a machine that does not run is deleted, the next zone tried", async () => {
  const machine = await launch([{ hangs: undefined }]);
  assert.equal(machine.zone, "us-central1-b");
  assert.deepEqual(fake.deleted, [`us-central1-a/${NAME}`]);
});

test("a machine of that name that is not ours stops the launch", async () => {
  fake.machines.set(`us-central1-a/${NAME}`, { status: "RUNNING", labels: {} });
  const engine = new VmEngine({ now: () => clock, sleep: async () => undefined });
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
  fake.machines.clear();
  const machine = await launch([], { attempt: 2 });
  assert.equal(machine.name, "mlt-test-run-20261121080000-0a1b-a02");
  assert.notEqual(fake.inserts[0]!.query.get("requestId"), fake.inserts[1]!.query.get("requestId"));
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
    fake.machines.set("us-central1-a/m", { status: status!, labels: {} });
    assert.equal(await engine.state(ENVIRONMENT, machine), state);
  }
});
