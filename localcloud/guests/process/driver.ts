import { run, which } from "../command.ts";
import type { GuestDriver } from "../guest.ts";
import { bootProcess } from "./boot.ts";
import { saveProcessDisk } from "./disk.ts";

/** What a startup script needs at least. */
const PROGRAMS = ["bash", "curl", "tar", "base64", "python3"];

/** Supervisor, package and contract as processes of this host: no boot, no systemd, no isolation, no system package. */
export function processDriver(): GuestDriver {
  return {
    level: "process",
    async unavailable() {
      if (process.platform === "win32") {
        return { reason: "Windows has neither bash nor process groups", fix: "run it in WSL 2: wsl --install" };
      }
      const missing = PROGRAMS.filter((program) => which(program) === undefined);
      if (missing.length > 0) {
        return { reason: `these programs are missing: ${missing.join(", ")}`, fix: installFix(missing) };
      }
      if ((await run("python3", ["-c", "import venv, ensurepip"])).code !== 0) {
        return { reason: "this host's python3 cannot make virtual environments", fix: installFix(["python3-venv"]) };
      }
      return undefined;
    },
    async prepare() {},
    boot: bootProcess,
    saveDisk: saveProcessDisk,
  };
}

function installFix(packages: readonly string[]): string {
  const line = `install ${packages.join(" ")}`;
  return process.platform === "darwin" ? `brew ${line}` : `sudo apt-get ${line}`;
}
