import { randomBytes } from "node:crypto";
import { type IncomingMessage, request } from "node:http";
import type { Duplex } from "node:stream";
import { type Frame, OPCODE, readFrame, writeFrame } from "../services/iap/frames.ts";
import { GcloudError } from "./arguments.ts";
import type { LocalCloud, Place } from "./cloud.ts";

const PROTOCOL = "relay.tunnel.cloudproxy.app";
const [CONNECT_SUCCESS_SID, DATA, ACK] = [1, 4, 7] as const;
const LARGEST_DATA = 16_384;

/** What comes out of a tunnel and how it ends. */
export interface TunnelEvents {
  data: (data: Buffer) => void;
  ended: () => void;
}

/** One connection to a port of a machine, through a WebSocket to Identity-Aware Proxy, in its relay's protocol. */
export class Tunnel {
  readonly #stream: Duplex;
  #rest: Buffer = Buffer.alloc(0);
  #received = 0;
  #acknowledged = 0;
  #opened: (error?: Error) => void = () => {};
  #events: TunnelEvents | undefined;
  #early: Buffer[] = [];
  #isOver = false;

  private constructor(stream: Duplex, head: Buffer) {
    this.#stream = stream;
    stream.on("data", (chunk: Buffer) => this.#take(chunk));
    stream.on("error", () => stream.destroy());
    stream.on("close", () => this.#end("the connection was lost"));
    if (head.length > 0) this.#take(head);
  }

  /** @throws GcloudError in gcloud's words: not authorized, nothing listens, no such instance */
  static async open(cloud: LocalCloud, { project, zone, instance }: Place, port: number): Promise<Tunnel> {
    const query = new URLSearchParams({
      project,
      port: String(port),
      newWebsocket: "True",
      zone,
      instance,
      interface: "nic0",
    });
    const url = `${cloud.url}/tunnel/v4/connect?${query}`;
    const { stream, head } = await upgrade(url, cloud.token, cloud.url);
    const tunnel = await new Promise<Tunnel>((resolve, reject) => {
      const made = new Tunnel(stream, head);
      made.#opened = (error) => {
        if (!error) resolve(made);
        else reject(new GcloudError(`Error while connecting [${error.message}].${hint(error.message, port)}`));
      };
      made.#drain();
    });
    return tunnel;
  }

  start(events: TunnelEvents): void {
    this.#events = events;
    for (const data of this.#early.splice(0)) events.data(data);
    if (this.#isOver) events.ended();
  }

  /** False: wait for `drained` before the next. */
  write(data: Buffer): boolean {
    let free = true;
    for (let at = 0; at < data.length; at += LARGEST_DATA) {
      const part = data.subarray(at, at + LARGEST_DATA);
      const header = Buffer.alloc(6);
      header.writeUInt16BE(DATA, 0);
      header.writeUInt32BE(part.length, 2);
      free = this.#frame(OPCODE.binary, Buffer.concat([header, part]));
    }
    return free;
  }

  drained(then: () => void): void {
    this.#stream.once("drain", then);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  close(): void {
    if (!this.#isOver) this.#frame(OPCODE.close, Buffer.from([0x03, 0xe8]));
    this.#stream.end();
  }

  #frame(opcode: number, data: Buffer): boolean {
    return this.#stream.write(writeFrame(opcode, data, true));
  }

  #queue: Frame[] = [];
  #isReady = false;

  #take(chunk: Buffer): void {
    this.#rest = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    for (let frame = readFrame(this.#rest); frame; frame = readFrame(this.#rest)) {
      if (frame === "tooLarge") {
        this.#stream.destroy();
        return;
      }
      this.#rest = this.#rest.subarray(frame.size);
      this.#queue.push(frame);
    }
    if (this.#isReady) this.#drain();
  }

  #drain(): void {
    this.#isReady = true;
    for (const { opcode, data } of this.#queue.splice(0)) {
      if (opcode === OPCODE.close) this.#end(closing(data));
      else if (opcode === OPCODE.ping) this.#frame(OPCODE.pong, data);
      else if (opcode === OPCODE.binary) this.#message(data);
    }
  }

  #message(message: Buffer): void {
    const tag = message.readUInt16BE(0);
    if (tag === CONNECT_SUCCESS_SID) this.#opened();
    if (tag !== DATA) return;
    const data = message.subarray(6, 6 + message.readUInt32BE(2));
    if (this.#events) this.#events.data(data);
    else this.#early.push(data);
    this.#received += data.length;
    if (this.#received - this.#acknowledged < 2 * LARGEST_DATA) return;
    this.#acknowledged = this.#received;
    const ack = Buffer.alloc(10);
    ack.writeUInt16BE(ACK, 0);
    ack.writeBigUInt64BE(BigInt(this.#received), 2);
    this.#frame(OPCODE.binary, ack);
  }

  #end(why: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#opened(new Error(why));
    this.#events?.ended();
    this.#stream.end();
  }
}

/** As gcloud writes a close frame: code, then the reason in quotes. */
function closing(data: Buffer): string {
  return data.length < 2 ? "1000: ''" : `${data.readUInt16BE(0)}: '${data.subarray(2).toString("utf8")}'`;
}

function hint(message: string, port: number): string {
  return message.startsWith("4003") ? ` (Failed to connect to port ${port})` : "";
}

function upgrade(url: string, token: string, origin: string): Promise<{ stream: Duplex; head: Buffer }> {
  return new Promise((resolve, reject) => {
    const headers = {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": randomBytes(16).toString("base64"),
      "sec-websocket-protocol": PROTOCOL,
      authorization: `Bearer ${token}`,
    };
    const call = request(url, { headers });
    call.on("upgrade", (_: IncomingMessage, stream: Duplex, head: Buffer) => resolve({ stream, head }));
    call.on("response", (response: IncomingMessage) => {
      response.resume();
      const { statusCode, statusMessage } = response;
      reject(
        new GcloudError(
          `Error while connecting [Handshake status ${statusCode} ${statusMessage}]. (May be due to missing permissions)`,
        ),
      );
    });
    call.on("error", () =>
      reject(new GcloudError(`The local cloud does not answer at ${origin}. Start it: eval "$(npx mlt local start)"`)),
    );
    call.end();
  });
}
