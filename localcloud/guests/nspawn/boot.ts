import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bootConfig } from "../bootConfig.ts";
import { runOrThrow } from "../command.ts";
import type { DiskContent, Guest, GuestSpec } from "../guest.ts";
import { NAME_SERVER, NETWORK_ADDRESS } from "../namespaces/network.ts";
import { startMachine } from "../namespaces/start.ts";
import { createGroups, removeGroups } from "./cgroups.ts";
import { FIRST_ID, ID_COUNT } from "./root.ts";

/** What a training never needs, of the little that a container's root may do. */
const DROPPED = [
  "CAP_AUDIT_CONTROL",
  "CAP_AUDIT_WRITE",
  "CAP_IPC_OWNER",
  "CAP_LEASE",
  "CAP_LINUX_IMMUTABLE",
  "CAP_MKNOD",
  "CAP_NET_BROADCAST",
  "CAP_NET_RAW",
  "CAP_SYS_TTY_CONFIG",
];

/** Boots `root` (and the image's layers over it) as a machine; the disk folder takes every change. */
export async function bootNspawn(spec: GuestSpec, root: string): Promise<Guest> {
  const archive = join(spec.diskFolder, "boot-config.tar");
  const resolver = { "run/systemd/resolve/stub-resolv.conf": `nameserver ${NAME_SERVER}\n` };
  const layers = lowerLayers(spec, root);
  prepareDisk(spec.diskFolder);
  writeFileSync(archive, await bootConfig(spec, resolver), { mode: 0o644 });
  const groups = createGroups(spec.id, spec);
  const program = {
    init: fileURLToPath(new URL("init.sh", import.meta.url)),
    machine: machineProgram(spec, archive),
    environment: {
      GUEST_CGROUPS: groups.join(" "),
      GUEST_DISK: spec.diskFolder,
      GUEST_LOWER: layers,
      // `/tmp` lies on the disk, as on Google's images; memory is for the training.
      SYSTEMD_NSPAWN_TMPFS_TMP: "0",
      GUEST_OWNER: String(FIRST_ID),
    },
    inUserNamespace: false,
    address: NETWORK_ADDRESS,
  };
  return startMachine(spec, program, () => removeGroups(groups));
}

/** The options of a mount are one page. */
const LONGEST_OPTIONS = 3800;

function lowerLayers(spec: GuestSpec, root: string): string {
  const images = (spec.imageFolders ?? []).map((folder) => join(folder, "upper"));
  for (const layer of images) if (!existsSync(layer)) throw new Error(`The image's folder has no layer: ${layer}`);
  const layers = [...images, baseRoot(spec, root)].map(escapeLayer).join(":");
  if (layers.length > LONGEST_OPTIONS) {
    throw new Error(
      `The image lies over ${images.length - 1} others, more than one mount can name; build it from a public image.`,
    );
  }
  return layers;
}

/**
 * The root file system below a disk stays the one that it was made over, since a newer one's files would not fit what
 * the disk has changed: its folder is kept with the disk, and with every image of it.
 */
function baseRoot(disk: DiskContent, current: string): string {
  const root = notedRoot(disk) ?? current;
  if (!existsSync(root)) {
    throw new Error(
      `The root file system that this disk was made over is gone: ${root}. Make the machine, or its image, again.`,
    );
  }
  writeFileSync(join(disk.diskFolder, BASE), root);
  return root;
}

const BASE = "base";

function notedRoot({ diskFolder, imageFolders = [] }: DiskContent): string | undefined {
  const noted = [diskFolder, ...imageFolders].map((folder) => join(folder, BASE)).find((path) => existsSync(path));
  return noted === undefined ? undefined : readFileSync(noted, "utf8");
}

/** Keeps the changes that a disk holds as an image's layer; a disk that was never booted has none. */
export async function saveNspawnDisk(disk: DiskContent, to: string, current: string): Promise<void> {
  const upper = join(disk.diskFolder, "upper");
  const layer = join(to, "upper");
  mkdirSync(layer, { recursive: true });
  chownSync(layer, FIRST_ID, FIRST_ID);
  if (existsSync(upper)) await runOrThrow("cp", ["-a", "--reflink=auto", `${upper}/.`, layer]);
  writeFileSync(join(to, BASE), notedRoot(disk) ?? current);
}

function prepareDisk(folder: string): void {
  for (const name of ["upper", "work", "merged"]) mkdirSync(join(folder, name), { recursive: true });
  // The overlay's own folder is the guest's `/`.
  const upper = join(folder, "upper");
  chownSync(upper, FIRST_ID, FIRST_ID);
  chmodSync(upper, 0o755);
}

function machineProgram(spec: GuestSpec, archive: string): string[] {
  return [
    "systemd-nspawn",
    "--quiet",
    `--machine=g${spec.id}`,
    `--hostname=${spec.name}`,
    `--directory=${join(spec.diskFolder, "merged")}`,
    "--boot",
    "--register=no",
    "--keep-unit",
    "--settings=no",
    "--link-journal=no",
    "--resolv-conf=off",
    "--timezone=off",
    "--console=read-only",
    "--kill-signal=SIGRTMIN+4",
    `--private-users=${FIRST_ID}:${ID_COUNT}`,
    "--private-users-ownership=off",
    `--drop-capability=${DROPPED.join(",")}`,
    `--bind-ro=${archive}:/run/host/boot-config.tar`,
    // File systems in user space, such as a bucket's: the device gives a process only what it mounts itself.
    ...(existsSync("/dev/fuse") ? ["--bind=/dev/fuse"] : []),
    // `init.sh` puts the nodes of data disks here, so that nothing of the host ever follows a path of the guest's.
    "--bind-ro=/run/systemd/nspawn/disks:/dev/disk/by-id",
  ];
}

/** Colons part the layers of an overlay, commas the options of a mount. */
function escapeLayer(path: string): string {
  return path.replace(/[\\:,]/g, "\\$&");
}
