import type { RunStatus } from "../../training/contract.ts";
import { EXIT } from "../../training/errors.ts";
import { type FollowEvent, follow } from "../../training/follow.ts";
import { findLog, type LogSource, readConsole } from "../../training/logs.ts";
import { engineOf, readSpec, readStatus, resolveRun } from "../../training/runs.ts";
import { isTerminal } from "../../training/status.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { environmentFor } from "../context.ts";
import { interruptible } from "../interrupt.ts";
import { printJson } from "../output/print.ts";

export async function logs(asked: string, options: CommonOptions & { follow?: boolean }): Promise<number> {
  const environment = await environmentFor(options);
  const id = await resolveRun(environment, asked);
  const run = await readStatus(environment, id);
  if (options.follow) {
    // Who only reads does not make machines.
    const reading = { restart: false, logs: !options.json };
    const { maxRestarts } = await readSpec(environment, id);
    const stopped = await interruptible(async (signal) => {
      const last = await follow(environment, id, (event) => show(event, options), { ...reading, signal });
      return signal.aborted && !isTerminal(last, maxRestarts) ? EXIT.interrupted : 0;
    });
    if (stopped) console.error(`mlt: stopped following; ${id} goes on. Follow it: mlt logs ${id} --follow`);
    if (stopped || !options.json) return stopped;
  }
  const found = await findLog(environment, id, run.attempt);
  // What never came to write, a machine that does not boot, still has its console.
  const text = found.source === "none" ? await readConsole(environment, run, await engineOf(environment)) : undefined;
  const source: LogSource = text === undefined ? found.source : "console";
  if (options.json) {
    const [last, { maxRestarts }] = await Promise.all([readStatus(environment, id), readSpec(environment, id)]);
    const ended = isTerminal(last, maxRestarts);
    printJson({ id, phase: last.phase, ended, source, log: text ?? found.data.toString("utf8") });
    return 0;
  }
  if (source === "console")
    console.error(`mlt: ${id} has written no log yet; this is the console of ${run.machine?.name}`);
  process.stdout.write(text ?? found.data);
  if (source === "none") console.error(nothing(run));
  else if (source === "segments" && run.times.ended) {
    console.error(`mlt: ${id} ended without putting its log together; this is what its machines had sent by then`);
  }
  return 0;
}

function nothing({ id, phase, machine, times }: RunStatus): string {
  if (!machine || !times.ended) return `${id} has written no log yet (${phase}).`;
  return `${id} has written no log (${phase}), and ${machine.name} is gone with its console.`;
}

function show(event: FollowEvent, options: CommonOptions): void {
  if (event.type === "log") process.stdout.write(event.data);
  else if (event.type === "progress" && !options.json) console.error(`mlt: ${event.line}`);
}
