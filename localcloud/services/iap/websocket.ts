import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type Frame, OPCODE, readFrame, writeFrame } from "./frames.ts";

/** RFC 6455's own constant. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

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
    return this.#isClosing || this.#frame(OPCODE.binary, data);
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
    this.#frame(OPCODE.close, body);
    this.#isClosing = true;
    this.#stream.end();
  }

  #frame(opcode: number, data: Buffer): boolean {
    return this.#stream.write(writeFrame(opcode, data, false));
  }

  #take(chunk: Buffer): void {
    this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    for (;;) {
      const frame = readFrame(this.#rest);
      if (frame === undefined) return;
      // A client has to mask what it sends.
      if (frame === "tooLarge" || !frame.isMasked) {
        this.close(1002, "protocol error");
        return;
      }
      this.#rest = this.#rest.subarray(frame.size);
      this.#receive(frame);
    }
  }

  #receive({ opcode, isLast, data }: Frame): void {
    if (opcode === OPCODE.ping) this.#frame(OPCODE.pong, data);
    else if (opcode === OPCODE.close) this.close(1000, "");
    else if (opcode === OPCODE.text) this.close(1003, "binary messages only");
    else if (opcode === OPCODE.binary || opcode === OPCODE.continuation) {
      this.#parts.push(data);
      if (!isLast) return;
      const whole = this.#parts.length === 1 ? data : Buffer.concat(this.#parts);
      this.#parts = [];
      if (!this.#isClosing) this.#events.message(whole);
    }
  }
}
