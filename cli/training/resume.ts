import { resumeRun } from "../../training/resume.ts";
import { readSpec, resolveRun } from "../../training/runs.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { environmentFor } from "../context.ts";
import { interruptible } from "../interrupt.ts";
import { followToEnd, say } from "./followToEnd.ts";
import { detached, whileAsking } from "./train.ts";

export async function resume(
  asked: string,
  options: CommonOptions & { detach?: boolean; quiet?: boolean },
): Promise<number> {
  const environment = await environmentFor(options);
  const id = await resolveRun(environment, asked);
  const spec = await readSpec(environment, id);
  return interruptible(async (signal) => {
    const context = { progress: say, signal, waits: !options.detach };
    const status = await whileAsking(signal, () => resumeRun(environment, id, context));
    if (options.detach) return detached(status, options);
    return followToEnd(environment, spec, signal, options);
  });
}
