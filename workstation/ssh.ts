// The argv of every call of gcloud that connects. All of them go through Identity-Aware Proxy: machines have no address
// that could be reached.
import { shellLine, wrapped } from "./quote.ts";

/** Where a machine is. */
export interface Target {
  project: string;
  zone: string;
  name: string;
  /** The service account that gcloud connects as; absent: its own login's. */
  impersonate?: string;
}

/** JupyterLab and TensorBoard listen there on the machine, on its loopback only. */
export const REMOTE_PORTS = { jupyter: 8888, tensorboard: 6006 } as const;
/** Before the line with which the far end says that it is there; gcloud's first connection prints other lines, too. */
export const MARK = "mlt-tunnel";
const TOKEN = "/var/lib/ml-workstation/jupyter-token";

function place({ project, zone, impersonate }: Target): string[] {
  const as = impersonate === undefined ? [] : ["--impersonate-service-account", impersonate];
  return ["--project", project, "--zone", zone, "--tunnel-through-iap", ...as];
}

/** A shell on the machine, or one command there as the person who connects. */
export function sshArguments(target: Target, command: readonly string[] = []): string[] {
  const remote = command.length === 0 ? [] : ["--command", wrapped(shellLine(command))];
  return ["compute", "ssh", target.name, ...place(target), ...remote];
}

/** A line of shell on the machine, written by ourselves. */
export function scriptArguments(target: Target, line: string): string[] {
  return ["compute", "ssh", target.name, ...place(target), "--command", wrapped(line)];
}

/** Files between this computer and a path on the machine that `scp` reads in the same way in all its versions. */
export function copyArguments(
  target: Target,
  direction: "up" | "down",
  { local, remote, isFolder }: { local: string; remote: string; isFolder: boolean },
): string[] {
  const there = `${target.name}:${remote}`;
  const ends = direction === "up" ? [local, there] : [there, local];
  return ["compute", "scp", ...place(target), ...(isFolder ? ["--recurse"] : []), ...ends];
}

/**
 * A port of this computer, on its loopback only, that leads to one on the machine's loopback. The far end says a line
 * when it is there (with JupyterLab's token, which so is in no argv) and goes when its input ends, as it does with mlt.
 */
export function tunnelArguments(
  target: Target,
  service: keyof typeof REMOTE_PORTS,
  port: number,
  platform: NodeJS.Platform = process.platform,
): string[] {
  const word = service === "jupyter" ? `"$(sudo -n -u ml cat ${TOKEN})"` : "ready";
  const line = `echo ${MARK} ${word}; exec cat`;
  // plink, which gcloud uses on Windows, knows no -o.
  const strict = platform === "win32" ? [] : ["-o", "ExitOnForwardFailure=yes"];
  const forward = ["-L", `127.0.0.1:${port}:127.0.0.1:${REMOTE_PORTS[service]}`];
  const remote = ["--command", wrapped(line, platform)];
  return ["compute", "ssh", target.name, ...place(target), ...remote, "--", ...strict, ...forward];
}
