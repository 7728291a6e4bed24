import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bootConfig } from "../bootConfig.ts";
import type { Guest, GuestSpec } from "../guest.ts";
import { NAME_SERVER } from "../namespaces/network.ts";
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

/** Boots `root` (and the image's layer over it) as a machine; the disk folder takes every change. */
export async function bootNspawn(spec: GuestSpec, root: string): Promise<Guest> {
  const image = spec.imageFolder === undefined ? undefined : join(spec.imageFolder, "upper");
  if (image !== undefined && !existsSync(image)) throw new Error(`The image's folder has no layer: ${image}`);
  const archive = join(spec.diskFolder, "boot-config.tar");
  const resolver = { "run/systemd/resolve/stub-resolv.conf": `nameserver ${NAME_SERVER}\n` };
  prepareDisk(spec.diskFolder);
  writeFileSync(archive, await bootConfig(spec, resolver), { mode: 0o644 });
  const groups = createGroups(spec.id, spec);
  const program = {
    init: fileURLToPath(new URL("init.sh", import.meta.url)),
    machine: machineProgram(spec, archive),
    environment: {
      GUEST_CGROUPS: groups.join(" "),
      GUEST_DISK: spec.diskFolder,
      GUEST_LOWER: [...(image ? [image] : []), root].map(escapeLayer).join(":"),
      // `/tmp` lies on the disk, as on Google's images; memory is for the training.
      SYSTEMD_NSPAWN_TMPFS_TMP: "0",
    },
    inUserNamespace: false,
  };
  return startMachine(spec, program, () => removeGroups(groups));
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
  ];
}

/** Colons part the layers of an overlay, commas the options of a mount. */
function escapeLayer(path: string): string {
  return path.replace(/[\\:,]/g, "\\$&");
}
