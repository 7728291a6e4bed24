import assert from "node:assert/strict";
import { test } from "node:test";
import { hoursOf, type Ledger, noted } from "../../course/limits/ledger.ts";
import { broken, kindOf, type Machine, RECORD_GRACE_MS, type Situation } from "../../course/limits/limits.ts";
import { LOOSE_AFTER_MS, looseDisks, machineOf } from "../../course/limits/sightings.ts";

// A Saturday.
const NOW = Date.parse("2026-11-21T12:00:00Z");
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const ACCOUNT = "ml26-s001-machines@course-one.iam.gserviceaccount.com";
const RUN = "census-20261121080000-ab12";

function machine(more: Partial<Machine> = {}): Machine {
  return {
    id: "1",
    name: "ml26-s001-run-20261121080000-ab12-a01",
    zone: "us-central1-a",
    project: "course-one",
    status: "RUNNING",
    type: "e2-standard-4",
    spot: true,
    gpus: [],
    created: NOW - 10 * MINUTE,
    maxRunSeconds: 2 * 3600,
    atItsEnd: "DELETE",
    publicAddress: false,
    serviceAccount: ACCOUNT,
    diskGb: 50,
    run: RUN,
    ...more,
  };
}

const workstation = (more: Partial<Machine> = {}): Machine => {
  const { maxRunSeconds: _limit, atItsEnd: _end, run: _run, ...rest } = machine();
  return { ...rest, name: "ml26-s001-ws", type: "e2-standard-2", spot: false, ...more };
};

function situation(more: Partial<Situation> = {}): Situation {
  return {
    limits: { machineTypes: ["e2-standard-4", "e2-standard-8"], gpus: 0, hoursPerWeek: 20, costPerRun: 2, maxHours: 3 },
    account: ACCOUNT,
    now: NOW,
    hours: 5,
    workstation: { type: "e2-standard-2", gpus: 0, publicAddress: false },
    isRun: () => true,
    ...more,
  };
}

const reasons = (one: Machine, more: Partial<Situation> = {}): string[] =>
  broken("ml26-s001", [one], situation(more)).flatMap((each) => each.reasons);

test("a machine within the limits is left alone, and so is one of another's", () => {
  assert.deepEqual(reasons(machine()), []);
  assert.deepEqual(reasons(workstation()), []);
  const huge = { type: "a2-megagpu-16g", maxRunSeconds: 99 * 3600, publicAddress: true };
  for (const name of [
    "ml26-s0010-run-x",
    "ml26-s001",
    "ml26-s001-runx",
    "ml26-s001-wsx",
    "x-ml26-s001-run-x",
    "other",
  ]) {
    assert.equal(kindOf(name, "ml26-s001"), undefined, name);
    assert.deepEqual(reasons(machine({ ...huge, name })), [], name);
  }
});

const { maxRunSeconds: _limit, ...endless } = machine();
const { run: _run, ...forNothing } = machine();
const { serviceAccount: _account, ...without } = machine();

const BREAKING: [string, Machine, Partial<Situation>, string[]][] = [
  [
    "another machine type",
    machine({ type: "e2-standard-16" }),
    {},
    ["machine type e2-standard-16 is none of e2-standard-4, e2-standard-8"],
  ],
  ["no time limit", endless, {}, ["it has no time limit (scheduling.maxRunDuration)"]],
  ["too long a limit", machine({ maxRunSeconds: 4 * 3600 }), {}, ["its time limit of 4 h is over 3 h"]],
  [
    "a stop in the place of a deletion",
    machine({ atItsEnd: "STOP" }),
    {},
    ["Google would not delete it when its time is over"],
  ],
  ["a machine that outlived its time", machine({ created: NOW - 4 * HOUR }), {}, ["it is older than 3 h"]],
  [
    "too dear a run",
    machine({ type: "e2-standard-8", spot: false, maxRunSeconds: 3 * 3600 }),
    { limits: { ...situation().limits, costPerRun: 0.5 } },
    ["its run may cost 0.82 USD, and 0.50 may be spent on one"],
  ],
  ["the week's hours", machine(), { hours: 20.5 }, ["20.5 h of this week's 20 h are used"]],
  ["a public address", machine({ publicAddress: true }), {}, ["it has a public address"]],
  [
    "another's account",
    machine({ serviceAccount: "ml26-s002-machines@course-one.iam.gserviceaccount.com" }),
    {},
    [`it runs as ml26-s002-machines@course-one.iam.gserviceaccount.com and not as ${ACCOUNT}`],
  ],
  ["no run", forNothing, {}, ["it is for no run (metadata mlt-run)"]],
  [
    "a run that nobody wrote down",
    machine(),
    { isRun: () => false },
    [`it is for the run ${RUN}, which is not on record`],
  ],
  [
    "a disk as large as a library",
    machine({ diskGb: 4000 }),
    { limits: { ...situation().limits, costPerRun: 99 } },
    ["its disks have 4000 GB, and 200 GB may be"],
  ],
  [
    "a machine that was stopped",
    machine({ status: "TERMINATED" }),
    {},
    ["it is terminated, which ends its time limit, and its disk costs"],
  ],
];

