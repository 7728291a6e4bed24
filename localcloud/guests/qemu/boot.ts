import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bootConfig } from "../bootConfig.ts";
import { runOrThrow } from "../command.ts";
import type { DataDisk, DiskContent, Guest, GuestSpec } from "../guest.ts";
import { NAME_SERVER } from "../namespaces/network.ts";
import { startMachine } from "../namespaces/start.ts";
import { accelerator } from "./accelerator.ts";
import { type MachineImage, machineImage } from "./image.ts";

/** Boots a machine with a kernel, a disk and a power button of its own. */
export async function bootQemu(spec: GuestSpec): Promise<Guest> {
  const image = machineImage();
  const run = join(spec.diskFolder, "run");
  mkdirSync(run, { recursive: true });
  const disk = await ensureDisk(spec, image);
  const config = join(spec.diskFolder, "boot-config.tar");
  writeFileSync(config, await bootConfig(spec));
  const disks = spec.dataDisks ?? [];
  for (const { name } of disks) requireName(name);
  const machine = [...machineArguments(spec, image, { disk, config, run }), ...disks.flatMap(dataDisk)];
  const program = {
    init: fileURLToPath(new URL("init.sh", import.meta.url)),
    machine: ["qemu-system-x86_64", ...(await accelerator()), ...machine],
    environment: { GUEST_RUN: run, GUEST_NAME_SERVER: NAME_SERVER },
    inUserNamespace: process.getuid?.() !== 0,
    address: "127.0.0.1",
    forwards: true,
  };
  // Its disks are there from the start; nothing has to be plugged in.
  const running = await startMachine({ ...spec, dataDisks: [] }, program, () => {});
  const attach = running.attach.bind(running);
  running.attach = async (wanted) => {
    requireName(wanted.name);
    await attach(wanted);
  };
  return running;
}

/** A virtual disk's serial number holds so many characters. */
const LONGEST_NAME = 20;

function requireName(name: string): void {
  if (name.length <= LONGEST_NAME) return;
  throw new Error(
    `The device name ${name} has ${name.length} characters; at the guest level "qemu" a disk's has at most ${LONGEST_NAME}.`,
  );
}

/** Keeps what a disk's own file holds; it goes on lying over the same files. */
export async function saveQemuDisk(disk: DiskContent, to: string): Promise<void> {
  const file = await ensureDisk(disk, machineImage());
  mkdirSync(to, { recursive: true });
  await runOrThrow("cp", ["--reflink=auto", "--sparse=always", file, join(to, "disk.qcow2")]);
}

/** What a machine changes lies in a file of its own over the image, which itself may lie over others. */
async function ensureDisk({ diskFolder, imageFolders = [] }: DiskContent, image: MachineImage): Promise<string> {
  const disk = join(diskFolder, "disk.qcow2");
  if (existsSync(disk)) return disk;
  const [top] = imageFolders;
  const [backing, format] = top === undefined ? [image.disk, "raw"] : [join(top, "disk.qcow2"), "qcow2"];
  if (!existsSync(backing)) throw new Error(`The image's folder has no disk: ${backing}`);
  await runOrThrow("qemu-img", ["create", "-q", "-f", "qcow2", "-b", backing, "-F", format, disk]);
  return disk;
}

interface Files {
  disk: string;
  config: string;
  run: string;
}

function machineArguments(spec: GuestSpec, { kernel }: MachineImage, { disk, config, run }: Files): string[] {
  const append = [
    "root=/dev/nvme0n1 rw",
    "console=ttyS0",
    "panic=-1",
    "quiet",
    "mitigations=off",
    "net.ifnames=0",
    `systemd.hostname=${spec.name}`,
  ];
  const options: [string, ...string[]][] = [
    ["-m", `${spec.memoryMb}M`],
    ["-smp", String(spec.vcpus)],
    ["-nodefaults"],
    ["-no-user-config"],
    ["-no-reboot"],
    ["-display", "none"],
    ["-kernel", kernel],
    ["-append", append.join(" ")],
    // One controller with two name spaces: their numbers, unlike those of two controllers, never change places.
    ["-device", "nvme,id=nvme0,serial=machine"],
    ["-drive", `if=none,id=disk,format=qcow2,discard=unmap,file=${escapeOption(disk)}`],
    ["-device", "nvme-ns,drive=disk,bus=nvme0,nsid=1"],
    ["-drive", `if=none,id=config,format=raw,readonly=on,file=${escapeOption(config)}`],
    ["-device", "nvme-ns,drive=config,bus=nvme0,nsid=2"],
    ["-netdev", "user,id=net,net=10.0.3.0/24,ipv6=off"],
    ["-device", "virtio-net-pci,netdev=net"],
    ["-device", "virtio-rng-pci"],
    ["-chardev", `file,id=console,path=${escapeOption(join(run, "console"))}`],
    ["-serial", "chardev:console"],
    ["-chardev", `pipe,id=monitor,path=${escapeOption(join(run, "monitor"))}`],
    ["-mon", "chardev=monitor,mode=control"],
  ];
  return options.flat();
}

function dataDisk({ name, file, readOnly }: DataDisk): string[] {
  const drive = `if=none,id=data-${name},format=raw,readonly=${readOnly ? "on" : "off"},file=${escapeOption(file)}`;
  return ["-drive", drive, "-device", `virtio-blk-pci,id=boot-${name},drive=data-${name},serial=${name}`];
}

/** A comma parts QEMU's options; doubled, it is one. */
function escapeOption(path: string): string {
  return path.replaceAll(",", ",,");
}
