import assert from "node:assert/strict";
import { test } from "node:test";
import * as baseImages from "../../catalog/baseImages.ts";
import * as courseLimits from "../../catalog/courseLimits.ts";
import * as gpus from "../../catalog/gpus.ts";
import * as machineTypes from "../../catalog/machineTypes.ts";
import * as prices from "../../catalog/prices.ts";
import * as zones from "../../catalog/zones.ts";

test("every table says when it was read", () => {
  for (const date of [baseImages.READ, courseLimits.READ, gpus.READ, machineTypes.READ, prices.AS_OF, zones.READ]) {
    assert.match(date, /^20\d\d-\d\d-\d\d$/);
  }
});

test("GPUs are in zones that exist and in machine types that exist", () => {
  const all = zones.allZones();
  for (const [type, gpu] of Object.entries(gpus.GPUS)) {
    assert.deepEqual(
      gpu.zones.filter((zone) => !all.includes(zone)),
      [],
      type,
    );
    assert.equal(new Set(gpu.zones).size, gpu.zones.length, type);
    const carried = Object.values(machineTypes.GPU_MACHINE_TYPES).some((machine) => machine.gpu === type);
    assert.ok(carried || gpu.attach, `${type} is in no machine`);
  }
  for (const [name, { gpu, reservedOnly }] of Object.entries(machineTypes.GPU_MACHINE_TYPES)) {
    assert.ok(gpus.GPUS[gpu] || reservedOnly, `${name} carries an unknown GPU`);
  }
});

test("no two regions share a subnet", () => {
  const octets = Object.values(zones.REGIONS).map(({ network }) => network);
  assert.equal(new Set(octets).size, octets.length);
  assert.ok(octets.every((octet) => Number.isInteger(octet) && octet > 0 && octet < 256));
});

test("zones and regions turn into each other", () => {
  for (const region of Object.keys(zones.REGIONS)) {
    assert.ok(zones.zonesOf(region).length >= 3, region);
    for (const zone of zones.zonesOf(region)) assert.equal(zones.regionOf(zone), region);
  }
  assert.deepEqual(zones.zonesOf("nowhere1"), []);
});

test("the default image is in the table and usable", () => {
  assert.ok(baseImages.BASE_IMAGES[baseImages.DEFAULT_IMAGE_FAMILY]);
  for (const { pattern } of baseImages.RETIRED_FAMILIES) {
    for (const family of Object.keys(baseImages.BASE_IMAGES)) assert.doesNotMatch(family, pattern);
  }
});

test("a price is the sum of its parts, and Spot costs less", () => {
  const standard = prices.hourlyPrice("e2-standard-4", false);
  const spot = prices.hourlyPrice("e2-standard-4", true);
  assert.deepEqual(standard, { perHour: 0.1339, currency: "USD", asOf: prices.AS_OF, approximate: true });
  assert.equal(spot?.perHour, 0.0536);
  const withGpu = prices.hourlyPrice("n1-standard-8", false, { gpu: { type: "nvidia-tesla-t4", count: 2 } });
  const without = prices.hourlyPrice("n1-standard-8", false);
  assert.equal(Math.round(((withGpu?.perHour ?? 0) - (without?.perHour ?? 0)) * 1000) / 1000, 0.7);
  const disk = prices.hourlyPrice("e2-standard-4", false, { bootDiskGb: 730 });
  assert.equal(Math.round(((disk?.perHour ?? 0) - (standard?.perHour ?? 0)) * 1000) / 1000, 0.1);
});

test("a price that is not known is not guessed", () => {
  assert.equal(prices.hourlyPrice("n9-standard-4", false), undefined);
  assert.equal(prices.hourlyPrice("a4-highgpu-8g", true), undefined);
  assert.equal(prices.hourlyPrice("e2-standard-4", true, { bootDiskGb: 10, bootDiskType: "pd-magic" }), undefined);
});

test("what stands costs per month: disks, addresses, images, snapshots, contents of buckets", () => {
  assert.equal(prices.diskPerMonth("pd-balanced", 50), 5);
  assert.equal(prices.diskPerMonth("pd-standard", 200), 8);
  assert.equal(prices.diskPerMonth("pd-magic", 50), undefined);
  assert.equal(prices.addressPerMonth("unused"), 7.3);
  assert.equal(prices.addressPerMonth("inUse"), 3.65);
  assert.equal(prices.addressPerMonth("inUseBySpot"), 1.825);
  assert.equal(prices.copyPerMonth("image", 2 * 2 ** 30), 0.1);
  assert.equal(prices.copyPerMonth("snapshot", 2 ** 30), 0.05);
  assert.equal(prices.storagePerMonth({}, false), 0);
  assert.equal(prices.storagePerMonth({ STANDARD: 100 * 2 ** 30, NEARLINE: 10 * 2 ** 30 }, false), 2.1);
  assert.equal(prices.storagePerMonth({ STANDARD: 100 * 2 ** 30 }, true), 2.6);
  assert.equal(prices.storagePerMonth({ STANDARD: 1, GLACIAL: 1 }, false), undefined);
});

test("every disk type that a machine's shape names has a price, and no class of storage is cheaper in more places", () => {
  for (const type of ["pd-standard", "pd-balanced", "pd-ssd", "hyperdisk-balanced"]) {
    assert.ok((prices.diskPerMonth(type, 1) ?? 0) > 0, type);
  }
  for (const [name, { region, multiRegion }] of Object.entries(prices.STORAGE_PRICES)) {
    assert.ok(multiRegion > region, name);
  }
});

test("each family's vCPUs, each GPU and each disk counts against a quota", () => {
  assert.deepEqual(["e2", "n1", "n2", "c3"].map(courseLimits.cpuMetric), ["CPUS", "CPUS", "N2_CPUS", "C3_CPUS"]);
  assert.equal(courseLimits.gpuMetric("nvidia-tesla-t4", false), "NVIDIA_T4_GPUS");
  assert.equal(courseLimits.gpuMetric("nvidia-l4", true), "PREEMPTIBLE_NVIDIA_L4_GPUS");
  const metrics = Object.keys(gpus.GPUS).map((type) => courseLimits.gpuMetric(type, false));
  assert.equal(new Set(metrics).size, metrics.length);
  for (const metric of metrics) assert.match(metric, /^NVIDIA_[A-Z0-9_]+_GPUS$/);
  assert.deepEqual(["pd-standard", "pd-balanced"].map(courseLimits.diskMetric), ["DISKS_TOTAL_GB", "SSD_TOTAL_GB"]);
});
