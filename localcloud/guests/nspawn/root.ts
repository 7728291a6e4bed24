import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { runOrThrow } from "../command.ts";
import { seconds } from "../packages.ts";
import { ensureRootArchive, inTemporaryFolder, recipeFolder } from "../rootfs/build.ts";
import { NOT_IN_STOCK_IMAGES } from "../rootfs/files.ts";
import { createGroups, removeGroups } from "./cgroups.ts";

/**
 * Guests see the user ids 0…65535; on the host these are ids from here on, which belong to nobody. One range for all
 * guests: an overlay cannot be mapped at mount time, and giving every file another owner at each boot would copy it.
 */
export const FIRST_ID = 1_879_048_192;
export const ID_COUNT = 65_536;

export function rootFolder(): string {
  return join(recipeFolder(), "root");
}

/** Unpacks the root file system and gives it to the guests' users, once. */
export async function ensureRootFolder(progress: (line: string) => void): Promise<string> {
  const folder = rootFolder();
  if (existsSync(folder)) return folder;
  const archive = await ensureRootArchive(progress);
  const start = Date.now();
  await inTemporaryFolder(recipeFolder(), async (work) => {
    const root = join(work, "root");
    mkdirSync(root);
    await runOrThrow("tar", ["-xf", archive, "-C", root, "--numeric-owner", "--xattrs", "--xattrs-include=*"]);
    await inGroups(`exec systemd-nspawn ${NSPAWN} --private-users-ownership=chown --directory="$1" true`, [root]);
    if (!existsSync(folder)) renameSync(root, folder);
  });
  progress(`Unpacked the root file system in ${seconds(start)}: ${folder}`);
  return folder;
}

/** The layer over the root file system that makes it like Google's stock images: no venv for Python. */
export async function ensureStockLayer(progress: (line: string) => void): Promise<string> {
  const image = join(recipeFolder(), "stock");
  if (existsSync(image)) return image;
  const root = await ensureRootFolder(progress);
  await inTemporaryFolder(recipeFolder(), async (work) => {
    for (const name of ["image/upper", "work", "merged"]) mkdirSync(join(work, name), { recursive: true });
    // dpkg works as the guests' root, with no right on the host.
    await inGroups(STOCK_LAYER, [root, work]);
    if (!existsSync(image)) renameSync(join(work, "image"), image);
  });
  return image;
}

const NSPAWN = `--quiet --register=no --keep-unit --private-network --pipe --private-users=${FIRST_ID}:${ID_COUNT}`;

const STOCK_LAYER = `
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/image/upper,workdir=$2/work" "$2/merged"
systemd-nspawn ${NSPAWN} --private-users-ownership=off --directory="$2/merged" \\
  dpkg --purge ${NOT_IN_STOCK_IMAGES.join(" ")}
`;

/** Runs a script with a mount namespace and control groups of its own: nspawn leaves groups behind where it ran. */
async function inGroups(script: string, args: readonly string[]): Promise<void> {
  const groups = createGroups(`build-${process.pid}`, { vcpus: 64, memoryMb: 4096 });
  const enter = groups.map((folder) => `echo 0 >"${folder}/cgroup.procs"\n`).join("");
  try {
    await runOrThrow("unshare", ["--mount", "sh", "-euc", `${enter}${script}`, "sh", ...args]);
  } finally {
    await removeGroups(groups);
  }
}
