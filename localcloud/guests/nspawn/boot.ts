import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { bootConfig } from "../bootConfig.ts";
import { lineSplitter } from "../command.ts";
import { createEndpoints } from "../endpoints.ts";
import type { Guest, GuestSpec } from "../guest.ts";
import { createGroups, removeGroups } from "./cgroups.ts";
import { connectOut, NAME_SERVER, serveInside } from "./network.ts";
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
  const cleanUp: (() => void | Promise<void>)[] = [];
  const tidy = async () => {
    for (const action of cleanUp.reverse()) await action();
  };
  try {
    const archive = join(spec.diskFolder, "boot-config.tar");
    const resolver = { "run/systemd/resolve/stub-resolv.conf": `nameserver ${NAME_SERVER}\n` };
    prepareDisk(spec.diskFolder);
    writeFileSync(archive, await bootConfig(spec, resolver), { mode: 0o644 });
    const groups = createGroups(spec.id, spec);
    cleanUp.push(() => removeGroups(groups));
    const machine = new Machine(spec, start(spec, root, archive, groups), tidy);
    cleanUp.push(() => machine.kill());
    await machine.reached("network");
    const namespace = `/proc/${machine.pid}/ns/net`;
    const endpoints = createEndpoints(spec);
    cleanUp.push(endpoints.close);
    const [stopServing, disconnect] = await Promise.all([
      serveInside(namespace, endpoints),
      connectOut(namespace),
      machine.reached("disk"),
    ]);
    cleanUp.push(stopServing, disconnect);
    machine.send("boot");
    return machine;
  } catch (error) {
    await tidy();
    throw error;
  }
}

function prepareDisk(folder: string): void {
  for (const name of ["upper", "work", "merged"]) mkdirSync(join(folder, name), { recursive: true });
  // The overlay's own folder is the guest's `/`.
  const upper = join(folder, "upper");
  chownSync(upper, FIRST_ID, FIRST_ID);
  chmodSync(upper, 0o755);
}

function start(spec: GuestSpec, root: string, archive: string, groups: readonly string[]): ChildProcess {
  const init = fileURLToPath(new URL("init.sh", import.meta.url));
  const image = spec.imageFolder === undefined ? undefined : join(spec.imageFolder, "upper");
  if (image !== undefined && !existsSync(image)) throw new Error(`The image's folder has no layer: ${image}`);
  const machine = [
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
  ];
  const namespaces = ["unshare", "--mount", "--net", "--pid", "--mount-proc", "--fork", "--kill-child=SIGKILL"];
  return spawn("setpriv", ["--pdeathsig", "KILL", ...namespaces, "bash", init, ...machine], {
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    env: {
      PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
      LANG: "C.UTF-8",
      // `/tmp` lies on the disk, as on Google's images; memory is for the training.
      SYSTEMD_NSPAWN_TMPFS_TMP: "0",
      GUEST_CGROUPS: groups.join(" "),
      GUEST_DISK: spec.diskFolder,
      GUEST_LOWER: [...(image ? [image] : []), root].map(escapeLayer).join(":"),
    },
  });
}

/** Colons part the layers of an overlay, commas the options of a mount. */
function escapeLayer(path: string): string {
  return path.replace(/[\\:,]/g, "\\$&");
}

/** One machine: the process whose namespaces it lives in. */
class Machine implements Guest {
  readonly off: Guest["off"];
  readonly #child: ChildProcess;
  readonly #reached = new Set<string>();
  #wake: () => void = () => {};
  #ended: string | undefined;
  #isCut = false;

  constructor(spec: GuestSpec, child: ChildProcess, tidy: () => Promise<void>) {
    this.#child = child;
    const [, stdout, stderr, status] = child.stdio as unknown as [Writable, Readable, Readable, Readable];
    const errors: string[] = [];
    for (const stream of [stdout, stderr]) {
      const lines = lineSplitter((line) => {
        if (stream === stderr) errors.push(line);
        spec.serial(line);
      });
      stream
        .setEncoding("utf8")
        .on("data", (chunk: string) => lines.push(chunk))
        .on("end", () => lines.end());
    }
    status.setEncoding("utf8").on("data", (chunk: string) => {
      for (const step of chunk.split("\n")) this.#reached.add(step);
      this.#wake();
    });
    // The machine may be gone when its button is pressed.
    child.stdin?.on("error", () => {});
    this.off = new Promise((resolve) => {
      child.on("error", (error) => this.#end(error.message));
      child.on("close", (code, signal) => this.#end(signal ?? String(code), errors));
      this.#resolve = resolve;
    });
    this.#tidy = tidy;
  }

  readonly #tidy: () => Promise<void>;
  #resolve: (value: Awaited<Guest["off"]>) => void = () => {};

  get pid(): number {
    return this.#child.pid as number;
  }

  async #end(status: string, errors: string[] = []): Promise<void> {
    if (this.#ended !== undefined) return;
    this.#ended = [`the machine ended with ${status}`, ...errors.slice(-5)].join(": ");
    this.#wake();
    await this.#tidy();
    if (this.#isCut) this.#resolve({ reason: "cut", message: "the power was cut" });
    else if (status === "0") this.#resolve({ reason: "poweroff", message: "the machine powered itself off" });
    else this.#resolve({ reason: "crash", message: this.#ended });
  }

  /** Resolves when `init.sh` has said so; rejects when it ends before. */
  async reached(step: string): Promise<void> {
    while (!this.#reached.has(step)) {
      if (this.#ended !== undefined) throw new Error(`The guest did not start: ${this.#ended}`);
      await new Promise<void>((resolve) => {
        const previous = this.#wake;
        this.#wake = () => {
          previous();
          resolve();
        };
      });
    }
  }

  send(command: string): void {
    this.#child.stdin?.write(`${command}\n`);
  }

  async powerButton(): Promise<void> {
    this.send("power");
  }

  async cut(): Promise<void> {
    if (this.#ended === undefined) this.#isCut = true;
    this.kill();
    await this.off;
  }

  kill(): void {
    // Its child is the first process of the namespace, which goes with it and takes the rest along.
    this.#child.kill("SIGKILL");
  }
}
