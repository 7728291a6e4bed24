import assert from "node:assert/strict";
import { test } from "node:test";
import { FAMILIES, findMachineType, predefinedTypes } from "../../catalog/machineTypes.ts";
import { checkMachineType, legalVcpus, nearestTypes } from "../../components/machineTypes.ts";

test("every type of the catalog is right", () => {
  for (const type of predefinedTypes()) {
    const { problems, warnings } = checkMachineType(type);
    if (type === "a4x-highgpu-4g") assert.match(problems[0] ?? "", /sold by reservation only/);
    else assert.deepEqual({ problems, warnings }, { problems: [], warnings: [] }, type);
  }
});

test("shapes are what Google sells", () => {
  const shapes: [string, number, number][] = [
    ["e2-standard-4", 4, 16],
    ["e2-micro", 2, 1],
    ["n1-standard-8", 8, 30],
    ["n2-highmem-128", 128, 864],
    ["n2-custom-8-16384", 8, 16],
    ["custom-2-4096", 2, 4],
    ["g2-standard-4", 4, 16],
    ["a2-highgpu-1g", 12, 85],
  ];
  for (const [type, vcpus, memory] of shapes) {
    const shape = findMachineType(type);
    assert.deepEqual([shape?.vcpus, shape?.memory], [vcpus, memory], type);
  }
});

const RIGHT_CUSTOM = [
  "n2-custom-8-16384",
  "n2-custom-8-16384-ext",
  "n2-custom-8-131072-ext",
  "n2-custom-36-36864",
  "n2d-custom-8-4096",
  "n2d-custom-32-65536",
  "e2-custom-2-1024",
  "e2-custom-32-131072",
  "n1-custom-1-1024",
  "custom-4-5120",
  "n4-custom-16-32768",
];
test("custom sizes that exist pass", () => {
  for (const type of RIGHT_CUSTOM) assert.deepEqual(checkMachineType(type).problems, [], type);
});

const IMPOSSIBLE: [string, string][] = [
  [
    "e2-standard-3",
    "there is no machine type e2-standard-3; the nearest are e2-standard-4, e2-standard-2, e2-standard-8",
  ],
  ["n2-custom-7-8192", "n2-custom-7-8192: n2 machines cannot have 7 vCPUs; the nearest number is 6"],
  ["n2-custom-34-36864", "n2-custom-34-36864: n2 machines cannot have 34 vCPUs; the nearest number is 32"],
  ["n2d-custom-6-8192", "n2d-custom-6-8192: n2d machines cannot have 6 vCPUs; the nearest number is 4"],
  ["n2-custom-8-16000", "n2-custom-8-16000: custom memory comes in multiples of 256 MiB; the nearest is 16128"],
  ["n2-custom-8-1024", "n2-custom-8-1024: 8 vCPUs of n2 need at least 4096 MiB; got 1024"],
  [
    "n2-custom-8-131072",
    "n2-custom-8-131072: 8 vCPUs of n2 take at most 65536 MiB, or add -ext for up to 884736 MiB; got 131072",
  ],
  ["e2-custom-8-8192-ext", "e2-custom-8-8192-ext: e2 machines have no extended memory; leave -ext away"],
  ["e2-custom-2-32768", "e2-custom-2-32768: 2 vCPUs of e2 take at most 16384 MiB; got 32768"],
  ["c2-custom-4-8192", "c2 machines have no custom sizes (c2-custom-4-8192); those of e2, n1, n2, n2d, n4 have"],
  ["e2", 'must be the name of a machine type such as e2-standard-4 or n2-custom-8-16384; got "e2"'],
  [
    "E2-standard-4",
    'must be the name of a machine type such as e2-standard-4 or n2-custom-8-16384; got "E2-standard-4"',
  ],
  [
    "e2-standard-4 ",
    'must be the name of a machine type such as e2-standard-4 or n2-custom-8-16384; got "e2-standard-4 "',
  ],
  [
    "g2-standard-6",
    "there is no machine type g2-standard-6; the nearest are g2-standard-8, g2-standard-4, g2-standard-12",
  ],
];
for (const [type, message] of IMPOSSIBLE) {
  test(`impossible: ${type}`, () => assert.deepEqual(checkMachineType(type).problems, [message]));
}

test("a family that the catalog does not hold is a doubt, not an error", () => {
  for (const type of ["n9-standard-4", "z3-highmem-88", "x4-megamem-960-metal", "n9-custom-4-8192"]) {
    const { problems, warnings, shape } = checkMachineType(type);
    assert.deepEqual(problems, [], type);
    assert.equal(shape, undefined);
    assert.match(warnings[0] ?? "", new RegExp(`^${type} is not in this program's catalog: it may be newer`));
  }
});

test("every legal vCPU count of every custom family passes with its least and most memory", () => {
  for (const [family, { custom }] of Object.entries(FAMILIES)) {
    if (!custom) continue;
    for (const vcpus of legalVcpus(family)) {
      const least: number = Math.ceil((custom.minMemory * vcpus * 1024) / 256) * 256;
      const most: number = Math.floor(Math.min(custom.maxMemory * vcpus, custom.totalMemory) * 4) * 256;
      for (const mib of [least, most])
        assert.deepEqual(
          checkMachineType(`${family}-custom-${vcpus}-${mib}`).problems,
          [],
          `${family} ${vcpus} ${mib}`,
        );
      for (const mib of [least - 256, most + 256]) {
        assert.equal(
          checkMachineType(`${family}-custom-${vcpus}-${mib}`).problems.length,
          1,
          `${family} ${vcpus} ${mib}`,
        );
      }
    }
  }
});

test("the nearest types share the word in the middle", () => {
  assert.deepEqual(
    nearestTypes(
      "n2-highmem-5",
      predefinedTypes().filter((type) => type.startsWith("n2-")),
      2,
    ),
    ["n2-highmem-4", "n2-highmem-8"],
  );
});
