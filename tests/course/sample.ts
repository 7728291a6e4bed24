// The status of a made-up course, of any size and the same at every call: for the report's page and its measure.
import type { CourseStatus, StudentStatus } from "../../course/usage/status.ts";
import { usageOf } from "../../course/usage/usage.ts";
import type { Phase, RunStatus } from "../../training/contract.ts";

const HOUR = 3_600_000;
export const NOW = Date.parse("2027-01-20T15:00:00Z");

/** Names that pages and tables have to bear. */
export const NAMES = [
  "Ann Bern",
  "Zoë Müller-Łukasz",
  '<script>alert("name")</script>',
  '=HYPERLINK("http://example.com";"click")',
  "نورة الخالدي",
  "陳大文",
  "O'Neill & Sons",
  "+49 170 1234567",
  "\u202eevil.exe",
];
const PHASES: readonly Phase[] = ["succeeded", "succeeded", "succeeded", "failed", "timedOut", "cancelled", "running"];

/** @param count students @param runs of each, at most */
export function sampleStatus(count: number, runs = 12): CourseStatus {
  const random = generator(26);
  const students = Array.from({ length: count }, (_, index) => student(index, runs, random));
  return {
    course: "ml26",
    title: "Machine Learning 2026/27",
    expires: "2027-02-28",
    at: new Date(NOW).toISOString(),
    students,
    notes: [],
  };
}

function student(index: number, most: number, random: () => number): StudentStatus {
  const id = `s${String(index + 1).padStart(3, "0")}`;
  const environment = `ml26-${id}`;
  const name = index < NAMES.length ? NAMES[index]! : `Student ${Math.floor(random() * 1e6)} Example`;
  const base = { id, name, project: "ml26-a", environment, machines: [] };
  if (index % 50 === 20) {
    const problem = `gs://${environment}-data-0123abc/environment.json is not JSON: somebody wrote it by hand, or it is not ours.`;
    return { ...base, stack: "unread", problem, runs: [], usage: usageOf([], undefined, NOW) };
  }
  const all = Array.from({ length: Math.floor(random() * (most + 1)) }, (_, n) => run(n, environment, random));
  all.sort((one, other) => (one.times.submitted < other.times.submitted ? 1 : -1));
  const [last] = all;
  const weeks = { "2027-01-04": random() * 12, "2027-01-11": random() * 12, "2027-01-18": random() * 6 };
  const station = {
    weeks,
    perHour: 0.067,
    disksPerMonth: 5,
    since: NOW - 20 * 24 * HOUR,
    machineType: "e2-standard-2",
  };
  return {
    ...base,
    stack: index % 97 === 40 ? "none" : "up",
    bucket: `${environment}-data-0123abc`,
    runs: all,
    usage: usageOf(all, station, NOW),
    ...(last ? { lastActivity: last.times.ended ?? last.times.submitted } : {}),
  };
}

function run(n: number, environment: string, random: () => number): RunStatus {
  const phase = PHASES[Math.floor(random() * PHASES.length)]!;
  const begun = NOW - Math.floor(random() * 30 * 24) * HOUR - HOUR;
  const at = (hours: number) => new Date(begun + hours * HOUR).toISOString();
  const hours = phase === "running" ? 1 : 0.2 + random() * 2;
  return {
    schema: 1,
    id: `census-${at(0).replace(/\D/g, "").slice(0, 14)}-${n.toString(16).padStart(4, "0")}`,
    phase,
    attempt: 1,
    restarts: 0,
    machine: { name: `${environment}-run-a01`, zone: "us-central1-a", type: "e2-standard-4", spot: true },
    times: {
      submitted: at(0),
      provisioned: at(0.01),
      running: at(0.05),
      ...(phase === "running" ? {} : { ended: at(hours) }),
    },
    deadline: at(3),
    ...(phase === "failed" ? { exitCode: 3, reason: 'trainer failed: exit 3 (ValueError: no column "wage" <b>)' } : {}),
  };
}

/** Numbers from 0 to 1, the same at every call. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
