import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** A folder outside the repository for what tests install; survives between runs. `ML_TRAINING_CACHE` moves it. */
export function cacheFolder(...parts: string[]): string {
  const folder = join(process.env.ML_TRAINING_CACHE ?? join(homedir(), ".cache", "ml-training"), ...parts);
  mkdirSync(folder, { recursive: true });
  return folder;
}
