import assert from "node:assert/strict";
import { test } from "node:test";
import { GPUS } from "../../catalog/gpus.ts";
import { GPU_MACHINE_TYPES } from "../../catalog/machineTypes.ts";
import { allZones, zonesOf } from "../../catalog/zones.ts";
import { type MachineWish, planMachine } from "../../components/accelerators.ts";

const wish = (more: Partial<MachineWish>): MachineWish => ({
  machineType: "e2-standard-4",
  spot: true,
  candidates: zonesOf("us-central1"),
  ...more,
});

test("a machine without a GPU: Spot is never moved, a standard one is", () => {
  assert.equal(planMachine(wish({})).onHostMaintenance, "TERMINATE");
  const standard = planMachine(wish({ spot: false }));
  assert.equal(standard.onHostMaintenance, "MIGRATE");
  assert.deepEqual(standard.guestAccelerators, []);
  assert.deepEqual(standard.zones, zonesOf("us-central1"));
});

test("a type that carries its GPU asks for no other, and goes where that GPU is", () => {
  for (const type of Object.keys(GPU_MACHINE_TYPES)) {
    const plan = planMachine(wish({ machineType: type, candidates: allZones() }));
    assert.deepEqual(plan.guestAccelerators, [], type);
    if (plan.problems.length > 0) continue;
    assert.equal(plan.onHostMaintenance, "TERMINATE", type);
    assert.deepEqual(
      plan.zones,
      allZones().filter((zone) => GPUS[plan.gpu?.type ?? ""]?.zones.includes(zone)),
      type,
    );
  }
});

test("an attached GPU is asked for, and even a standard machine is stopped for maintenance", () => {
  const plan = planMachine(
    wish({ machineType: "n1-standard-8", gpu: { type: "nvidia-tesla-t4", count: 1 }, spot: false }),
  );
  assert.deepEqual(plan.problems, []);
  assert.deepEqual(plan.guestAccelerators, [{ type: "nvidia-tesla-t4", count: 1 }]);
  assert.equal(plan.onHostMaintenance, "TERMINATE");
});

const WRONG: [string, Partial<MachineWish>, string][] = [
  [
    "GPU on a type that carries one",
    { machineType: "g2-standard-4", gpu: { type: "nvidia-l4", count: 1 } },
    "g2-standard-4 carries its GPU (1 × nvidia-l4); leave training.gpu away, got nvidia-l4",
  ],
  [
    "GPU on E2",
    { machineType: "e2-standard-4", gpu: { type: "nvidia-tesla-t4", count: 1 } },
    "nvidia-tesla-t4 can be attached to N1 machines only, such as n1-standard-8; got e2-standard-4",
  ],
  [
    "GPU that only comes with its machine",
    { machineType: "n1-standard-8", gpu: { type: "nvidia-l4", count: 1 } },
    "nvidia-l4 cannot be attached: it comes with the machine types g2-standard-4, g2-standard-8, g2-standard-12, g2-standard-16, g2-standard-24, g2-standard-32, g2-standard-48, g2-standard-96",
  ],
  [
    "unknown GPU",
    { machineType: "n1-standard-8", gpu: { type: "nvidia-tesla-t5", count: 1 } },
    "there is no GPU nvidia-tesla-t5; did you mean nvidia-tesla-t4?",
  ],
  [
    "GPU of the past",
    { machineType: "n1-standard-8", gpu: { type: "k80", count: 1 } },
    "there is no GPU k80; those to attach are nvidia-tesla-t4, nvidia-tesla-p4, nvidia-tesla-p100, nvidia-tesla-v100",
  ],
  [
    "count",
    { machineType: "n1-standard-8", gpu: { type: "nvidia-tesla-t4", count: 8 } },
    "nvidia-tesla-t4 comes in counts of 1, 2, 4; got 8",
  ],
  [
    "too many vCPUs for one GPU",
    { machineType: "n1-standard-16", gpu: { type: "nvidia-tesla-v100", count: 1 } },
    "1 × nvidia-tesla-v100 goes with at most 12 vCPUs; n1-standard-16 has 16",
  ],
  [
    "Spot only",
    { machineType: "a3-highgpu-1g", spot: false },
    "a3-highgpu-1g is sold as Spot, Flex-start or by reservation only; set training.spot to true",
  ],
];
for (const [title, more, message] of WRONG) {
  test(`refused: ${title}`, () => assert.deepEqual(planMachine(wish(more)).problems, [message]));
}

test("a named zone without the GPU is refused with the zones that have it", () => {
  const zones = ["us-central1-f", "us-central1-a"];
  const { problems } = planMachine(wish({ machineType: "g2-standard-4", zones, candidates: zones }));
  assert.deepEqual(problems, [`nvidia-l4 is not in us-central1-f; it is in ${GPUS["nvidia-l4"]?.zones.join(", ")}`]);
});

test("a region without the GPU is refused with the zones that have it", () => {
  const { problems } = planMachine(wish({ machineType: "g2-standard-4", candidates: zonesOf("africa-south1") }));
  assert.deepEqual(problems, [`nvidia-l4 is not in africa-south1; it is in ${GPUS["nvidia-l4"]?.zones.join(", ")}`]);
});
