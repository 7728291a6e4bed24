import {
  cpuMetric,
  diskMetric,
  FAMILY_QUOTAS,
  gpuMetric,
  PROJECT_LIMITS,
  SERVICE_ACCOUNTS_OF_GOOGLE,
} from "../catalog/courseLimits.ts";
import { QUOTAS } from "../catalog/quotas.ts";
import { POLICY_BEFORE, policyNeed, studentBindings } from "./bindings.ts";
import type { Course, Place, Student } from "./contract.ts";
import { type Machine, type Machines, machinesOf } from "./machines.ts";
import { FOUNDATION_ID } from "./names.ts";

/** A quota as a project has it. */
export interface Quota {
  limit: number;
  usage: number;
}

/** Quotas that were read, by project. */
export type Quotas = Readonly<
  Record<
    string,
    { project: Readonly<Record<string, Quota>>; regions: Readonly<Record<string, Readonly<Record<string, Quota>>>> }
  >
>;

/** One line of a project's sum. */
export interface Need {
  /** `serviceAccounts`, `principals`, … or a quota's metric. */
  key: string;
  /** In words, with the unit. */
  what: string;
  /** Absent: of the whole project. */
  region?: string;
  need: number;
  have: number;
  /** `limit`: Google's, the same for everybody; `quota`: the project's, as read; `usual`: what new projects begin with. */
  source: "limit" | "quota" | "usual";
  /** What is used now, where it was read. */
  used?: number;
  fits: boolean;
}

export interface ProjectSum {
  project: string;
  students: number;
  needs: Need[];
}

/** Room that is kept in each project: Google's own account, and the student that `mlt course check` makes. */
const RESERVED_ACCOUNTS = SERVICE_ACCOUNTS_OF_GOOGLE + 1;

/** One student's part of the fixed limits. */
function fixedNeeds(course: Pick<Course, "name">, id: string, project: string) {
  const { principals, conditional, bytes } = policyNeed(studentBindings(course, id, project));
  return { serviceAccounts: 1, principals, conditional, bytes };
}

/** Students that a project can hold by the limits that nobody raises, and which of them is met first. */
export function roomOf(
  course: Pick<Course, "name">,
  project: string,
  idWidth: number,
): { students: number; bound: string } {
  const one = fixedNeeds(course, "x".repeat(Math.max(1, idWidth)), project);
  const { serviceAccounts, principals, policyBytes } = PROJECT_LIMITS;
  const rooms: [string, number][] = [
    ["service accounts", serviceAccounts.most - RESERVED_ACCOUNTS],
    ["principals of the policy", (principals.most - POLICY_BEFORE.principals) / one.principals - 1],
    ["bytes of the policy", (policyBytes.most - POLICY_BEFORE.bytes) / one.bytes - 1],
  ];
  const [bound, students] = rooms.reduce((least, each) => (each[1] < least[1] ? each : least));
  return { students: Math.max(0, Math.floor(students)), bound };
}

/**
 * What a project's students need at once: everybody's workstation and one run each, on the machine that a run takes
 * which names none. Pure.
 */
export function projectSum(
  course: Course,
  project: string,
  students: readonly Student[],
  quotas: Quotas[string] | undefined,
): ProjectSum {
  return {
    project,
    students: students.length,
    needs: [...limitNeeds(course, project, students), ...quotaNeeds(course, students, quotas)],
  };
}

function limitNeeds(course: Course, project: string, students: readonly Student[]): Need[] {
  const ones = students.map(({ id }) => fixedNeeds(course, id, project));
  const sum = (of: (one: (typeof ones)[number]) => number) => ones.reduce((total, one) => total + of(one), 0);
  const line = (key: string, what: string, need: number, have: number): Need => ({
    key,
    what,
    need,
    have,
    source: "limit",
    fits: need <= have,
  });
  const { serviceAccounts, principals, conditionalBindings, policyBytes } = PROJECT_LIMITS;
  return [
    line(
      "serviceAccounts",
      "service accounts",
      sum((one) => one.serviceAccounts) + RESERVED_ACCOUNTS,
      serviceAccounts.most,
    ),
    line(
      "principals",
      "principals in the policy",
      sum((one) => one.principals) + POLICY_BEFORE.principals,
      principals.most,
    ),
    line(
      "conditionalBindings",
      "conditional bindings of a role and principal",
      Math.max(0, ...ones.map((one) => one.conditional)),
      conditionalBindings.most,
    ),
    line("policyBytes", "bytes of the policy", sum((one) => one.bytes) + POLICY_BEFORE.bytes, policyBytes.most),
  ];
}

