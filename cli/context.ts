import { chosenEnvironment, type OpenEnvironment, openEnvironment } from "../training/environment.ts";
import { actFor } from "../training/impersonate.ts";
import type { CommonOptions } from "./commands/tools.ts";

/**
 * The environment that a command works with, as flag, variable, `mlt use` or the stack name it. In a student's the command
 * asks Compute Engine as the environment's service account from here on.
 */
export async function environmentFor(options: CommonOptions): Promise<OpenEnvironment> {
  const { url } = await chosenEnvironment(options.environment);
  const environment = await openEnvironment(url);
  actFor(environment);
  return environment;
}
