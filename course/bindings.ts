import { marked } from "../components/marks.ts";
import {
  AUTOMATIC_SUFFIX,
  machineCondition,
  roleId,
  runPrefix,
  serviceAccountId,
  studentCondition,
} from "../components/names.ts";
import type { Course } from "./contract.ts";
import { environmentOf, foundationEnvironmentOf } from "./names.ts";

/** A binding of a project's policy, as Google stores it. */
export interface Binding {
  role: string;
  members: string[];
  condition?: { title: string; description: string; expression: string };
}

/**
 * What a student adds to the project's policy; `tests/course/arithmetic.test.ts` holds it against what the foundation
 * registers. Random parts of names have their length.
 */
export function studentBindings(course: Pick<Course, "name">, id: string, project: string): Binding[] {
  const environment = environmentOf(course, id);
  const base = foundationEnvironmentOf(course);
  const member = `serviceAccount:${serviceAccountId(environment)}@${project}.iam.gserviceaccount.com`;
  const role = (word: string) => `projects/${project}/roles/${roleId(base, word, "0".repeat(AUTOMATIC_SUFFIX - 1))}`;
  return [
    {
      role: role("selfDelete"),
      members: [member],
      condition: {
        title: `${environment} machines only`,
        description: marked(`Machines whose names begin with ${runPrefix(environment)}`, base, environment),
        expression: machineCondition(environment),
      },
    },
    { role: role("watchOperations"), members: [member] },
    {
      role: role("student"),
      members: [member],
      condition: {
        title: `${environment} only`,
        description: marked(`Names that begin with ${runPrefix(environment)}, and the workstation`, base, environment),
        expression: studentCondition(environment),
      },
    },
    { role: role("openProject"), members: [member] },
  ];
}

export interface PolicyNeed {
  principals: number;
  /** Bindings with the same role and member, but different conditions: the most of any pair. */
  conditional: number;
  bytes: number;
}

/** What a project's policy holds before the first student: owners, Google's agents. A cautious guess. */
export const POLICY_BEFORE: PolicyNeed = { principals: 20, conditional: 0, bytes: 3000 };

/** What one student adds to a policy. Bindings without a condition share a role: only the member counts. */
export function policyNeed(bindings: readonly Binding[]): PolicyNeed {
  const pairs = new Map<string, number>();
  let bytes = 0;
  for (const { role, members, condition } of bindings) {
    for (const member of members) {
      const pair = `${role} ${member}`;
      if (condition) pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
    }
    bytes += JSON.stringify(condition ? { role, members, condition } : members).length + 1;
  }
  return {
    principals: bindings.reduce((sum, { members }) => sum + members.length, 0),
    conditional: Math.max(0, ...pairs.values()),
    bytes,
  };
}
