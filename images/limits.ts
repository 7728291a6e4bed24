/** How long a build waits for what, in milliseconds; tests and rehearsals give shorter ones. */
export interface Limits {
  now: () => number;
  sleep: (milliseconds: number) => Promise<void>;
  /** Between two looks at what is waited for. */
  pollMs: number;
  /** How long calls are sent again that Google could not serve. */
  transientMs: number;
  /** An operation that has not ended by then is given up. */
  operationMs: number;
  /** Making an image copies a disk. */
  imageMs: number;
  stopMs: number;
  /** A lock that was not renewed for so long belongs to a launcher that is gone. */
  lockMs: number;
  /** Builder and test machine each live so long at most; Google counts it, and takes 30 s at least. */
  machineMs: number;
}

/** @param minutes a machine's time limit */
export function usualLimits(minutes: number): Limits {
  return {
    now: Date.now,
    sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
    pollMs: 1000,
    transientMs: 5 * 60_000,
    operationMs: 5 * 60_000,
    imageMs: 20 * 60_000,
    stopMs: 5 * 60_000,
    lockMs: 90_000,
    machineMs: minutes * 60_000,
  };
}

export function pause(limits: Limits, milliseconds: number): Promise<void> {
  return limits.sleep(milliseconds);
}
