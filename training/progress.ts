import { Transform } from "node:stream";

/** Where bytes are counted as they pass. */
export interface Meter {
  /** Fewer than none when bytes have to be sent once more. */
  add(bytes: number, file: string): void;
}

export class Progress implements Meter {
  readonly #total: number;
  readonly #tell: ((done: number, total: number, file: string) => void) | undefined;
  #done = 0;

  constructor(total: number, tell: ((done: number, total: number, file: string) => void) | undefined) {
    this.#total = total;
    this.#tell = tell;
  }

  add(bytes: number, file: string): void {
    this.#done += bytes;
    this.#tell?.(Math.min(this.#done, this.#total), this.#total, file);
  }
}

/** Counts the bytes of a file that pass through. */
export function through(meter: Meter, file: string): Transform {
  return new Transform({
    transform: (chunk: Buffer, _encoding, next) => {
      meter.add(chunk.length, file);
      next(null, chunk);
    },
  });
}
