import { testImage } from "../../images/index.ts";
import { EXIT } from "../../training/errors.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { interruptible } from "../interrupt.ts";
import { printJson } from "../output/print.ts";
import { familyFor, say, showLog } from "./context.ts";

export async function test(image: string, options: CommonOptions & { wait?: boolean }): Promise<number> {
  const environment = await familyFor(options);
  return interruptible(async (signal) => {
    const wait = options.wait ?? false;
    const result = await testImage(environment, image, { signal, wait, progress: say, onLog: showLog });
    if (options.json) printJson(result);
    else console.log(`${result.image} ${result.passed ? "has passed its smoke test" : `failed: ${result.reason}`}`);
    return result.passed ? 0 : EXIT.failedBeforeTraining;
  });
}
