import { z } from "zod";
import type { Scope } from "./config.ts";
import { readStructured } from "./configProblems.ts";

/** A student's stack: whose it is, and the limits that `mlt` keeps to and the course's reaper enforces. */
export interface StudentConfig {
  /** `user:NAME@DOMAIN` or `group:NAME@DOMAIN` */
  member: string;
  /** Most that one run may cost, US dollars, at its time limit. */
  costPerRun?: number;
  /** Machine hours a week, all machines together. */
  hoursPerWeek?: number;
  /** GPUs at once. */
  gpus?: number;
}

const text = z.string().trim();
const schema = z.strictObject({
  member: text,
  costPerRun: z.number().positive().max(100_000).optional(),
  hoursPerWeek: z.number().positive().max(100_000).optional(),
  gpus: z.number().int().min(0).max(1000).optional(),
});
const frozenSchema = z.array(text).max(500);

const MEMBER = /^(user|group):[^\s@:]+@[^\s@:]+\.[^\s@:.]+$/;
const KEY = "mltraining:student";

/** `mltraining:student`; absent: nobody but the project's own people works there. */
export function readStudent(raw: string | undefined, scope: Scope, problems: string[]): StudentConfig | undefined {
  if (raw === undefined || raw === "{}") return undefined;
  if (scope !== "student") {
    problems.push(`${KEY} belongs to a stack with mltraining:scope student; this one is ${scope}`);
    return undefined;
  }
  const input = readStructured(KEY, raw, schema, problems);
  if (!input) return undefined;
  if (!MEMBER.test(input.member)) {
    problems.push(
      `${KEY}.member must be user:NAME@DOMAIN or group:NAME@DOMAIN, a Google account of the student's; got ${JSON.stringify(input.member)}`,
    );
  }
  return { ...input, member: input.member.replace(/^[a-z]+:.*$/i, (whole) => whole.toLowerCase()) };
}

/** `mltraining:frozen`: the students of this foundation who may start nothing; `true` means all of them. */
export function readFrozen(
  raw: string | undefined,
  { scope, students }: { scope: Scope; students: readonly string[] },
  problems: string[],
): string[] {
  if (raw === undefined || raw === "false" || raw === "[]") return [];
  if (scope !== "foundation") {
    problems.push(`mltraining:frozen belongs to a stack with mltraining:scope foundation; this one is ${scope}`);
    return [];
  }
  if (raw === "true") return [...students];
  const frozen = readStructured("mltraining:frozen", raw, frozenSchema, problems) ?? [];
  frozen.forEach((name, index) => {
    if (!students.includes(name)) {
      problems.push(`mltraining:frozen[${index}] is none of mltraining:students; got ${JSON.stringify(name)}`);
    } else if (frozen.indexOf(name) !== index) problems.push(`mltraining:frozen[${index}] is there twice: ${name}`);
  });
  return [...frozen].sort();
}
