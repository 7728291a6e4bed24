import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A state folder that another process works with. */
export class StateInUseError extends Error {}

/** One process at a time works with a state folder: two would overwrite each other's records. Returns the release. */
export function lockState(folder: string): () => void {
  const file = join(folder, "lock");
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      writeFileSync(file, String(process.pid), { flag: "wx", mode: 0o600 });
      return () => rmSync(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = Number(read(file));
    if (Number.isInteger(holder) && holder > 0 && isAlive(holder)) {
      throw new StateInUseError(
        `The state folder ${folder} is in use by process ${holder}, and only one local cloud may use it at a time. ` +
          `Stop that one first (npx mlt local stop); if process ${holder} is no local cloud, remove ${file}.`,
      );
    }
    rmSync(file, { force: true }); // left by a process that was killed
  }
  throw new StateInUseError(`The state folder ${folder} is being opened by another process. Try again.`);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
