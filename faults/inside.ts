import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { resolve } from "node:path";
import { runOrThrow } from "../localcloud/guests/command.ts";
import type { Guest } from "../localcloud/guests/guest.ts";

interface Process {
  pid: number;
  line: string;
}

/** Who is ended or stopped in a machine. */
export const PROGRAMS = {
  supervisor: / -m supervisor run /,
  trainer: /train\.py /,
  pip: / -m pip install /,
  venv: / -m venv /,
} as const;
export type Program = keyof typeof PROGRAMS;

/** A machine seen from the host that runs it: its processes, its disk, and a way in. */
export class Inside {
  readonly #guest: Guest;
  readonly #level: "nspawn" | "process";
  readonly #disk: string;

  constructor(guest: Guest, level: "nspawn" | "process", disk: string) {
    this.#guest = guest;
    this.#level = level;
    this.#disk = disk;
  }

  #processes(): Process[] {
    const belongs = this.#level === "nspawn" ? this.#inNamespace() : this.#inFolder();
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && belongs(name))
      .map((pid) => ({ pid: Number(pid), line: read(`/proc/${pid}/cmdline`).replaceAll("\0", " ") }))
      .filter(({ line }) => line !== "");
  }

  #inNamespace(): (pid: string) => boolean {
    const network = link(`/proc/${(this.#guest as { pid?: number }).pid}/ns/net`);
    return (pid) => network !== "" && link(`/proc/${pid}/ns/net`) === network;
  }

  #inFolder(): (pid: string) => boolean {
    // Every program of such a machine inherits its own folder for temporary files.
    const mark = `TMPDIR=${resolve(this.#disk)}/tmp\0`;
    return (pid) => read(`/proc/${pid}/environ`).includes(mark);
  }

  find(program: Program): number[] {
    return this.#processes()
      .filter(({ line }) => PROGRAMS[program].test(line))
      .map(({ pid }) => pid);
  }

  /** Sends a signal to the program as soon as it runs; throws if it does not within ten seconds. */
  async signal(program: Program, name: NodeJS.Signals): Promise<void> {
    // pip has nothing to install in these runs, and is there for half a second only.
    for (const end = Date.now() + 10_000; Date.now() < end; ) {
      const pids = this.find(program);
      for (const pid of pids) process.kill(pid, name);
      if (pids.length > 0) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`The machine's ${program} does not run, so it cannot get ${name}.`);
  }

  /** Runs a script as the machine's root (nspawn level). */
  async execute(script: string): Promise<string> {
    const first = this.#processes().find(({ pid }) => {
      const numbers = /^NSpid:\s+(.*)$/m.exec(read(`/proc/${pid}/status`))?.[1]?.split(/\s+/) ?? [];
      return numbers.length === 3 && numbers[2] === "1";
    });
    if (!first) throw new Error("The machine has no init process to enter.");
    const namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--user"];
    const target = ["--target", String(first.pid), ...namespaces, "--setuid", "0", "--setgid", "0"];
    return runOrThrow("nsenter", [...target, "sh", "-euc", script], {
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      timeoutMs: 30_000,
    });
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return ""; // it ended while it was looked at
  }
}

function link(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return "";
  }
}
