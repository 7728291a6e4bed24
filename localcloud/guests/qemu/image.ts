import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runOrThrow } from "../command.ts";
import { aptSettings } from "../hostSettings.ts";
import { seconds } from "../packages.ts";
import { ensureRootArchive, inTemporaryFolder, recipeFolder } from "../rootfs/build.ts";
import { SUITE } from "../rootfs/files.ts";
import { debianSources } from "../rootfs/mirror.ts";
import { unpackKernel } from "./lz4.ts";

/** Debian's kernel for virtual machines: disk and file system drivers are built in, so it needs no initial RAM disk. */
const KERNEL_PACKAGE = "linux-image-cloud-amd64";
/** Sparse: only what is written takes space. */
const DISK_SIZE = "30G";

export interface MachineImage {
  kernel: string;
  disk: string;
}

export function machineImage(): MachineImage {
  const folder = join(recipeFolder(), "machine");
  return { kernel: join(folder, "kernel"), disk: join(folder, "disk.raw") };
}

/** Makes a disk of the root file system, and takes the kernel out of its package; once. */
export async function ensureMachineImage(progress: (line: string) => void): Promise<MachineImage> {
  const image = machineImage();
  const folder = join(recipeFolder(), "machine");
  if (existsSync(folder)) return image;
  const archive = await ensureRootArchive(progress);
  const start = Date.now();
  progress(`Building a machine's disk and kernel (about half a minute): ${folder}`);
  await inTemporaryFolder(recipeFolder(), async (work) => {
    mkdirSync(join(work, "machine"));
    await unpackKernelPackage(join(work, "kernel.tar"), work);
    // Files of a root file system have many owners: without root, a user namespace with a range of users holds them.
    const asRoot = process.getuid?.() === 0 ? [] : ["unshare", "--user", "--map-root-user", "--map-auto", "--mount"];
    const [program = "sh", ...args] = [...asRoot, "sh", "-euc", ASSEMBLE, "sh", work, archive, DISK_SIZE];
    await runOrThrow(program, args, { env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` } });
    const boot = join(work, "boot");
    const name = readdirSync(boot).find((file) => file.startsWith("vmlinuz-"));
    if (name === undefined) throw new Error(`The package ${KERNEL_PACKAGE} brought no kernel.`);
    writeFileSync(join(work, "machine", "kernel"), unpackKernel(readFileSync(join(boot, name))));
    if (!existsSync(folder)) renameSync(join(work, "machine"), folder);
  });
  progress(`Built the machine's disk and kernel in ${seconds(start)}`);
  return image;
}

async function unpackKernelPackage(archive: string, work: string): Promise<void> {
  const settings = (await aptSettings()).map((line) => `--aptopt=${line}`);
  const mode = process.getuid?.() === 0 ? "root" : "unshare";
  const args = [`--mode=${mode}`, "--variant=extract", ...settings, `--include=${KERNEL_PACKAGE}`, SUITE, archive];
  await runOrThrow("mmdebstrap", [...args, ...debianSources()], { env: { ...process.env, TMPDIR: work } });
}

/** $1: the folder to work in; $2: the root file system; $3: the disk's size. */
const ASSEMBLE = `
cd "$1"
mkdir root
tar -xf "$2" -C root --numeric-owner
tar -xf kernel.tar -C root/usr --wildcards './lib/modules/*'
tar -xf kernel.tar --wildcards './boot/vmlinuz-*'
chroot root depmod "$(ls root/usr/lib/modules)"
mke2fs -q -t ext4 -L root -d root machine/disk.raw "$3"
rm -r root
`;
