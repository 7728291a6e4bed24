import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** A folder outside the repository for what tests install; survives between runs. `ML_TRAINING_CACHE` moves it. */
export function cacheFolder(...parts: string[]): string {
  const folder = join(process.env.ML_TRAINING_CACHE ?? join(homedir(), ".cache", "ml-training"), ...parts);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** A folder outside the repository for what tests show to people, such as screenshots. `ML_TRAINING_ARTIFACTS` moves it. */
export function artifactsFolder(...parts: string[]): string {
  const folder = join(process.env.ML_TRAINING_ARTIFACTS ?? cacheFolder("artifacts"), ...parts);
  mkdirSync(folder, { recursive: true });
  return folder;
}
