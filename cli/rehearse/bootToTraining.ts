import type { LocalCloud } from "../../localcloud/server.ts";
import type { RunStatus } from "../../training/contract.ts";

/** When the cloud switched a machine on, in milliseconds since 1970; 0 as long as it has not. */
export function startOf({ cloud }: LocalCloud, name: string): number {
  const instances = cloud.state.collection<{ name: string; lastStartTimestamp?: string }>("compute.instances");
  const found = instances.values().find((instance) => instance.name === name);
  return Date.parse(found?.lastStartTimestamp ?? "") || 0;
}

/** From the moment at which the machine was switched on to the trainer's start. */
export function secondsToTraining({ times: { running } }: RunStatus, started: number): number {
  if (!running || !started) throw new Error("nobody saw when the machine started, or when it began to train");
  return Math.round((Date.parse(running) - started) / 100) / 10;
}
