import { accessSync, constants, existsSync } from "node:fs";
import { run } from "../command.ts";
import type { GuestDriver } from "../guest.ts";
import { canInstall, ensurePackages, installLine, missingPackages, type Needs } from "../packages.ts";
import { bootQemu, saveQemuDisk } from "./boot.ts";
import { ensureMachineImage, machineImage } from "./image.ts";

const TO_BOOT: Needs = {
  "qemu-system-x86_64": "qemu-system-x86",
  "qemu-img": "qemu-utils",
  slirp4netns: "slirp4netns",
  ip: "iproute2",
  nsenter: "util-linux",
};
const TO_BUILD: Needs = { mmdebstrap: "mmdebstrap", mke2fs: "e2fsprogs" };
/** Without root, a range of users is needed to own the files of a root file system. */
const TO_BUILD_WITHOUT_ROOT: Needs = { newuidmap: "uidmap" };

function needs(): Needs {
  if (existsSync(machineImage().kernel)) return TO_BOOT;
  return { ...TO_BOOT, ...TO_BUILD, ...(process.getuid?.() === 0 ? {} : TO_BUILD_WITHOUT_ROOT) };
}

/** Debian on an emulated machine: its own kernel, disk and power button; no root once its programs are installed. */
export function qemuDriver(): GuestDriver {
  return {
    level: "qemu",
    async unavailable() {
      if (process.platform !== "linux" || process.arch !== "x64") {
        return {
          reason: `this machine's image is for Linux on x64; this is ${process.platform} on ${process.arch}`,
          fix: "run it on such a host",
        };
      }
      const missing = missingPackages(needs());
      if (missing.length > 0 && !canInstall()) {
        return { reason: `these programs' packages are missing: ${missing.join(", ")}`, fix: installLine(missing) };
      }
      const user = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
      const probe = await run("unshare", [...user, "--mount", "--net", "--pid", "--fork", "true"]);
      if (probe.code !== 0) {
        return {
          reason: `namespaces, which part the guest's network from this host's, are refused: ${probe.stderr.trim()}`,
          fix: "sudo sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0",
        };
      }
      if (!isUsable("/dev/net/tun")) {
        return {
          reason: "this user may not open /dev/net/tun, which guests need for their network",
          fix: "sudo chmod 666 /dev/net/tun",
        };
      }
      return undefined;
    },
    async prepare(progress) {
      await ensurePackages(needs(), progress);
      await ensureMachineImage(progress);
    },
    boot: bootQemu,
    saveDisk: saveQemuDisk,
  };
}

function isUsable(device: string): boolean {
  try {
    accessSync(device, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
