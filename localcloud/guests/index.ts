import type { GuestDriver, GuestLevel } from "./guest.ts";
import { nspawnDriver } from "./nspawn/driver.ts";
import { processDriver } from "./process/driver.ts";
import { qemuDriver } from "./qemu/driver.ts";

export * from "./guest.ts";
export { ensureStockLayer } from "./nspawn/root.ts";

/** In the order of choice: a real init system in a second, a whole machine in ten, processes. */
const DRIVERS: Readonly<Record<GuestLevel, () => GuestDriver>> = {
  nspawn: nspawnDriver,
  qemu: qemuDriver,
  process: processDriver,
};

/** A level that cannot run here; the message says why, and the line that would change it. */
export class GuestUnavailableError extends Error {}

/**
 * The driver for `level`, or for the best level that this host can run. What it needs is built by its `prepare`.
 * `passedOver` gets one line for each better level: why not, and what would give it.
 */
export async function chooseDriver(
  level?: GuestLevel,
  passedOver: (line: string) => void = () => {},
  drivers: readonly GuestDriver[] = Object.values(DRIVERS).map((create) => create()),
): Promise<GuestDriver> {
  const reasons: string[] = [];
  for (const driver of drivers) {
    if (level !== undefined && driver.level !== level) continue;
    const obstacle = await driver.unavailable();
    if (!obstacle) {
      for (const reason of reasons) passedOver(reason);
      return driver;
    }
    reasons.push(`The guest level "${driver.level}" cannot run here: ${obstacle.reason}. To get it: ${obstacle.fix}`);
  }
  if (reasons.length > 0) throw new GuestUnavailableError(reasons.join("\n"));
  const known = drivers.map((driver) => driver.level).join(", ");
  throw new GuestUnavailableError(`There is no guest level "${level}"; the levels are: ${known}`);
}
