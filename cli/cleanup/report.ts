import { AS_OF } from "../../catalog/prices.ts";
import { day } from "../../cleanup/past.ts";
import type { Inventory, Item } from "../../cleanup/types.ts";
import { sumOf } from "../../cleanup/verdict.ts";
import { plain, table } from "../output/print.ts";

/** A table of items with what each costs per month, and the sum. */
export function itemTable(items: readonly Item[]): string {
  const rows = items.map((item) => [
    item.environment,
    item.kind,
    plain(item.name),
    item.place,
    cost(item),
    plain(notes(item)),
  ]);
  const { perMonth, atLeast } = sumOf(items);
  return [
    table(["ENVIRONMENT", "KIND", "NAME", "WHERE", "PER MONTH", ""], rows),
    `${items.length} in all, ${atLeast ? "at least" : "about"} ${perMonth.toFixed(2)} USD per month (list prices of ${AS_OF}).`,
  ].join("\n");
}

function cost({ perMonth, atLeast }: Item): string {
  if (perMonth === undefined) return "?";
  return `${atLeast ? ">" : ""}${perMonth === 0 ? "0" : perMonth < 0.01 ? "<0.01" : perMonth.toFixed(2)}`;
}

function notes({ kind, state, detail, deadline, live, past }: Item): string {
  const shown = kind === "machine" ? [state, detail] : [detail];
  const until = live ? [deadline ? `runs until ${day(deadline)}` : "runs without a known limit"] : [];
  return [...shown, ...until, past].filter(Boolean).join("; ");
}

/** What is not in the table: soft-deleted buckets, what only looks like ours, what could not be seen. */
export function remarks({ project, softDeleted, lookalikes, gaps }: Inventory): string[] {
  const parts: string[] = [];
  if (softDeleted.length > 0) {
    const rows = softDeleted.map(({ name, environment, generation, until, restorable }) => [
      environment,
      name,
      generation,
      day(until),
      restorable ? "" : "hierarchical namespace: Google cannot restore it",
    ]);
    parts.push(
      `Soft-deleted buckets: Google keeps them, and bills their contents, until their day; nobody can end it earlier.\n${table(["ENVIRONMENT", "BUCKET", "GENERATION", "GOES ON", ""], rows)}\nTo have one back: mlt clean --restore BUCKET`,
    );
  }
  if (lookalikes.length > 0) {
    const rows = lookalikes.map(({ kind, name, place, why }) => [kind, plain(name), place, why]);
    parts.push(
      `Perhaps ours, perhaps not; never touched:\n${table(["KIND", "NAME", "WHERE", ""], rows)}\nWhat is yours of it, remove by hand.`,
    );
  }
  if (gaps.length > 0) {
    const lines = gaps.map(({ what, why, permission, api }) => {
      const cure = permission
        ? ` Needed: ${permission} in ${project}.`
        : api
          ? ` See what is there: gcloud services enable ${api} --project ${project}`
          : "";
      return `  ${what}: ${plain(why)}.${cure}`;
    });
    parts.push(`Not seen, so that this list is incomplete:\n${lines.join("\n")}`);
  }
  return parts;
}

/** `mlt-dev 23, mlt-ann 4` */
export function countByEnvironment(items: readonly Item[]): string {
  const counts = new Map<string, number>();
  for (const { environment } of items) counts.set(environment, (counts.get(environment) ?? 0) + 1);
  return [...counts].map(([environment, count]) => `${environment} ${count}`).join(", ");
}