for (const [what, one, more, expected] of BREAKING) {
  test(`${what}: deleted`, () => {
    const [found, ...rest] = broken("ml26-s001", [one], situation(more));
    assert.deepEqual(rest, []);
    assert.equal(found?.action, "delete");
    assert.deepEqual(found?.reasons, expected);
  });
}

test("everything that is wrong is told at once", () => {
  const told = reasons({
    ...endless,
    type: "n2-standard-32",
    publicAddress: true,
    gpus: [{ type: "nvidia-tesla-t4", count: 2 }],
  });
  assert.deepEqual(told, [
    "machine type n2-standard-32 is none of e2-standard-4, e2-standard-8",
    "it has a public address",
    "it has no time limit (scheduling.maxRunDuration)",
    "with it 2 GPUs run at once, and 0 may",
  ]);
});

test("a young machine may be without record, one whose record cannot be asked for, too; one without account may be", () => {
  const created = NOW - RECORD_GRACE_MS;
  assert.deepEqual(reasons({ ...forNothing, created }), []);
  assert.deepEqual(reasons(machine({ created }), { isRun: () => false }), []);
  assert.deepEqual(reasons(machine(), { isRun: () => undefined }), []);
  assert.deepEqual(reasons(without), []);
  assert.deepEqual(
    reasons(machine({ maxRunSeconds: 3 * 3600 + 30 })),
    [],
    "Google writes a little more than was asked for",
  );
  assert.deepEqual(reasons(machine({ type: "huge", status: "STOPPING" })), [], "it is on its way out");
});

test("of several GPUs at once the newest machines go", () => {
  const t4 = [{ type: "nvidia-tesla-t4", count: 1 }];
  const limits = { ...situation().limits, machineTypes: ["n1-standard-4"], gpus: 2, costPerRun: 99 };
  const old = machine({ name: "ml26-s001-run-1", type: "n1-standard-4", gpus: t4, created: NOW - 3 * MINUTE });
  const middle = { ...old, name: "ml26-s001-run-2", created: NOW - 2 * MINUTE };
  const young = { ...old, name: "ml26-s001-run-3", created: NOW - MINUTE };
  const stopped = { ...old, name: "ml26-s001-run-0", status: "TERMINATED", created: NOW - 4 * MINUTE };
  const found = broken("ml26-s001", [young, stopped, old, middle], situation({ limits }));
  assert.deepEqual(
    found.map(({ machine: { name }, reasons: why }) => [name, why]),
    [["ml26-s001-run-3", ["with it 3 GPUs run at once, and 2 may"]]],
  );
  // A type with GPUs of its own counts, whether Google lists them or not.
  const own = machine({ type: "a2-highgpu-2g", gpus: [] });
  assert.ok(
    reasons(own, { limits: { ...limits, machineTypes: ["a2-highgpu-2g"], gpus: 1 } }).includes(
      "with it 2 GPUs run at once, and 1 may",
    ),
  );
});

test("a workstation is stopped and never deleted, and only while it runs", () => {
  const cases: [Machine, Partial<Situation>, string[]][] = [
    [workstation({ type: "n2-standard-32" }), {}, ["its machine type is n2-standard-32 and not e2-standard-2"]],
    [workstation({ publicAddress: true }), {}, ["it has a public address"]],
    [workstation(), { hours: 21 }, ["21 h of this week's 20 h are used"]],
    [workstation({ serviceAccount: "x@y" }), {}, [`it runs as x@y and not as ${ACCOUNT}`]],
    [workstation(), { workstation: undefined }, ["this student has no workstation"]],
  ];
  for (const [one, more, expected] of cases) {
    const [found] = broken("ml26-s001", [one], situation(more));
    assert.deepEqual([found?.action, found?.reasons], ["stop", expected]);
    assert.deepEqual(reasons({ ...one, status: "TERMINATED" }, more), []);
  }
  assert.deepEqual(
    reasons(workstation({ publicAddress: true }), {
      workstation: { type: "e2-standard-2", gpus: 0, publicAddress: true },
    }),
    [],
  );
});

