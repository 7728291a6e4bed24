import type { ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { lineSplitter } from "../command.ts";
import type { DataDisk, Guest, GuestSpec } from "../guest.ts";

/** Where a machine's own address is reached inside its namespace. */
export type Dial = (port: number) => Promise<Socket>;

/** One machine: the process whose namespaces it lives in. */
export class Machine implements Guest {
  readonly off: Guest["off"];
  readonly #child: ChildProcess;
  readonly #reached = new Set<string>();
  readonly #refusals = new Map<string, string>();
  #wake: () => void = () => {};
  /** How to reach the machine's ports; set once its network is there. */
  dial: Dial = () => Promise.reject(new Error("the machine has no network yet"));
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
    const steps = lineSplitter((step) => {
      const [, what = step, why = ""] = /^refused (\S+) (.*)$/.exec(step) ?? [];
      if (why) this.#refusals.set(what, why);
      this.#reached.add(what);
      this.#wake();
    });
    status.setEncoding("utf8").on("data", (chunk: string) => steps.push(chunk));
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

  get hasEnded(): boolean {
    return this.#ended !== undefined;
  }

  async #end(status: string, errors: string[] = []): Promise<void> {
    if (this.#ended !== undefined) return;
    this.#ended = [`the machine ended with ${status}`, ...errors.slice(-5)].join(": ");
    this.#wake();
    await this.#tidy();
    if (this.#isCut) this.#resolve({ reason: "cut", message: "the power was cut" });
    else if (this.#reached.has("reset")) {
      this.#resolve({ reason: "crash", message: "the machine was reset or its kernel stopped" });
    } else if (status === "0") this.#resolve({ reason: "poweroff", message: "the machine powered itself off" });
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

  /** Asks `init.sh` for something that it reports under a number of its own; rejects with what it says instead. */
  async #ask(command: (number: string) => string): Promise<void> {
    this.#asked += 1;
    const number = `answer-${this.#asked}`;
    this.send(command(number));
    await this.reached(number).catch(() => {
      throw new Error("the machine is off");
    });
    const refusal = this.#refusals.get(number);
    if (refusal !== undefined) throw new Error(refusal);
  }

  #asked = 0;

  attach({ name, file, readOnly }: DataDisk): Promise<void> {
    return this.#ask((number) => `attach ${number} ${name} ${readOnly ? "ro" : "rw"} ${file}`);
  }

  detach(name: string): Promise<void> {
    return this.#ask((number) => `detach ${number} ${name}`);
  }

  /** Opens a port of the machine to its namespace, where that takes an emulator's help. */
  forward(port: number): Promise<void> {
    return this.#ask((number) => `forward ${number} ${port}`);
  }

  connect(port: number): Promise<Socket> {
    if (this.#ended !== undefined) return Promise.reject(new Error("the machine is off"));
    return this.dial(port);
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
