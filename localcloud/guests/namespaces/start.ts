import { type ChildProcess, spawn } from "node:child_process";
import { createEndpoints } from "../endpoints.ts";
import type { GuestSpec } from "../guest.ts";
import { Dialler } from "./dial.ts";
import { type Dial, Machine } from "./machine.ts";
import { connectOut, serveInside } from "./network.ts";

/** What runs as a machine in namespaces of its own. */
export interface MachineProgram {
  /** The script that becomes the first process of the namespaces (see `init.sh` of the drivers). */
  init: string;
  /** The program with its arguments, which the script starts as the machine. */
  machine: string[];
  environment: Record<string, string>;
  /** Without root: the namespaces belong to a user namespace in which this user is root. */
  inUserNamespace: boolean;
  /** Where the machine's own network address is, as seen inside the namespaces. */
  address: string;
  /** An emulator has to open each port first. */
  forwards?: boolean;
}

/** Starts a machine in its own process, mount and network namespaces, with metadata, API hosts and a way out. */
export async function startMachine(
  spec: GuestSpec,
  program: MachineProgram,
  cleanUp: () => Promise<void> | void,
): Promise<Machine> {
  const actions: (() => Promise<void> | void)[] = [cleanUp];
  const tidy = async () => {
    for (const action of actions.splice(0).reverse()) await action();
  };
  const machine = new Machine(spec, launch(program), tidy);
  try {
    await machine.reached("network");
    const namespace = { pid: machine.pid, inUserNamespace: program.inUserNamespace };
    const endpoints = createEndpoints(spec);
    actions.push(endpoints.close);
    const outcomes = await Promise.allSettled([
      serveInside(namespace, endpoints).then((stop) => actions.push(stop)),
      connectOut(namespace).then((stop) => actions.push(stop)),
      machine.reached("disk"),
    ]);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    const dialler = new Dialler(namespace);
    actions.push(() => dialler.close());
    machine.dial = dialFor(machine, program, dialler);
    for (const disk of spec.dataDisks ?? []) await machine.attach(disk);
    machine.send("boot");
  } catch (error) {
    machine.kill();
    await machine.off;
    await tidy();
    throw error;
  }
  // It may have ended after it had said its last step, before all was ready to be cleaned up.
  if (machine.hasEnded) await tidy();
  return machine;
}

function dialFor(machine: Machine, program: MachineProgram, dialler: Dialler): Dial {
  const open = new Map<number, Promise<void>>();
  return async (port) => {
    if (program.forwards) {
      const ready = open.get(port) ?? machine.forward(port);
      open.set(port, ready);
      await ready.catch((error: unknown) => {
        open.delete(port);
        throw error;
      });
    }
    return dialler.connect(program.address, port);
  };
}

function launch({ init, machine, environment, inUserNamespace }: MachineProgram): ChildProcess {
  const user = inUserNamespace ? ["--user", "--map-root-user"] : [];
  const namespaces = [
    "unshare",
    ...user,
    "--mount",
    "--net",
    "--pid",
    "--mount-proc",
    "--fork",
    "--kill-child=SIGKILL",
  ];
  // The machine dies with this process, however that ends: by this signal, and because its standard input closes.
  return spawn("setpriv", ["--pdeathsig", "KILL", ...namespaces, "bash", init, ...machine], {
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LANG: "C.UTF-8", ...environment },
  });
}
