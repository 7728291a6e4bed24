import { join } from "node:path";
import { run } from "../localcloud/guests/command.ts";

const MLT = join(import.meta.dirname, "..", "cli", "mlt.js");

export interface CleanAnswer {
  /** 0: nothing of ours is there, 1: something is, 2: not everything could be seen. */
  code: number;
  /** What it said, in a line. */
  said: string;
}

/** `mlt clean …`, as anybody would call it; the environment leads it to the local cloud. */
export async function mltClean(project: string, ...args: string[]): Promise<CleanAnswer> {
  const { code, stdout, stderr } = await run(process.execPath, [MLT, "clean", "--project", project, ...args], {
    timeoutMs: 120_000,
  });
  const lines = `${stdout}\n${stderr}`.split("\n").map((line) => line.trim());
  return { code, said: lines.filter((line) => line !== "" && !line.startsWith("Looking at")).join("; ") };
}
