import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { AUTH_PLUGIN } from "./kubeconfig.ts";

/** Where a program lies on the PATH; `undefined` if it does not. On Windows with the endings that programs have there. */
export function onPath(
  program: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
): string | undefined {
  const windows = platform === "win32";
  const endings = windows ? (environment.PATHEXT ?? ".COM;.EXE;.BAT;.CMD").split(";") : [""];
  for (const folder of (environment.PATH ?? environment.Path ?? "").split(windows ? ";" : delimiter)) {
    if (folder === "") continue;
    for (const ending of endings) {
      const file = join(folder, program + ending.toLowerCase());
      if (isProgram(file, windows)) return file;
    }
  }
  return undefined;
}

function isProgram(file: string, windows: boolean): boolean {
  try {
    if (!windows) accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** Where gcloud's plugin for kubeconfigs lies; `undefined`: it is not installed. */
export function findAuthPlugin(environment?: Readonly<Record<string, string | undefined>>): string | undefined {
  return onPath(AUTH_PLUGIN, environment);
}
