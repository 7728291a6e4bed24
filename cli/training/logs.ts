import { EXIT } from "../../training/errors.ts";
import { type FollowEvent, follow } from "../../training/follow.ts";
import { readLog } from "../../training/logs.ts";
import { readSpec, readStatus, resolveRun } from "../../training/runs.ts";
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
  const log = await readLog(environment, id, run.attempt);
  if (options.json) {
    const [last, { maxRestarts }] = await Promise.all([readStatus(environment, id), readSpec(environment, id)]);
    printJson({ id, phase: last.phase, ended: isTerminal(last, maxRestarts), log: log.toString("utf8") });
    return 0;
  }
  process.stdout.write(log);
  if (log.length === 0) console.error(`${id} has written no log yet (${run.phase}).`);
  return 0;
}

function show(event: FollowEvent, options: CommonOptions): void {
  if (event.type === "log") process.stdout.write(event.data);
  else if (event.type === "progress" && !options.json) console.error(`mlt: ${event.line}`);
}
