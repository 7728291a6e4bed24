let listening = false;

/**
 * A program that runs in this process leaves promises behind that nobody waits for when it fails, or when the engine
 * ends before it, as after Ctrl-C. Pulumi has reported those errors already: they are no reason to end this process.
 * Every other unhandled rejection ends it as always.
 */
export function outliveTheEngine(): void {
  if (listening) return;
  listening = true;
  process.on("unhandledRejection", (reason) => {
    // While a program runs, Pulumi itself listens for what goes wrong in it.
    if (process.listenerCount("unhandledRejection") === 1 && !isPulumis(reason)) throw reason;
  });
}

function isPulumis(reason: unknown): boolean {
  if (!(reason instanceof Error)) return false;
  // Errors of Pulumi's library carry such a member; those of the connection to the engine a status and details.
  return Object.keys(reason).some((name) => name.startsWith("__pulumi")) || ("code" in reason && "details" in reason);
}
