import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { buildPulumi } from "./build.ts";

const run = promisify(execFile);

/** The version that `go.mod` builds and the installer is asked for. */
export const PULUMI_VERSION = "3.256.0";

/** Older Pulumi CLIs know no error hooks, with which the program waits for APIs that were just enabled. */
export const MINIMUM_VERSION = "3.218.0";

const INSTALLER_MS = 20_000;

export interface FoundPulumi {
  path: string;
  version: string;
  /** Where it came from, in words for a person. */
  how: "on the path" | "cached" | "installed" | "built from source";
}

type Progress = (line: string) => void;

/** What is kept between runs lies outside the repository. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return environment.ML_TRAINING_CACHE || join(homedir(), ".cache", "ml-training");
}

/**
 * The Pulumi CLI: the one on the path; else the one that an earlier run cached; else Pulumi's own installer; else a
 * build from its Go modules. Says through `progress` what takes time, how long and where the result is kept.
 */
export async function findPulumi(
  progress: Progress = () => {},
  environment: NodeJS.ProcessEnv = process.env,
): Promise<FoundPulumi> {
  const onPath = await onThePath(progress, environment);
  if (onPath) return onPath;
  const root = join(cacheFolder(environment), "pulumi", PULUMI_VERSION);
  const path = join(root, "bin", process.platform === "win32" ? "pulumi.exe" : "pulumi");
  const cached = await versionOf(path);
  if (cached) return { path, version: cached, how: "cached" };

  const started = Date.now();
  const seconds = () => ((Date.now() - started) / 1000).toFixed(1);
  progress(
    `Pulumi CLI: none on the path; asking Pulumi's installer for ${PULUMI_VERSION} (at most ${INSTALLER_MS / 1000} s)`,
  );
  const refused = await install(root);
  const installed = refused === undefined ? await versionOf(path) : undefined;
  if (installed) {
    progress(`Pulumi CLI: installed in ${seconds()} s, kept in ${root}`);
    return { path, version: installed, how: "installed" };
  }
  progress(`Pulumi CLI: the installer did not work here (${refused ?? "it left no program that runs"})`);
  await buildPulumi({ path, version: PULUMI_VERSION, progress, environment });
  const built = await versionOf(path);
  if (!built) throw new Error(`The Pulumi CLI that was built does not run: ${path}`);
  progress(`Pulumi CLI: built in ${seconds()} s, kept in ${root}`);
  return { path, version: built, how: "built from source" };
}

async function onThePath(progress: Progress, environment: NodeJS.ProcessEnv): Promise<FoundPulumi | undefined> {
  const program = process.platform === "win32" ? "pulumi.exe" : "pulumi";
  for (const folder of (environment.PATH ?? "").split(delimiter)) {
    const path = join(folder, program);
    if (folder === "" || !existsSync(path)) continue;
    const version = await versionOf(path);
    if (version && !isOlder(version, MINIMUM_VERSION)) return { path, version, how: "on the path" };
    progress(
      version
        ? `Pulumi CLI: ${path} is ${version}, older than ${MINIMUM_VERSION}; it is not used`
        : `Pulumi CLI: ${path} does not run; it is not used`,
    );
  }
  return undefined;
}

/** The version of a Pulumi CLI; `undefined` if there is none or it does not run. */
async function versionOf(path: string): Promise<string | undefined> {
  if (!existsSync(path)) return undefined;
  try {
    const { stdout } = await run(path, ["version"], { env: { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "true" } });
    return /v?(\d+\.\d+\.\d+\S*)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}

export function isOlder(version: string, minimum: string): boolean {
  const parts = (text: string) => text.split(/[.-]/).slice(0, 3).map(Number);
  const [left, right] = [parts(version), parts(minimum)];
  for (const [index, part] of left.entries()) {
    if (part !== right[index]) return part < (right[index] ?? 0);
  }
  return false;
}

/** Runs Pulumi's installer in a process of its own, which a network that swallows packets cannot hold up. */
async function install(root: string): Promise<string | undefined> {
  const script =
    'import automation from "@pulumi/pulumi/automation/index.js"; import semver from "semver";' +
    "await automation.PulumiCommand.install({ root: process.argv[1], version: new semver.SemVer(process.argv[2]) });";
  try {
    const options = { cwd: dirname(import.meta.dirname), timeout: INSTALLER_MS, killSignal: "SIGKILL" as const };
    await run(process.execPath, ["--input-type=module", "-e", script, root, PULUMI_VERSION], options);
    return undefined;
  } catch (error) {
    const { killed, stderr = "", message } = error as { killed?: boolean; stderr?: string; message: string };
    if (killed) return `no answer within ${INSTALLER_MS / 1000} s`;
    const reason = /(?:Error|error): (.+)/.exec(stderr)?.[1] ?? message.split("\n")[0] ?? "unknown reason";
    return reason.trim();
  }
}
