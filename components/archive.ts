import { crc32 } from "node:zlib";
import { deflate } from "./deflate.ts";

/** A file to pack: its path in the archive and its bytes. */
export interface PackedFile {
  path: string;
  content: Buffer;
}

const BLOCK = 512;

/**
 * Packs files into a tar.gz whose bytes depend on their paths and contents alone: sorted, owner root, mode 0644, time 0.
 * It is compressed here and not by zlib, whose output differs between its versions and processors: a startup script
 * that differs between two people's computers would replace the instance template with every `pulumi up`.
 */
export function packFiles(files: readonly PackedFile[]): Buffer {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const parts = sorted.flatMap(({ path, content }) => [header(path, content.length), content, padding(content.length)]);
  return gzip(Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]));
}

/** A ustar header (POSIX.1-1988). */
function header(path: string, size: number): Buffer {
  const name = Buffer.from(path);
  if (name.length > 100) throw new Error(`${path}: a packed file's path holds at most 100 bytes; got ${name.length}`);
  const block = Buffer.alloc(BLOCK);
  name.copy(block, 0);
  const octal = (value: number, at: number, length: number): void => {
    block.write(`${value.toString(8).padStart(length - 1, "0")}\0`, at, "ascii");
  };
  octal(0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write("        0", 148, "ascii"); // checksum as spaces, then the type: a plain file
  block.write("ustar\0" + "00", 257, "ascii");
  block.write("root", 265, "ascii");
  block.write("root", 297, "ascii");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "ascii");
  return block;
}

function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** gzip (RFC 1952), without a name or a time. */
function gzip(content: Buffer): Buffer {
  const head = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(crc32(content), 0);
  tail.writeUInt32LE(content.length % 2 ** 32, 4);
  return Buffer.concat([head, deflate(content), tail]);
}
