import type { OpenEnvironment } from "../../training/environment.ts";
import { UserError } from "../../training/errors.ts";
import { readSpec, readStatus, resolveRun } from "../../training/runs.ts";
import { findGcloud, type Program } from "../../workstation/gcloud.ts";
import { Machine } from "../../workstation/machine.ts";
import { sshArguments, type Target } from "../../workstation/ssh.ts";
import { isConnectionLost, wordsFor } from "../../workstation/words.ts";
import { environmentFor } from "../context.ts";
import { type ConnectOptions, connect, openSession, passOn, say } from "./session.ts";

/** A shell on the workstation, or on a run's machine; or, after `--`, one command there. Ends as it ends. */
export async function ssh(
  run: string | undefined,
  command: readonly string[],
  options: ConnectOptions,
): Promise<number> {
  if (run !== undefined) {
    const environment = await environmentFor(options);
    const target = await machineOfRun(environment, run);
    return shell(findGcloud(), target, command);
  }
  const session = await openSession(options, "login");
  return session ? shell(session.program, session.target, command) : Number(process.exitCode);
}

async function shell(program: Program, target: Target, command: readonly string[]): Promise<number> {
  // Ctrl-C belongs to whatever runs in there.
  const ignore = () => undefined;
  process.on("SIGINT", ignore);
  try {
    const running = connect(program, sshArguments(target, command), {
      stdin: "inherit",
      stdout: "inherit",
      stderr: passOn,
    });
    const { code, said } = await running.ended;
    const words = isConnectionLost(code) || code === 1 ? wordsFor(said, target) : undefined;
    if (words) say(words);
    return code;
  } finally {
    process.off("SIGINT", ignore);
  }
}

/** The machine of a run that is still there: it trains, or has failed and was to be kept. */
async function machineOfRun(environment: OpenEnvironment, asked: string): Promise<Target> {
  const id = await resolveRun(environment, asked);
  const [status, spec] = await Promise.all([readStatus(environment, id), readSpec(environment, id)]);
  const { machine, phase, times } = status;
  if (!machine) throw new UserError(`${id} has no machine (${phase}).`);
  const { name, zone } = machine;
  const target = { project: environment.project, zone, name };
  const instance = await new Machine(target).look();
  const keep = "To look into a failed run, keep its machine: mlt train DIR --keep 30m";
  if (!instance) throw new UserError(`The machine of ${id} is gone (${phase}): ${name} in ${zone}. ${keep}`);
  if (instance.status !== "RUNNING") {
    throw new UserError(`The machine of ${id}, ${name} in ${zone}, is ${instance.status}, not RUNNING. ${keep}`);
  }
  if (times.ended && spec.keepMinutes > 0) {
    const until = Math.min(Date.parse(times.ended) + spec.keepMinutes * 60_000, Date.parse(status.deadline));
    say(`${name} is kept until ${new Date(until).toISOString()}, then it deletes itself`);
  }
  return target;
}