/** `us-central1 CPUS` → amount; an empty region: of the whole project. */
class Amounts {
  readonly all = new Map<string, { region?: string; key: string; need: number }>();

  add(region: string | undefined, key: string, need: number): void {
    if (need === 0) return;
    const name = `${region ?? ""} ${key}`;
    const known = this.all.get(name);
    if (known) known.need += need;
    else this.all.set(name, { region, key, need });
  }
}

function quotaNeeds(course: Course, students: readonly Student[], quotas: Quotas[string] | undefined): Need[] {
  const amounts = new Amounts();
  const granted = (region: string, key: string) => (quotas?.regions[region]?.[key]?.limit ?? 0) > 0;
  const count = (machine: Machine) => {
    const { region, shape, gpu, disks, spot } = machine;
    if (shape) {
      // Without a quota of their own, Spot machines count against the usual one.
      const own = spot && granted(region, "PREEMPTIBLE_CPUS");
      amounts.add(region, own ? "PREEMPTIBLE_CPUS" : cpuMetric(shape.family), shape.vcpus);
      amounts.add(undefined, "CPUS_ALL_REGIONS", shape.vcpus);
    }
    if (gpu) {
      amounts.add(region, gpuMetric(gpu.type, spot), gpu.count);
      amounts.add(undefined, "GPUS_ALL_REGIONS", gpu.count);
    }
    for (const { type, gb } of disks) amounts.add(region, diskMetric(type), gb);
    if (machine.externalIp) amounts.add(region, "IN_USE_ADDRESSES", 1);
  };
  for (const student of students) {
    const { workstation, run } = machinesOf(course, student);
    if (workstation) count(workstation);
    count(run);
  }
  if (students.length > 0) amounts.add(course.region, "IN_USE_ADDRESSES", 1);
  return [...amounts.all.values()].map(({ region, key, need }): Need => {
    const read = region === undefined ? quotas?.project[key] : quotas?.regions[region]?.[key];
    const usual = usualQuota(course, key);
    const have = quotas ? (read?.limit ?? 0) : usual;
    return {
      key,
      what: wordsOf(key),
      ...(region === undefined ? {} : { region }),
      need: Math.ceil(need),
      have,
      source: quotas ? "quota" : "usual",
      ...(read ? { used: read.usage } : {}),
      fits: need <= have,
    };
  });
}

/** What a new project begins with. */
function usualQuota({ preset }: Pick<Course, "preset">, key: string): number {
  const row: Readonly<Record<string, number>> = preset === "freeTrial" ? QUOTAS.freeTrial : QUOTAS.newProject;
  const trial = preset === "freeTrial" ? Math.min(QUOTAS.freeTrial.CPUS, FAMILY_QUOTAS[key] ?? 0) : FAMILY_QUOTAS[key];
  return row[key] ?? trial ?? 0;
}

/** A metric in people's words. */
export function wordsOf(metric: string): string {
  const known: Readonly<Record<string, string>> = {
    CPUS: "vCPUs (E2, N1)",
    CPUS_ALL_REGIONS: "vCPUs, all regions",
    GPUS_ALL_REGIONS: "GPUs, all regions",
    PREEMPTIBLE_CPUS: "vCPUs of Spot machines",
    SSD_TOTAL_GB: "GB of SSD and balanced disks",
    DISKS_TOTAL_GB: "GB of standard disks",
    IN_USE_ADDRESSES: "external addresses",
  };
  if (known[metric]) return known[metric];
  const [, preemptible, gpu] = /^(PREEMPTIBLE_)?NVIDIA_(.+)_GPUS$/.exec(metric) ?? [];
  if (gpu) return `${gpu.replaceAll("_", " ")} GPUs${preemptible ? " of Spot machines" : ""}`;
  const [, family] = /^([A-Z0-9]+)_CPUS$/.exec(metric) ?? [];
  return family ? `vCPUs (${family})` : metric;
}

