import { Problems } from "../training/errors.ts";
import { quotable } from "../training/files.ts";
import { nearest } from "../training/nearest.ts";

/** Those whom `--only` names, in the order given; everybody without it. Throws every id that nobody has. */
export function chosen<T extends { id: string }>(everybody: readonly T[], only: readonly string[] | undefined): T[] {
  if (only === undefined) return [...everybody];
  const byId = new Map(everybody.map((each) => [each.id, each]));
  const unknown = [...new Set(only)].filter((id) => !byId.has(id));
  if (unknown.length > 0) {
    throw new Problems(
      "--only names ids that nobody of this course has",
      unknown.map((id) => {
        const near = nearest(id, [...byId.keys()]);
        return `${quotable(id, 40)}${near ? `; did you mean ${near}?` : ""}`;
      }),
    );
  }
  return [...new Set(only)].flatMap((id) => byId.get(id) ?? []);
}
