import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { DiskContent, Guest, GuestDriver, GuestSpec } from "../../localcloud/guests/guest.ts";

/** What goes wrong inside one build's machines. */
export interface MachinePlan {
  /** Programs put first on PATH, in the place of the machine's own: name → body of a shell script. */
  stubs?: Record<string, string>;
  env?: Record<string, string>;
  /** Lines that the startup script begins with; `exit` there is a machine that does nothing. */
  prelude?: string;
  /** Every machine has the same machine-id, as if the disk still had the builder's. */
  sameMachineId?: boolean;
  /** How long the machine takes to go off. */
  slowButtonMs?: number;
}

/**
 * Machines that are folders of this computer, on which the real startup script runs as a process and programs that
 * change a system are stubs. So what goes wrong in a build can be ordered, in a second, and nothing of it can hurt.
 */
export class StubbedMachines implements GuestDriver {
  readonly level = "process";
  /** By what the machine's name holds. */
  readonly plans = new Map<string, MachinePlan>();
  /** For machines that no plan is made for. */
  usual: MachinePlan = {};
  /** The console of every machine, by its name. */
  readonly consoles = new Map<string, string[]>();
  readonly #storage: () => string;

  /** @param storage where machines find Cloud Storage; known when the cloud is up */
  constructor(storage: () => string) {
    this.#storage = storage;
  }

  async unavailable(): Promise<undefined> {}
  async prepare(): Promise<void> {}

  async saveDisk({ diskFolder }: DiskContent, to: string): Promise<void> {
    cpSync(join(diskFolder, "root"), join(to, "root"), { recursive: true, verbatimSymlinks: true });
  }

  async boot(spec: GuestSpec): Promise<Guest> {
    const plan = [...this.plans].find(([part]) => spec.name.includes(part))?.[1] ?? this.usual;
    const root = join(spec.diskFolder, "root");
    if (!existsSync(root)) {
      mkdirSync(join(root, "etc"), { recursive: true });
      // Each machine's own, as systemd makes it at the first boot.
      writeFileSync(join(root, "etc/machine-id"), "");
      for (const layer of [...(spec.imageFolders ?? [])].reverse()) {
        cpSync(join(layer, "root"), root, { recursive: true, verbatimSymlinks: true });
      }
      const id = plan.sameMachineId ? "1" : spec.id;
      writeFileSync(join(root, "etc/machine-id"), `${id.padStart(32, "0")}\n`, { flag: "a" });
    }
    const stubs = join(spec.diskFolder, "stubs");
    mkdirSync(stubs, { recursive: true });
    for (const [name, body] of Object.entries({ ...USUAL_STUBS, ...plan.stubs })) {
      writeFileSync(join(stubs, name), `#!/bin/sh\n${body}\n`);
      chmodSync(join(stubs, name), 0o755);
    }
    const [first, ...rest] = spec.startupScript.split("\n");
    const script = join(spec.diskFolder, "startup-script");
    writeFileSync(script, [first, plan.prelude ?? "", ...rest].join("\n"));
    const metadata = createServer(spec.metadata);
    await new Promise<void>((resolve) => metadata.listen(0, "127.0.0.1", resolve));
    const lines: string[] = [];
    this.consoles.set(spec.name, lines);
    const child = spawn("bash", [script], {
      cwd: spec.diskFolder,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        PATH: `${stubs}:${process.env.PATH}`,
        LANG: "C.UTF-8",
        ML_TRAINING_ROOT: root,
        GCE_METADATA_HOST: `127.0.0.1:${(metadata.address() as AddressInfo).port}`,
        CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${this.#storage()}/storage/v1/`,
        ML_TRAINING_LOG_SECONDS: "0.3",
        ML_TRAINING_RETRY_SECONDS: "5",
        ML_TRAINING_APT_LOCK_SECONDS: "5",
        PIP_DISABLE_PIP_VERSION_CHECK: "1",
        ...plan.env,
      },
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        lines.push(...text.trimEnd().split("\n"));
        for (const line of text.trimEnd().split("\n")) spec.serial(line);
      });
    }
    return new StubbedMachine(child, metadata, plan.slowButtonMs ?? 0);
  }
}

/** No test may change the computer that it runs on. */
const USUAL_STUBS = { "apt-get": "exit 0", "cloud-init": "exit 0", systemctl: "exit 0", sync: "exit 0" };

class StubbedMachine implements Guest {
  readonly off: Guest["off"];
  readonly #child: ChildProcess;
  readonly #slowMs: number;
  #end: (how: { reason: "poweroff" | "cut"; message: string }) => void = () => undefined;

  constructor(child: ChildProcess, metadata: Server, slowMs: number) {
    this.#child = child;
    this.#slowMs = slowMs;
    // As on a real machine, the end of the startup script is not the end of the machine.
    this.off = new Promise((resolve) => {
      this.#end = (how) => {
        this.#kill("SIGKILL");
        metadata.close();
        metadata.closeAllConnections();
        resolve(how);
      };
    });
  }

  #kill(signal: NodeJS.Signals): void {
    try {
      process.kill(-(this.#child.pid ?? 0), signal);
    } catch {
      // It has ended by itself.
    }
  }

  async powerButton(): Promise<void> {
    this.#kill("SIGTERM");
    if (this.#slowMs) await new Promise((resolve) => setTimeout(resolve, this.#slowMs));
    if (this.#child.exitCode === null) {
      await Promise.race([
        new Promise((resolve) => this.#child.once("exit", resolve)),
        new Promise((resolve) => setTimeout(resolve, 3000)),
      ]);
    }
    this.#end({ reason: "poweroff", message: "" });
  }

  async cut(): Promise<void> {
    this.#end({ reason: "cut", message: "" });
  }

  async attach(): Promise<void> {}
  async detach(): Promise<void> {}
  async connect(): Promise<never> {
    throw new Error("a stubbed machine has no network");
  }
}
