import assert from "node:assert/strict";
import { test } from "node:test";
import { VmEngine } from "../../training/engines/vm.ts";
import { ENVIRONMENT } from "../cli/workbench.ts";
import type { Answer } from "./fakeCompute.ts";
import { aroundEachTest, bench, launch, NAME, refused, SPEC, START } from "./vmBench.ts";

aroundEachTest();

const FAMILY =
  "https://www.googleapis.com/compute/v1/projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64";
const V1 = "projects/ubuntu-os-cloud/global/images/ubuntu-2404-lts-amd64-v1";
const disksFrom = (sourceImage: string) => [
  {
    kind: "compute#attachedDisk",
    index: 0,
    boot: true,
    autoDelete: true,
    initializeParams: { sourceImage, diskSizeGb: "50", diskType: "pd-balanced", labels: { a: "b" } },
  },
  { autoDelete: true, initializeParams: { diskSizeGb: "100" } },
];

test("a family becomes the exact image that is its newest now, sent with all disks complete", async () => {
  bench.fake.disks = disksFrom(FAMILY);
  const machine = await launch([]);
  assert.equal(machine.image, V1);
  assert.deepEqual(bench.fake.inserts[0]!.body.disks, [
    {
      boot: true,
      autoDelete: true,
      initializeParams: {
        sourceImage: V1,
        diskSizeGb: "50",
        diskType: "zones/us-central1-a/diskTypes/pd-balanced",
        labels: { a: "b" },
      },
    },
    { autoDelete: true, initializeParams: { diskSizeGb: "100" } },
  ]);
});

test("an exact image in the template is kept as it is, and nothing is looked up", async () => {
  bench.fake.disks = disksFrom("projects/p/global/images/exact-7");
  const machine = await launch([]);
  assert.equal(machine.image, "projects/p/global/images/exact-7");
  assert.equal("disks" in bench.fake.inserts[0]!.body, false);
  assert.equal(bench.fake.families, 0);
});

test("later attempts boot the image of the first, whatever the family or a new template says", async () => {
  for (const source of [FAMILY, "projects/p/global/images/exact-8"]) {
    bench.fake.disks = disksFrom(source);
    const machine = await launch([], { attempt: 2, launch: { image: "projects/p/global/images/old-1" } });
    assert.equal(machine.image, "projects/p/global/images/old-1");
    const [boot] = bench.fake.inserts.at(-1)!.body.disks as { initializeParams: { sourceImage: string } }[];
    assert.equal(boot!.initializeParams.sourceImage, "projects/p/global/images/old-1");
    bench.fake.machines.clear();
  }
  assert.equal(bench.fake.families, 0);
});

test("zones that failed the run lately come last, the latest at the very end; the others keep their order", async () => {
  const none: Answer = { operation: "ZONE_RESOURCE_POOL_EXHAUSTED" };
  const at = (minute: number) => `2026-11-21T07:0${minute}:00.000Z`;
  const launch_ = { setbacks: { "us-central1-a": at(2), "us-central1-b": at(1) } };
  const machine = await launch([none, none], { launch: launch_ });
  assert.deepEqual(bench.places, ["us-east1-b", "us-central1-b", "us-central1-a"]);
  assert.equal(machine.zone, "us-central1-a");
  assert.deepEqual(bench.setbacks, ["us-east1-b", "us-central1-b"]);
});

test("a run that was asked to stay in some zones stays there", async () => {
  const zones = ["us-east1-b", "us-central1-b"];
  const machine = await launch([{ operation: "ZONE_RESOURCE_POOL_EXHAUSTED" }], { spec: { zones } });
  assert.deepEqual([machine.zone, bench.places], ["us-central1-b", zones]);
  const error = await refused(launch([], { spec: { zones: ["asia-east1-a"] } }));
  assert.equal(
    error.message,
    "The run was to stay in asia-east1-a, and mlt-test has none of these any more; it has us-central1-a, us-central1-b, us-east1-b.",
  );
});

for (const code of ["ZONE_RESOURCE_POOL_EXHAUSTED", "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS"]) {
  test(`${code} as the answer to the call itself (503) moves on at once`, async () => {
    const message = `${code}: The zone 'projects/p/zones/us-central1-a' does not have enough resources`;
    const machine = await launch([{ http: 503, reason: "backendError", message }]);
    assert.equal(machine.zone, "us-central1-b");
    assert.deepEqual([bench.waits, bench.setbacks], [[], ["us-central1-a"]]);
  });
}

test("what is left of a machine that was taken back while it was made is removed before the next zone", async () => {
  const message = "Instance failed to start due to preemption.";
  const machine = await launch([{ operation: "UNSUPPORTED_OPERATION", message, leaves: "TERMINATED" }]);
  assert.equal(machine.zone, "us-central1-b");
  assert.deepEqual([...bench.fake.machines.keys()], [`us-central1-b/${NAME}`]);
  assert.deepEqual(bench.doubts, []);
});

test("UNSUPPORTED_OPERATION for another reason is no preemption, and stops", async () => {
  const error = await refused(launch([{ operation: "UNSUPPORTED_OPERATION", message: "Not in this project" }]));
  assert.equal(error.message, "Google refuses this machine in us-central1-a: Not in this project");
});

