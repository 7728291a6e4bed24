import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

/** RFC 6455's own constant. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const LARGEST_MESSAGE = 1024 * 1024;
const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10] as const;

export interface WebSocketEvents {
  message: (data: Buffer) => void;
  /** Once, however the connection ends. */
  closed: () => void;
}

/** The server's end of one WebSocket connection (RFC 6455), for binary messages. */
export class ServerWebSocket {
  readonly #stream: Duplex;
  readonly #events: WebSocketEvents;
  #rest: Buffer = Buffer.alloc(0);
  #parts: Buffer[] = [];
  #isClosing = false;

  /** Answers the handshake; `protocol` is the one that both speak. */
  constructor(request: IncomingMessage, stream: Duplex, head: Buffer, protocol: string, events: WebSocketEvents) {
    this.#stream = stream;
    this.#events = events;
    const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}${GUID}`).digest("base64");
    stream.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`,
    );
    stream.on("data", (chunk: Buffer) => this.#take(chunk));
    stream.on("error", () => stream.destroy());
    stream.once("close", () => events.closed());
    stream.once("end", () => stream.end());
    if (head.length > 0) this.#take(head);
  }

  /** Sends one message; false: wait for `drained` before the next. */
  send(data: Buffer): boolean {
    return this.#isClosing || this.#frame(BINARY, data);
  }

  drained(then: () => void): void {
    this.#stream.once("drain", then);
  }

  /** Stops and goes on reading, for whom what comes is too fast. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** @param code 1000, or one of the service's own from 4000 on */
  close(code: number, reason: string): void {
    if (this.#isClosing) return;
    const body = Buffer.alloc(2 + Buffer.byteLength(reason));
    body.writeUInt16BE(code, 0);
    body.write(reason, 2);
    this.#frame(CLOSE, body);
    this.#isClosing = true;
    this.#stream.end();
  }

  #frame(opcode: number, data: Buffer): boolean {
    const { length } = data;
    const header = Buffer.alloc(length < 126 ? 2 : length < 65536 ? 4 : 10);
    header[0] = 0x80 | opcode;
    if (length < 126) header[1] = length;
    else if (length < 65536) {
      header[1] = 126;
      header.writeUInt16BE(length, 2);
    } else {
      header[1] = 127;
      header.writeBigUInt64BE(BigInt(length), 2);
    }
    return this.#stream.write(Buffer.concat([header, data]));
  }

  #take(chunk: Buffer): void {
    this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    for (;;) {
      const frame = readFrame(this.#rest);
      if (frame === undefined) return;
      if (frame === "wrong") {
        this.close(1002, "protocol error");
        return;
      }
      this.#rest = this.#rest.subarray(frame.size);
      this.#receive(frame);
    }
  }

  #receive({ opcode, isLast, data }: Frame): void {
    if (opcode === PING) this.#frame(PONG, data);
    else if (opcode === CLOSE) this.close(1000, "");
    else if (opcode === TEXT) this.close(1003, "binary messages only");
    else if (opcode === BINARY || opcode === CONTINUATION) {
      this.#parts.push(data);
      if (!isLast) return;
      const whole = this.#parts.length === 1 ? data : Buffer.concat(this.#parts);
      this.#parts = [];
      if (!this.#isClosing) this.#events.message(whole);
    }
  }
}

interface Frame {
  opcode: number;
  isLast: boolean;
  data: Buffer;
  size: number;
}

/** The first frame of what has come, if all of it is there. A client's frames are masked. */
function readFrame(bytes: Buffer): Frame | "wrong" | undefined {
  if (bytes.length < 2) return undefined;
  const [first = 0, second = 0] = bytes;
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
  if ((second & 0x80) === 0 || length > LARGEST_MESSAGE) return "wrong";
  if (bytes.length < at + 4 + length) return undefined;
  const mask = bytes.subarray(at, at + 4);
  const data = Buffer.from(bytes.subarray(at + 4, at + 4 + length));
  for (let index = 0; index < length; index += 1) data[index] = (data[index] ?? 0) ^ (mask[index & 3] ?? 0);
  return { opcode: first & 0x0f, isLast: (first & 0x80) !== 0, data, size: at + 4 + length };
}
