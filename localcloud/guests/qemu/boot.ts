import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bootConfig } from "../bootConfig.ts";
import { runOrThrow } from "../command.ts";
import type { Guest, GuestSpec } from "../guest.ts";
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
  const program = {
    init: fileURLToPath(new URL("init.sh", import.meta.url)),
    machine: ["qemu-system-x86_64", ...(await accelerator()), ...machineArguments(spec, image, { disk, config, run })],
    environment: { GUEST_RUN: run, GUEST_NAME_SERVER: NAME_SERVER },
    inUserNamespace: process.getuid?.() !== 0,
  };
  return startMachine(spec, program, () => {});
}

/** What a machine changes lies in a file of its own over the image. */
async function ensureDisk(spec: GuestSpec, image: MachineImage): Promise<string> {
  const disk = join(spec.diskFolder, "disk.qcow2");
  if (existsSync(disk)) return disk;
  const [backing, format] =
    spec.imageFolder === undefined ? [image.disk, "raw"] : [join(spec.imageFolder, "disk.qcow2"), "qcow2"];
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

/** A comma parts QEMU's options; doubled, it is one. */
function escapeOption(path: string): string {
  return path.replaceAll(",", ",,");
}