test("a zone that does not have the machine type is passed over; where none has it, all of them say so", async () => {
  const message = "Machine type with name 'n2-standard-4' does not exist in zone 'us-central1-a'.";
  const machine = await launch([{ http: 400, reason: "invalid", message }]);
  assert.equal(machine.zone, "us-central1-b");
  bench.fake.machines.clear();
  const environment = { zones: ["us-central1-a"] };
  const error = await refused(launch([{ http: 400, reason: "invalid", message }], { environment }));
  assert.equal(error.exitCode, 69);
  assert.match(
    error.message,
    /^No n2-standard-4 \(Spot\) is to be had:\n {2}us-central1-a: not to be had there \(Machine type/,
  );
});

test("a quota of all regions together leaves no other region to try; its details are read, too", async () => {
  const details = [
    {
      quotaInfo: {
        metricName: "compute.googleapis.com/cpus_all_regions",
        limitName: "CPUS-ALL-REGIONS-per-project",
        limit: 12,
      },
    },
  ];
  const error = await refused(launch([{ operation: "QUOTA_EXCEEDED", message: "quota", details }]));
  assert.equal(bench.fake.inserts.length, 1);
  assert.equal(
    error.message,
    [
      "No n2-standard-4 (Spot) is to be had:",
      "  all regions: quota CPUS-ALL-REGIONS-per-project is used up (limit 12)",
      "More quota: https://console.cloud.google.com/iam-admin/quotas?project=local-project",
    ].join("\n"),
  );
});

test("a quota of Spot machines alone does not stand in a standard machine's way", async () => {
  const message = "Quota 'PREEMPTIBLE_CPUS' exceeded.  Limit: 8.0 in region us-central1.";
  const answers: Answer[] = [
    { operation: "QUOTA_EXCEEDED", message },
    { operation: "QUOTA_EXCEEDED", message },
  ];
  const machine = await launch(answers, { spec: { fallbackToStandard: true } });
  assert.deepEqual([machine.spot, machine.zone], [false, "us-central1-a"]);
  assert.equal(bench.waits.length, 1);
});

test("403 because the service is off says how to turn it on", async () => {
  const message = "Compute Engine API has not been used in project 1 before or it is disabled.";
  const no: Answer = { http: 403, reason: "accessNotConfigured", message };
  const error = await refused(launch(Array.from({ length: 100 }, () => no)));
  assert.equal(
    error.message,
    `Making a machine in us-central1-a is still not allowed after 10 minutes: ${message}\nEnable the service: gcloud services enable compute.googleapis.com --project local-project`,
  );
});

test("five minutes of 503: what may have been made meanwhile is ours, else it is told", async () => {
  const busy: Answer = { http: 503, reason: "backendError", message: "try later" };
  const error = await refused(launch(Array.from({ length: 100 }, () => busy)));
  assert.equal(
    error.message,
    "Google did not take the request in us-central1-a for 5 minutes: try later. Try again later.",
  );
  assert.ok(
    bench.clock - START > 4 * 60_000 && bench.clock - START <= 5 * 60_000,
    `gave up after ${bench.clock - START} ms`,
  );
});

test("no machine of another name than a run's is ever removed", async () => {
  const engine = new VmEngine();
  const machine = { name: "database", zone: "us-central1-a", type: "e2-small", spot: false };
  bench.fake.machines.set("us-central1-a/database", { status: "RUNNING", labels: {} });
  const error = await refused(engine.remove(ENVIRONMENT, machine));
  assert.equal(
    error.message,
    "database is no training machine of mlt-test (their names begin with mlt-test-run-); it is left alone. Whoever wrote that into the run's status was no launcher.",
  );
  assert.deepEqual(bench.fake.deleted, []);
});

test("a sweep removes a run's earlier machines wherever they are, and no other run's", async () => {
  const engine = new VmEngine();
  const put = (key: string, run: string) =>
    bench.fake.machines.set(key, { status: "TERMINATED", labels: { "mlt-run": run } });
  put("us-central1-a/mlt-test-run-20261121080000-0a1b-a01", SPEC.id);
  put("us-east1-b/mlt-test-run-20261121080000-0a1b-a02", SPEC.id);
  put("us-central1-b/mlt-test-run-20261121080000-0a1b-a03", SPEC.id);
  put("us-central1-a/mlt-test-run-20261121090000-0a1b-a01", "other-20261121090000-0a1b");
  assert.deepEqual((await engine.sweep(ENVIRONMENT, SPEC.id, 3)).sort(), [
    "mlt-test-run-20261121080000-0a1b-a01",
    "mlt-test-run-20261121080000-0a1b-a02",
  ]);
  assert.deepEqual(bench.fake.deleted.sort(), [
    "us-central1-a/mlt-test-run-20261121080000-0a1b-a01",
    "us-east1-b/mlt-test-run-20261121080000-0a1b-a02",
  ]);
});

test("Google's own operations say that a machine was taken back", async () => {
  const engine = new VmEngine();
  const machine = { name: "mlt-test-run-x-a01", zone: "us-central1-a", type: "e2-small", spot: true };
  bench.fake.takenBack.add("us-central1-a/mlt-test-run-y-a01");
  assert.equal(await engine.preempted(ENVIRONMENT, machine), false);
  bench.fake.takenBack.add("us-central1-a/mlt-test-run-x-a01");
  assert.equal(await engine.preempted(ENVIRONMENT, machine), true);
  assert.equal(await engine.preempted(ENVIRONMENT, { ...machine, spot: false }), false);
});
