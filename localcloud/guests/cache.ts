import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Where root file systems are kept between sessions: outside the repository; `ML_TRAINING_CACHE` moves it. */
export function guestCache(...parts: string[]): string {
  const folder = join(process.env.ML_TRAINING_CACHE ?? join(homedir(), ".cache", "ml-training"), "guest", ...parts);
  mkdirSync(folder, { recursive: true });
  return folder;
}
