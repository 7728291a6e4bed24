/** The Castagnoli polynomial, bits reversed. */
const POLYNOMIAL = 0x82f63b78;

/** Eight tables: the checksum takes eight bytes at a time ("slicing by eight"). */
const TABLES: Uint32Array[] = Array.from({ length: 8 }, () => new Uint32Array(256));
for (let byte = 0; byte < 256; byte++) {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
  (TABLES[0] as Uint32Array)[byte] = value >>> 0;
}
for (let slice = 1; slice < 8; slice++) {
  const before = TABLES[slice - 1] as Uint32Array;
  const first = TABLES[0] as Uint32Array;
  for (let byte = 0; byte < 256; byte++) {
    const value = before[byte] as number;
    (TABLES[slice] as Uint32Array)[byte] = ((value >>> 8) ^ (first[value & 0xff] as number)) >>> 0;
  }
}
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES as [
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
];

function at(table: Uint32Array, index: number): number {
  return table[index & 0xff] as number;
}

/** CRC-32C, which Cloud Storage keeps for every object (`zlib.crc32` has another polynomial). */
export class Crc32c {
  #value = 0xffffffff;

  update(bytes: Uint8Array): void {
    let value = this.#value;
    const whole = bytes.length - (bytes.length % 8);
    let index = 0;
    for (; index < whole; index += 8) {
      value ^=
        (bytes[index] as number) |
        ((bytes[index + 1] as number) << 8) |
        ((bytes[index + 2] as number) << 16) |
        ((bytes[index + 3] as number) << 24);
      value =
        at(T7, value) ^
        at(T6, value >>> 8) ^
        at(T5, value >>> 16) ^
        at(T4, value >>> 24) ^
        at(T3, bytes[index + 4] as number) ^
        at(T2, bytes[index + 5] as number) ^
        at(T1, bytes[index + 6] as number) ^
        at(T0, bytes[index + 7] as number);
    }
    for (; index < bytes.length; index++) value = (value >>> 8) ^ at(T0, value ^ (bytes[index] as number));
    this.#value = value;
  }

  /** Base64 of the four bytes, most significant first, as Cloud Storage writes it. */
  base64(): string {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE((this.#value ^ 0xffffffff) >>> 0);
    return bytes.toString("base64");
  }
}
