import { findProgram } from "../training/auth.ts";
import { AUTH_PLUGIN } from "./kubeconfig.ts";

/** Where gcloud's plugin for kubeconfigs lies; `undefined`: it is not installed. */
export function findAuthPlugin(environment?: Readonly<Record<string, string | undefined>>): string | undefined {
  return findProgram(AUTH_PLUGIN, environment);
}
