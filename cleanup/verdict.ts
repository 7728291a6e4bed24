import { day } from "./past.ts";
import type { Inventory, Item } from "./types.ts";

/** What `--check` ends with: nothing is left, something is, or nobody can say because not everything was seen. */
export const CHECK = { clean: 0, left: 1, incomplete: 2 } as const;

export interface Verdict {
  code: (typeof CHECK)[keyof typeof CHECK];
  left: Item[];
  complete: boolean;
}

/**
 * Whether anything of ours is left, past or not. Soft-deleted buckets do not count: nobody can remove them earlier. What
 * only looks like ours does not count either.
 */
export function verdict({ items, gaps }: Inventory): Verdict {
  const complete = gaps.length === 0;
  const code = items.length > 0 ? CHECK.left : complete ? CHECK.clean : CHECK.incomplete;
  return { code, left: [...items], complete };
}

export interface Plan {
  /** What goes. */
  remove: Item[];
  /** What was chosen and stays all the same, with the reason. */
  kept: { item: Item; why: string }[];
}

export interface PlanOptions {
  /** Buckets, too, with all that is in them. */
  includeData?: boolean;
}

/** What is meant: all of the environment that was asked for, else what is past. */
export function chosen(inventory: Inventory): Item[] {
  return inventory.environment === undefined ? inventory.items.filter(({ past }) => past) : [...inventory.items];
}

/**
 * What goes and what stays. Without an environment's name nothing goes that a machine which runs inside its time may
 * need: of its environment only machines that are past by themselves go, and disks whose machine is gone.
 */
export function planRemoval(inventory: Inventory, options: PlanOptions = {}): Plan {
  const plan: Plan = { remove: [], kept: [] };
  const named = inventory.environment !== undefined;
  for (const item of chosen(inventory)) {
    const live = inventory.items.find((other) => other.live && other.environment === item.environment);
    if (item.kind === "bucket" && !options.includeData) {
      plan.kept.push({ item, why: "holds data: --include-data removes it, too" });
    } else if (!named && live && !item.pastByItself) {
      const until = live.deadline ? ` until ${day(live.deadline)}` : "";
      plan.kept.push({
        item,
        why: `${live.name} runs in ${item.environment}${until}: name the environment to remove it all`,
      });
    } else plan.remove.push(item);
  }
  return plan;
}

/** The sum of what the catalog has prices for; `atLeast`: there was something without a price, or not wholly counted. */
export function sumOf(items: readonly Item[]): { perMonth: number; atLeast: boolean } {
  const sum = items.reduce((total, { perMonth }) => total + (perMonth ?? 0), 0);
  const atLeast = items.some((item) => item.perMonth === undefined || item.atLeast);
  return { perMonth: Math.round(sum * 100) / 100, atLeast };
}
