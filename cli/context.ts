import { chosenEnvironment, type OpenEnvironment, openEnvironment } from "../training/environment.ts";
import type { CommonOptions } from "./commands/tools.ts";

/** The environment that a command works with, as flag, variable, `mlt use` or the stack name it. */
export async function environmentFor(options: CommonOptions): Promise<OpenEnvironment> {
  const { url } = await chosenEnvironment(options.environment);
  return openEnvironment(url);
}
