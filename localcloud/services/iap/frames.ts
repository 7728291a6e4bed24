import { randomBytes } from "node:crypto";

/** WebSocket's kinds of frames (RFC 6455). */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface Frame {
  opcode: number;
  isLast: boolean;
  isMasked: boolean;
  data: Buffer;
  /** What it took of the bytes. */
  size: number;
}

/** One whole frame. A client's are masked, a server's are not. */
export function writeFrame(opcode: number, data: Buffer, masked: boolean): Buffer {
  const { length } = data;
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  header[0] = 0x80 | opcode;
  const bit = masked ? 0x80 : 0;
  if (length < 126) header[1] = bit | length;
  else if (length < 65_536) {
    header[1] = bit | 126;
    header.writeUInt16BE(length, 2);
  } else {
    header[1] = bit | 127;
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  if (!masked) return Buffer.concat([header, data]);
  const mask = randomBytes(4);
  return Buffer.concat([header, mask, unmasked(data, mask)]);
}

/** The first frame of what has come, if all of it is there; `tooLarge` for one that nobody sends here. */
export function readFrame(bytes: Buffer): Frame | "tooLarge" | undefined {
  if (bytes.length < 2) return undefined;
  const [first = 0, second = 0] = bytes;
  const isMasked = (second & 0x80) !== 0;
  let length = second & 0x7f;
  let at = 2;
  if (length === 126) {
    if (bytes.length < 4) return undefined;
    length = bytes.readUInt16BE(2);
    at = 4;
  } else if (length === 127) {
    if (bytes.length < 10) return undefined;
    length = Number(bytes.readBigUInt64BE(2));
    at = 10;
  }
  if (length > LARGEST_FRAME) return "tooLarge";
  const start = at + (isMasked ? 4 : 0);
  if (bytes.length < start + length) return undefined;
  const content = bytes.subarray(start, start + length);
  return {
    opcode: first & 0x0f,
    isLast: (first & 0x80) !== 0,
    isMasked,
    data: isMasked ? unmasked(content, bytes.subarray(at, at + 4)) : content,
    size: start + length,
  };
}

const LARGEST_FRAME = 1024 * 1024;

function unmasked(data: Buffer, mask: Buffer): Buffer {
  const result = Buffer.from(data);
  for (let index = 0; index < result.length; index += 1) result[index] = (result[index] ?? 0) ^ (mask[index & 3] ?? 0);
  return result;
}
