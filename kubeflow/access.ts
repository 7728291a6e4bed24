import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { Environment } from "../training/contract.ts";
import { LOGIN, UserError } from "../training/errors.ts";
import { fileError, makeFolder } from "../training/files.ts";
import { startGcloud } from "../workstation/gcloud.ts";
import type { KubeflowRecord } from "./environment.ts";
import { type ClusterTools, findClusterTools } from "./tools.ts";

/** A cluster, and what this computer reaches it by. */
export interface ClusterAccess extends KubeflowRecord {
  environment: string;
  project: string;
  tools: ClusterTools;
  /** A file for this cluster alone: the user's own kubeconfig and its chosen context are never touched. */
  kubeconfig: string;
}

/** The environment's cluster, or the message that says how to get one. */
export function kubeflowOf({ environment, kubeflow }: Environment): KubeflowRecord {
  if (kubeflow) return kubeflow;
  throw new UserError(
    `The environment ${environment} has no cluster with Kubeflow Pipelines. Add one: pulumi config set mltraining:kubeflow true && pulumi up (what it costs: docs/kubeflow.md). Without one, a pipeline runs on this computer: see examples/mnist-pipeline.`,
  );
}

/** @throws UserError if the environment has no cluster, Problems for each program that is missing */
export function accessTo(environment: Environment, tools: () => ClusterTools = findClusterTools): ClusterAccess {
  const record = kubeflowOf(environment);
  const { project } = environment;
  const base = process.env.XDG_CACHE_HOME?.trim() || join(homedir(), ".cache");
  const name = `${project}_${record.location}_${record.cluster}.yaml`.replace(/[^\w.-]/g, "-");
  const kubeconfig = join(base, "ml-training", "kubeconfig", name);
  return { ...record, environment: environment.environment, project, tools: tools(), kubeconfig };
}

/** `container clusters get-credentials …` */
export function credentialsArguments({ cluster, location, project }: ClusterAccess): string[] {
  const where = ["--location", location, "--project", project];
  // By its DNS endpoint the control plane is reached from anywhere, by those whom IAM lets in.
  return ["container", "clusters", "get-credentials", cluster, ...where, "--dns-endpoint"];
}

/** Whether the address is known from an earlier call; it may be of a cluster that is gone. */
export function hasCredentials({ kubeconfig }: ClusterAccess): boolean {
  return existsSync(kubeconfig);
}

/** Asks gcloud for the cluster's address; no token is kept. */
export async function fetchCredentials(access: ClusterAccess): Promise<void> {
  const { kubeconfig, tools } = access;
  const fresh = `${kubeconfig}.${process.pid}`;
  try {
    await makeFolder(dirname(kubeconfig), 0o700);
    await rm(fresh, { force: true });
    const running = startGcloud(tools.gcloud, credentialsArguments(access), {
      stdin: "none",
      stdout: () => undefined,
      stderr: () => undefined,
      env: { KUBECONFIG: fresh },
    });
    const { code, said } = await running.ended;
    if (code !== 0) throw credentialsRefused(access, said, code);
    await rename(fresh, kubeconfig);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error instanceof UserError ? error : fileError(error, `Writing ${kubeconfig}, the cluster's address,`);
  }
}

/** Why gcloud did not tell the address, in the user's words. */
export function credentialsRefused(access: ClusterAccess, said: string, code: number): UserError {
  const { cluster, location, project, environment } = access;
  const where = `The cluster ${cluster} (${location}, project ${project})`;
  if (/code=404|not found/i.test(said)) {
    return new UserError(
      `${where} is gone: somebody deleted it, or it is being made anew. \`pulumi up --refresh\` in the stack of ${environment} makes it again.`,
    );
  }
  if (/code=403|PERMISSION_DENIED|required "container\./i.test(said)) {
    return new UserError(
      `${where} is not yours to see: you need roles/container.developer in ${project}. Ask the environment's owner, or log in as another account: gcloud auth login`,
    );
  }
  if (/reauth|gcloud auth login|credentials|invalid_grant|not currently have an active account/i.test(said)) {
    return new UserError(`gcloud is not logged in. Log in with: gcloud auth login (and for the rest of mlt: ${LOGIN})`);
  }
  if (/dns[- ]endpoint/i.test(said)) {
    return new UserError(
      `${where} has no DNS endpoint that is open to you, or this gcloud is too old to ask for it (gcloud components update). gcloud says: ${lastLine(said)}`,
    );
  }
  return new UserError(`gcloud could not tell the address of ${cluster} (exit code ${code}): ${lastLine(said)}`);
}

/** The last line that says something. */
export function lastLine(said: string): string {
  return said.trim().split("\n").at(-1)?.trim() || "it gave no reason";
}
