import { run, runOrThrow, which } from "./command.ts";

/** A program that a driver needs, and the Debian package that brings it. */
export type Needs = Readonly<Record<string, string>>;

export function missingPackages(needs: Needs): string[] {
  return [...new Set(Object.entries(needs).flatMap(([program, name]) => (which(program) ? [] : [name])))];
}

/** The line that a user runs to get them. */
export function installLine(packages: readonly string[]): string {
  return `sudo apt-get install -y --no-install-recommends ${packages.join(" ")}`;
}

/** True if this process may install packages itself: it never asks for a password. */
export function canInstall(): boolean {
  return process.getuid?.() === 0 && which("apt-get") !== undefined;
}

/** Installs what is missing; says what and how long it took. */
export async function ensurePackages(needs: Needs, progress: (line: string) => void): Promise<void> {
  const packages = missingPackages(needs);
  if (packages.length === 0) return;
  if (!canInstall()) throw new Error(`These packages are missing; install them with: ${installLine(packages)}`);
  const start = Date.now();
  progress(`Installing Debian packages: ${packages.join(", ")}`);
  const args = ["install", "-y", "--no-install-recommends", ...packages];
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const options = ["-o", "DPkg::Lock::Timeout=120"];
  // The lists of a machine that was set up long ago name packages that the mirror no longer has: refresh them and retry.
  if ((await run("apt-get", [...options, ...args], { env })).code !== 0) {
    await runOrThrow("apt-get", [...options, "update"], { env });
    await runOrThrow("apt-get", [...options, ...args], { env });
  }
  progress(`Installed ${packages.length} Debian packages in ${seconds(start)}`);
}

export function seconds(start: number): string {
  return `${((Date.now() - start) / 1000).toFixed(1)} s`;
}
