import { existsSync, readFileSync } from "node:fs";
import type { GuestDriver } from "../guest.ts";
import { canInstall, ensurePackages, installLine, missingPackages, type Needs } from "../packages.ts";
import { bootNspawn, saveNspawnDisk } from "./boot.ts";
import { sweepGroups } from "./cgroups.ts";
import { ensureRootFolder, rootFolder } from "./root.ts";

const TO_BOOT: Needs = {
  "systemd-nspawn": "systemd-container",
  slirp4netns: "slirp4netns",
  ip: "iproute2",
  nsenter: "util-linux",
  script: "bsdutils",
};
const TO_BUILD: Needs = { mmdebstrap: "mmdebstrap" };

/** CAP_NET_ADMIN and CAP_SYS_ADMIN: a container's root often lacks them. */
const NEEDED_CAPABILITIES = (1n << 12n) | (1n << 21n);

/** Debian under systemd-nspawn: a real init system and Google's agent on this host's kernel, a second from boot to script. */
export function nspawnDriver(): GuestDriver {
  return {
    level: "nspawn",
    async unavailable() {
      if (process.platform !== "linux") {
        return {
          reason: `nspawn needs Linux; this is ${process.platform}`,
          fix: "run it on Linux, or in a Linux machine",
        };
      }
      if (process.getuid?.() !== 0) {
        return { reason: "nspawn needs root", fix: "sudo --preserve-env=PATH npm run rehearse" };
      }
      if ((effectiveCapabilities() & NEEDED_CAPABILITIES) !== NEEDED_CAPABILITIES) {
        return {
          reason: "this container's root may not mount or make networks (CAP_SYS_ADMIN, CAP_NET_ADMIN)",
          fix: "start the container with --privileged",
        };
      }
      if (!existsSync("/dev/net/tun")) {
        return { reason: "there is no /dev/net/tun, which guests need for their network", fix: "modprobe tun" };
      }
      const missing = missingPackages({ ...TO_BOOT, ...(existsSync(rootFolder()) ? {} : TO_BUILD) });
      if (missing.length > 0 && !canInstall()) {
        return { reason: `these programs' packages are missing: ${missing.join(", ")}`, fix: installLine(missing) };
      }
      return undefined;
    },
    async prepare(progress) {
      await ensurePackages({ ...TO_BOOT, ...(existsSync(rootFolder()) ? {} : TO_BUILD) }, progress);
      await ensureRootFolder(progress);
      sweepGroups();
    },
    boot: (spec) => bootNspawn(spec, rootFolder()),
    saveDisk: (disk, to) => saveNspawnDisk(disk, to, rootFolder()),
  };
}

function effectiveCapabilities(): bigint {
  const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"));
  return BigInt(`0x${line?.[1] ?? "0"}`);
}
