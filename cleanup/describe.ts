import { addressPerMonth, copyPerMonth, diskPerMonth, HOURS_PER_MONTH, hourlyPrice } from "../catalog/prices.ts";
import { CLUSTER_PER_MONTH } from "./clusters.ts";
import { lastPart, type Thing } from "./compute.ts";
import type { Item, Kind } from "./types.ts";

type Shown = Pick<Item, "state" | "detail" | "perMonth">;

/** Billed while it is on; a machine that is being stopped is billed until it is off. */
const OFF = ["TERMINATED", "STOPPED", "SUSPENDED"];

/** State, short description and price of a resource of Compute Engine. What Google makes no bill of costs 0. */
export function describe(kind: Kind, thing: Thing): Shown {
  const state = typeof thing.status === "string" ? { state: thing.status } : {};
  switch (kind) {
    case "machine":
      return { ...state, ...machine(thing) };
    case "disk": {
      const type = lastPart(thing.type);
      const gb = Number(thing.sizeGb ?? 0);
      const users = ((thing.users ?? []) as string[]).map(lastPart);
      const detail = `${gb} GB ${type}, ${users.length > 0 ? `of ${users.join(", ")}` : "of no machine"}`;
      return { ...state, detail, ...priced(diskPerMonth(type, gb)) };
    }
    case "image":
    case "snapshot": {
      const bytes = Number((kind === "image" ? thing.archiveSizeBytes : thing.storageBytes) ?? 0);
      const family = typeof thing.family === "string" ? { detail: `family ${thing.family}` } : {};
      return { ...state, ...family, perMonth: copyPerMonth(kind, bytes) };
    }
    case "cluster":
      return { ...state, detail: String(thing.detail ?? ""), perMonth: CLUSTER_PER_MONTH };
    case "address":
      return { ...state, ...address(thing) };
    default:
      return { ...state, perMonth: 0 };
  }
}

const priced = (perMonth: number | undefined) => (perMonth === undefined ? {} : { perMonth });

/** Without its disks, which are items of their own and stay when it is stopped. */
function machine(thing: Thing): Shown {
  const type = lastPart(thing.machineType);
  const { provisioningModel, preemptible } = (thing.scheduling ?? {}) as Record<string, unknown>;
  const spot = provisioningModel === "SPOT" || preemptible === true;
  const [attached] = (thing.guestAccelerators ?? []) as { acceleratorType?: string; acceleratorCount?: number }[];
  const gpu = attached && { type: lastPart(attached.acceleratorType), count: attached.acceleratorCount ?? 1 };
  const detail = `${type}${spot ? " Spot" : ""}${gpu ? `, ${gpu.count} × ${gpu.type}` : ""}`;
  if (OFF.includes(String(thing.status))) return { detail, perMonth: 0 };
  const price = hourlyPrice(type, spot, gpu ? { gpu } : {});
  return { detail, ...priced(price && Math.round(price.perHour * HOURS_PER_MONTH * 100) / 100) };
}

function address(thing: Thing): Shown {
  const internal = thing.addressType === "INTERNAL";
  const detail = `${internal ? "internal" : "external"} ${String(thing.address ?? "")}`.trim();
  if (internal) return { detail, perMonth: 0 };
  return { detail, perMonth: addressPerMonth(thing.status === "IN_USE" ? "inUse" : "unused") };
}
