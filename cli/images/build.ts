import { buildImage } from "../../images/index.ts";
import type { CommonOptions } from "../commands/tools.ts";
import { interruptible } from "../interrupt.ts";
import { printJson } from "../output/print.ts";
import { familyFor, recipeFolder, say, showLog } from "./context.ts";

export interface BuildCommandOptions extends CommonOptions {
  baseImage?: string;
  promote?: boolean;
  force?: boolean;
  wait?: boolean;
  quiet?: boolean;
}

export async function build(folder: string | undefined, options: BuildCommandOptions): Promise<number> {
  const environment = await familyFor(options);
  return interruptible(async (signal) => {
    const result = await buildImage(environment, recipeFolder(folder, environment), {
      promote: options.promote ?? true,
      force: options.force ?? false,
      wait: options.wait ?? false,
      ...(options.baseImage ? { baseImage: options.baseImage } : {}),
      signal,
      progress: say,
      ...(options.quiet ? {} : { onLog: showLog }),
    });
    if (options.json) printJson(result);
    else {
      const words = {
        promoted: `${result.family} names ${result.image} now`,
        kept: `${result.image} has passed its test and stays outside ${result.family}; into it: mlt image promote ${result.image}`,
        unchanged: `nothing to build: ${result.image}, which ${result.family} names, is of this recipe and base (--force builds anyway)`,
      };
      console.log(words[result.outcome]);
    }
    return 0;
  });
}
