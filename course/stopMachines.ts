import { inventory } from "../cleanup/inventory.ts";
import { remove } from "../cleanup/remove.ts";
import { each } from "../cleanup/rest.ts";
import type { Item } from "../cleanup/types.ts";
import { workstationName } from "../components/names.ts";
import { messageOf } from "../training/errors.ts";
import { Machine } from "../workstation/machine.ts";
import type { Place } from "./contract.ts";

/** What was done to students' machines. */
export interface Stopped {
  /** Training machines that were deleted; their runs end as cancelled. */
  deleted: string[];
  /** Workstations that were stopped; their disks stay. */
  stopped: string[];
  /** `NAME: why` of what runs on. */
  failed: string[];
}

/** Google takes so many changes of machines a minute without a word. */
const AT_ONCE = 8;

/** Deletes the training machines of these students and stops their workstations; buckets and disks stay as they are. */
export async function stopMachines(places: readonly Place[], say: (line: string) => void): Promise<Stopped> {
  const result: Stopped = { deleted: [], stopped: [], failed: [] };
  const projects = [...new Set(places.map(({ project }) => project))].sort();
  for (const project of projects) {
    const environments = new Set(places.filter((place) => place.project === project).map((place) => place.environment));
    const found = await inventory(project, { sizes: false });
    for (const { what, why } of found.gaps.filter(({ what }) => what === "instances")) {
      result.failed.push(`${project}: its ${what} cannot be listed: ${why}`);
    }
    const machines = found.items.filter(({ kind, environment }) => kind === "machine" && environments.has(environment));
    const stations = machines.filter(({ name, environment }) => name === workstationName(environment));
    const runs = machines.filter((machine) => !stations.includes(machine));
    // Named as one environment: what runs there by right goes, too.
    const named = { ...found, environment: [...environments].join(" ") };
    const removal = await remove(named, { remove: runs, kept: [] }, { progress: say });
    result.deleted.push(...removal.removed.map(({ name }) => name));
    result.failed.push(...removal.failed.map(({ item, why }) => `${item.name}: ${why}`));
    await each(
      stations.filter(({ state }) => state !== "TERMINATED"),
      AT_ONCE,
      (item) => stop(project, item, result, say),
    );
  }
  return result;
}

async function stop(project: string, item: Item, result: Stopped, say: (line: string) => void): Promise<void> {
  try {
    await new Machine({ project, zone: item.place, name: item.name }).stop();
    result.stopped.push(item.name);
    say(`stopped ${item.name}`);
  } catch (error) {
    result.failed.push(`${item.name}: ${messageOf(error)}`);
  }
}
