import type { ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { enter, type Namespace } from "./network.ts";

interface Answer {
  id: number;
  error?: string;
}

/** Connects from inside a guest's network namespace; the process that does so is started when it is first needed. */
export class Dialler {
  readonly #namespace: Namespace;
  readonly #waiting = new Map<number, (socket: Socket | undefined, error?: string) => void>();
  #child: ChildProcess | undefined;
  #last = 0;

  constructor(namespace: Namespace) {
    this.#namespace = namespace;
  }

  connect(host: string, port: number): Promise<Socket> {
    const child = this.#start();
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (socket, error) => {
        if (socket) resolve(socket);
        else reject(new Error(error ?? "the connection was lost"));
      });
      child.send({ id, host, port });
    });
  }

  #start(): ChildProcess {
    if (this.#child) return this.#child;
    const child = enter(this.#namespace, fileURLToPath(new URL("dial.js", import.meta.url)));
    this.#child = child;
    child.stderr?.resume();
    child.on("message", ({ id, error }: Answer, socket) => {
      this.#waiting.get(id)?.(socket as Socket | undefined, error);
      this.#waiting.delete(id);
    });
    const ended = () => {
      if (this.#child === child) this.#child = undefined;
      for (const settle of this.#waiting.values()) settle(undefined, "the machine is off");
      this.#waiting.clear();
    };
    child.on("error", ended);
    child.on("exit", ended);
    // Neither keeps this process alive.
    child.unref();
    child.channel?.unref();
    return child;
  }

  close(): void {
    this.#child?.kill("SIGKILL");
  }
}
