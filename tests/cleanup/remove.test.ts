import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { inventory } from "../../cleanup/inventory.ts";
import { remove } from "../../cleanup/remove.ts";
import { chosen, planRemoval, verdict } from "../../cleanup/verdict.ts";
import { marked } from "../../components/marks.ts";
import type { RunStatus } from "../../training/contract.ts";
import { type Bench, names, openBench, PROJECT, REGION, ZONE } from "./bench.ts";

const MOMENT = "20261121080000";
const machineOf = (environment: string, index: number): string => `${environment}-run-${MOMENT}-000${index}-a01`;
const runOf = (index: number): string => `demo-${MOMENT}-000${index}`;

/** A run's records, and the labels and metadata of its machine. */
async function run(bench: Bench, bucket: string, index: number, minutes: number): Promise<Record<string, unknown>> {
  const id = runOf(index);
  const submitted = new Date(Date.now() - 60_000).toISOString();
  const deadline = new Date(Date.now() + minutes * 60_000).toISOString();
  const status = { schema: 1, id, phase: "running", attempt: 1, restarts: 0, deadline, heartbeat: submitted };
  await bench.put(bucket, `runs/${id}/spec.json`, JSON.stringify({ id, deadline, maxRestarts: 0, keepMinutes: 0 }));
  await bench.put(bucket, `runs/${id}/status.json`, JSON.stringify({ ...status, times: { submitted } }));
  const environment = bucket.replace(/-data.*/, "");
  return {
    labels: { "mlt-environment": environment, "mlt-run": id, "mlt-attempt": "1" },
    metadata: { items: [{ key: "mlt-bucket", value: bucket }] },
  };
}

async function status(bench: Bench, bucket: string, index: number): Promise<RunStatus> {
  return JSON.parse(String(await bench.read(bucket, `runs/${runOf(index)}/status.json`))) as RunStatus;
}

