// A package's archive: the same bytes for the same files on every system. So it is written here and not by a tar
// program: entries sorted by their bytes, one mode and one time for all, and gzip without compression, because what
// deflate makes differs between zlib's versions and processors.
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

export interface Entry {
  /** With `/`, relative to the package. */
  path: string;
  data: Buffer;
}

export interface Archive {
  bytes: Buffer;
  /** Hexadecimal. */
  sha256: string;
}

const BLOCK = 512;
/** 2000-01-01T00:00:00Z: a time that every file system can hold. */
const MTIME = 946_684_800;
/** The longest block that gzip holds uncompressed. */
const STORED = 0xffff;

export function archive(entries: readonly Entry[]): Archive {
  const sorted = entries
    .map((entry) => ({ name: Buffer.from(entry.path.normalize("NFC")), data: entry.data }))
    .sort((a, b) => Buffer.compare(a.name, b.name));
  const parts: Buffer[] = [];
  for (const { name, data } of sorted) {
    if (name.length > 100) parts.push(...extendedHeader(name));
    parts.push(header(name.subarray(0, 100), data.length, isScript(data) ? 0o755 : 0o644, "0"), ...padded(data));
  }
  parts.push(Buffer.alloc(BLOCK * 2));
  const bytes = stored(Buffer.concat(parts));
  return { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
}

/** Windows keeps no executable bit, so it follows from the content everywhere. */
function isScript(data: Buffer): boolean {
  return data.subarray(0, 2).toString("latin1") === "#!";
}

function header(name: Buffer, size: number, mode: number, type: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, offset: number, length: number) =>
    block.write(`${value.toString(8).padStart(length - 1, "0")}\0`, offset, "latin1");
  name.copy(block, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(MTIME, 136, 12);
  block.write("        ", 148, "latin1");
  block.write(type, 156, "latin1");
  block.write("ustar\0" + "00", 257, "latin1");
  octal(0, 329, 8);
  octal(0, 337, 8);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** A name over 100 bytes goes into a record of its own before the entry (POSIX pax). */
function extendedHeader(name: Buffer): Buffer[] {
  const body = Buffer.concat([Buffer.from(" path="), name, Buffer.from("\n")]);
  let length = body.length;
  // The record begins with its own length, whose digits count too.
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  const record = Buffer.concat([Buffer.from(String(length)), body]);
  return [header(Buffer.from("././@PaxHeader"), record.length, 0o644, "x"), ...padded(record)];
}

function padded(data: Buffer): Buffer[] {
  const rest = data.length % BLOCK;
  return rest === 0 ? [data] : [data, Buffer.alloc(BLOCK - rest)];
}

/** gzip (RFC 1952) of stored blocks (RFC 1951, 3.2.4), without a time and with "unknown" as operating system. */
function stored(data: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])];
  for (let offset = 0; offset < data.length; offset += STORED) {
    const chunk = data.subarray(offset, offset + STORED);
    const head = Buffer.alloc(5);
    head.writeUInt8(offset + STORED >= data.length ? 1 : 0, 0);
    head.writeUInt16LE(chunk.length, 1);
    head.writeUInt16LE(~chunk.length & 0xffff, 3);
    parts.push(head, chunk);
  }
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(crc32(data), 0);
  tail.writeUInt32LE(data.length % 2 ** 32, 4);
  parts.push(tail);
  return Buffer.concat(parts);
}
