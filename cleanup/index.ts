// What other programs use: what is ours in a project, whether anything is left, and how it goes away.
export { type InventoryOptions, inventory } from "./inventory.ts";
export { type Removal, type RemoveOptions, remove } from "./remove.ts";
export { type Restored, type RestoreOptions, restore } from "./restore.ts";
export type { Gap, Inventory, Item, Kind, Lookalike, SoftDeleted } from "./types.ts";
export { CHECK, chosen, type Plan, planRemoval, sumOf, type Verdict, verdict } from "./verdict.ts";
