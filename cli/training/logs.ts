import { EXIT } from "../../training/errors.ts";
import { follow } from "../../training/follow.ts";
import { readLog } from "../../training/logs.ts";
import { readSpec, readStatus } from "../../training/runs.ts";
import { isTerminal } from "../../training/status.ts";
import { environmentFor } from "../context.ts";
import { interruptible } from "../interrupt.ts";
import { printJson } from "../output/print.ts";
import type { CommonOptions } from "../program.ts";

export async function logs(id: string, options: CommonOptions & { follow?: boolean }): Promise<number> {
  const environment = await environmentFor(options);
  const run = await readStatus(environment, id);
  if (options.follow && !options.json) {
    return interruptible(async (signal) => {
      await follow(
        environment,
        id,
        (event) => {
          if (event.type === "log") process.stdout.write(event.data);
        },
        // Who only reads does not make machines.
        { signal, restart: false },
      );
      return signal.aborted ? EXIT.interrupted : 0;
    });
  }
  if (options.follow) {
    await interruptible(async (signal) => {
      await follow(environment, id, () => undefined, { signal, restart: false, logs: false });
      return 0;
    });
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
