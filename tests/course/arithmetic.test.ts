import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PROJECT_LIMITS } from "../../catalog/courseLimits.ts";
import { costOf, projectSum, projectsNeeded, type Quotas, roomOf } from "../../course/arithmetic.ts";
import { type Binding, policyNeed, studentBindings } from "../../course/bindings.ts";
import type { Course, Student } from "../../course/contract.ts";
import { parseCourse } from "../../course/courseFile.ts";
import { foundationPlan } from "../../course/stacks.ts";
import program from "../../index.ts";
import { IMAGE_CALL, record } from "../helpers/record.ts";

function courseOf(more = ""): Course {
  const text = `name: ml26
expires: 2027-02-28
projects: [course-aa, course-bb]
contact: Ann
instructors: ["user:ann@example.com"]
state: file:///states
${more}`;
  const { course, problems } = parseCourse(text, "/c");
  assert.deepEqual(problems, []);
  return course!;
}

const classOf = (count: number, overrides: Student["overrides"] = {}): Student[] =>
  Array.from({ length: count }, (_, index) => {
    const id = `s${String(index + 1).padStart(3, "0")}`;
    return { id, name: id, member: `user:${id}@example.com`, overrides, line: index + 2 };
  });

const lines = (course: Course, students: Student[], quotas?: Quotas[string]) =>
  Object.fromEntries(
    projectSum(course, "course-aa", students, quotas).needs.map(({ key, region, need, have, fits }) => [
      region ? `${key} ${region}` : key,
      `${need}/${have}${fits ? "" : " SHORT"}`,
    ]),
  );

