import type { FaultCase, Outcome } from "../case.ts";
import type { StepName } from "../steps.ts";

// The ends that are right, by name. A case lists all of them that are; what is not listed is wrong.

export const succeeded: Outcome = { phase: "succeeded" };
/** The next attempt, on another machine, brought it to its end. */
export const retried: Outcome = { phase: "succeeded", attempt: 2 };
/** The same, and it went on where the last checkpoint was. */
export const resumed: Outcome = { ...retried, resumed: true };
export const timedOut: Outcome = { phase: "timedOut", reason: /^time limit reached/ };
export const failed = (reason: RegExp): Outcome => ({ phase: "failed", reason });
/** Nobody could write the end: the next reader finds the machine gone, and says in which phase it was heard of last. */
export const lost = (phase: string): Outcome => ({
  phase: "lost",
  reason: new RegExp(`^mlt-\\S+ is gone, last heard of at \\S+ in phase ${phase}$`),
});

type Ends = Outcome | readonly Outcome[];
/** Step to ends; the steps in the table's order. */
export type Row = Partial<Record<StepName, Ends>>;

/** A row of the table: one fault at several steps. */
export function row(
  fault: string,
  level: FaultCase["level"],
  ends: Row,
  make: (step: StepName) => Pick<FaultCase, "inject"> & Partial<FaultCase>,
): FaultCase[] {
  return Object.entries(ends).map(([name, expected]) => {
    const step = name as StepName;
    return { fault, step, level, expected: Array.isArray(expected) ? expected : [expected as Outcome], ...make(step) };
  });
}

/** The same end at each of these steps. */
export function at(steps: readonly StepName[], ends: Ends): Row {
  return Object.fromEntries(steps.map((step) => [step, ends]));
}
