import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { run, runOrThrow, which } from "../localcloud/guests/command.ts";
import type { Guest, GuestDriver, GuestLevel, GuestSpec } from "../localcloud/guests/guest.ts";
import { rootFolder } from "../localcloud/guests/nspawn/root.ts";
import { Inside } from "./inside.ts";
import { guestPython, hostPython, type LayerFiles, seededVenv, writeLayer } from "./layer.ts";

/** What one run's machines are to be. */
export interface MachinePlan {
  level: "nspawn" | "process";
  /** Shorter times for the supervisor and its units, as variables. */
  limits: Record<string, string>;
  /** Lines of a drop-in of the supervisor's unit, and of the deletion's. */
  unit?: string;
  deletionUnit?: string;
  /** Lines that the startup script begins with (process level). */
  prelude?: string;
  memoryMb?: number;
  /** The disk is so small, and in memory, so that it can be filled. */
  diskMb?: number;
  /** The run whose virtual environment is there before the boot, as an image of one's own would have it. */
  seededRun?: { id: string; requirements: string };
  /** A folder for the layers of this run's machines. */
  folder: string;
}

export interface BootedMachine {
  name: string;
  guest: Guest;
  level: MachinePlan["level"];
  inside: Inside;
  diskFolder: string;
}

/** Boots each machine at the level, and with the settings, that its case planned. */
export class CaseDriver implements GuestDriver {
  readonly level: GuestLevel;
  readonly #drivers: Readonly<Partial<Record<GuestLevel, GuestDriver>>>;
  readonly #planOf: (machine: string) => MachinePlan | undefined;
  readonly #onLine: (machine: string, line: string) => void;
  readonly #booted = new Map<string, BootedMachine>();
  #layers = 0;

  constructor(
    drivers: Partial<Record<GuestLevel, GuestDriver>>,
    planOf: (machine: string) => MachinePlan | undefined,
    onLine: (machine: string, line: string) => void,
  ) {
    this.#drivers = drivers;
    this.level = drivers.nspawn ? "nspawn" : "process";
    this.#planOf = planOf;
    this.#onLine = onLine;
  }

  async unavailable(): Promise<undefined> {}
  async prepare(): Promise<void> {}

  /** The machine of this name that was booted last. */
  machine(name: string): BootedMachine | undefined {
    return this.#booted.get(name);
  }

  async saveDisk(): Promise<void> {
    throw new Error("No case makes an image of a disk.");
  }

  async boot(spec: GuestSpec): Promise<Guest> {
    const plan = this.#planOf(spec.name);
    if (!plan) throw new Error(`No case has planned the machine ${spec.name}.`);
    const driver = this.#drivers[plan.level];
    if (!driver) throw new Error(`The level ${plan.level} is not here.`);
    const serial = (line: string) => {
      spec.serial(line);
      this.#onLine(spec.name, line);
    };
    const changed = { ...spec, serial, memoryMb: plan.memoryMb ?? spec.memoryMb };
    const guest =
      plan.level === "nspawn"
        ? await this.#bootNspawn(driver, changed, plan)
        : await this.#bootProcess(driver, changed, plan);
    const inside = new Inside(guest, plan.level, spec.diskFolder);
    this.#booted.set(spec.name, { name: spec.name, guest, level: plan.level, inside, diskFolder: spec.diskFolder });
    return guest;
  }

  async #bootNspawn(driver: GuestDriver, spec: GuestSpec, plan: MachinePlan): Promise<Guest> {
    this.#layers += 1;
    const layer = join(plan.folder, `layer-${this.#layers}`);
    const environment = Object.entries(plan.limits).map(([key, value]) => `Environment=${key}=${value}\n`);
    const dropIn = (lines = "") => `[Service]\n${environment.join("")}${lines}`;
    const files: LayerFiles = {
      // After the drop-in that the supervisor itself writes for its deadline.
      "etc/systemd/system/ml-training.service.d/90-faults.conf": dropIn(plan.unit),
      "etc/systemd/system/ml-training-delete.service.d/90-faults.conf": dropIn(plan.deletionUnit),
      "etc/systemd/system/google-startup-scripts.service.d/90-faults.conf": dropIn(),
      ...(plan.seededRun ? seededVenv(plan.seededRun, guestPython(rootFolder())) : {}),
    };
    writeLayer(layer, files);
    const layered = { ...spec, imageFolders: [layer, ...(spec.imageFolders ?? [])] };
    if (plan.diskMb === undefined) return driver.boot(layered);
    await mountOnce(spec.diskFolder, plan.diskMb);
    const guest = await driver.boot(layered);
    void guest.off.then(() => run("umount", ["--lazy", spec.diskFolder]));
    return guest;
  }

  async #bootProcess(driver: GuestDriver, spec: GuestSpec, plan: MachinePlan): Promise<Guest> {
    if (plan.seededRun) writeLayer(join(spec.diskFolder, "root"), seededVenv(plan.seededRun, hostPython()), "plain");
    const exports = Object.entries(plan.limits).map(([key, value]) => `export ${key}=${value}\n`);
    const [first, ...rest] = spec.startupScript.split("\n");
    const startupScript = [first, ...exports, plan.prelude ?? "", ...rest].join("\n");
    return driver.boot({ ...spec, startupScript });
  }
}

async function mountOnce(folder: string, megabytes: number): Promise<void> {
  const mounted = execFileSync("cat", ["/proc/self/mountinfo"], { encoding: "utf8" }).includes(` ${folder} `);
  if (mounted) return;
  if (!which("mount")) throw new Error("There is no mount on this host.");
  await runOrThrow("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=755`, "tmpfs", folder]);
}