test("what a student adds to the project's policy is what the foundation registers for it", async () => {
  const course = courseOf();
  const places = Object.fromEntries(
    classOf(2).map(({ id }) => [id, { id, project: "course-aa", environment: `ml26-${id}`, stack: `ml26-${id}` }]),
  );
  const plan = foundationPlan({ course, record: {}, places }, "course-aa");
  const config = Object.fromEntries(
    Object.entries(plan.config).map(([key, value]) => [
      key.includes(":") ? key : `mltraining:${key}`,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
  const recording = await record(program, {
    stack: plan.name,
    config: { "gcp:project": "course-aa", ...config },
    calls: IMAGE_CALL,
    // The random part of the automatic names.
    state: ({ type, name }) => (type === "gcp:compute/network:Network" ? { name: `${name}-1a2b3c4` } : undefined),
  });
  const members = recording.ofType("gcp:projects/iAMMember:IAMMember").map(({ inputs }) => inputs);
  const registered = members
    .filter(({ member }) => String(member).includes("ml26-s001"))
    .map(({ role, member, condition }) => ({
      role,
      members: [member],
      ...(condition ? { condition } : {}),
    })) as Binding[];
  const bare = (bindings: Binding[]) =>
    bindings
      .map((binding) => ({ ...binding, role: binding.role.replace(/[0-9a-f]{7}$/, "") }))
      .sort((a, b) => (a.role < b.role ? -1 : 1));
  assert.deepEqual(bare(registered), bare(studentBindings(course, "s001", "course-aa")));
  const accounts = recording.ofType("gcp:serviceaccount/account:Account");
  assert.equal(accounts.length, 2, "one service account a student");
});

test("a policy's size is that of the bindings as Google stores them", () => {
  const course = courseOf();
  const bindings = studentBindings(course, "s001", "course-aa");
  const need = policyNeed(bindings);
  assert.deepEqual([need.principals, need.conditional], [4, 1]);
  const whole = classOf(30).flatMap(({ id }) => studentBindings(course, id, "course-aa"));
  const merged = new Map<string, Binding>();
  for (const binding of whole) {
    const key = binding.condition ? JSON.stringify(binding) : binding.role;
    const known = merged.get(key);
    if (known) known.members.push(...binding.members);
    else merged.set(key, structuredClone(binding));
  }
  const bytes = JSON.stringify([...merged.values()]).length;
  assert.ok(need.bytes * 30 <= bytes && bytes < need.bytes * 31, `${bytes} against ${need.bytes * 30}`);
});

test("a project's room is what its first full limit allows, never more", () => {
  const course = courseOf();
  const { students, bound } = roomOf(course, "course-aa", 4);
  const fits = (count: number) =>
    projectSum(course, "course-aa", classOf(count), undefined)
      .needs.filter(({ source }) => source === "limit")
      .every((need) => need.fits);
  assert.ok(students > 20 && students <= PROJECT_LIMITS.serviceAccounts.most - 2, String(students));
  assert.equal(bound, "bytes of the policy");
  assert.ok(fits(students));
  assert.ok(!fits(students + 3));
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.stringMatching(/^[a-z][a-z0-9-]{4,26}[a-z0-9]$/),
      (width, project) => {
        const room = roomOf(course, project, width).students;
        const names = Array.from({ length: room }, (_, index) => ({
          ...classOf(1)[0]!,
          id: String(index).padStart(width, "0").slice(-width),
        }));
        assert.ok(
          projectSum(course, project, names, undefined)
            .needs.filter(({ source }) => source === "limit")
            .every((need) => need.fits),
        );
      },
    ),
    { numRuns: 30 },
  );
});

test("everybody at once: a workstation where there is one, and a run, each against its own quota", () => {
  assert.deepEqual(lines(courseOf(), classOf(10)), {
    serviceAccounts: "12/100",
    principals: "60/1500",
    conditionalBindings: "1/20",
    policyBytes: lines(courseOf(), classOf(10)).policyBytes,
    "CPUS us-central1": "40/24 SHORT",
    CPUS_ALL_REGIONS: "40/32 SHORT",
    "SSD_TOTAL_GB us-central1": "500/500",
    "IN_USE_ADDRESSES us-central1": "1/8",
  });
  const stations = courseOf(
    "workstation: {machineType: n2-standard-2, externalIp: true, sshFrom: [203.0.113.7/32], zone: us-east1-b, dataDiskGb: 20}\n",
  );
  const some = lines(stations, [...classOf(2), ...classOf(1, { workstation: false })]);
  assert.equal(some["N2_CPUS us-east1"], "4/24");
  assert.equal(some["CPUS us-central1"], "12/24");
  assert.equal(some.CPUS_ALL_REGIONS, "16/32");
  assert.equal(some["SSD_TOTAL_GB us-east1"], "140/500");
  assert.equal(some["IN_USE_ADDRESSES us-east1"], "2/8");
});

test("GPUs count by type, Spot ones by themselves; what is not granted is 0", () => {
  const gpu = courseOf("limits: {gpus: 1, machineTypes: [g2-standard-4]}\n");
  const needs = lines(gpu, classOf(3));
  assert.equal(needs["PREEMPTIBLE_NVIDIA_L4_GPUS us-central1"], "3/0 SHORT");
  assert.equal(needs.GPUS_ALL_REGIONS, "3/0 SHORT");
  const read = {
    project: { CPUS_ALL_REGIONS: { limit: 500, usage: 0 } },
    regions: {
      "us-central1": { PREEMPTIBLE_NVIDIA_L4_GPUS: { limit: 4, usage: 1 }, PREEMPTIBLE_CPUS: { limit: 100, usage: 0 } },
    },
  };
  const asked = lines(gpu, classOf(3), read);
  assert.equal(asked["PREEMPTIBLE_NVIDIA_L4_GPUS us-central1"], "3/4");
  assert.equal(asked["PREEMPTIBLE_CPUS us-central1"], "12/100");
  assert.equal(asked["CPUS us-central1"], undefined, "Spot has a quota of its own here");
  assert.equal(asked.GPUS_ALL_REGIONS, "3/0 SHORT", "absent counts as not granted");
});

test("a course needs as many projects as its limits say, and more if no quota is raised", () => {
  const course = courseOf();
  const { students } = roomOf(course, "course-aa", 4);
  const needed = projectsNeeded(course, classOf(200), undefined);
  assert.deepEqual(needed, {
    have: 2,
    byLimits: Math.ceil(200 / students),
    byQuotas: Math.ceil(800 / 24),
    bounds: { limit: "bytes of the policy", quota: "CPUS" },
  });
  const gpu = projectsNeeded(courseOf("limits: {gpus: 1, machineTypes: [g2-standard-4]}\n"), classOf(2), undefined);
  assert.equal(gpu.byQuotas, undefined);
  assert.match(gpu.bounds.quota ?? "", /GPUS/);
});

test("what a course costs at its limits: hours at the dearest machine, disks of workstations at all hours", () => {
  const course = courseOf("limits: {machineTypes: [e2-standard-4, e2-standard-8], hoursPerWeek: 10}\n");
  // 50 GB of balanced disk are 0.1 USD per GB and month.
  const disk = (50 * 0.1) / 730;
  const [dear, usual] = [8 * 0.0218 + 32 * 0.00292 + disk, (4 * 0.0218 + 16 * 0.00292) * 0.4 + disk];
  const cost = costOf(course, classOf(2), "2027-02-01");
  assert.deepEqual(cost, {
    currency: "USD",
    mostPerWeek: Math.round(2 * 10 * dear * 100) / 100,
    usualPerWeek: Math.round(2 * 10 * usual * 100) / 100,
    weeks: 4,
    mostInAll: cost.mostInAll,
    usualInAll: cost.usualInAll,
    unpriced: [],
  });
  assert.ok(Math.abs(cost.mostInAll - 4 * cost.mostPerWeek) < 0.05);
  const more = costOf({ ...course, workstation: {} }, classOf(2), "2027-02-01");
  const standing = 2 * 158 * disk;
  assert.ok(Math.abs(more.mostPerWeek - cost.mostPerWeek - standing) < 0.02);
  assert.equal(costOf(course, classOf(1, { hoursPerWeek: 20 }), "2027-02-01").mostPerWeek, cost.mostPerWeek);
  assert.equal(costOf(course, classOf(1), "2027-03-01").weeks, 0);
  assert.deepEqual(costOf(course, classOf(1, { machineTypes: ["z9-standard-4"] }), "2027-02-01").unpriced, ["s001"]);
});
