import { writeFileSync } from "node:fs";
import { join } from "node:path";
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

/** The machine's place in the cloud, as `projects/P/zones/Z/instances/N`. */
export function placeOf({ world, run }: Injection): string {
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

/** Somebody runs the startup script once more while the first run of it works. */
export const startAgain: Inject = async (injection) => {
  await machineOf(injection).inside.execute(
    "systemd-run --quiet --no-block /usr/bin/google_metadata_script_runner startup",
  );
};

/** A second machine for the same attempt, as a repeated call of a broken launcher would make it: in the next zone. */
export const secondMachine: Inject = async ({ world, run }) => {
  const { cloud, environment } = world;
  const path = world.pathOf(run.machine);
  const zone = /zones\/([^/]+)/.exec(path ?? "")?.[1];
  const other = environment.zones.find((each) => each !== zone);
  const template = Object.values(environment.training?.templates ?? {})[0];
  const root = `${cloud.operatorUrl}/compute/v1`;
  const first = (await (await fetch(`${root}/${path}`)).json()) as Record<string, unknown>;
  const { name, metadata, scheduling, labels } = first as { metadata: { items: unknown[] } } & typeof first;
  const machineType = String(first.machineType).replace(/^.*zones\/[^/]+/, `zones/${other}`);
  const source = `projects/${cloud.project}/global/instanceTemplates/${template}`;
  const response = await fetch(
    `${root}/projects/${cloud.project}/zones/${other}/instances?sourceInstanceTemplate=${source}`,
    {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name, machineType, metadata: { items: metadata.items }, scheduling, labels }),
    },
  );
  if (!response.ok) throw new Error(`the second machine was refused: ${await response.text()}`);
};

/** Storage and Compute Engine are out of reach for this run's machines. */
export function apisDown(seconds?: number): Inject {
  return (injection) => {
    const { run, world } = injection;
    const until = seconds === undefined ? {} : { until: Date.now() + seconds * 1000 };
    const caller = world.environment.serviceAccount;
    const names = `${run.id}|${run.package}|input/${run.input}|${run.machine}`;
    for (const place of ["path", "query"]) plan(injection, { [place]: names, caller, drop: "call", ...until });
  };
}

/** Names resolve to nothing: neither Google's nor the metadata server's. */
export function dnsDown(seconds?: number): Inject {
  return async (injection) => {
    const { inside } = machineOf(injection);
    // Where names come from in a guest; an address at which nobody answers stands in for the name server.
    await inside.execute(
      "cp /etc/hosts /run/hosts.before; echo '127.0.0.1 localhost' >/etc/hosts; echo 'nameserver 127.0.0.9' >/run/resolv; mount --bind /run/resolv /etc/resolv.conf",
    );
    if (seconds === undefined) return;
    const back = () => inside.execute("cat /run/hosts.before >/etc/hosts; umount /etc/resolv.conf").catch(() => {});
    setTimeout(back, seconds * 1000);
  };
}

/** Fills the machine's disk, which its plan made small, to the last byte. */
export function fillDisk(): Inject {
  return async (injection) => {
    await machineOf(injection).inside.execute("cat /dev/zero >/var/filler 2>/dev/null || true");
  };
}

/** Gives the Python programs of a machine of processes a clock that a file moves. */
export const CLOCK_PRELUDE = `
mkdir -p "$TMPDIR/clock"
cat >"$TMPDIR/clock/sitecustomize.py" <<'PYTHON'
import os, time
_time, _gmtime = time.time, time.gmtime
_file = os.path.join(os.path.dirname(__file__), "offset")
def _now():
    try:
        with open(_file) as file:
            return _time() + float(file.read())
    except (OSError, ValueError):
        return _time()
time.time = _now
time.gmtime = lambda seconds=None: _gmtime(_now() if seconds is None else seconds)
PYTHON
export PYTHONPATH="$TMPDIR/clock"
`;

/** The machine's clock is wrong by so much from now on; a machine of processes with `CLOCK_PRELUDE`. */
export function clockJump(seconds: number): Inject {
  return (injection) => {
    writeFileSync(join(machineOf(injection).diskFolder, "tmp", "clock", "offset"), String(seconds));
  };
}
