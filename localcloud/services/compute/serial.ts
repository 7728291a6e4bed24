import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import type { State } from "../../core/state.ts";

/** Compute Engine keeps the last mebibyte of each serial port. */
const KEPT_BYTES = 1024 * 1024;

/** One machine's serial console: a file that holds its end, and how much was dropped before it. */
export class SerialLog {
  readonly #file: string;
  readonly #offsetFile: string;
  /** Bytes that were written before the first byte of the file. */
  #dropped: number;
  #size: number;

  constructor(file: string) {
    this.#file = file;
    this.#offsetFile = `${file}.dropped`;
    this.#dropped = existsSync(this.#offsetFile) ? Number(readFileSync(this.#offsetFile, "utf8")) : 0;
    this.#size = existsSync(file) ? statSync(file).size : 0;
  }

  append(line: string): void {
    const bytes = Buffer.from(`${line}\r\n`);
    appendFileSync(this.#file, bytes, { mode: 0o600 });
    this.#size += bytes.length;
    // Cut at twice the size, so that a talkative machine does not rewrite its file at every line.
    if (this.#size > 2 * KEPT_BYTES) this.#cut();
  }

  #cut(): void {
    const all = readFileSync(this.#file);
    const kept = all.subarray(all.length - KEPT_BYTES);
    writeFileSync(this.#file, kept);
    this.#dropped += all.length - kept.length;
    writeFileSync(this.#offsetFile, String(this.#dropped));
    this.#size = kept.length;
  }

  /** What was written from byte `start` on, as far as it is kept: at most the last mebibyte. */
  read(start = 0): { contents: string; start: number; next: number } {
    const all = existsSync(this.#file) ? readFileSync(this.#file) : Buffer.alloc(0);
    const next = this.#dropped + all.length;
    const wanted = start < 0 ? next + start : start;
    const from = Math.min(Math.max(wanted, next - KEPT_BYTES, this.#dropped), next);
    return { contents: all.subarray(from - this.#dropped).toString("utf8"), start: from, next };
  }
}

/** The serial consoles of all machines. */
export class SerialLogs {
  readonly #state: State;
  readonly #logs = new Map<string, SerialLog>();

  constructor(state: State) {
    this.#state = state;
  }

  of(name: string, id: string): SerialLog {
    const log = this.#logs.get(id) ?? new SerialLog(`${this.#state.directory("serial")}/${name}-${id}.log`);
    this.#logs.set(id, log);
    return log;
  }

  /** The file stays: it may say why a machine is gone. */
  forget(id: string): void {
    this.#logs.delete(id);
  }
}
