// Whose a resource is must be seen on the resource itself, from any computer and without Pulumi's state: `mlt clean`
// takes nothing for ours that does not say so. Where Google has labels it is the label; elsewhere the description ends
// in a mark, and the name has to fit as well.

/** The label of everything that takes labels; its value is the environment's name. */
export const ENVIRONMENT_LABEL = "mlt-environment";

const MARK = /\(ml-training environment ([a-z][a-z0-9-]{2,18}[a-z0-9])(?: for ([a-z][a-z0-9-]{2,18}[a-z0-9]))?\)$/;

/**
 * A description that says whose the resource is. `environment` is the one whose stack makes the resource, `student` the
 * one that it is made for, where a foundation makes something for another environment.
 */
export function marked(text: string, environment: string, student: string = environment): string {
  const whom = student === environment ? "" : ` for ${student}`;
  return `${text} (ml-training environment ${environment}${whom})`;
}

/** The environments that a description names; `undefined` for a description without a mark. */
export function readMark(description: unknown): { environment: string; student?: string } | undefined {
  const [, environment, student] = MARK.exec(String(description ?? "")) ?? [];
  if (!environment) return undefined;
  return student ? { environment, student } : { environment };
}

/** Whether a name is one that we would give in this environment: `mlt-a-…` for `mlt-a`, in roles `mlt_a_…`. */
export function nameFits(name: string, environment: string): boolean {
  const prefixes = [`${environment}-`, `${environment.replaceAll("-", "_")}_`];
  return name === environment || prefixes.some((prefix) => name.startsWith(prefix));
}