export interface Cost {
  currency: "USD";
  /** A week in which everybody uses up the limits on the dearest machine, on demand. */
  mostPerWeek: number;
  /** The same hours on the machine that a run takes which names none (Spot where that is the default). */
  usualPerWeek: number;
  weeks: number;
  mostInAll: number;
  usualInAll: number;
  /** Students whose machines the catalog has no price for. */
  unpriced: string[];
}

const HOURS_PER_WEEK = 168;

/**
 * What a course costs at its limits, without what students store. The machine hours of a week are all machines' of a
 * student together; a workstation's disks cost at all hours.
 */
export function costOf(course: Course, students: readonly Student[], today: string): Cost {
  let [most, usual] = [0, 0];
  const unpriced: string[] = [];
  for (const student of students) {
    const { hoursPerWeek } = { ...course.limits, ...student.overrides };
    const machines = machinesOf(course, student);
    const { workstation, run, dearest } = machines;
    const dear = Math.max(dearest?.perHour ?? 0, workstation?.perHour ?? 0);
    if (run.perHour === undefined || dear === 0) unpriced.push(student.id);
    most += hoursPerWeek * dear + disksPerWeek(machines, hoursPerWeek);
    usual += hoursPerWeek * (run.perHour ?? 0) + disksPerWeek(machines, hoursPerWeek);
  }
  const days = (Date.parse(course.expires) - Date.parse(today)) / 86_400_000 + 1;
  const weeks = Math.max(0, Math.ceil(days / 7));
  const cents = (amount: number) => Math.round(amount * 100) / 100;
  return {
    currency: "USD",
    mostPerWeek: cents(most),
    usualPerWeek: cents(usual),
    weeks,
    mostInAll: cents(most * weeks),
    usualInAll: cents(usual * weeks),
    unpriced,
  };
}

/** The workstation's disks while it stands still. */
function disksPerWeek({ workstation }: Machines, hours: number): number {
  if (!workstation) return 0;
  return workstation.diskPerHour * Math.max(0, HOURS_PER_WEEK - hours);
}

export interface Projects {
  have: number;
  /** By the limits that nobody raises. */
  byLimits: number;
  /** By the quotas as they are; `undefined`: one of them is 0, and no number of projects is enough. */
  byQuotas?: number;
  /** The limit that decides the first, and the quota that decides the second. */
  bounds: { limit: string; quota?: string };
}

/**
 * How many projects a class needs: by fixed limits, and if no quota were raised. For the second each project is taken to
 * have the quotas of the first one in the list.
 */
export function projectsNeeded(course: Course, students: readonly Student[], quotas: Quotas | undefined): Projects {
  const [first = ""] = course.projects;
  const longest = course.projects.reduce((long, each) => (each.length > long.length ? each : long), "");
  const room = roomOf(course, longest, students[0]?.id.length ?? FOUNDATION_ID.length);
  const byLimits =
    room.students > 0 ? Math.max(1, Math.ceil(students.length / room.students)) : Number.POSITIVE_INFINITY;
  const needs = quotaNeeds(course, students, quotas?.[first]).filter(({ key }) => key !== "IN_USE_ADDRESSES");
  const worst = needs.reduce<Need | undefined>(
    (most, each) => (most && most.need / most.have >= each.need / each.have ? most : each),
    undefined,
  );
  const ratio = worst ? Math.ceil(worst.need / worst.have) : 1;
  return {
    have: course.projects.length,
    byLimits,
    ...(Number.isFinite(ratio) ? { byQuotas: Math.max(byLimits, ratio) } : {}),
    bounds: { limit: room.bound, ...(worst ? { quota: worst.key } : {}) },
  };
}

/** Which students a project holds. */
export function byProject(
  students: readonly Student[],
  places: Readonly<Record<string, Place>>,
): Map<string, Student[]> {
  const found = new Map<string, Student[]>();
  for (const student of students) {
    const project = places[student.id]?.project;
    if (project === undefined) continue;
    const held = found.get(project);
    if (held) held.push(student);
    else found.set(project, [student]);
  }
  return found;
}
