// Who reaches what: every condition of every student, asked about everything of every other student.
import { type Compiled, compileCondition } from "../../localcloud/core/access/cel.ts";
import { accountOf, type Grant, type Rights, type Thing, thingsOf } from "./rights.ts";

export interface Verdict {
  /** Ordered pairs of students. */
  pairs: number;
  /** Questions that were put to a condition. */
  asked: number;
  /** Pairs with an answer that should not be: `A reaches NAME of B`. */
  leaks: string[];
  /** Things that a student reaches by a condition, of the student's own. */
  own: number;
}

export interface Party {
  environment: string;
  project: string;
  conditions: Compiled[];
  things: Thing[];
}

const request = { time: new Date("2026-11-21T12:00:00Z") };
const api = {};

export function holds(condition: Compiled, resource: Thing): boolean {
  return condition({ resource, request, api });
}

/** The students with all conditions of bindings that name them or their accounts, `change`d first, if asked. */
export function partiesOf({ places, grants }: Rights, change: (condition: string) => string = (text) => text): Party[] {
  return places.map(({ id, environment, project }) => {
    const mine = grants.filter(({ member }) => isOf(member, id, environment, project));
    const conditions = [...new Set(mine.flatMap(({ condition }) => condition ?? []))];
    return {
      environment,
      project,
      conditions: conditions.map((text) => compileCondition(change(text))),
      things: thingsOf(environment, project),
    };
  });
}

export function isOf(member: string, id: string, environment: string, project: string): boolean {
  return member === `user:${id}@example.edu` || member === `serviceAccount:${accountOf(environment, project)}`;
}

/** Asks every condition of everybody about everything of everybody else, wherever the binding lies: more than Google would. */
export function judge(parties: readonly Party[], others: readonly Party[] = parties): Verdict {
  const verdict: Verdict = { pairs: 0, asked: 0, leaks: [], own: 0 };
  for (const one of parties) {
    for (const other of others) {
      if (one.environment === other.environment) {
        verdict.own += one.things.filter((thing) => one.conditions.some((each) => holds(each, thing))).length;
        continue;
      }
      verdict.pairs += 1;
      for (const thing of other.things) {
        for (const condition of one.conditions) {
          verdict.asked += 1;
          if (holds(condition, thing))
            verdict.leaks.push(`${one.environment} reaches ${thing.name} of ${other.environment}`);
        }
      }
    }
  }
  return verdict;
}

/** Environments whose names are as near to another's as names can be; some of them no roster would give. */
export function strangersNear(environment: string, project: string): Party[] {
  const names = [
    `${environment}0`,
    `${environment}-b`,
    `${environment}-s001`,
    `${environment}-runner`,
    `${environment}run`,
    `x-${environment}`,
    environment.slice(0, -1),
    environment.slice(1),
  ];
  return names.map((name) => ({ environment: name, project, conditions: [], things: thingsOf(name, project) }));
}

export type { Grant };
