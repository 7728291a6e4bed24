import { createHash } from "node:crypto";
import { closeSync, createReadStream, ftruncateSync, openSync, writeSync } from "node:fs";
import { Crc32c } from "./crc32c.ts";
import { invalid } from "./errors.ts";

/** The checksums that Cloud Storage keeps, computed as the bytes pass. */
export class Digest {
  readonly #md5 = createHash("md5");
  readonly #crc32c = new Crc32c();
  size = 0;

  update(bytes: Uint8Array): void {
    this.#md5.update(bytes);
    this.#crc32c.update(bytes);
    this.size += bytes.length;
  }

  /** Once, at the end. */
  result(): Checksums {
    return { size: this.size, md5Hash: this.#md5.digest("base64"), crc32c: this.#crc32c.base64() };
  }
}

export interface Checksums {
  size: number;
  md5Hash: string;
  crc32c: string;
}

/** The checksums of what a file holds already. */
export async function digestOf(file: string): Promise<Digest> {
  const digest = new Digest();
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) digest.update(chunk as Buffer);
  return digest;
}

/** A file that is written from a position on, a chunk at a time. Writes are synchronous: the page cache takes them. */
export class PayloadWriter {
  readonly #descriptor: number;
  #position: number;
  readonly #digest: Digest;

  /** @param digest of what the file holds up to `position` */
  constructor(file: string, digest: Digest, position = 0) {
    this.#descriptor = openSync(file, position === 0 ? "w" : "r+");
    this.#position = position;
    this.#digest = digest;
  }

  get position(): number {
    return this.#position;
  }

  write(chunk: Buffer): void {
    for (let done = 0; done < chunk.length; ) {
      done += writeSync(this.#descriptor, chunk, done, chunk.length - done, this.#position + done);
    }
    this.#position += chunk.length;
    this.#digest.update(chunk);
  }

  truncate(size: number): void {
    ftruncateSync(this.#descriptor, size);
    this.#position = size;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** The checksums that a caller claims, from `x-goog-hash`, `content-md5` and the object's metadata. */
export interface Claims {
  md5Hash?: string;
  crc32c?: string;
}

export function claims(hashHeader: string | undefined, contentMd5: string | undefined, body: Claims): Claims[] {
  const found: Claims = {};
  for (const part of (hashHeader ?? "").split(",")) {
    const [, kind, value] = /^\s*(crc32c|md5)=(\S+)\s*$/.exec(part) ?? [];
    if (kind === "md5") found.md5Hash = value;
    if (kind === "crc32c") found.crc32c = value;
  }
  return [found, { md5Hash: contentMd5 }, { md5Hash: body.md5Hash, crc32c: body.crc32c }];
}

/** Refuses an upload whose bytes are not those that the caller meant. */
export function verify(checksums: Checksums, claimed: Claims[]): void {
  for (const { md5Hash, crc32c } of claimed) {
    if (md5Hash !== undefined && md5Hash !== checksums.md5Hash) {
      throw invalid(`Provided MD5 hash "${md5Hash}" doesn't match calculated MD5 hash "${checksums.md5Hash}".`);
    }
    if (crc32c !== undefined && crc32c !== checksums.crc32c) {
      throw invalid(`Provided CRC32C "${crc32c}" doesn't match calculated CRC32C "${checksums.crc32c}".`);
    }
  }
}
