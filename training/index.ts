// What programs use: the rehearsal, tests, course tools. The command line uses the same modules one by one, so that it
// loads only what it needs.
import type { OpenEnvironment } from "./environment.ts";
import { bucketPath, requireWritable } from "./paths.ts";
import { fetchFiles, putFiles as put, type TransferOptions, type TransferReport } from "./transfer.ts";

export { cancelRun } from "./cancel.ts";
export type { Environment, Phase, RunSpec, RunStatus } from "./contract.ts";
export { type OpenEnvironment, openEnvironment } from "./environment.ts";
export { EXIT, Problems, UserError } from "./errors.ts";
export { exitCodeOf, type FollowEvent, type FollowOptions, follow } from "./follow.ts";
export { lastLines, readLog } from "./logs.ts";
export { type OnceRecord, type OnceStart, onceObject, readOnce, startOnce, submitOnce } from "./once.ts";
export { readPackage } from "./package.ts";
export { type Estimate, estimate } from "./price.ts";
export type { MachineState } from "./reconcile.ts";
export { type ResumeOptions, resumeRun } from "./resume.ts";
export { engineOf, listRuns, readSpec, readStatus, reconcile, resolveRun } from "./runs.ts";
export { isTerminal } from "./status.ts";
export { planRun, type SubmitOptions, startRun, submit } from "./submit.ts";

/** Uploads a file or folder to below a path such as `input/census`. */
export async function putFiles(
  environment: OpenEnvironment,
  source: string,
  target: string,
  options: TransferOptions = {},
): Promise<TransferReport> {
  const path = bucketPath(target, environment);
  requireWritable(path, environment);
  return put(environment.objects, source, path, options);
}

/** Downloads all that a run left: `output/…`, `log.txt`, `spec.json`, `status.json`. */
export async function fetchRun(
  environment: OpenEnvironment,
  id: string,
  folder: string,
  options: TransferOptions = {},
): Promise<TransferReport> {
  return fetchFiles(environment.objects, { bucket: environment.buckets.data, path: `runs/${id}/` }, folder, options);
}
