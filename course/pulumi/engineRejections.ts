import type { AsyncLocalStorage } from "node:async_hooks";

type Event = "unhandledRejection" | "uncaughtException";
type Listener = (error: unknown, ...rest: unknown[]) => void;

let listening = false;

/**
 * Several programs in one process, each with its own failures. While a program runs, Pulumi's Automation API listens to
 * the process for what goes wrong in it, and takes every unhandled rejection for its own: one student's failure would
 * fail everybody whose stack is being worked on at that moment. Pulumi keeps each program's state in an asynchronous
 * context, in which Node also announces what that program left behind: here each listener hears only of its own.
 *
 * What no program listens for any more, and is Pulumi's, has been reported already: promises that nobody waits for when
 * the engine ends before the program. Every other unhandled rejection ends the process as always.
 */
export function outliveTheEngine(): void {
  if (listening) return;
  listening = true;
  const on = process.on.bind(process) as (event: Event, listener: Listener) => NodeJS.Process;
  const apart = (event: string | symbol, listener: Listener): NodeJS.Process => {
    const owner = isTrouble(event) ? program() : undefined;
    if (owner === undefined) return on(event as Event, listener);
    const own: Listener & { listener?: Listener } = (error, ...rest) => {
      const from = program();
      if (from === owner || (from === undefined && !isPulumis(error))) listener(error, ...rest);
    };
    // By this member `process.off` finds it, as it finds what was added by `once`.
    own.listener = listener;
    return on(event as Event, own);
  };
  process.on = apart as typeof process.on;
  on("unhandledRejection", (reason) => {
    if (!isPulumis(reason) && (program() === undefined || process.listenerCount("unhandledRejection") === 1))
      throw reason;
  });
}

function isTrouble(event: string | symbol): event is Event {
  return event === "unhandledRejection" || event === "uncaughtException";
}

/** Pulumi's state of the program in whose context this is called; `undefined` outside of all. */
function program(): unknown {
  const { asyncLocalStorage } = globalThis as { asyncLocalStorage?: AsyncLocalStorage<unknown> };
  return asyncLocalStorage?.getStore();
}

function isPulumis(reason: unknown): boolean {
  if (!(reason instanceof Error)) return false;
  // Errors of Pulumi's library carry such a member; those of the connection to the engine a status and details.
  return Object.keys(reason).some((name) => name.startsWith("__pulumi")) || ("code" in reason && "details" in reason);
}