test("hours are counted from the start, once, and by the week", () => {
  const seen = [{ environment: "ml26-s001", machine: machine({ created: NOW - 2 * HOUR }) }];
  const empty: Ledger = { schema: 1, spans: {} };
  const first = noted(empty, seen, NOW);
  assert.deepEqual([...hoursOf(first, NOW)], [["ml26-s001", 2]]);
  const later = noted(first, seen, NOW + HOUR);
  assert.deepEqual([...hoursOf(later, NOW + HOUR)], [["ml26-s001", 3]]);
  // Gone since: nothing is added, nothing forgotten.
  assert.deepEqual([...hoursOf(noted(later, [], NOW + 5 * HOUR), NOW + 5 * HOUR)], [["ml26-s001", 3]]);
  // A start again is another span; a stopped machine adds none.
  const again = noted(
    later,
    [{ environment: "ml26-s001", machine: machine({ created: NOW - 2 * HOUR, started: NOW + 2 * HOUR }) }],
    NOW + 3 * HOUR,
  );
  assert.deepEqual([...hoursOf(again, NOW + 3 * HOUR)], [["ml26-s001", 4]]);
  assert.deepEqual(noted(empty, [{ environment: "a", machine: machine({ status: "TERMINATED" }) }], NOW).spans, {});
  // Monday begins a new week, in the middle of a run, too.
  const monday = Date.parse("2026-11-23T00:00:00Z");
  const over = noted(
    empty,
    [{ environment: "ml26-s001", machine: machine({ created: monday - HOUR }) }],
    monday + HOUR,
  );
  assert.deepEqual([...hoursOf(over, monday + HOUR)], [["ml26-s001", 1]]);
  assert.deepEqual(noted(later, [], monday + HOUR).spans, {});
});

test("a disk that no machine holds is loose after a while; a workstation's never is", () => {
  const disk = (name: string, more: object = {}) => ({
    name,
    selfLink: "",
    zone: "https://example.test/zones/us-central1-a",
    sizeGb: "500",
    creationTimestamp: new Date(NOW - LOOSE_AFTER_MS - 1).toISOString(),
    ...more,
  });
  const loose = looseDisks(
    [
      disk("ml26-s001-run-big"),
      disk("ml26-s001-run-held", { users: ["x"] }),
      disk("ml26-s001-run-young", { creationTimestamp: new Date(NOW).toISOString() }),
      disk("ml26-s001-run-just-left", { lastDetachTimestamp: new Date(NOW - MINUTE).toISOString() }),
      disk("ml26-s001-ws"),
    ],
    NOW,
  );
  assert.deepEqual(loose, [
    { name: "ml26-s001-run-big", zone: "us-central1-a", reasons: ["no machine holds this disk of 500 GB"] },
  ]);
});

test("a machine as Google lists it", () => {
  const thing = {
    id: "42",
    name: "ml26-s001-run-x",
    selfLink: "",
    zone: "https://compute.googleapis.com/compute/v1/projects/p/zones/us-east1-b",
    status: "RUNNING",
    machineType: "https://compute.googleapis.com/compute/v1/projects/p/zones/us-east1-b/machineTypes/n1-standard-4",
    creationTimestamp: "2026-11-21T11:00:00Z",
    lastStartTimestamp: "2026-11-21T11:00:05Z",
    scheduling: { provisioningModel: "SPOT", maxRunDuration: { seconds: "3600" }, instanceTerminationAction: "DELETE" },
    guestAccelerators: [{ acceleratorType: "https://x/acceleratorTypes/nvidia-tesla-t4", acceleratorCount: 2 }],
    networkInterfaces: [{ accessConfigs: [] }, { ipv6AccessConfigs: [{}] }],
    serviceAccounts: [{ email: ACCOUNT }],
    disks: [{ diskSizeGb: "50" }, { diskSizeGb: "100" }],
    metadata: {
      items: [
        { key: "startup-script", value: "" },
        { key: "mlt-run", value: RUN },
      ],
    },
  };
  assert.deepEqual(machineOf(thing, "p"), {
    id: "42",
    name: "ml26-s001-run-x",
    zone: "us-east1-b",
    project: "p",
    status: "RUNNING",
    type: "n1-standard-4",
    spot: true,
    gpus: [{ type: "nvidia-tesla-t4", count: 2 }],
    created: Date.parse("2026-11-21T11:00:00Z"),
    started: Date.parse("2026-11-21T11:00:05Z"),
    maxRunSeconds: 3600,
    atItsEnd: "DELETE",
    publicAddress: true,
    serviceAccount: ACCOUNT,
    diskGb: 150,
    run: RUN,
  });
  const bare = machineOf({ name: "x", selfLink: "" }, "p");
  assert.deepEqual([bare.created, bare.maxRunSeconds, bare.run, bare.publicAddress], [0, undefined, undefined, false]);
});