describe("what goes", () => {
  let bench: Bench;
  beforeEach(async (t) => {
    bench = await openBench(t as never);
  });

  test("all of an environment goes, users before what they use; its buckets only with the data", async () => {
    const subnetwork = await bench.network("ml-a");
    await bench.bucket("ml-a", "ml-a-data-0123abc");
    await bench.machine("ml-a", subnetwork, machineOf("ml-a", 1), await run(bench, "ml-a-data-0123abc", 1, 60));
    await bench.identity("ml-a");
    const kept = await bench.identity("ml-a-b");
    await bench.bucket("ml-a-b", "ml-a-b-data-0123abc");
    const router = {
      name: `ml-a-${REGION}-0123abc`,
      description: marked("x", "ml-a"),
      network: `projects/${PROJECT}/global/networks/ml-a-0123abc`,
    };
    await bench.compute("POST", `regions/${REGION}/routers`, router);

    const found = await inventory(PROJECT, { environment: "ml-a" });
    const plan = planRemoval(found);
    assert.deepEqual(
      plan.kept.map(({ item, why }) => `${item.name}: ${why}`),
      ["ml-a-data-0123abc: holds data: --include-data removes it, too"],
    );
    const lines: string[] = [];
    const { removed, failed } = await remove(found, plan, { progress: (line) => lines.push(line) });
    assert.deepEqual(failed, []);
    assert.equal(removed.length, 8);
    const order = (kind: string) => lines.findIndex((line) => line.startsWith(`removed ${kind} `));
    assert.ok(order("machine") < order("router") && order("router") < order("subnetwork"), lines.join("\n"));
    assert.ok(order("subnetwork") < order("network") && order("binding") < order("serviceAccount"), lines.join("\n"));
    const ended = await status(bench, "ml-a-data-0123abc", 1);
    assert.deepEqual(
      [ended.phase, ended.reason, ended.cancelRequested],
      ["cancelled", `${machineOf("ml-a", 1)} was removed by mlt clean (asked for)`, true],
    );

    const data = await inventory(PROJECT, { environment: "ml-a" });
    assert.deepEqual(names(data.items), ["bucket ml-a-data-0123abc"]);
    await remove(data, planRemoval(data, { includeData: true }));
    const after = await inventory(PROJECT, { environment: "ml-a" });
    assert.deepEqual(after.items, []);
    assert.equal(verdict(after).code, 0);
    assert.deepEqual(
      after.softDeleted.map(({ name, restorable }) => [name, restorable]),
      [["ml-a-data-0123abc", true]],
    );
    assert.deepEqual(names((await inventory(PROJECT, { environment: "ml-a-b" })).items), [
      `binding ml_a_b_selfDelete_0123abc of ${kept}`,
      "bucket ml-a-b-data-0123abc",
      "role ml_a_b_selfDelete_0123abc",
      `serviceAccount ${kept}`,
    ]);
  });

  test("without a name only what is past by itself goes: a stopped machine, one past its deadline, a lone disk", async () => {
    const subnetwork = await bench.network("ml-a");
    const bucket = "ml-a-data-0123abc";
    await bench.bucket("ml-a", bucket, { labels: { "mlt-environment": "ml-a", expires: "2026-01-01" } });
    for (const [index, minutes] of [
      [1, 60],
      [2, -1],
      [3, 60],
    ] as const) {
      await bench.machine("ml-a", subnetwork, machineOf("ml-a", index), await run(bench, bucket, index, minutes));
    }
    await bench.compute("POST", `zones/${ZONE}/instances/${machineOf("ml-a", 3)}/stop`);
    const disk = { name: machineOf("ml-a", 4), sizeGb: "50", labels: { "mlt-environment": "ml-a" } };
    await bench.compute("POST", `zones/${ZONE}/disks`, disk);

    const found = await inventory(PROJECT);
    const why = (index: number, kind = "machine") =>
      found.items.find((item) => item.kind === kind && item.name === machineOf("ml-a", index))?.past;
    assert.equal(why(1), undefined);
    assert.match(why(2) ?? "", /^past its deadline \(/);
    assert.match(why(3) ?? "", /^stopped.*: Google's time limit no longer counts$/);
    assert.equal(why(4, "disk"), "its machine is gone");
    const plan = planRemoval(found, { includeData: true });
    assert.deepEqual(names(plan.remove), [
      `disk ${machineOf("ml-a", 4)}`,
      `machine ${machineOf("ml-a", 2)}`,
      `machine ${machineOf("ml-a", 3)}`,
    ]);
    const bucketKept = plan.kept.find(({ item }) => item.kind === "bucket");
    assert.match(
      bucketKept?.why ?? "",
      /^ml-a-run-.*-a01 runs in ml-a until .* UTC: name the environment to remove it all$/,
    );
    assert.ok(plan.kept.every(({ item }) => item.past?.startsWith("the environment expired on 2026-01-01")));

    assert.deepEqual((await remove(found, plan)).failed, []);
    const after = await inventory(PROJECT);
    assert.deepEqual(names(after.items.filter(({ kind }) => kind === "machine" || kind === "disk")), [
      `disk ${machineOf("ml-a", 1)}`,
      `machine ${machineOf("ml-a", 1)}`,
    ]);
    assert.equal((await status(bench, bucket, 1)).phase, "running");
    assert.match(
      (await status(bench, bucket, 2)).reason ?? "",
      /^time limit reached \(.*\); ml-a-run-.* was removed by mlt clean$/,
    );
    assert.equal((await status(bench, bucket, 2)).phase, "timedOut");
    assert.equal((await status(bench, bucket, 3)).phase, "lost");
  });

  test("an expired environment goes as a whole, unless a machine is started in it before the answer comes", async () => {
    const subnetwork = await bench.network("ml-a");
    const labels = { "mlt-environment": "ml-a", expires: "2026-01-01" };
    await bench.bucket("ml-a", "ml-a-data-0123abc", { labels });
    await bench.network("ml-b", "ml-b-0123abc").catch(() => undefined);
    const found = await inventory(PROJECT);
    assert.deepEqual(names(chosen(found)), [
      "bucket ml-a-data-0123abc",
      "network ml-a-0123abc",
      `subnetwork ml-a-${REGION}-0123abc`,
    ]);
    await bench.machine("ml-a", subnetwork, machineOf("ml-a", 1));
    const plan = planRemoval(found, { includeData: true });
    assert.equal(plan.remove.length, 3);
    const halted = await remove(found, plan);
    assert.deepEqual(halted.removed, []);
    assert.equal(halted.kept[0]?.why, `${machineOf("ml-a", 1)} was started in ml-a in the meantime`);

    await bench.compute("DELETE", `zones/${ZONE}/instances/${machineOf("ml-a", 1)}`);
    const again = await remove(found, plan);
    assert.deepEqual([again.removed.length, again.failed, again.kept], [3, [], []]);
  });

  test("a failure ends nothing: the rest goes, and Google's reason is told", async () => {
    const subnetwork = await bench.network("ml-a");
    await bench.machine("ml-a", subnetwork, "foreign", { labels: {} });
    await bench.compute("POST", `zones/${ZONE}/disks`, {
      name: "ml-a-spare",
      sizeGb: "10",
      labels: { "mlt-environment": "ml-a" },
    });
    await bench.identity("ml-a");
    bench.cloud.cloud.faults.plan({
      id: "no",
      service: "compute",
      method: "DELETE",
      path: "disks/ml-a-spare",
      error: { code: 403, reason: "forbidden", message: "Required 'compute.disks.delete' permission" },
    });
    const found = await inventory(PROJECT, { environment: "ml-a" });
    const started = Date.now();
    // The boot disk of the stranger's machine carries our label, as it was made here: it is in use.
    const { removed, failed } = await remove(found, planRemoval(found), {
      sleep: async () => undefined,
      now: ticking(),
    });
    assert.ok(Date.now() - started < 20_000);
    const reasons = new Map(failed.map(({ item, why }) => [item.name, why]));
    assert.equal(reasons.get("ml-a-spare"), "Required 'compute.disks.delete' permission");
    assert.match(reasons.get("foreign") ?? "", /already being used by/);
    assert.match(reasons.get(subnetwork) ?? "", /already being used by/);
    assert.match(reasons.get("ml-a-0123abc") ?? "", /already being used by/);
    assert.deepEqual(names(removed), [
      `binding ml_a_selfDelete_0123abc of ml-a-machines@${PROJECT}.iam.gserviceaccount.com`,
      "role ml_a_selfDelete_0123abc",
      `serviceAccount ml-a-machines@${PROJECT}.iam.gserviceaccount.com`,
    ]);
    assert.deepEqual((await bench.policy()).bindings?.filter(({ role }) => role.includes("selfDelete")) ?? [], []);
  });

  test("what is in use for a moment is tried again, and an operation that fails is a reason", async () => {
    await bench.network("ml-a");
    const { faults } = bench.cloud.cloud;
    const busy = { code: 400, reason: "resourceInUseByAnotherResource", message: "in use" };
    faults.plan({ id: "busy", service: "compute", method: "DELETE", path: "subnetworks/", times: 3, error: busy });
    const found = await inventory(PROJECT, { environment: "ml-a" });
    const slept: number[] = [];
    const sleep = async (milliseconds: number) => void slept.push(milliseconds);
    const { failed } = await remove(found, planRemoval(found), { sleep });
    assert.deepEqual(failed, []);
    assert.deepEqual(
      slept.filter((milliseconds) => milliseconds >= 1000),
      [1000, 2000, 4000],
    );

    await bench.network("ml-a");
    const error = { code: "INTERNAL_ERROR", message: "Internal error. Code 12" };
    faults.plan({
      id: "broken",
      service: "compute",
      method: "DELETE",
      path: "global/networks/",
      operationError: error,
    });
    const second = await inventory(PROJECT, { environment: "ml-a" });
    const broken = await remove(second, planRemoval(second));
    assert.deepEqual(
      broken.failed.map(({ item, why }) => `${item.kind}: ${why}`),
      ["network: Internal error. Code 12"],
    );
  });

  test("somebody else's change of the policy in between is not undone", async () => {
    await bench.identity("ml-a");
    const { faults } = bench.cloud.cloud;
    const conflict = { code: 409, reason: "aborted", message: "There were concurrent policy changes." };
    await bench.call("POST", `iam/v1/projects/${PROJECT}/serviceAccounts`, { accountId: "stranger" });
    const member = `serviceAccount:stranger@${PROJECT}.iam.gserviceaccount.com`;
    await bench.bind("roles/compute.viewer", member, {
      title: "soon over",
      expression: 'request.time < timestamp("2030-01-01T00:00:00Z")',
    });
    faults.plan({ id: "conflict", path: "setIamPolicy", times: 1, error: conflict });
    const found = await inventory(PROJECT, { environment: "ml-a" });
    const { failed } = await remove(found, planRemoval(found), { sleep: async () => undefined });
    assert.deepEqual(failed, []);
    const { bindings = [] } = await bench.policy();
    assert.deepEqual(
      bindings.filter(({ role }) => role === "roles/compute.viewer").map(({ members }) => members),
      [[member]],
    );
    assert.ok(bindings.every(({ role }) => !role.includes("selfDelete")));
  });
});

/** A clock by which every wait is over soon. */
function ticking(): () => number {
  let now = Date.now();
  return () => {
    now += 15_000;
    return now;
  };
}
