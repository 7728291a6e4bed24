import type { OpenEnvironment } from "../../training/environment.ts";
import { EXIT, UserError } from "../../training/errors.ts";
import { machinePerHour, stoppedCost } from "../../workstation/cost.ts";
import { targetOf, workstationOf } from "../../workstation/environment.ts";
import {
  findGcloud,
  type GcloudOptions,
  type Program,
  type RunningGcloud,
  startGcloud,
} from "../../workstation/gcloud.ts";
import { Machine } from "../../workstation/machine.ts";
import { shownLine } from "../../workstation/quote.ts";
import type { Target } from "../../workstation/ssh.ts";
import { lookAt, type Need, waitUntil } from "../../workstation/wait.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { environmentFor } from "../context.ts";
import { Ticker } from "../output/ticker.ts";
import { ask } from "./ask.ts";

export interface ConnectOptions extends CommonOptions {
  /** Start a stopped machine without asking. */
  yes?: boolean;
}

/** A workstation that runs, and the gcloud that leads to it. */
export interface Session {
  environment: OpenEnvironment;
  program: Program;
  target: Target;
}

export function say(line: string): void {
  console.error(`mlt: ${line}`);
}

/** What gcloud and ssh say goes to the user as it is. */
export function passOn(data: Buffer): void {
  process.stderr.write(data);
}

/** Starts gcloud and shows the line that does the same. */
export function connect(program: Program, args: readonly string[], options: GcloudOptions): RunningGcloud {
  console.error(`+ ${shownLine(["gcloud", ...args])}`);
  return startGcloud(program, args, options);
}

/** The workstation's machine runs, by the end of this, and what is needed on it works; `undefined`: the user said no. */
export async function openSession(
  options: ConnectOptions,
  need: Need,
  signal?: AbortSignal,
): Promise<Session | undefined> {
  const environment = await environmentFor(options);
  const record = workstationOf(environment);
  const program = findGcloud();
  const target = targetOf(environment);
  const machine = new Machine(target);
  const condition = await lookAt(environment, machine);
  if (condition.state === "stopping") {
    throw new UserError(
      `${target.name} is stopping${condition.why ? ` (${condition.why})` : ""}. Start it when it is stopped: mlt start`,
      EXIT.failedBeforeTraining,
    );
  }
  if (condition.state === "stopped") {
    // A GPU that is attached is known to Compute Engine alone.
    const price = machinePerHour(record, await machine.look());
    const cost = price === undefined ? "its price is not known here" : `about ${price.toFixed(3)} USD/h`;
    const why = condition.why ? ` (${condition.why})` : "";
    const ends = record.idleMinutes > 0 ? `, stops after ${record.idleMinutes} idle minutes` : "";
    const question = `${target.name} is stopped${why}. Start it (${record.machineType}, ${cost}${ends})?`;
    const answer = options.yes ? "yes" : await ask(question);
    if (answer !== "yes") {
      console.error("Nothing was started.");
      process.exitCode = answer === "no" ? EXIT.usage : EXIT.interrupted;
      return undefined;
    }
    say(`starting ${target.name} (${record.machineType}, ${cost}${ends}); stopped, ${stoppedCost(record)}`);
    await machine.start();
  }
  const warning = await waiting((progress) =>
    waitUntil(environment, need, { progress, machine, ...(signal ? { signal } : {}) }),
  );
  if (warning) say(warning);
  return { environment, program, target };
}

/** Shows what is waited for: one line on a terminal, a line for each change elsewhere. */
async function waiting<T>(work: (progress: (line: string) => void) => Promise<T>): Promise<T> {
  const ticker = new Ticker();
  const isTerminal = Boolean(process.stderr.isTTY) && process.env.TERM !== "dumb";
  const began = Date.now();
  let shown = "";
  const show = () => shown && ticker.show(`${shown} (${Math.round((Date.now() - began) / 1000)} s)`);
  const timer = isTerminal ? setInterval(show, 500) : undefined;
  try {
    return await work((line) => {
      shown = line;
      if (isTerminal) show();
      else say(line);
    });
  } finally {
    clearInterval(timer);
    ticker.clear();
  }
}
