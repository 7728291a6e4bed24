import { chmodSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** How the starter is told from Google's gcloud. */
export const MARK = "# gcloud of the local cloud";

/**
 * Writes the program `gcloud` into `folder/bin`, and gives that folder. `nodeArguments`: what Node needs to run this
 * repository's files.
 */
export function writeLauncher(folder: string, nodeArguments: readonly string[]): string {
  const bin = join(folder, "bin");
  mkdirSync(bin, { recursive: true, mode: 0o700 });
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const words = [process.execPath, ...nodeArguments, main].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  const lines = ["#!/bin/sh", MARK, `GCLOUD_STARTER="$0" exec ${words.join(" ")} "$@"`, ""];
  const file = join(bin, "gcloud");
  // Replaced in one step: another shell may be starting it.
  writeFileSync(`${file}.${process.pid}`, lines.join("\n"));
  chmodSync(`${file}.${process.pid}`, 0o755);
  renameSync(`${file}.${process.pid}`, file);
  return bin;
}
