import type { Fault } from "../localcloud/core/faults.ts";
import type { FaultCase, Injection } from "./case.ts";
import type { Program } from "./inside.ts";
import { type StepName, targetOf } from "./steps.ts";

export type Inject = FaultCase["inject"];

type Effect = Pick<Fault, "error" | "delayMs" | "drop">;

const WORDS: Record<number, [reason: string, message: string]> = {
  403: ["forbidden", "The machine's account does not have access to this object."],
  404: ["notFound", "The specified object was not found."],
  412: ["conditionNotMet", "At least one of the pre-conditions you specified did not hold."],
  500: ["internalError", "Internal error"],
  503: ["backendError", "Service Unavailable"],
};

/** An answer in Google's shape. */
export function answer(code: keyof typeof WORDS): Effect {
  const [reason, message] = WORDS[code]!;
  return { error: { code, reason, message } };
}

let planned = 0;

/** Plans a fault that the case's end takes back. */
export function plan({ world, run }: Injection, fault: Omit<Fault, "id">): void {
  planned += 1;
  world.cloud.cloud.faults.plan({ id: `${run.id}/${planned}`, ...fault });
}

/** Strikes the calls of a step that machines make, from the first on: `times` of them, or all. */
export function onCalls(step: StepName, effect: Effect, times?: number): Inject {
  return (injection) => {
    const { world, run } = injection;
    plan(injection, {
      ...targetOf(step, run),
      ...effect,
      caller: world.environment.serviceAccount,
      ...(times === undefined ? {} : { times }),
    });
  };
}

/** Strikes every call of the run's machines to a service, for so many seconds or for good. */
export function onService(service: string, effect: Effect, seconds?: number): Inject {
  return (injection) => {
    const until = seconds === undefined ? {} : { until: Date.now() + seconds * 1000 };
    plan(injection, { service, path: injection.run.id, ...effect, ...until });
    plan(injection, { service, query: injection.run.id, ...effect, ...until });
  };
}

/** Strikes every request to the machine's metadata server, for so many seconds or for good. */
export function onMetadata(effect: Effect, seconds?: number): Inject {
  return (injection) => {
    const until = seconds === undefined ? {} : { until: Date.now() + seconds * 1000 };
    plan(injection, { service: "metadata", machine: injection.run.machine, ...effect, ...until });
  };
}

export function machineOf({ world, run }: Injection) {
  const machine = world.driver.machine(run.machine);
  if (!machine) throw new Error(`the machine ${run.machine} was never booted`);
  return machine;
}

/** Sends a signal to a program in the machine; the step's call goes on after it. */
export function signal(program: Program, name: NodeJS.Signals): Inject {
  return async (injection) => {
    const { inside } = machineOf(injection);
    // A step's call may be the trainer's own sign of life, or come before the program is there.
    if (inside.find(program).length > 0) await inside.signal(program, name);
    else void inside.signal(program, name).catch(() => {});
  };
}

function placeOf({ world, run }: Injection): string {
  const path = world.pathOf(run.machine);
  if (!path) throw new Error(`the machine ${run.machine} is not there`);
  return path;
}

/** Google takes the Spot machine back: with its notice, or with the power gone at once. */
export function preempt(noticeMs: number): Inject {
  return async (injection) => {
    const { guest } = machineOf(injection);
    void injection.world.cloud.machines.preempt(placeOf(injection), noticeMs);
    // With notice the step's call goes on while the machine shuts down; without, nobody is there to hear its answer.
    await Promise.race([guest.off, injection.pause(noticeMs > 0 ? 300 : 5000)]);
  };
}

/** The reset button: power gone, booted again on the same disk. */
export const reset: Inject = async (injection) => {
  const { guest } = machineOf(injection);
  void injection.world.cloud.machines.reset(placeOf(injection));
  await Promise.race([guest.off, injection.pause(5000)]);
};

/** Names resolve to nothing: neither Google's nor the metadata server's. */
export function dnsDown(seconds?: number): Inject {
  return async (injection) => {
    const { inside } = machineOf(injection);
    const away =
      "cp /etc/hosts /run/hosts.away; echo '127.0.0.1 localhost' >/etc/hosts; echo 'nameserver 127.0.0.9' >/run/resolv.away; mount --bind /run/resolv.away /etc/resolv.conf || cp /run/resolv.away /etc/resolv.conf";
    await inside.execute(away);
    if (seconds !== undefined) {
      setTimeout(() => void inside.execute("cat /run/hosts.away >/etc/hosts").catch(() => {}), seconds * 1000);
    }
  };
}

/** Fills the machine's disk (which its plan made small) to the last byte; `seconds` later there is room again. */
export function fillDisk(seconds?: number): Inject {
  return async (injection) => {
    const { inside } = machineOf(injection);
    await inside.execute("cat /dev/zero >/var/filler 2>/dev/null || true");
    if (seconds !== undefined) {
      setTimeout(() => void inside.execute("rm -f /var/filler").catch(() => {}), seconds * 1000);
    }
  };
}
