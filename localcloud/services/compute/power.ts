import type { Guest } from "../../guests/guest.ts";
import { attributes } from "./metadataTree.ts";
import type { Instance } from "./types.ts";

/**
 * From the power button to the power cut, however the end came: as the API's description of
 * `scheduling.skipGuestOsShutdown` has it (120 s, Spot 30 s; read 2026-11-21). At a preemption no less is usual, and
 * nothing is promised.
 */
export function shutdownMs(instance: Instance | undefined): number {
  return instance?.scheduling.preemptible ? 30_000 : 120_000;
}

/** How often clocks are looked at. */
export const TICK_MS = 200;
/** A driver that has not reported the end so long after the cut will not. */
export const CUT_MS = 5_000;

export function guestAttributesEnabled(instance: Instance, project: Record<string, string>): boolean {
  const own = attributes(instance.metadata.items)["enable-guest-attributes"];
  return /^(true|1|y|yes)$/i.test(own ?? project["enable-guest-attributes"] ?? "");
}

/**
 * When the cloud ends a machine that starts running at `started`: reckoned anew at every start and forgotten at a stop
 * (cloud.google.com/compute/docs/instances/limit-vm-runtime, read 2026-11-21).
 */
export function deadline(instance: Instance, started: number): number | undefined {
  const { maxRunDuration, terminationTime } = instance.scheduling;
  if (maxRunDuration) return started + Number(maxRunDuration.seconds) * 1000;
  return terminationTime ? Date.parse(terminationTime) : undefined;
}

/** A machine that runs nothing: it goes off when it is asked to. */
export function emptyGuest(): Guest {
  let switchOff: (how: { reason: "poweroff" | "cut"; message: string }) => void = () => {};
  const off = new Promise<{ reason: "poweroff" | "cut"; message: string }>((resolve) => {
    switchOff = resolve;
  });
  return {
    off,
    powerButton: async () => switchOff({ reason: "poweroff", message: "" }),
    cut: async () => switchOff({ reason: "cut", message: "" }),
    attach: async () => {},
    detach: async () => {},
    connect: () => Promise.reject(new Error("the local cloud runs no guests")),
  };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
