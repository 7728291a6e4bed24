/** Runs something that Ctrl-C breaks off in an orderly way; a second Ctrl-C ends at once. */
export async function interruptible(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
  process.on("SIGINT", stop);
  try {
    return await work(controller.signal);
  } finally {
    process.off("SIGINT", stop);
  }
}

/** Runs a transfer, which Ctrl-C ends with a word on how to go on. */
export async function resumable<T>(clear: () => void, work: () => Promise<T>): Promise<T> {
  const stop = () => {
    clear();
    process.stderr.write("mlt: stopped; the same command goes on where it was.\n", () => process.exit(130));
  };
  process.once("SIGINT", stop);
  try {
    return await work();
  } finally {
    process.off("SIGINT", stop);
    clear();
  }
}
