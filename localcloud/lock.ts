import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A state folder that another process works with. */
export class StateInUseError extends Error {}

/** One process at a time works with a state folder: two would overwrite each other's records. Returns the release. */
export function lockState(folder: string): () => void {
  const file = join(folder, "lock");
  // Written aside and linked into place: nobody ever sees a lock without its holder's number.
  const own = `${file}.${process.pid}`;
  writeFileSync(own, String(process.pid), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 2; attempt += 1) {
      if (placed(own, file)) return () => rmSync(file, { force: true });
      const holder = read(file);
      if (Number(holder) > 0 && isAlive(Number(holder))) {
        throw new StateInUseError(
          `The state folder ${folder} is in use by process ${holder}, and only one local cloud may use it at a time. ` +
            `Stop that one first (npx mlt local stop); if process ${holder} is no local cloud, remove ${file}.`,
        );
      }
      removeStale(file, holder);
    }
  } finally {
    rmSync(own, { force: true });
  }
  throw new StateInUseError(`The state folder ${folder} is being opened by another process. Try again.`);
}

function placed(own: string, file: string): boolean {
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Removes the lock of a process that was killed, and no other: one that a faster process has put there is put back. */
function removeStale(file: string, holder: string): void {
  const aside = `${file}.stale.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  if (read(aside) !== holder) placed(aside, file);
  rmSync(aside, { force: true });
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
