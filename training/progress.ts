import { Transform } from "node:stream";

/** Where bytes are counted as they pass. */
export interface Meter {
  add(bytes: number, file: string): void;
  through(file: string): Transform;
}

export class Progress implements Meter {
  readonly #total: number;
  readonly #tell: ((done: number, total: number, file: string) => void) | undefined;
  #done = 0;

  constructor(total: number, tell: ((done: number, total: number, file: string) => void) | undefined) {
    this.#total = total;
    this.#tell = tell;
  }

  /** Fewer than none when bytes have to be sent once more. */
  add(bytes: number, file: string): void {
    this.#done += bytes;
    this.#tell?.(Math.min(this.#done, this.#total), this.#total, file);
  }

  through(file: string): Transform {
    return new Transform({
      transform: (chunk: Buffer, _encoding, next) => {
        this.add(chunk.length, file);
        next(null, chunk);
      },
    });
  }
}
