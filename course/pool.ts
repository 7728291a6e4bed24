import { availableParallelism, totalmem } from "node:os";

/** What one engine takes with Google's provider, which is a large program (0.2 GiB without it, measured). */
const ENGINE_BYTES = 600 * 2 ** 20;
/** Google's quotas of writes per minute are for the project, however many processors stand here. */
const MOST = 16;

/** How many stacks at the same time: two for each processor, since an engine waits for Google most of its time. */
export function defaultAtOnce(processors = availableParallelism(), memory = available()): number {
  const room = Math.floor((memory * 0.8) / ENGINE_BYTES);
  return Math.max(1, Math.min(processors * 2, room, MOST));
}

function available(): number {
  // Under a container's limit it is this that counts.
  return process.availableMemory?.() ?? totalmem();
}
