import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** All groups of guests begin so, which is how those of a dead server are found. */
const PREFIX = "ml-training-guest-";

interface Hierarchy {
  path: string;
  version: 1 | 2;
  controllers: string[];
}

/** The mounted control group hierarchies that matter: limits, and those in which systemd keeps its units. */
function hierarchies(): Hierarchy[] {
  const result: Hierarchy[] = [];
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    const [left = "", right = ""] = line.split(" - ");
    const path = left.split(" ")[4] ?? "";
    const [type, , options = ""] = right.split(" ");
    if (type === "cgroup2") result.push({ path, version: 2, controllers: [] });
    if (type === "cgroup") result.push({ path, version: 1, controllers: options.split(",") });
  }
  const wanted = ["memory", "cpu", "pids", "name=systemd"];
  return result.filter(
    ({ version, controllers }) => version === 2 || controllers.some((name) => wanted.includes(name)),
  );
}

export interface Limits {
  vcpus: number;
  memoryMb: number;
}

const PERIOD_US = 100_000;
/** Far above what a training needs, far below what would stop the host. */
const MAX_PROCESSES = 16_384;

/** Makes a guest's own groups with its limits; returns their folders. A hierarchy that refuses (a container's) is left out. */
export function createGroups(id: string, { vcpus, memoryMb }: Limits): string[] {
  const folders: string[] = [];
  for (const { path, version, controllers } of hierarchies()) {
    const folder = join(path, `${PREFIX}${id}`);
    if (!attempt(() => mkdirSync(folder, { recursive: true }))) continue;
    folders.push(folder);
    const quota = vcpus * PERIOD_US;
    const limits: [string, string, string][] =
      version === 2
        ? [
            ["memory", "memory.max", String(memoryMb * 1024 * 1024)],
            ["cpu", "cpu.max", `${quota} ${PERIOD_US}`],
            ["pids", "pids.max", String(MAX_PROCESSES)],
          ]
        : [
            ["memory", "memory.limit_in_bytes", String(memoryMb * 1024 * 1024)],
            ["cpu", "cpu.cfs_quota_us", String(quota)],
            ["pids", "pids.max", String(MAX_PROCESSES)],
          ];
    for (const [controller, file, value] of limits) {
      if (version === 2) attempt(() => writeFileSync(join(path, "cgroup.subtree_control"), `+${controller}`));
      if (version === 2 || controllers.includes(controller)) attempt(() => writeFileSync(join(folder, file), value));
    }
  }
  return folders;
}

function attempt(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

/** Removes a guest's groups once nothing runs in them; processes that are just dying are given a moment. */
export async function removeGroups(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    for (let tries = 0; tries < 50 && !attempt(() => removeTree(folder)); tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Groups have no files of their own, only folders; a folder that is gone already is fine. */
function removeTree(folder: string): void {
  let names: string[];
  try {
    names = readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  for (const name of names) removeTree(join(folder, name));
  rmdirSync(folder);
}

/** Removes the empty groups of guests whose server died; those of living guests stay. */
export function sweepGroups(): void {
  for (const { path } of hierarchies()) {
    for (const name of readdirSync(path)) {
      if (name.startsWith(PREFIX)) attempt(() => isPopulated(join(path, name)) || removeTree(join(path, name)));
    }
  }
}

function isPopulated(folder: string): boolean {
  if (readFileSync(join(folder, "cgroup.procs"), "utf8").trim() !== "") return true;
  const inside = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return inside.some((entry) => isPopulated(join(folder, entry.name)));
}
