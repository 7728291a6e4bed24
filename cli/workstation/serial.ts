import { pausing } from "../../training/errors.ts";
import { targetOf } from "../../workstation/environment.ts";
import { gone, Machine } from "../../workstation/machine.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { environmentFor } from "../context.ts";
import { interruptible } from "../interrupt.ts";
import { printJson } from "../output/print.ts";
import { say } from "./session.ts";

const POLL_MS = 1000;

/** The workstation's console: what there is to see when nothing else answers. Google keeps its last mebibyte. */
export async function serial(options: CommonOptions & { follow?: boolean }): Promise<number> {
  const environment = await environmentFor(options);
  const target = targetOf(environment);
  const machine = new Machine(target);
  const first = await machine.serial();
  if (!first) throw gone(target);
  if (options.json) {
    printJson({ machine: target.name, contents: first.contents });
    return 0;
  }
  process.stdout.write(first.contents);
  if (first.contents === "") say(`${target.name} has written nothing to its console (a stopped machine's is gone)`);
  if (!options.follow) return 0;
  return interruptible(async (signal) => {
    for (let next = first.next; !signal.aborted; ) {
      await pausing(POLL_MS);
      const more = await machine.serial(next);
      if (!more) throw gone(target);
      process.stdout.write(more.contents);
      next = more.next;
    }
    return 0;
  });
}
