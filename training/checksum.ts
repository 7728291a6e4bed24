import { createReadStream } from "node:fs";

// CRC32C (Castagnoli), the checksum that Cloud Storage keeps of every object. Eight bytes a step: the official client's
// own is a byte a step, and data sets are checked on every `put` and `fetch`.
const TABLES = makeTables();

function makeTables(): Uint32Array[] {
  const tables = Array.from({ length: 8 }, () => new Uint32Array(256));
  for (let byte = 0; byte < 256; byte += 1) {
    let value = byte;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
    tables[0]![byte] = value >>> 0;
  }
  for (let table = 1; table < 8; table += 1) {
    for (let byte = 0; byte < 256; byte += 1) {
      const before = tables[table - 1]![byte]!;
      tables[table]![byte] = ((before >>> 8) ^ tables[0]![before & 0xff]!) >>> 0;
    }
  }
  return tables;
}

/** Goes on from `crc` (0 at the start). */
export function crc32c(data: Uint8Array, crc = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  let value = ~crc;
  let index = 0;
  for (const last = data.length - 8; index <= last; index += 8) {
    const low = value ^ (data[index]! | (data[index + 1]! << 8) | (data[index + 2]! << 16) | (data[index + 3]! << 24));
    value =
      t7[low & 0xff]! ^
      t6[(low >>> 8) & 0xff]! ^
      t5[(low >>> 16) & 0xff]! ^
      t4[low >>> 24]! ^
      t3[data[index + 4]!]! ^
      t2[data[index + 5]!]! ^
      t1[data[index + 6]!]! ^
      t0[data[index + 7]!]!;
  }
  for (; index < data.length; index += 1) value = (value >>> 8) ^ t0[(value ^ data[index]!) & 0xff]!;
  return ~value >>> 0;
}

/** As Google writes it: base64 of the four bytes, highest first. */
export function crcText(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString("base64");
}

/** A file's checksum as Google writes it; of its first `length` bytes, if given. */
export async function fileCrc(path: string, length?: number): Promise<string> {
  if (length === 0) return crcText(0);
  let crc = 0;
  for await (const chunk of createReadStream(path, length === undefined ? {} : { end: length - 1 })) {
    crc = crc32c(chunk as Buffer, crc);
  }
  return crcText(crc);
}
