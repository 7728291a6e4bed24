import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { bucketOf, choiceFile, openEnvironment, readChoice } from "../../training/environment.ts";
import { UserError } from "../../training/errors.ts";

/** A project, and who named it. */
export interface ChosenProject {
  project: string;
  from: string;
}

const VARIABLES = ["GOOGLE_CLOUD_PROJECT", "GOOGLE_PROJECT", "CLOUDSDK_CORE_PROJECT"];

/**
 * The project to look at. No environment is needed for it, since there may be none any more: the flag, the variables of
 * Google's tools, the selected stack's `gcp:project`, what `mlt use` remembers, gcloud's own setting.
 */
export async function chosenProject(flag: string | undefined): Promise<ChosenProject> {
  if (flag !== undefined) return { project: flag, from: "--project" };
  for (const name of VARIABLES) {
    const project = process.env[name]?.trim();
    if (project) return { project, from: name };
  }
  const environment = process.env.MLT_ENVIRONMENT?.trim();
  if (environment) {
    // After `pulumi destroy` the bucket is gone, and with it what it said.
    const project = await openEnvironment(bucketOf(environment)).then(
      (found) => found.project,
      () => undefined,
    );
    if (project) return { project, from: "MLT_ENVIRONMENT" };
  }
  const configured = await stackSetting();
  if (configured) return { project: configured, from: "pulumi config get gcp:project" };
  const { project: used } = await readChoice();
  if (used) return { project: used, from: `mlt use (${choiceFile()})` };
  const gcloud = await gcloudSetting();
  if (gcloud) return { project: gcloud, from: "gcloud config" };
  throw new UserError(
    "No project is named. Name it: mlt clean --project PROJECT (`gcloud projects list` shows those that there are).",
  );
}

/** The stack that is selected here; silent where Pulumi is not installed or no stack is selected. */
function stackSetting(): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile("pulumi", ["config", "get", "gcp:project"], { timeout: 15_000 }, (error, stdout) => {
      resolve(error ? undefined : stdout.trim() || undefined);
    });
  });
}

/** gcloud's file, read as it is: starting gcloud would take longer than all the rest. */
async function gcloudSetting(): Promise<string | undefined> {
  const { CLOUDSDK_CONFIG, APPDATA } = process.env;
  const base = process.platform === "win32" && APPDATA ? APPDATA : join(homedir(), ".config");
  const folder = CLOUDSDK_CONFIG || join(base, "gcloud");
  const read = (file: string) => readFile(join(folder, file), "utf8").catch(() => "");
  const name = (await read("active_config")).trim() || "default";
  const text = await read(join("configurations", `config_${name}`));
  const core = /^\[core\]\s*$([\s\S]*?)(?=^\[|(?![\s\S]))/m.exec(text)?.[1] ?? "";
  return /^\s*project\s*=\s*(\S+)/m.exec(core)?.[1];
}
